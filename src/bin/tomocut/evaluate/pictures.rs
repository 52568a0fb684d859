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

/// What programs add to the name of the picture that they were given.
const ADDED: [&str; 5] = ["_membrane", "_score", "_scores", "_mask", "_labels"];

/// The ending of a file that is a picture.
fn ending(path: &Path) -> Option<(&'static str, f32)> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    ENDINGS.into_iter().find(|(ending, _)| name.ends_with(ending))
}

/// The value above which a pixel of this mask is true, where nobody says another.
pub fn mask_threshold(path: &Path) -> f32 {
    ending(path).map_or(0.0, |(_, above)| above)
}

/// The pictures of a folder by name: without ending and without what programs add.
///
/// Errors where the folder cannot be read, or where two files have the same name.
pub fn list(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let failed = |e| Error::io("reading", folder, e);
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some((ending, _)) = ending(&path).filter(|_| path.is_file()) else {
            continue;
        };
        let file = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let stem = &file[..file.len() - ending.len()];
        let name = ADDED
            .iter()
            .find_map(|added| stem.strip_suffix(added))
            .unwrap_or(stem)
            .to_owned();
        if let Some(other) = files.insert(name.clone(), path.clone()) {
            let detail = format!("{} and {} are both picture {name:?}", other.display(), path.display());
            return Err(Error::format(folder.display(), detail));
        }
    }
    Ok(files)
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
