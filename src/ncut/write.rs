//! A segmentation as files: labels, a picture, the tree.
use std::path::{Path, PathBuf};

use ::image::codecs::png::PngEncoder;
use ::image::{ExtendedColorType, ImageEncoder};
use ndarray::{ArrayView2, Axis};
use serde::Serialize;
use tiff::encoder::{colortype, TiffEncoder};

use crate::image::Picture;
use crate::runtime::{write_whole, Error, Job, Result, Stage};
use crate::volume::{write_i16, Geometry, Tomogram};

use super::input::ImageInput;
use super::options::NcutOptions;
use super::overlay::draw;
use super::segmentation::{NcutReport, Segment, Segmentation};
use super::tree::TreeNode;

/// Form of a label image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelFormat {
    /// Grey levels are the numbers: 8 bits up to 256 segments, else 16.
    #[default]
    Png,
    /// The same as TIFF.
    Tiff,
}

/// The input of the segmentation: pixels for the picture, and where labels lie.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// An image.
    Image(ImageInput<'a>),
    /// The slices of a tomogram from this one on.
    Slices(&'a Tomogram, usize),
    /// A matrix: there is no picture.
    Matrix,
}

/// Writes `<stem>_labels.png` or `.tif` (of a slab: `.mrc`, int16, with start and origin set), `<stem>_overlay.png` (of
/// a slab: its middle slice; of a matrix: none) and `<stem>_tree.json` into `folder`, which is made if absent. Further
/// segmentations of the hierarchy go to `<stem>_level0_labels...` and so on. Returns the files. Each is whole or
/// absent.
///
/// Errors name the file; more than 32,767 (MRC) or 65,535 segments.
pub fn write_segmentation(
    segmentation: &Segmentation,
    subject: Subject,
    format: LabelFormat,
    folder: &Path,
    stem: &str,
    job: &Job,
) -> Result<Vec<PathBuf>> {
    if stem.is_empty() || stem.contains('/') {
        return Err(Error::argument(
            "stem",
            format!("\"{stem}\""),
            "must be a file name without folders",
        ));
    }
    job.enter(Stage::Write)?;
    std::fs::create_dir_all(folder).map_err(|error| Error::io("creating", folder, error))?;
    let mut files = Vec::new();
    let levels = segmentation.levels.iter().enumerate();
    let all = levels.map(|(i, level)| (format!("_level{i}"), &level.labels));
    for (infix, labels) in std::iter::once((String::new(), &segmentation.labels)).chain(all) {
        job.check()?;
        let file = |ending: &str| folder.join(format!("{stem}{infix}_{ending}"));
        let middle = labels.len_of(Axis(0)) / 2;
        let plane = labels.index_axis(Axis(0), middle);
        match subject {
            Subject::Slices(tomogram, first) => {
                let path = file("labels.mrc");
                let geometry = tomogram.geometry().slab(first..first + labels.len_of(Axis(0)))?;
                write_volume(&path, labels, &geometry)?;
                files.push(path);
                let slice = tomogram.read_slices(first + middle..first + middle + 1)?;
                files.push(write_picture(
                    &file("overlay.png"),
                    ImageInput::new(slice.view(), None)?,
                    plane,
                )?);
            }
            Subject::Image(image) => {
                files.push(write_labels(&file("labels"), plane, format)?);
                files.push(write_picture(&file("overlay.png"), image, plane)?);
            }
            Subject::Matrix => files.push(write_labels(&file("labels"), plane, format)?),
        }
    }
    let path = folder.join(format!("{stem}_tree.json"));
    let tree = serde_json::to_vec(&tree_of(segmentation)).map_err(|error| Error::Internal(format!("tree: {error}")))?;
    write_bytes(&path, &tree)?;
    files.push(path);
    Ok(files)
}

/// Settings, report, segments, trees and levels, to be written as JSON.
pub fn tree_of(segmentation: &Segmentation) -> TreeFile<'_> {
    TreeFile {
        settings: &segmentation.settings,
        report: &segmentation.report,
        segments: &segmentation.segments,
        cells: (segmentation.cells.iter())
            .map(|cell| CellTree {
                z: cell.z,
                grid: cell.grid,
                nodes: &cell.tree,
            })
            .collect(),
        levels: (segmentation.levels.iter())
            .map(|level| LevelSize {
                at: level.at,
                segments: level.segments,
            })
            .collect(),
    }
}

/// The contents of STEM_tree.json.
#[derive(Serialize)]
pub struct TreeFile<'a> {
    settings: &'a NcutOptions,
    report: &'a NcutReport,
    segments: &'a [Segment],
    cells: Vec<CellTree<'a>>,
    levels: Vec<LevelSize>,
}

#[derive(Serialize)]
struct CellTree<'a> {
    z: [usize; 2],
    grid: [usize; 2],
    nodes: &'a [TreeNode],
}

