//! The files of a segmented slab, each written to a temporary name and renamed when complete.
use std::path::{Path, PathBuf};

use ndarray::{Axis, Ix2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::picks::{written_name, PickFormat, PickSet};
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::Settings;
use crate::volume::{self, Tomogram};

use super::overlay::write_overlay;
use super::pipeline::SlabSegmentation;
use super::uncertainty::uncertainty;

/// Which files a segmented slab is written to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlabFileOptions {
    /// Whether scores are float32 (MRC mode 2) and not float16 (mode 12).
    pub float32_scores: bool,
    /// Whether a map of doubt is written too: the entropy of what each voxel may be, 0 sure to 1 all kinds alike.
    pub uncertainty: bool,
    /// Formats of the points.
    pub formats: Vec<PickFormat>,
}

impl Default for SlabFileOptions {
    fn default() -> Self {
        let formats = [
            PickFormat::Csv,
            PickFormat::Star,
            PickFormat::Dynamo,
            PickFormat::Imod,
            PickFormat::Coords,
        ];
        Self {
            float32_scores: false,
            uncertainty: false,
            formats: formats.to_vec(),
        }
    }
}

impl Settings for SlabFileOptions {
    const FAMILY: &'static str = "slab_files";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }
}

/// Where [`write_outputs`] put things.
#[derive(Clone, Debug, Serialize)]
pub struct OutputFiles {
    /// `<stem>_labels.mrc`, int8: 0 background, 1 membrane, 2 molecule, 3 filament.
    pub labels: PathBuf,
    /// `<stem>_score.mrc`, float16 or float32, 0..=1.
    pub score: PathBuf,
    /// `<stem>_membrane.mrc` and `<stem>_molecule.mrc`, as `score`: likelihoods, where the model predicts structures.
    pub likelihoods: Vec<PathBuf>,
    /// `<stem>_uncertainty.mrc`, as `score`, where it was asked for.
    pub uncertainty: Option<PathBuf>,
    /// `<stem>_points.{csv,star,tbl,mod,coords}`, those asked for.
    pub points: Vec<PathBuf>,
    /// `<stem>_overlay.png`.
    pub overlay: PathBuf,
}

/// Writes labels, score, likelihoods, points and a picture of the middle slice into `folder`, which is made if absent.
///
/// Volumes hold the slab only, with start and origin set so that they overlay the tomogram. Errors name the file.
pub fn write_outputs(
    slab: &SlabSegmentation,
    tomogram: &Tomogram,
    folder: &Path,
    stem: &str,
    options: &SlabFileOptions,
    job: &Job,
) -> Result<OutputFiles> {
    if stem.is_empty() || stem.contains('/') {
        return Err(Error::argument(
            "stem",
            format!("\"{stem}\""),
            "must be a file name without folders",
        ));
    }
    job.enter(Stage::Write)?;
    let tomogram = &tomogram.with_voxel_nm(slab.report.settings.voxel_nm, &Job::quiet())?;
    std::fs::create_dir_all(folder).map_err(|error| Error::io("creating", folder, error))?;
    let file = |suffix: &str| folder.join(format!("{stem}_{suffix}"));
    let files = OutputFiles {
        labels: file("labels.mrc"),
        score: file("score.mrc"),
        likelihoods: match slab.structures {
            Some(_) => vec![file("membrane.mrc"), file("molecule.mrc")],
            None => Vec::new(),
        },
        uncertainty: options.uncertainty.then(|| file("uncertainty.mrc")),
        points: options
            .formats
            .iter()
            .map(|format| folder.join(format.file_name(stem)))
            .collect(),
        overlay: file("overlay.png"),
    };
    let half_scores = !options.float32_scores;
    volume::write_labels(&files.labels, &slab.labels, &slab.geometry)?;
    job.check()?;
    volume::write_scores(&files.score, &slab.score, &slab.geometry, half_scores)?;
    job.check()?;
    if let Some(maps) = &slab.structures {
        for (path, map) in files.likelihoods.iter().zip([&maps.membrane, &maps.molecule]) {
            volume::write_scores(path, map, &slab.geometry, half_scores)?;
            job.check()?;
        }
    }
    if let Some(path) = &files.uncertainty {
        volume::write_scores(path, &uncertainty(slab), &slab.geometry, half_scores)?;
        job.check()?;
    }
    let name = written_name(tomogram.name(), stem);
    let set = PickSet::new(slab.points.clone(), tomogram.geometry(), name);
    for (path, format) in files.points.iter().zip(&options.formats) {
        set.write(path, *format)?;
        job.check()?;
    }
    let middle = slab.z.start + (slab.z.end - slab.z.start) / 2;
    let slices = tomogram.read_slices(middle..middle + 1)?;
    let slice = slices
        .index_axis(Axis(0), 0)
        .into_dimensionality::<Ix2>()
        .map_err(|error| Error::Internal(format!("slice of the overlay: {error}")))?;
    let labels = slab.labels.index_axis(Axis(0), middle - slab.z.start);
    write_overlay(
        &files.overlay,
        slice,
        labels,
        &slab.points,
        middle,
        slab.report.voxel_nm,
    )?;
    Ok(files)
}
