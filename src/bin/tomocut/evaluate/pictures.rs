//! Single pictures: PNG, TIFF, and MRC files of one slice.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};
use tomocut::image::PictureFile;
use tomocut::runtime::Job;
use tomocut::volume::Tomogram;
use tomocut::{Error, Result};

/// Endings that are read, with the value above which a pixel of a mask is true: half of the 8-bit range, as masks are
/// painted and resampled; any label in an MRC file.
const ENDINGS: [(&str, f32); 8] = [
    (".png", 127.0),
    (".tif", 127.0),
    (".tiff", 127.0),
    (".mrc", 0.0),
    (".rec", 0.0),
    (".map", 0.0),
    (".mrc.gz", 0.0),
    (".mrc.bz2", 0.0),
];

/// Labels above are not exact in float32.
const LABELS: f32 = 16_777_216.0;

/// What programs add to the name of the picture that they were given.
const ADDED: [&str; 7] = [
    "_membrane",
    "_molecule",
    "_foreground",
    "_score",
    "_scores",
    "_mask",
    "_labels",
];

/// The ending of a file that is a picture.
fn ending(path: &Path) -> Option<(&'static str, f32)> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    ENDINGS.into_iter().find(|(ending, _)| name.ends_with(ending))
}

/// The value above which a pixel of this mask is true, where nobody says another.
pub fn mask_threshold(path: &Path) -> f32 {
    ending(path).map_or(0.0, |(_, above)| above)
}

/// The value above which a pixel of this score belongs to the predicted mask: half of its range, 8 bits or 0..=1.
pub fn score_threshold(path: &Path) -> f32 {
    match mask_threshold(path) {
        0.0 => 0.5,
        half => half,
    }
}

/// The name of a picture without what programs add.
pub fn without_added(stem: &str) -> &str {
    ADDED.iter().find_map(|added| stem.strip_suffix(added)).unwrap_or(stem)
}

/// The pictures of a folder by name: without ending and without what programs add.
///
/// Errors where the folder cannot be read, or where two files have the same name.
pub fn list(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    collect(
        folder,
        Depth::Itself,
        &|stem| Some(without_added(stem).to_owned()),
        &mut files,
    )?;
    Ok(files)
}

/// The pictures of a folder and of those within it, by the name that `name_of` gives to a file's stem.
///
/// Errors as [`list`].
pub fn list_labels(folder: &Path, name_of: impl Fn(&str) -> Option<String>) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    collect(folder, Depth::All, &name_of, &mut files)?;
    Ok(files)
}

/// Which folders are looked into.
#[derive(Clone, Copy, PartialEq)]
enum Depth {
    Itself,
    All,
}

fn collect(
    folder: &Path,
    depth: Depth,
    name_of: &dyn Fn(&str) -> Option<String>,
    files: &mut BTreeMap<String, PathBuf>,
) -> Result<()> {
    let failed = |e| Error::io("reading", folder, e);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if depth == Depth::All && path.is_dir() {
            collect(&path, depth, name_of, files)?;
            continue;
        }
        let Some((ending, _)) = ending(&path).filter(|_| path.is_file()) else {
            continue;
        };
        let file = crate::files::name_of(&path);
        let Some(name) = name_of(&file[..file.len() - ending.len()]) else {
            continue;
        };
        if let Some(other) = files.insert(name.clone(), path.clone()) {
            let detail = format!("{} and {} are both picture {name:?}", other.display(), path.display());
            return Err(Error::format(folder.display(), detail));
        }
    }
    Ok(())
}

/// Reads a picture whose grey levels are labels, whole numbers from 0.
///
/// Errors: colours, levels that are no whole numbers.
pub fn read_labels(path: &Path, job: &Job) -> Result<Array2<u32>> {
    let levels = match ending(path).map(|(ending, _)| ending) {
        Some(".png" | ".tif" | ".tiff") => {
            let picture = PictureFile::read(path)?;
            match picture.pixels.len_of(Axis(0)) {
                1 => picture.pixels.index_axis_move(Axis(0), 0),
                _ => {
                    return Err(Error::format(
                        path.display(),
                        "has colours, must have labels as grey levels",
                    ))
                }
            }
        }
        _ => read_slice(path, job)?,
    };
    let is_label = |v: &f32| *v >= 0.0 && v.fract() == 0.0 && *v < LABELS;
    match levels.iter().find(|v| !is_label(v)) {
        Some(level) => Err(Error::format(
            path.display(),
            format!("has the level {level}, no label"),
        )),
        None => Ok(levels.mapv(|v| v as u32)),
    }
}

/// Reads a picture (row, column) in the file's own grey levels; the colours of a pixel are averaged, transparency is
/// dropped. The first row of an MRC slice is y = 0.
pub fn read(path: &Path, job: &Job) -> Result<Array2<f32>> {
    match ending(path).map(|(ending, _)| ending) {
        Some(".png" | ".tif" | ".tiff") => read_picture(path),
        _ => read_slice(path, job),
    }
}

fn read_slice(path: &Path, job: &Job) -> Result<Array2<f32>> {
    let file = Tomogram::open(path, job)?;
    match file.geometry().shape[0] {
        1 => Ok(file.read_slices(0..1)?.index_axis_move(Axis(0), 0)),
        slices => {
            let detail = format!("has {slices} slices, a picture must have one");
            Err(Error::format(path.display(), detail))
        }
    }
}

fn read_picture(path: &Path) -> Result<Array2<f32>> {
    let picture = PictureFile::read(path)?;
    picture
        .pixels
        .mean_axis(Axis(0))
        .ok_or_else(|| Error::format(path.display(), "has no pixels"))
}
