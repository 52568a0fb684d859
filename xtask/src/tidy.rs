//! What rustfmt does not look at: comments and lines of C within the width of rustfmt.toml. Texts of Rust programs are
//! as wide as what they print.
#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    /// The width of rustfmt.toml.
    fn width(root: &Path) -> usize {
        let table: toml::Table = fs::read_to_string(root.join("rustfmt.toml")).unwrap().parse().unwrap();
        table["max_width"].as_integer().unwrap() as usize
    }

    /// Sources below `folder`, without what is generated.
    fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "fixtures", "artifacts", "corpus"].contains(&name.as_str()) {
                    sources(&path, all);
                }
            } else if [".rs", ".c", ".h", ".cpp", ".hpp", ".cc", ".m"]
                .iter()
                .any(|end| name.ends_with(end))
            {
                all.push(path);
            }
        }
    }

    #[test]
    fn no_line_is_longer_than_the_width() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let width = width(root);
        let mut files = Vec::new();
        for folder in ["src", "lab", "xtask/src", "tests", "benches", "c-examples", "include"] {
            sources(&root.join(folder), &mut files);
        }
        assert!(files.len() > 100, "only {} sources", files.len());
        let generated = ["include/tomocut.h", "include/tomocut/functions.h"].map(|name| root.join(name));
        let mut long = Vec::new();
        for file in files.iter().filter(|file| !generated.contains(file)) {
            for (index, line) in fs::read_to_string(file).unwrap().lines().enumerate() {
                if line.chars().count() > width {
                    long.push(format!("{}:{}", file.display(), index + 1));
                }
            }
        }
        assert!(
            long.is_empty(),
            "{} lines are longer than {width}:\n{}",
            long.len(),
            long.join("\n")
        );
    }
}
