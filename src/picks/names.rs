//! Whose picks: the names that programs give a tomogram, and the rows of a file that are one tomogram's.
use std::collections::BTreeMap;

use crate::{Error, Result};

/// Name of a tomogram that has none: in memory, or a file tomogram.mrc.
const UNNAMED: &str = "tomogram";

/// Endings of files that stand for a tomogram, in small letters.
const ENDINGS: [&str; 12] = [
    ".gz", ".bz2", ".mrc", ".mrcs", ".rec", ".ali", ".st", ".map", ".ccp4", ".hdf", ".zarr", ".ome",
];
/// Warp's tilt series.
const TOMOSTAR: &str = ".tomostar";

/// The name that a tomogram has in RELION's, Warp's, Dynamo's and copick's files, from the name of its file: without
/// folders and endings (.mrc, .rec, .ali, .tomostar and the like), RELION's `rec_`, Warp's `_10.00Apx` and AreTomo's
/// `_Vol`.
pub fn tomogram_name(name: &str) -> &str {
    let mut name = file_name(name);
    loop {
        let shorter = without_ending(name, &ENDINGS)
            .or_else(|| without_ending(name, &[TOMOSTAR]))
            .or_else(|| name.strip_prefix("rec_"))
            .or_else(|| name.strip_suffix("_Vol"))
            .or_else(|| without_pixel_size(name));
        match shorter.filter(|shorter| !shorter.is_empty()) {
            Some(shorter) => name = shorter,
            None => return name,
        }
    }
}

/// The name that goes into a file about the tomogram called `name`, or `other` where that is none.
pub fn written_name<'a>(name: &'a str, other: &'a str) -> &'a str {
    match tomogram_name(name) {
        UNNAMED | "" => tomogram_name(other),
        name => name,
    }
}

/// Whether `name` names a tomogram: it is neither empty nor `tomogram`, which one in memory has.
pub fn is_name(name: &str) -> bool {
    !matches!(name.trim(), "" | UNNAMED)
}

/// The last part of a path of any system.
fn file_name(path: &str) -> &str {
    path.trim()
        .rsplit(['/', '\\'])
        .find(|part| !part.is_empty())
        .unwrap_or_default()
}

fn without_ending<'a>(name: &'a str, endings: &[&str]) -> Option<&'a str> {
    endings.iter().find_map(|ending| {
        let cut = name.len().checked_sub(ending.len())?;
        let (start, end) = name.split_at_checked(cut)?;
        end.eq_ignore_ascii_case(ending).then_some(start)
    })
}

/// Without `_10.00Apx`.
fn without_pixel_size(name: &str) -> Option<&str> {
    let (start, size) = name.strip_suffix("Apx")?.rsplit_once('_')?;
    let is_size = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_size.then_some(start)
}

/// The name of a tomogram whose file is `path`; Warp's and RELION's `TS_01.tomostar` is itself a name.
pub(super) fn name_of_file(path: &str) -> &str {
    let file = file_name(path);
    match without_ending(file, &[TOMOSTAR]) {
        Some(_) => file,
        None => tomogram_name(file),
    }
}

/// Which of the `names` (line, name) of a file's rows is the tomogram `asked` for: that name itself, else the one that
/// means the same tomogram by [`tomogram_name`]. A file without names, or of one where none is asked for, is all of it:
/// None where it has no names.
///
/// Errors: none of the names is the tomogram, two of them are, several where none is asked for, rows without a name
/// among rows with one.
pub(super) fn whose<'a>(
    names: impl Iterator<Item = (usize, &'a str)>,
    asked: &str,
    source: &str,
) -> Result<Option<String>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut nameless = None;
    for (line, name) in names {
        match is_name(name) {
            true => *counts.entry(name).or_default() += 1,
            false => nameless = nameless.or(Some(line)),
        }
    }
    if counts.is_empty() {
        return Ok(None);
    }
    if let Some(line) = nameless {
        let detail = format!("line {line} names no tomogram, other lines do: {}", list(&counts));
        return Err(Error::format(source, detail));
    }
    if !is_name(asked) {
        let mut all = counts.keys();
        return match (all.next(), all.next()) {
            (Some(only), None) => Ok(Some((*only).to_owned())),
            _ => {
                let detail = format!(
                    "picks of several tomograms, one of them must be named: {}",
                    list(&counts)
                );
                Err(Error::format(source, detail))
            }
        };
    }
    if counts.contains_key(asked) {
        return Ok(Some(asked.to_owned()));
    }
    // RELION's names have no white space: a tomogram "TS 01" is written as TS_01.
    let plain = |name: &str| tomogram_name(name).split_whitespace().collect::<Vec<_>>().join("_");
    let asked_name = plain(asked);
    let alike: Vec<&str> = counts
        .keys()
        .copied()
        .filter(|name| plain(name) == asked_name)
        .collect();
    match alike[..] {
        [name] => Ok(Some(name.to_owned())),
        [] => {
            let detail = format!(
                "no picks of the tomogram {asked:?} in it but of {}; the name of one of them may be given",
                list(&counts)
            );
            Err(Error::format(source, detail))
        }
        _ => {
            let detail = format!(
                "{} may each be the tomogram {asked:?}; one of them must be named",
                alike.join(", ")
            );
            Err(Error::format(source, detail))
        }
    }
}

