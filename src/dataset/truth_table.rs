//! A table of truths: which tomogram's results are scored with which files.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::member::Member;
use crate::runtime::{Error, Result};

/// Its columns; of the last two one may be missing.
const COLUMNS: [&str; 3] = ["tomogram", "labels", "points"];

/// Truths of a tomogram.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    labels: Option<PathBuf>,
    points: Option<PathBuf>,
}

/// Gives `members` the truths that the table in `path` names, where they have none of their own.
///
/// Errors: a table that cannot be read or lacks the column "tomogram"; a column, a tomogram or a file that there is
/// not; a tomogram that is named twice.
pub(super) fn add_truths(path: &Path, members: &mut [Member]) -> Result<()> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("reading", path, error))?;
    let mut rows = rows(path, &text)?;
    for member in members.iter_mut() {
        if let Some(row) = rows.remove(&member.name) {
            member.given.truth = member.given.truth.take().or(row.labels);
            member.given.true_points = member.given.true_points.take().or(row.points);
        }
    }
    match rows.keys().next() {
        None => Ok(()),
        Some(name) => {
            let known: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            let detail = format!(
                "names the tomogram \"{name}\", which is not in the run: there are {}",
                known.join(", ")
            );
            Err(Error::format(path.display(), detail))
        }
    }
}

fn rows(path: &Path, text: &str) -> Result<BTreeMap<String, Row>> {
    let wrong = |line: usize, detail: String| Err(Error::format(format!("{} line {line}", path.display()), detail));
    let mut lines = (1..)
        .zip(text.trim_start_matches('\u{feff}').lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let Some((first, head)) = lines.next() else {
        return Err(Error::format(
            path.display(),
            "is empty, must be a table with the column tomogram",
        ));
    };
    let columns = cells(head);
    if let Some(other) = columns.iter().find(|name| !COLUMNS.contains(name)) {
        return wrong(
            first,
            format!("column \"{other}\" is not known: there are {}", COLUMNS.join(", ")),
        );
    }
    let place = |name: &str| columns.iter().position(|known| *known == name);
    let Some(tomogram) = place(COLUMNS[0]) else {
        return wrong(first, "must have a column \"tomogram\"".to_owned());
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut rows = BTreeMap::new();
    for (number, line) in lines {
        let cells = cells(line);
        if cells.len() != columns.len() {
            return wrong(
                number,
                format!("has {} cells, must have {}", cells.len(), columns.len()),
            );
        }
        let file = |column: Option<usize>| match column.map(|column| cells[column]) {
            None | Some("") => Ok(None),
            Some(cell) if folder.join(cell).exists() => Ok(Some(folder.join(cell))),
            Some(cell) => Err(Error::format(
                format!("{} line {number}", path.display()),
                format!("there is no file {}", folder.join(cell).display()),
            )),
        };
        let row = Row {
            labels: file(place(COLUMNS[1]))?,
            points: file(place(COLUMNS[2]))?,
        };
        if rows.insert(cells[tomogram].to_owned(), row).is_some() {
            return wrong(number, format!("names \"{}\" again", cells[tomogram]));
        }
    }
    Ok(rows)
}

/// The cells of a line, between commas or, where there are tabs, between these.
fn cells(line: &str) -> Vec<&str> {
    let comma = if line.contains('\t') { '\t' } else { ',' };
    line.split(comma).map(|cell| cell.trim().trim_matches('"')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::member::members;
    use crate::dataset::DataSetTomogram;

    fn two() -> Vec<Member> {
        let given = |name: &str| DataSetTomogram {
            path: PathBuf::from(name),
            ..DataSetTomogram::default()
        };
        members(&[given("a.mrc"), given("b.mrc")]).unwrap()
    }

    #[test]
    fn a_table_gives_truths_and_says_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truths.csv");
        for name in ["a_true.mrc", "b.star"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let mut members = two();
            add_truths(&path, &mut members).map(|()| members)
        };
        let members = read("tomogram,labels,points\na,a_true.mrc,\nb,,b.star\n").unwrap();
        let at = |name: &str| Some(folder.path().join(name));
        assert_eq!(
            (&members[0].given.truth, &members[0].given.true_points),
            (&at("a_true.mrc"), &None)
        );
        assert_eq!(
            (&members[1].given.truth, &members[1].given.true_points),
            (&None, &at("b.star"))
        );
        let tabs = read("points\ttomogram\nb.star\ta\n").unwrap();
        assert_eq!(tabs[0].given.true_points, at("b.star"));
        for (text, words) in [
            (
                "tomogram,labels\nc,a_true.mrc\n",
                "names the tomogram \"c\", which is not in the run: there are a, b",
            ),
            ("tomogram,labels\na,no.mrc\n", "line 2: there is no file"),
            ("tomogram,labels\na\n", "line 2: has 1 cells, must have 2"),
            ("tomogram,labels\na,\na,\n", "line 3: names \"a\" again"),
            ("tomogram,masks\n", "column \"masks\" is not known"),
            ("labels\n", "must have a column \"tomogram\""),
            ("", "is empty"),
        ] {
            let said = read(text).err().unwrap().to_string();
            assert!(said.contains(words) && said.contains("truths.csv"), "{said}");
        }
        assert!(add_truths(&folder.path().join("none.csv"), &mut two()).is_err());
    }
}
