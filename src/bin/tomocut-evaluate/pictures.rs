//! Single pictures: PNG, TIFF, and MRC files of one slice.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::DynamicImage;
use ndarray::{Array2, Axis};
use tiff::decoder::{Decoder, DecodingResult};
use tiff::ColorType;
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
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
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
        if let Some(other) = found.insert(name.clone(), path.clone()) {
            let detail = format!("{} and {} are both picture {name:?}", other.display(), path.display());
            return Err(Error::format(folder.display(), detail));
        }
    }
    Ok(found)
}

/// Reads a picture (row, column) in the file's own grey levels; the colours of a pixel are averaged, transparency is
/// dropped. The first row of an MRC slice is y = 0.
pub fn read(path: &Path, job: &Job) -> Result<Array2<f32>> {
    match ending(path).map(|(ending, _)| ending) {
        Some(".png") => read_png(path),
        Some(".tif" | ".tiff") => read_tiff(path),
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

fn read_png(path: &Path) -> Result<Array2<f32>> {
    let unfit = |e: image::ImageError| match e {
        image::ImageError::IoError(e) => Error::io("reading", path, e),
        e => Error::format(path.display(), e),
    };
    let picture = image::open(path).map_err(unfit)?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let deep = matches!(
        picture,
        DynamicImage::ImageLuma16(_)
            | DynamicImage::ImageLumaA16(_)
            | DynamicImage::ImageRgb16(_)
            | DynamicImage::ImageRgba16(_)
    );
    // 16-bit levels stay what they are: the 8-bit forms would divide them.
    let grey = if deep {
        colour_means(&picture.to_rgb16().into_raw(), 3, 3)
    } else {
        colour_means(&picture.to_rgb8().into_raw(), 3, 3)
    };
    shaped(path, height, width, grey)
}

fn read_tiff(path: &Path) -> Result<Array2<f32>> {
    let file = File::open(path).map_err(|e| Error::io("reading", path, e))?;
    let unfit = |e: tiff::TiffError| match e {
        tiff::TiffError::IoError(e) => Error::io("reading", path, e),
        e => Error::format(path.display(), e),
    };
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(unfit)?;
    let (width, height) = decoder.dimensions().map_err(unfit)?;
    let colour = decoder.colortype().map_err(unfit)?;
    let (samples, used) = match colour {
        ColorType::Gray(_) => (1, 1),
        ColorType::GrayA(_) => (2, 1),
        ColorType::RGB(_) => (3, 3),
        ColorType::RGBA(_) => (4, 3),
        other => {
            return Err(Error::Unsupported(format!(
                "{}: TIFF of colours {other:?}",
                path.display()
            )))
        }
    };
    let pixels = decoder.read_image().map_err(unfit)?;
    if decoder.more_images() {
        return Err(Error::format(path.display(), "has several pictures, must have one"));
    }
    let grey = match &pixels {
        DecodingResult::U8(v) => colour_means(v, samples, used),
        DecodingResult::U16(v) => colour_means(v, samples, used),
        DecodingResult::I8(v) => colour_means(v, samples, used),
        DecodingResult::I16(v) => colour_means(v, samples, used),
        DecodingResult::F32(v) => colour_means(v, samples, used),
        DecodingResult::F16(v) => colour_means(v, samples, used),
        _ => {
            let found = format!("{}: TIFF samples of {} bits", path.display(), colour.bit_depth());
            return Err(Error::Unsupported(found));
        }
    };
    shaped(path, height as usize, width as usize, grey)
}

/// Means of the first `used` of every `samples` values.
fn colour_means<T: Copy + Into<f32>>(values: &[T], samples: usize, used: usize) -> Vec<f32> {
    let mean = |pixel: &[T]| pixel[..used].iter().map(|v| (*v).into()).sum::<f32>() / used as f32;
    values.chunks_exact(samples).map(mean).collect()
}

fn shaped(path: &Path, rows: usize, cols: usize, grey: Vec<f32>) -> Result<Array2<f32>> {
    let found = grey.len();
    Array2::from_shape_vec((rows, cols), grey)
        .map_err(|_| Error::format(path.display(), format!("{found} pixels are not {rows} x {cols}")))
}
