//! Labels of slabs: made by the diffusion model, kept in files, read back.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ndarray::Array3;

use super::options::DataSetOptions;
use super::state::{ChosenSlab, LabelledSlab};
use crate::diffusion::DiffusionModel;
use crate::picks::{Pick, PickFormat, PickSet};
use crate::runtime::{Error, Job, Result};
use crate::slab::{segment, write_outputs, SlabFileOptions};
use crate::volume::{Geometry, Tomogram};

/// Folder of the slabs' files within that of the results.
const FOLDER: &str = "slabs";

/// What was found in a slab, as its files have it.
pub(super) struct SlabFiles {
    /// Labels of [`crate::volume::CLASS_NAMES`], (z, y, x) of the slab.
    pub labels: Array3<i8>,
    /// Molecules, in voxels of the tomogram.
    pub points: Vec<Pick>,
}

/// Segments `chosen` of `tomogram` and writes what was found to `out/slabs`.
///
/// Errors: those of [`segment`] and [`write_outputs`]; [`Error::Format`] where nothing was found.
pub(super) fn label(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    chosen: &ChosenSlab,
    options: &DataSetOptions,
    out: &Path,
    job: &Job,
) -> Result<LabelledSlab> {
    let began = Instant::now();
    let segmentation = segment(model, tomogram, chosen.z.clone(), &options.slab_options(), job)?;
    let stem = format!("{}_{}-{}", chosen.tomogram, chosen.z.start, chosen.z.end);
    if segmentation.labels.iter().all(|label| *label == 0) {
        return Err(Error::format(&stem, "no structure was found in these slices"));
    }
    write_outputs(
        &segmentation,
        tomogram,
        &out.join(FOLDER),
        &stem,
        &SlabFileOptions::default(),
        job,
    )?;
    Ok(LabelledSlab {
        slab: chosen.clone(),
        stem,
        membrane_share: segmentation.report.membrane_share,
        molecule_share: segmentation.report.molecule_share,
        points: segmentation.points.len(),
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn file(out: &Path, stem: &str, ending: &str) -> PathBuf {
    out.join(FOLDER).join(format!("{stem}_{ending}"))
}

/// Whether the files of a labelled slab are still there.
pub(super) fn are_there(out: &Path, slab: &LabelledSlab) -> bool {
    ["labels.mrc", "points.csv"]
        .iter()
        .all(|ending| fs::exists(file(out, &slab.stem, ending)).unwrap_or(false))
}

/// Reads what [`label`] wrote of a slab of a tomogram of this `geometry`. Training reads it too rather than keeping it,
/// so that a run that was stopped learns from the same numbers.
pub(super) fn read(out: &Path, slab: &LabelledSlab, geometry: &Geometry, job: &Job) -> Result<SlabFiles> {
    let volume = Tomogram::open_again(&file(out, &slab.stem, "labels.mrc"), None, job)?;
    let labels = volume.read_slices(0..volume.geometry().shape[0])?;
    let points = file(out, &slab.stem, "points.csv");
    // Its own file of one tomogram, in voxels.
    let place = Geometry::new(geometry.shape, 0.0);
    Ok(SlabFiles {
        labels: labels.mapv(|label| label as i8),
        points: PickSet::read(&points, PickFormat::of(&points)?, &place, "")?.picks,
    })
}