#[derive(Serialize)]
struct LevelSize {
    at: f64,
    segments: usize,
}

fn write_volume(path: &Path, labels: &ndarray::Array3<u32>, geometry: &Geometry) -> Result<()> {
    let most = labels.iter().max().copied().unwrap_or(0);
    if most > i16::MAX as u32 {
        let allowed = format!("must be at most {} for MRC files", i16::MAX);
        return Err(Error::argument("labels", most, &allowed));
    }
    write_i16(path, &labels.mapv(|label| label as i16), geometry)
}

fn write_picture(path: &Path, image: ImageInput, labels: ArrayView2<u32>) -> Result<PathBuf> {
    let picture: Picture = draw(image, labels)?;
    write_bytes(path, &picture.png()?)?;
    Ok(path.to_path_buf())
}

fn write_labels(path: &Path, labels: ArrayView2<u32>, format: LabelFormat) -> Result<PathBuf> {
    let most = labels.iter().max().copied().unwrap_or(0);
    if most > u32::from(u16::MAX) {
        let allowed = format!("must be at most {} for pictures", u16::MAX);
        return Err(Error::argument("labels", most, &allowed));
    }
    let (rows, cols) = (labels.nrows() as u32, labels.ncols() as u32);
    let narrow: Vec<u8> = labels.iter().map(|&label| label as u8).collect();
    let wide: Vec<u16> = labels.iter().map(|&label| label as u16).collect();
    let small = most <= 255;
    let mut bytes = Vec::new();
    let extension = match format {
        LabelFormat::Png => {
            let (data, kind) = if small {
                (narrow, ExtendedColorType::L8)
            } else {
                let words = wide.iter().flat_map(|word| word.to_ne_bytes()).collect();
                (words, ExtendedColorType::L16)
            };
            PngEncoder::new(&mut bytes)
                .write_image(&data, cols, rows, kind)
                .map_err(|error| Error::Internal(format!("PNG: {error}")))?;
            "png"
        }
        LabelFormat::Tiff => {
            let failed = |error: tiff::TiffError| Error::Internal(format!("TIFF: {error}"));
            let mut encoder = TiffEncoder::new(std::io::Cursor::new(&mut bytes)).map_err(failed)?;
            if small {
                encoder.write_image::<colortype::Gray8>(cols, rows, &narrow)
            } else {
                encoder.write_image::<colortype::Gray16>(cols, rows, &wide)
            }
            .map_err(failed)?;
            "tif"
        }
    };
    let path = path.with_extension(extension);
    write_bytes(&path, &bytes)?;
    Ok(path)
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::PictureFile;
    use crate::ncut::{segment_matrix, MatrixInput, NcutOptions, Preset};
    use tch::Tensor;

    #[test]
    fn files_hold_labels_picture_and_tree() {
        let features = Tensor::from_slice(&[1.0_f32, 0.0, 1.0, 0.1, 0.0, 1.0, 0.1, 1.0]).reshape([4, 2]);
        let mut options = NcutOptions::new(Preset::DiffCut);
        options.counts = vec![1];
        let matrix = MatrixInput::Features(features);
        let segmentation = segment_matrix(matrix, (2, 2), Some((8, 6)), &options, &Job::quiet()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |subject, format, stem: &str| {
            write_segmentation(&segmentation, subject, format, folder.path(), stem, &Job::quiet())
        };
        let pixels = ndarray::Array3::<f32>::zeros((1, 8, 6));
        let image = Subject::Image(ImageInput::new(pixels.view(), None).unwrap());
        let files = write(image, LabelFormat::Png, "a").unwrap();
        let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "a_labels.png",
                "a_overlay.png",
                "a_level0_labels.png",
                "a_level0_overlay.png",
                "a_tree.json"
            ]
        );
        let labels = PictureFile::read(&files[0]).unwrap().pixels;
        assert!(labels.iter().zip(&segmentation.labels).all(|(&a, &b)| a == b as f32));
        let tree: serde_json::Value = serde_json::from_slice(&std::fs::read(&files[4]).unwrap()).unwrap();
        assert_eq!(tree["report"]["preset"], "diffcut");
        let settings = serde_json::from_value::<NcutOptions>(tree["settings"].clone()).unwrap();
        assert_eq!(settings, options);
        assert_eq!(tree["cells"][0]["nodes"][0]["tokens"], 4);
        assert_eq!(tree["levels"][0]["segments"], 1);
        let files = write(Subject::Matrix, LabelFormat::Tiff, "b").unwrap();
        let labels = PictureFile::read(&files[0]).unwrap().pixels;
        assert!(labels.iter().zip(&segmentation.labels).all(|(&a, &b)| a == b as f32));
        assert!(write(Subject::Matrix, LabelFormat::Png, "a/b").is_err());
    }
}
