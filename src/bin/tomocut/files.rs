//! The files that a subcommand is given: tomograms, folders of tomograms, lists of pictures.
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// Endings of the files of a folder that are taken for tomograms.
const TOMOGRAMS: [&str; 8] = [
    ".mrc", ".rec", ".map", ".mrc.gz", ".rec.gz", ".mrc.bz2", ".rec.bz2", ".zarr",
];
/// Files that make a folder a zarr array or group.
const ZARR: [&str; 4] = ["zarr.json", ".zarray", ".zgroup", ".zattrs"];

/// The path itself, or all tomograms of a folder in the order of their names but those that `is_result` says are none.
pub fn tomograms(path: &Path, is_result: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() || is_zarr_folder(path) {
        // What is wrong with it is told when it is opened.
        return Ok(vec![path.to_path_buf()]);
    }
    let is_tomogram = |path: &PathBuf| {
        let name = name_of(path);
        !name.starts_with('.') && TOMOGRAMS.iter().any(|ending| name.ends_with(ending)) && !is_result(&name)
    };
    let tomograms: Vec<PathBuf> = members(path)?.into_iter().filter(is_tomogram).collect();
    if tomograms.is_empty() {
        let text = format!(
            "{}: holds no tomogram (.mrc, .rec, .map, .zarr, also .gz, .bz2)",
            path.display()
        );
        return Err(Failure::new(Exit::BadInput, text));
    }
    Ok(tomograms)
}

/// The files of a folder in the order of their names, or the lines of a text file.
pub fn pictures(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_dir() {
        let visible = |path: &PathBuf| !name_of(path).starts_with('.');
        return Ok(members(path)?.into_iter().filter(visible).collect());
    }
    let text = std::fs::read_to_string(path).map_err(|_| {
        let text = format!(
            "{} cannot be read: it must be a folder of pictures or a file that names one on each line",
            path.display()
        );
        Failure::new(Exit::BadInput, text)
    })?;
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    Ok(lines.map(PathBuf::from).collect())
}

/// The last part of a path.
pub fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn members(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::BadInput, format!("{}: {error}", folder.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(folder.join(entry.map_err(failed)?.file_name()));
    }
    paths.sort();
    Ok(paths)
}

fn is_zarr_folder(path: &Path) -> bool {
    name_of(path).ends_with(".zarr") || ZARR.iter().any(|mark| path.join(mark).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_tomograms_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.mrc", "a.rec.gz", "a_labels.mrc", ".c.mrc", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |found: Vec<PathBuf>| found.iter().map(|path| name_of(path)).collect::<Vec<_>>();
        let found = tomograms(folder.path(), |name| name.ends_with("_labels.mrc")).unwrap();
        assert_eq!(names(found), ["a.rec.gz", "b.mrc"]);
        let all = |_: &str| true;
        assert_eq!(tomograms(folder.path(), all).unwrap_err().exit, Exit::BadInput);
        let absent = folder.path().join("absent.mrc");
        assert_eq!(tomograms(&absent, all).unwrap(), [absent]);
        std::fs::write(folder.path().join("list"), "x.png\n\ny.png\r\n").unwrap();
        assert_eq!(
            names(pictures(&folder.path().join("list")).unwrap()),
            ["x.png", "y.png"]
        );
        assert_eq!(pictures(folder.path()).unwrap().len(), 5);
    }
}
