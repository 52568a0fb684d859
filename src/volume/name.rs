//! Names of tomograms and endings of their files.
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::{Error, Result};

/// Endings of MRC files, in lower case.
const MRC: [&str; 6] = [".mrc", ".rec", ".map", ".ccp4", ".st", ".ali"];
/// Endings of packed files.
const PACKED: [&str; 2] = [".gz", ".bz2"];

/// Whether the name of a file or folder ends as a volume's does: `.mrc`, `.rec`, `.map`, `.ccp4`, `.st`, `.ali`, all of
/// them also with `.gz` or `.bz2`, or `.zarr`, in any case.
pub fn has_volume_ending(path: &Path) -> bool {
    let name = path.file_name().map(words).unwrap_or_default().to_ascii_lowercase();
    name.ends_with(".zarr") || MRC.iter().any(|ending| unpacked(&name).ends_with(ending))
}

fn unpacked(name: &str) -> &str {
    PACKED
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name)
}

/// The name that a tomogram in `path` has: that of its file without folder and endings; of an array within a zarr
/// folder with its path, "x_1" of "x.zarr/1"; of a tomogram of a copick project
/// (`ExperimentRuns/RUN/VoxelSpacing10.000/wbp.zarr`) that of its run. Bytes that are no UTF-8 are written as %E9, so
/// that two names stay two.
pub(super) fn name_of(path: &Path) -> String {
    let parts: Vec<&OsStr> = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(Component::as_os_str)
        .collect();
    let is_root = |part: &&OsStr| part.len() > 5 && part.as_bytes().to_ascii_lowercase().ends_with(b".zarr");
    let is_mrc = path.file_name().is_some_and(|name| {
        let name = words(name).to_ascii_lowercase();
        MRC.iter().any(|ending| unpacked(&name).ends_with(ending))
    });
    let Some(first) = parts.iter().rposition(is_root).filter(|_| !is_mrc) else {
        return stem(path);
    };
    let mut names: Vec<String> = parts.iter().skip(first).map(|part| words(part)).collect();
    if let Some(root) = names.first_mut() {
        for ending in [".zarr", ".ome"] {
            cut(root, ending);
        }
        if let Some(run) = copick_run(&parts[..first]) {
            *root = run;
        }
    }
    names.join("_")
}

/// Names of the tomograms in `paths`. Errors: two have one name, so that their results would be the same files.
pub fn names_of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut seen: HashMap<String, &Path> = HashMap::new();
    for path in paths {
        let name = name_of(path);
        if let Some(other) = seen.insert(name.clone(), path) {
            let allowed = format!(
                "must not have the name of {}: their results would be the same files, {name}_*",
                readable(other)
            );
            return Err(Error::argument("tomogram", readable(path), &allowed));
        }
        names.push(name);
    }
    Ok(names)
}

/// A path in words, in which bytes that are no UTF-8 are written as %E9.
pub fn readable(path: &Path) -> String {
    words(path.as_os_str())
}

/// The run of a copick project that a folder `.../ExperimentRuns/RUN/VoxelSpacing*` belongs to.
fn copick_run(folder: &[&OsStr]) -> Option<String> {
    let [.., runs, run, spacing] = folder else { return None };
    let is_project = *runs == "ExperimentRuns" && spacing.as_bytes().starts_with(b"VoxelSpacing");
    is_project.then(|| words(run))
}

fn stem(path: &Path) -> String {
    let mut name = path.file_name().map(words).unwrap_or_default();
    PACKED.iter().any(|ending| cut(&mut name, ending));
    MRC.iter().any(|ending| cut(&mut name, ending));
    if name.is_empty() {
        "tomogram".to_owned()
    } else {
        name
    }
}

/// Takes an ending in any case away, unless nothing would be left; whether it was there.
fn cut(name: &mut String, ending: &str) -> bool {
    let at = name.len().saturating_sub(ending.len());
    let is_there = at > 0 && name.is_char_boundary(at) && name[at..].eq_ignore_ascii_case(ending);
    if is_there {
        name.truncate(at);
    }
    is_there
}

fn words(name: &OsStr) -> String {
    let mut words = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        words.push_str(chunk.valid());
        for byte in chunk.invalid() {
            words.push_str(&format!("%{byte:02X}"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_fall_in_any_case_and_bytes_stay_apart() {
        for (file, name) in [
            ("a/TS_01.MRC", "TS_01"),
            ("TS_01.rec.GZ", "TS_01"),
            ("a.map.gz", "a"),
            ("b.ccp4", "b"),
            ("c.st", "c"),
            ("rec_TS.ali.bz2", "rec_TS"),
            ("TS.01", "TS.01"),
            (".mrc", ".mrc"),
            ("..", "tomogram"),
            ("a/x.OME.zarr/b/1", "x_b_1"),
            ("a/ome.zarr", "ome"),
            ("a/x.zarr/", "x"),
            ("a/x.zarr/t.mrc", "t"),
            ("p/ExperimentRuns/TS_1/VoxelSpacing10.000/wbp.zarr", "TS_1"),
            ("p/ExperimentRuns/TS_1/VoxelSpacing10.000/wbp.zarr/1", "TS_1_1"),
        ] {
            assert_eq!(name_of(Path::new(file)), name, "{file}");
        }
        let latin = |byte: u8| std::path::PathBuf::from(OsStr::from_bytes(&[b'c', byte, b'.', b'm', b'r', b'c']));
        assert_eq!(
            (name_of(&latin(0xe9)).as_str(), name_of(&latin(0xe8)).as_str()),
            ("c%E9", "c%E8")
        );
        for (file, is_volume) in [
            ("a.Map.gz", true),
            ("b.ST", true),
            ("x.zarr", true),
            ("a.gz", false),
            ("a.txt", false),
        ] {
            assert_eq!(has_volume_ending(Path::new(file)), is_volume, "{file}");
        }
        let error = names_of([Path::new("a/t.mrc"), Path::new("b/t.REC")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("b/t.REC, must not have the name of a/t.mrc"), "{error}");
    }
}
