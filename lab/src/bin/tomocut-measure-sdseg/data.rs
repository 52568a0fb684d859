//! The data sets and their fixed split.
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::Array3;
use tomocut::runtime::Job;
use tomocut::segmenter::PicturePair;
use tomocut::volume::{Geometry, Tomogram};
use tomocut::{Error, Result};

/// What is learnt from and what is scored with.
pub enum Kind {
    /// Pictures with masks: of the sorted list every third (2, 5, 8, ...) is scored with.
    Pictures {
        learnt: Vec<PicturePair>,
        scored: Vec<PicturePair>,
    },
    /// Slices of a tomogram with the labels of all of it, 0 and 1.
    Slices {
        tomogram: Box<Tomogram>,
        labels: Array3<i8>,
        learnt: Range<usize>,
        scored: Range<usize>,
    },
}

pub struct DataSet {
    pub name: String,
    /// What it is and what the mask is of.
    pub about: String,
    /// Channels of the pictures.
    pub channels: i64,
    pub kind: Kind,
}

/// All three.
pub fn sets(folder: &Path) -> Result<Vec<DataSet>> {
    let polyps = pictures(&folder.join("kvasir"), ("images", "masks"))?;
    Ok(vec![
        DataSet {
            name: "kvasir".into(),
            about: "polyps in 30 colour pictures".into(),
            channels: 3,
            kind: polyps,
        },
        tissue(&folder.join("isbi2012_em"))?,
        slices(folder)?,
    ])
}

fn number(path: &Path) -> u64 {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    stem.parse().unwrap_or(u64::MAX)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io("reading", folder, e))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort_by_key(|path| number(path));
    Ok(files)
}

fn pictures(folder: &Path, (images, masks): (&str, &str)) -> Result<Kind> {
    let (images, masks) = (files(&folder.join(images))?, files(&folder.join(masks))?);
    let (mut learnt, mut scored) = (Vec::new(), Vec::new());
    for (index, (image, mask)) in images.iter().zip(&masks).enumerate() {
        let pair = PicturePair::read(image, mask, None)?;
        if index % 3 == 2 {
            scored.push(pair);
        } else {
            learnt.push(pair);
        }
    }
    Ok(Kind::Pictures { learnt, scored })
}

/// Pictures of one extent as the slices of a tomogram, two by two pixels to a voxel.
fn tissue(folder: &Path) -> Result<DataSet> {
    let (images, labels) = (files(&folder.join("image"))?, files(&folder.join("label"))?);
    let (mut voxels, mut marks, mut shape) = (Vec::new(), Vec::new(), [images.len(), 0, 0]);
    for (image, label) in images.iter().zip(&labels) {
        let pair = PicturePair::read(image, label, None)?;
        let grey = pair.image.pixels.index_axis(ndarray::Axis(0), 0);
        (shape[1], shape[2]) = (grey.dim().0 / 2, grey.dim().1 / 2);
        for r in 0..shape[1] {
            for c in 0..shape[2] {
                let four = [
                    [2 * r, 2 * c],
                    [2 * r + 1, 2 * c],
                    [2 * r, 2 * c + 1],
                    [2 * r + 1, 2 * c + 1],
                ];
                voxels.push(four.iter().map(|at| grey[*at]).sum::<f32>() / 4.0);
                marks.push(i8::from(four.iter().filter(|at| !pair.mask[**at]).count() >= 2));
            }
        }
    }
    let fits = |e: ndarray::ShapeError| Error::format(folder.display(), e);
    let voxels = Array3::from_shape_vec(shape, voxels).map_err(fits)?;
    let labels = Array3::from_shape_vec(shape, marks).map_err(fits)?;
    Ok(DataSet {
        name: "isbi2012_em".into(),
        about: "membranes (the dark label) in slices of stained tissue at half size; 0 to 7 learnt, 8 to 11 scored"
            .into(),
        channels: 1,
        kind: Kind::Slices {
            tomogram: Box::new(Tomogram::from_array(voxels, Geometry::new(shape, 80.0))?),
            labels,
            learnt: 0..8,
            scored: 8..12,
        },
    })
}

fn slices(folder: &Path) -> Result<DataSet> {
    let folder = folder.join("sim_pn_dev1");
    let job = Job::quiet();
    let tomogram = Tomogram::open(&folder.join("tomo_easy.mrc.gz"), &job)?;
    let truth = Tomogram::open(&folder.join("labels.mrc.gz"), &job)?;
    let depth = truth.geometry().shape[0];
    let labels = truth.read_slices(0..depth)?.mapv(|label| i8::from(label > 0.5));
    Ok(DataSet {
        name: "sim_pn_dev1".into(),
        about: "all structures in slices of a simulated tomogram of SNR 0.8, labels its truth".into(),
        channels: 1,
        kind: Kind::Slices {
            tomogram: Box::new(tomogram),
            labels,
            learnt: 30..60,
            scored: 80..88,
        },
    })
}
