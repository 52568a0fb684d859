//! What the labels of a simulated set are.
use std::path::Path;

use crate::failure::{Failure, Result};

/// The class of each label from 1 on, in the engine's words, of a table `label,class,...`.
pub fn classes(table: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(table).map_err(|e| Failure::io("reading", table, &e))?;
    read(&text).ok_or_else(|| {
        Failure::new(format!(
            "{}: not a table label,class,... of 0, 1, 2, ...",
            table.display()
        ))
    })
}

fn read(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for (label, line) in text.lines().skip(1).enumerate() {
        let mut cells = line.split(',');
        if cells.next()?.trim().parse() != Ok(label) {
            return None;
        }
        let class = cells.next()?.trim();
        if label > 0 {
            // Proteins in a membrane are part of it.
            let name = match class {
                _ if class.starts_with("membrane") => "membrane",
                "particle" => "molecule",
                other => other,
            };
            names.push(name.to_owned());
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_the_engine_s_names() {
        let table =
            "label,class,model\n0,background,\n1,membrane,sphere\n2,particle,4v4r\n3,membrane_protein,x\n4,actin,\n";
        assert_eq!(read(table).unwrap(), ["membrane", "molecule", "membrane", "actin"]);
        assert_eq!(read("label,class\n1,membrane\n"), None);
    }
}