/// The names with the number of their rows, the first ten of them.
fn list(counts: &BTreeMap<&str, usize>) -> String {
    const MOST: usize = 10;
    let mut text: Vec<String> = counts
        .iter()
        .take(MOST)
        .map(|(name, count)| format!("{name} ({count})"))
        .collect();
    if counts.len() > MOST {
        text.push(format!("and {} others", counts.len() - MOST));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_names_of_one_tomogram_are_one_name() {
        for name in [
            "TS_01",
            "TS_01.mrc",
            "rec_TS_01.mrc",
            "TS_01.tomostar",
            "TS_01_10.00Apx",
            "TS_01_10.00Apx.mrc",
            "tomo/TS_01.mrc_15.00Apx.mrc",
            "TS_01_Vol.mrc",
            "C:\\data\\TS_01.rec",
            "TS_01.ali",
            "TS_01.MRC.gz",
            "TS_01.ome.zarr",
        ] {
            assert_eq!(tomogram_name(name), "TS_01", "{name}");
        }
        assert_eq!(tomogram_name("Position_2_7_ali_7.90Apx.mrc"), "Position_2_7_ali");
        for name in ["rec_", "_Vol", ".mrc", "a_Apx", "TS_01_rec", ""] {
            assert_eq!(tomogram_name(name), name, "{name}");
        }
        assert_eq!(name_of_file("a/rec_TS_01.mrc.gz"), "TS_01");
        assert_eq!(name_of_file("a/TS_01.tomostar"), "TS_01.tomostar");
        assert_eq!(written_name("tomogram", "slab"), "slab");
        assert_eq!(written_name("rec_TS_01", "slab"), "TS_01");
    }

    #[test]
    fn rows_are_one_tomograms() {
        let find = |names: &[&'static str], asked| {
            let rows: Vec<(usize, &str)> = names.iter().enumerate().map(|(n, name)| (n + 1, *name)).collect();
            whose(rows.into_iter(), asked, "file").map_err(|error| error.to_string())
        };
        let name = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(find(&[], "a"), Ok(None));
        assert_eq!(find(&["", ""], "a"), Ok(None));
        assert_eq!(find(&["tomogram"], "a"), Ok(None));
        assert_eq!(find(&["a", "b"], "a"), name("a"));
        assert_eq!(find(&["a.tomostar", "b.tomostar"], "rec_a"), name("a.tomostar"));
        assert_eq!(find(&["a", "a.mrc"], "a"), name("a"));
        assert_eq!(find(&["TS_01", "TS_02"], "TS 01"), name("TS_01"));
        assert_eq!(find(&["b", "b"], ""), name("b"));
        assert_eq!(find(&["b", "b"], "tomogram"), name("b"));
        assert!(find(&["a", "b"], "").unwrap_err().contains("a (1), b (1)"));
        assert!(find(&["b", "b"], "a")
            .unwrap_err()
            .contains("no picks of the tomogram \"a\" in it but of b (2)"));
        assert!(find(&["a", ""], "a").unwrap_err().contains("line 2 names no tomogram"));
        assert!(find(&["x/a.mrc", "y/a.mrc"], "a").unwrap_err().contains("may each be"));
    }
}
