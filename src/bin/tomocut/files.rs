//! The files that a subcommand is given: tomograms, folders of tomograms, lists of pictures.
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::{json, Value};
use tomocut::volume::{has_volume_ending, is_result, names_of, readable, CopickProject, Tomogram};

use crate::exit::{Exit, Failure, OrExit};

/// Files that make a folder a zarr array or group.
const ZARR: [&str; 4] = ["zarr.json", ".zarray", ".zgroup", ".zattrs"];
/// Names that are told of each reason for leaving files out.
const MOST_TOLD: usize = 8;

/// Tomograms, and what lies in their folders and is not taken.
#[derive(Debug, Default)]
pub struct Tomograms {
    /// The tomograms, in the order in which they were given, those of a folder by their names.
    pub paths: Vec<PathBuf>,
    /// What is left out of folders, with the reason.
    pub left_out: Vec<(PathBuf, &'static str)>,
}

/// The tomograms of all inputs: files, zarr folders, folders of them, copick projects. What is named itself is not
/// taken from a folder again.
///
/// Errors: a folder without tomograms; two tomograms whose results would have one name.
pub fn all_tomograms(inputs: &[PathBuf]) -> Result<Tomograms, Failure> {
    let mut all = Tomograms::default();
    let mut seen = HashSet::new();
    let mut take = |path: PathBuf, paths: &mut Vec<PathBuf>| {
        if seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            paths.push(path);
        }
    };
    let is_single = |input: &&PathBuf| is_tomogram_itself(input);
    let named: HashSet<PathBuf> = inputs
        .iter()
        .filter(is_single)
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    for input in inputs {
        if is_tomogram_itself(input) {
            take(input.clone(), &mut all.paths);
            continue;
        }
        let folder = in_folder(input)?;
        let is_new = |path: &PathBuf| path.canonicalize().map_or(true, |path| !named.contains(&path));
        for path in folder.paths.into_iter().filter(is_new) {
            take(path, &mut all.paths);
        }
        all.left_out.extend(folder.left_out);
    }
    names_of(all.paths.iter().map(PathBuf::as_path)).or_exit(Exit::Usage)?;
    Ok(all)
}

/// Whether an input is one tomogram, sound or not, and no folder of tomograms.
pub fn is_tomogram_itself(input: &Path) -> bool {
    !CopickProject::is_project(input) && (!input.is_dir() || is_zarr_folder(input))
}

impl Tomograms {
    /// What is left out, a line for each reason.
    pub fn told(&self) -> Vec<String> {
        let mut reasons: Vec<&str> = self.left_out.iter().map(|(_, reason)| *reason).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let line = |reason: &str| {
            let of_it = self.left_out.iter().filter(|(_, why)| *why == reason);
            let names: Vec<String> = of_it.map(|(path, _)| readable(path)).collect();
            let more = match names.len().saturating_sub(MOST_TOLD) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "left out, {reason}: {}{more}",
                names[..names.len().min(MOST_TOLD)].join(", ")
            )
        };
        reasons.into_iter().map(line).collect()
    }
}

/// What is left out, for JSON.
pub fn left_out(tomograms: &Tomograms) -> Value {
    let one = |(path, reason): &(PathBuf, &str)| json!({"file": readable(path), "reason": reason});
    tomograms.left_out.iter().map(one).collect()
}

/// The tomograms of a folder.
fn in_folder(folder: &Path) -> Result<Tomograms, Failure> {
    if CopickProject::is_project(folder) {
        let project = CopickProject::open(folder).or_exit(Exit::BadInput)?;
        let paths = project.tomograms().or_exit(Exit::BadInput)?;
        if paths.is_empty() {
            let text = format!("{}: no run of this copick project has a tomogram", readable(folder));
            return Err(Failure::new(Exit::BadInput, text));
        }
        return Ok(Tomograms {
            paths,
            left_out: Vec::new(),
        });
    }
    let mut listing = Tomograms::default();
    for path in members(folder)? {
        if name_of(&path).starts_with('.') {
            continue;
        }
        let reason = if !has_volume_ending(&path) {
            Some("not named as a tomogram")
        } else if path.is_dir() && !is_zarr_folder(&path) {
            Some("a folder")
        } else if is_result(&path) {
            Some("a result of tomocut")
        } else {
            None
        };
        match reason {
            Some(reason) => listing.left_out.push((path, reason)),
            None => listing.paths.push(path),
        }
    }
    leave_out_tilt_series(&mut listing);
    if listing.paths.is_empty() {
        let text = format!(
            "{}: holds no tomogram (.mrc, .rec, .map, .ccp4, .st, .ali, also .gz or .bz2, or .zarr){}",
            readable(folder),
            listing
                .told()
                .iter()
                .map(|line| format!("\n{line}"))
                .collect::<String>()
        );
        return Err(Failure::new(Exit::BadInput, text));
    }
    Ok(listing)
}

