//! The network over one tomogram, and the figures and pictures of its result.
use std::path::Path;
use std::time::Instant;

use super::agreement::agreement;
use super::labels;
use super::member::Member;
use super::network_labels::NetworkLabels;
use super::options::DataSetOptions;
use super::pictures;
use super::state::{LabelledSlab, PredictedTomogram};
use super::truth;
use crate::networks::SegmentationModel;
use crate::picks::{Pick, PickFormat, PickSet};
use crate::predict::{finished_files, predict, Inputs, PredictOptions};
use crate::runtime::{Error, Job, Result, Stage};
use crate::volume::{Geometry, Tomogram};

/// Share of the progress that the network's pass is; the rest is looking at the result.
const NETWORK_SHARE: f64 = 0.9;

/// Predicts `member` into `out`, unless `known` says that this is done, and looks at the result; `slabs` are those of
/// it that the network learnt from.
pub(super) fn predict_member(
    model: &SegmentationModel,
    member: &Member,
    (slabs, known): (&[&LabelledSlab], Option<&PredictedTomogram>),
    options: &DataSetOptions,
    out: &Path,
    job: &Job,
) -> Result<PredictedTomogram> {
    let began = Instant::now();
    let tomogram = member.open(options, job)?;
    let part = job.part(0.0..NETWORK_SHARE);
    let done = match known {
        Some(known) => known.clone(),
        None => {
            let settings = predict_options(model, &tomogram, options, job);
            let report = predict(model, &tomogram, out, &settings, &part)?;
            if !report.finished {
                return Err(Error::State(format!(
                    "parts of {} are left to other processes",
                    member.name
                )));
            }
            PredictedTomogram {
                files: report.files.iter().map(|path| relative(path, out)).collect(),
                voxels_per_second: report.voxels_per_second,
                ..PredictedTomogram::default()
            }
        }
    };
    let part = job.part(NETWORK_SHARE..1.0);
    part.enter(Stage::Read)?;
    let geometry = tomogram.geometry();
    let labels = format!("{}_labels{}", member.name, options.prediction.format.ending());
    let network_labels = NetworkLabels::open(model, &out.join(labels), &part)?;
    let mut seen = PredictedTomogram {
        shape: geometry.shape,
        voxel_nm: geometry.voxel_nm(),
        shares: network_labels.shares(&part)?,
        truth_file: member.given.truth.clone(),
        files: done.files,
        voxels_per_second: done.voxels_per_second,
        seconds: done.seconds,
        ..PredictedTomogram::default()
    };
    part.advance(0.3)?;
    let points = points(&seen.files, out, &tomogram)?;
    seen.points = points.as_ref().map(Vec::len);
    for slab in slabs {
        let given = labels::read(out, slab, geometry, &part)?;
        let here = network_labels.slices(slab.slab.z.clone())?;
        let of = (slab.stem.as_str(), &slab.slab.z);
        seen.agreement
            .extend(agreement(of, &here, &given, &network_labels.classes, options.held_out)?);
    }
    if let Some(path) = &member.given.truth {
        let bright = options.bright;
        seen.truth = truth::scores(&tomogram, path, &network_labels, bright, &part)?;
    }
    part.advance(0.6)?;
    let of = pictures::Subject {
        tomogram: &tomogram,
        network_labels: &network_labels,
        points: points.as_deref(),
        voxel_nm: seen.voxel_nm.unwrap_or(0.0),
    };
    seen.pictures = pictures::draw(&of, slabs, options.held_out, out, &part)?;
    seen.seconds += began.elapsed().as_secs_f64();
    Ok(seen)
}

/// Settings of the prediction of `tomogram`: molecules need a voxel size, and an output of the network that knows them.
fn predict_options(
    model: &SegmentationModel,
    tomogram: &Tomogram,
    options: &DataSetOptions,
    job: &Job,
) -> PredictOptions {
    let mut settings = options.predict_options();
    let is_known = tomogram.geometry().voxel_nm().is_some();
    if !is_known && settings.picking.is_some() {
        let text = format!(
            "{}: its voxel size is unknown, no molecules are picked",
            tomogram.name()
        );
        job.logger().warn("run", &text);
    }
    let outputs = model.network().outputs();
    settings.picking = settings
        .picking
        .filter(|picking| is_known && (picking.output.is_some() || picking.output(outputs).is_ok()));
    settings
}

/// Whether the volumes of a prediction are still there, and of the same tomogram and network. Of a tomogram that is
/// gone they are.
pub(super) fn is_predicted(
    model: &SegmentationModel,
    member: &Member,
    seen: &PredictedTomogram,
    options: &DataSetOptions,
    out: &Path,
    job: &Job,
) -> Result<bool> {
    if !seen.files.iter().all(|file| out.join(file).exists()) {
        return Ok(false);
    }
    let Ok(tomogram) = member.open(options, job) else {
        return Ok(true);
    };
    let settings = predict_options(model, &tomogram, options, job);
    let inputs = Inputs {
        model,
        tomogram: &tomogram,
        excluded: None,
    };
    Ok(finished_files(&inputs, out, &settings, job)?.is_some())
}

/// Whether a prediction was looked at as `member` asks for, and the pictures are still there.
pub(super) fn is_seen(out: &Path, member: &Member, seen: &PredictedTomogram) -> bool {
    seen.truth_file == member.given.truth && seen.pictures.iter().all(|(file, _)| out.join(file).exists())
}

fn relative(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

/// Molecules of the prediction, where a file of points is among its files.
fn points(files: &[String], out: &Path, tomogram: &Tomogram) -> Result<Option<Vec<Pick>>> {
    let Some(file) = files.iter().find(|file| file.ends_with(".csv")) else {
        return Ok(None);
    };
    // Its own file of one tomogram, in voxels.
    let place = Geometry::new(tomogram.geometry().shape, 0.0);
    let set = PickSet::read(&out.join(file), PickFormat::Csv, &place, "")?;
    Ok(Some(set.picks))
}
