//! The networks over one tomogram, and the figures and pictures of their results.
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::agreement::agreement;
use super::labels;
use super::member::Member;
use super::network::RunNetwork;
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

/// Share of the progress that the networks' passes are; the rest is looking at the result.
const NETWORK_SHARE: f64 = 0.9;

/// A trained network of a run.
pub(super) struct Trained<'a> {
    pub network: &'a RunNetwork,
    pub model: SegmentationModel,
}

impl Trained<'_> {
    /// Where its labels of a tomogram are.
    fn labels(&self, member: &Member, out: &Path) -> PathBuf {
        let prediction = &self.network.prediction;
        let file = format!("{}_labels{}", member.name, prediction.format.ending());
        self.network.role.folder(out).join(file)
    }
}

/// Predicts `member` by all `networks`, each into its folder of `out`, unless `known` says that this is done, and looks
/// at the result; `slabs` are those of it that were learnt from.
pub(super) fn predict_member(
    networks: &[Trained],
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
        None => predicted(networks, member, &tomogram, out, &part)?,
    };
    let part = job.part(NETWORK_SHARE..1.0);
    part.enter(Stage::Read)?;
    let geometry = tomogram.geometry();
    let files: Vec<PathBuf> = networks.iter().map(|trained| trained.labels(member, out)).collect();
    let layers = networks
        .iter()
        .zip(&files)
        .map(|(trained, file)| (&trained.model, file.as_path()));
    let network_labels = NetworkLabels::open(layers, &part)?;
    let mut seen = PredictedTomogram {
        shape: geometry.shape,
        voxel_nm: geometry.voxel_nm(),
        shares: network_labels.shares(&part)?,
        truth_file: member.given.truth.clone(),
        true_points_file: member.given.true_points.clone(),
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
    if let (Some(path), Some(points)) = (&member.given.true_points, &points) {
        seen.true_points = truth::point_scores(&tomogram, path, points, diameter_nm(networks))?;
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

/// The files of `member` by all networks.
fn predicted(
    networks: &[Trained],
    member: &Member,
    tomogram: &Tomogram,
    out: &Path,
    job: &Job,
) -> Result<PredictedTomogram> {
    let mut done = PredictedTomogram::default();
    let mut seconds = 0.0;
    for (index, trained) in networks.iter().enumerate() {
        let share = |n: usize| n as f64 / networks.len() as f64;
        let part = job.part(share(index)..share(index + 1));
        let settings = predict_options(trained, tomogram, job);
        let report = predict(
            &trained.model,
            tomogram,
            &trained.network.role.folder(out),
            &settings,
            &part,
        )?;
        if !report.finished {
            return Err(Error::State(format!(
                "parts of {} are left to other processes",
                member.name
            )));
        }
        done.files.extend(report.files.iter().map(|path| relative(path, out)));
        seconds += report.voxels_per_second.max(f64::MIN_POSITIVE).recip();
    }
    // Of all networks together.
    done.voxels_per_second = seconds.recip();
    Ok(done)
}

/// Diameter of the molecules that are picked, in nm: that of the last network that picks any.
fn diameter_nm(networks: &[Trained]) -> f64 {
    let picking = |trained: &Trained| trained.network.prediction.picking.clone();
    let last = networks.iter().rev().find_map(picking);
    last.unwrap_or_default().diameter_nm
}

/// Settings of the prediction of `tomogram`: molecules need a voxel size, and an output of the network that knows them.
fn predict_options(trained: &Trained, tomogram: &Tomogram, job: &Job) -> PredictOptions {
    let mut settings = trained.network.prediction.clone();
    let is_known = tomogram.geometry().voxel_nm().is_some();
    if !is_known && settings.picking.is_some() {
        let text = format!(
            "{}: its voxel size is unknown, no molecules are picked",
            tomogram.name()
        );
        job.logger().warn("run", &text);
    }
    let outputs = trained.model.network().outputs();
    settings.picking = settings
        .picking
        .filter(|picking| is_known && (picking.output.is_some() || picking.output(outputs).is_ok()));
    settings
}

/// Whether the volumes of a prediction are still there, and of the same tomogram and networks. Of a tomogram that is
/// gone they are.
pub(super) fn is_predicted(
    networks: &[Trained],
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
    for trained in networks {
        let settings = predict_options(trained, &tomogram, job);
        let inputs = Inputs {
            model: &trained.model,
            tomogram: &tomogram,
            excluded: None,
        };
        let folder = trained.network.role.folder(out);
        if finished_files(&inputs, &folder, &settings, job)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a prediction was looked at as `member` asks for, and the pictures are still there.
pub(super) fn is_seen(out: &Path, member: &Member, seen: &PredictedTomogram) -> bool {
    seen.truth_file == member.given.truth
        && seen.true_points_file == member.given.true_points
        && seen.pictures.iter().all(|(file, _)| out.join(file).exists())
}

fn relative(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

/// Molecules of the prediction, where a file of points is among its files: of the last network that picked any.
fn points(files: &[String], out: &Path, tomogram: &Tomogram) -> Result<Option<Vec<Pick>>> {
    let Some(file) = files.iter().rev().find(|file| file.ends_with(".csv")) else {
        return Ok(None);
    };
    // Its own file of one tomogram, in voxels.
    let place = Geometry::new(tomogram.geometry().shape, 0.0);
    let set = PickSet::read(&out.join(file), PickFormat::Csv, &place, "")?;
    Ok(Some(set.picks))
}
