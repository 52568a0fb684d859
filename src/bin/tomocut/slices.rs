//! `tomocut slices`: the slices of a volume as pictures, for the commands that take pictures.
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, ArrayView2, Axis};
use tomocut::image::grey_png;
use tomocut::runtime::{write_whole, Job};
use tomocut::volume::{is_nifti, read_nifti, Tomogram};
use tomocut::{Error, Result};

use crate::exit::{Exit, Failure, OrExit};
use crate::output::{make_folder, print};
use crate::ranges::{number, slices};

/// Writes the slices of a volume as pictures.
///
/// Writes <name>_z<number>.png, 8 bits, for train --images and --masks, predict --pictures and evaluate --truth-masks.
/// A window is what becomes black and white, such as -125:275 of the Hounsfield units of soft tissue.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The volume: NIfTI (.nii, .nii.gz), MRC or an OME-Zarr folder
    volume: PathBuf,
    /// Folder for the pictures, made where missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Values that become black and white [default: the least and the largest]
    #[arg(long, value_name = "LOW:HIGH", value_parser = window, allow_hyphen_values = true, conflicts_with = "labels")]
    window: Option<[f32; 2]>,
    /// The volume holds labels, whole numbers up to 255, which stay as they are
    #[arg(long)]
    labels: bool,
    /// Slices A to B-1, counted from 0 [default: all]
    #[arg(long, value_name = "A:B", value_parser = slices)]
    z: Option<Range<usize>>,
}

pub fn run(arguments: &Arguments) -> std::result::Result<(), Failure> {
    let (values, first) = read(arguments).or_exit(Exit::BadInput)?;
    let [low, high] = match (arguments.labels, arguments.window) {
        (true, _) => whole_numbers(&arguments.volume, &values).or_exit(Exit::BadInput)?,
        (false, Some(window)) => window,
        (false, None) => extent(&arguments.volume, &values).or_exit(Exit::BadInput)?,
    };
    make_folder(&arguments.out)?;
    let name = name_of(&arguments.volume);
    let digits = (first + values.len_of(Axis(0))).to_string().len().max(3);
    for (z, slice) in (first..).zip(values.outer_iter()) {
        let path = arguments.out.join(format!("{name}_z{z:0digits$}.png"));
        let png = grey_png(bytes(slice, low, high).view()).or_exit(Exit::NotWritten)?;
        write_whole(&path, &png).or_exit(Exit::NotWritten)?;
    }
    print(&format!(
        "{} slices in {}; {low} is black, {high} white\n",
        values.len_of(Axis(0)),
        arguments.out.display()
    ))
}

/// The slices asked for, (z, y, x), and the number of the first.
fn read(arguments: &Arguments) -> Result<(Array3<f32>, usize)> {
    let path = &arguments.volume;
    let check = |depth: usize| -> Result<Range<usize>> {
        let z = arguments.z.clone().unwrap_or(0..depth);
        match z.end <= depth {
            true => Ok(z),
            false => {
                let allowed = format!("must be within 0:{depth}");
                Err(Error::argument("z", format!("{}:{}", z.start, z.end), &allowed))
            }
        }
    };
    if is_nifti(path) {
        let values = read_nifti(path)?;
        let z = check(values.len_of(Axis(0)))?;
        let first = z.start;
        return Ok((values.slice(ndarray::s![z, .., ..]).to_owned(), first));
    }
    let tomogram = Tomogram::open(path, &Job::quiet())?;
    let z = check(tomogram.geometry().shape[0])?;
    let first = z.start;
    Ok((tomogram.read_slices(z)?, first))
}

/// "LOW:HIGH", two finite numbers.
fn window(text: &str) -> std::result::Result<[f32; 2], String> {
    let parse = || {
        let (low, high) = text.split_once(':')?;
        let (low, high) = (number(low).ok()?, number(high).ok()?);
        (low < high).then_some([low as f32, high as f32])
    };
    parse().ok_or_else(|| "must be LOW:HIGH with LOW below HIGH, such as -125:275".to_owned())
}

/// Least and largest value. Errors: values that are not finite, or all the same.
fn extent(path: &Path, values: &Array3<f32>) -> Result<[f32; 2]> {
    let [low, high] = values
        .iter()
        .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], v| {
            [low.min(*v), high.max(*v)]
        });
    match low < high && low.is_finite() && high.is_finite() {
        true => Ok([low, high]),
        false => Err(Error::format(
            path.display(),
            format!("has values from {low} to {high}: give a --window, or --labels"),
        )),
    }
}

/// 0 and 255. Errors: values that are no whole numbers in between.
fn whole_numbers(path: &Path, values: &Array3<f32>) -> Result<[f32; 2]> {
    match values.iter().find(|v| !(0.0..=255.0).contains(*v) || v.fract() != 0.0) {
        Some(odd) => Err(Error::format(
            path.display(),
            format!("holds {odd}: labels must be whole numbers in 0..=255"),
        )),
        None => Ok([0.0, 255.0]),
    }
}

fn bytes(slice: ArrayView2<f32>, low: f32, high: f32) -> Array2<u8> {
    slice.mapv(|v| ((v - low) / (high - low) * 255.0).round().clamp(0.0, 255.0) as u8)
}

/// The file's name without its endings.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let endings = [
        ".nii.gz", ".nii", ".mrc.gz", ".mrc.bz2", ".mrc", ".rec", ".map", ".zarr",
    ];
    let stem = endings.iter().find_map(|ending| name.strip_suffix(ending));
    stem.unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_clips_and_labels_stay() {
        let slice = Array2::from_shape_vec((1, 4), vec![-1000.0, -125.0, 75.0, 900.0]).unwrap();
        assert_eq!(
            bytes(slice.view(), -125.0, 275.0).into_raw_vec_and_offset().0,
            [0, 0, 128, 255]
        );
        assert_eq!(window("-125:275").unwrap(), [-125.0, 275.0]);
        assert!(window("5:5").is_err() && window("a:b").is_err());
        let labels = Array3::from_elem((1, 1, 1), 13.0);
        assert_eq!(whole_numbers(Path::new("l"), &labels).unwrap(), [0.0, 255.0]);
        assert!(whole_numbers(Path::new("l"), &labels.mapv(|v| v + 0.5)).is_err());
        assert!(extent(Path::new("l"), &labels).is_err());
        assert_eq!(name_of(Path::new("/a/img0001.nii.gz")), "img0001");
    }
}