/// Leaves out what etomo makes on its way to a tomogram: beside NAME.rec or NAME_rec.mrc the tilt series NAME.mrc,
/// NAME.st and those derived of it.
fn leave_out_tilt_series(listing: &mut Tomograms) {
    let lower = |path: &Path| name_of(path).to_ascii_lowercase();
    let is_rec = |path: &Path| {
        let name = lower(path);
        [".rec", ".rec.gz", ".rec.bz2"]
            .iter()
            .any(|ending| name.ends_with(ending))
    };
    let tomograms: HashSet<String> = listing
        .paths
        .iter()
        .filter_map(|path| {
            let name = Tomogram::name_of(path);
            let stem = name
                .strip_suffix("_rec")
                .map(|stem| stem.strip_suffix("_full").unwrap_or(stem));
            match is_rec(path) {
                true => Some(name.strip_suffix("_full").unwrap_or(&name).to_owned()),
                false => stem.map(str::to_owned),
            }
        })
        .collect();
    let is_series = |path: &Path| {
        let name = Tomogram::name_of(path);
        let of = ["_preali", "_ali", "_orig", "_xray", "_fixed"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending));
        !is_rec(path) && tomograms.contains(of.unwrap_or(&name))
    };
    let (series, tomograms) = std::mem::take(&mut listing.paths)
        .into_iter()
        .partition(|path: &PathBuf| is_series(path));
    listing.paths = tomograms;
    let series: Vec<PathBuf> = series;
    listing.left_out.extend(
        series
            .into_iter()
            .map(|path| (path, "the tilt series of a tomogram beside it")),
    );
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

/// The volumes in a folder that have the name of a tomogram.
pub fn named(folder: &Path, name: &str) -> Result<Vec<PathBuf>, Failure> {
    let is_it = |path: &PathBuf| has_volume_ending(path) && Tomogram::name_of(path) == name;
    Ok(members(folder)?.into_iter().filter(is_it).collect())
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
    name_of(path).to_ascii_lowercase().ends_with(".zarr") || ZARR.iter().any(|mark| path.join(mark).exists())
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use tomocut::volume::{write_f32, write_labels, Geometry};

    use super::*;

    fn names(paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| name_of(path)).collect()
    }

    fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_gives_its_tomograms_in_order_and_tells_the_rest() {
        let folder = folder_of(&["b.MRC", "a.rec.gz", ".c.mrc", "notes.txt", "d.map.gz", "e.ST", "f.ccp4"]);
        let geometry = Geometry::new([1, 2, 2], 10.0);
        write_labels(
            &folder.path().join("b_labels.mrc"),
            &Array3::zeros((1, 2, 2)),
            &geometry,
        )
        .unwrap();
        write_f32(
            &folder.path().join("vesicle_membrane.mrc"),
            &Array3::ones((1, 2, 2)),
            &geometry,
        )
        .unwrap();
        let listing = all_tomograms(&[folder.path().to_path_buf()]).unwrap();
        let expected = [
            "a.rec.gz",
            "b.MRC",
            "d.map.gz",
            "e.ST",
            "f.ccp4",
            "vesicle_membrane.mrc",
        ];
        assert_eq!(names(&listing.paths), expected);
        let told = listing.told().join("\n");
        assert!(
            told.contains("a result of tomocut: ") && told.contains("b_labels.mrc"),
            "{told}"
        );
        assert!(
            told.contains("not named as a tomogram: ") && told.contains("notes.txt"),
            "{told}"
        );
        let empty = folder_of(&["notes.txt"]);
        let failure = all_tomograms(&[empty.path().to_path_buf()]).unwrap_err();
        assert_eq!(failure.exit, Exit::BadInput);
        assert!(failure.text.contains("notes.txt"), "{}", failure.text);
        let absent = folder.path().join("absent.mrc");
        assert_eq!(all_tomograms(std::slice::from_ref(&absent)).unwrap().paths, [absent]);
    }

    #[test]
    fn etomo_s_tilt_series_are_told_from_tomograms() {
        for (files, taken) in [
            (
                vec!["TS_01.mrc", "TS_01.rec", "TS_01_ali.mrc", "TS_01.rawtlt"],
                vec!["TS_01.rec"],
            ),
            (
                vec!["TS_01.st", "TS_01_rec.mrc", "TS_01_full_rec.mrc"],
                vec!["TS_01_full_rec.mrc", "TS_01_rec.mrc"],
            ),
            (vec!["TS_01.mrc", "TS_01_full.rec"], vec!["TS_01_full.rec"]),
            (vec!["TS_01.mrc", "TS_02.rec"], vec!["TS_01.mrc", "TS_02.rec"]),
        ] {
            let folder = folder_of(&files);
            assert_eq!(
                names(&all_tomograms(&[folder.path().to_path_buf()]).unwrap().paths),
                taken,
                "{files:?}"
            );
        }
    }

    #[test]
    fn two_of_one_name_are_refused_and_one_given_twice_is_one() {
        let (first, second) = (folder_of(&["t.mrc"]), folder_of(&["t.rec"]));
        let (a, b) = (first.path().join("t.mrc"), second.path().join("t.rec"));
        let failure = all_tomograms(&[a.clone(), b]).unwrap_err();
        assert!(failure.text.contains("must not have the name of"), "{}", failure.text);
        let twice = all_tomograms(&[a.clone(), first.path().to_path_buf(), a.clone()]).unwrap();
        assert_eq!(twice.paths, [a]);
    }

    #[test]
    fn pictures_are_a_folder_or_a_list() {
        let folder = folder_of(&["a.png", "b.png", ".c.png"]);
        assert_eq!(pictures(folder.path()).unwrap().len(), 2);
        std::fs::write(folder.path().join("list"), "x.png\n\ny.png\r\n").unwrap();
        assert_eq!(
            names(&pictures(&folder.path().join("list")).unwrap()),
            ["x.png", "y.png"]
        );
    }
}
