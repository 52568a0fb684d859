//! The network over one tomogram, and what is told about it.
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use ndarray::Array3;

use super::agreement::agreement;
use super::journal::{LabelledSlab, PredictedTomogram};
use super::labels::{self, NAMES};
use super::options::DataSetOptions;
use super::pictures;
use super::run::Member;
use super::truth;
use crate::networks::SegmentationModel;
use crate::picks::{Pick, PickFormat, PickSet};
use crate::predict::{predict_and_find, AfterNetwork};
use crate::runtime::{Error, Job, Result, Stage};
use crate::volume::Tomogram;

/// Outputs of a network that are no class.
pub(super) const NO_CLASS: [&str; 2] = ["background", "centre"];

/// Slices that are read at once.
const CHUNK: usize = 8;

/// Share of the progress that the network's pass is; the rest is looking at the result.
const NETWORK_SHARE: f64 = 0.9;

/// Predicts `member` into `out`, unless `known` says that this is done, and looks at the result; `slabs` are those of it that the
/// network learnt from.
pub(super) fn predict_member(
    model: &SegmentationModel,
    member: &Member,
    (slabs, known): (&[&LabelledSlab], Option<&PredictedTomogram>),
    options: &DataSetOptions,
    out: &Path,
    job: &Job,
) -> Result<PredictedTomogram> {
    let began = Instant::now();
    let tomogram = Tomogram::open(&member.given.path, job)?;
    let part = job.part(0.0..NETWORK_SHARE);
    let done = match known {
        Some(known) => known.clone(),
        None => {
            let after = after(model, &tomogram, options, job);
            let report = predict_and_find(model, &tomogram, out, &options.predict_options(), &after, &part)?;
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
    let found = NetworkLabels::open(model, &out.join(labels), &part)?;
    let mut seen = PredictedTomogram {
        shape: geometry.shape,
        voxel_nm: options.voxel_nm.or(geometry.voxel_nm()),
        shares: found.shares(&part)?,
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
        let here = found.slices(slab.slab.z.clone())?;
        let of = (slab.stem.as_str(), &slab.slab.z);
        seen.agreement
            .extend(agreement(of, &here, &given, &found.classes, options.held_out)?);
    }
    if let Some(path) = &member.given.truth {
        let bright = options.bright;
        seen.truth = truth::scores(&tomogram, path, &found, bright, &part)?;
    }
    part.advance(0.6)?;
    let of = pictures::Subject {
        tomogram: &tomogram,
        found: &found,
        points: points.as_deref(),
        voxel_nm: seen.voxel_nm.unwrap_or(0.0),
    };
    seen.pictures = pictures::draw(&of, slabs, options.held_out, out, &part)?;
    seen.seconds += began.elapsed().as_secs_f64();
    Ok(seen)
}

/// What is found in the prediction of `tomogram`: molecules need a voxel size, and an output of the network that knows them.
fn after(model: &SegmentationModel, tomogram: &Tomogram, options: &DataSetOptions, job: &Job) -> AfterNetwork<'static> {
    let outputs = model.network().outputs();
    let is_known = options.voxel_nm.or(tomogram.geometry().voxel_nm()).is_some();
    if !is_known && options.picking.is_some() {
        let text = format!(
            "{}: its voxel size is unknown, no molecules are picked",
            tomogram.name()
        );
        job.logger().warn("run", &text);
    }
    let asked = options.picking.clone().filter(|_| is_known);
    AfterNetwork {
        picking: asked.filter(|picking| picking.output.is_some() || picking.output(outputs).is_ok()),
        membranes: options.membranes.clone(),
        excluded: None,
    }
}

/// Whether the volumes of a prediction are still there.
pub(super) fn is_predicted(out: &Path, seen: &PredictedTomogram) -> bool {
    seen.files.iter().all(|file| out.join(file).exists())
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
    let set = PickSet::read(&out.join(file), PickFormat::Csv, tomogram.geometry(), tomogram.name())?;
    Ok(Some(set.picks))
}

/// The labels that the network gave a tomogram.
pub(super) struct NetworkLabels {
    volume: Tomogram,
    /// Names of the labels from 1 on.
    pub classes: Vec<String>,
}

impl NetworkLabels {
    fn open(model: &SegmentationModel, file: &Path, job: &Job) -> Result<Self> {
        let outputs = model.network().outputs().iter();
        Ok(Self {
            volume: Tomogram::open(file, job)?,
            classes: outputs
                .filter(|output| !NO_CLASS.contains(&output.as_str()))
                .cloned()
                .collect(),
        })
    }

    /// Number of slices.
    pub fn depth(&self) -> usize {
        self.volume.geometry().shape[0]
    }

    /// Labels of the slices `z` in the numbers of [`NAMES`]; of classes that are not there, numbers beyond.
    pub fn slices(&self, z: Range<usize>) -> Result<Array3<i8>> {
        let number = |label: f32| {
            let class = (label as usize)
                .checked_sub(1)
                .and_then(|index| self.classes.get(index));
            let known = class.map(|class| NAMES.iter().position(|name| name == class));
            match known {
                None => 0,
                Some(Some(index)) => index as i8 + 1,
                Some(None) => (NAMES.len() as i8).saturating_add(label as i8),
            }
        };
        Ok(self.volume.read_slices(z)?.mapv(number))
    }

    /// Calls `look` with the slices of one chunk after the other.
    pub fn each_chunk(&self, job: &Job, look: &mut dyn FnMut(Range<usize>, Array3<i8>) -> Result<()>) -> Result<()> {
        for first in (0..self.depth()).step_by(CHUNK) {
            job.check()?;
            let z = first..(first + CHUNK).min(self.depth());
            look(z.clone(), self.slices(z)?)?;
        }
        Ok(())
    }

    /// Share of the voxels that has each class, 0..=1.
    fn shares(&self, job: &Job) -> Result<Vec<(String, f64)>> {
        let mut counts = [0_u64; 128];
        self.each_chunk(job, &mut |_, labels| {
            for label in &labels {
                counts[(*label).max(0) as usize] += 1;
            }
            Ok(())
        })?;
        let all = counts.iter().sum::<u64>().max(1) as f64;
        let share = |(index, class): (usize, &String)| {
            let number = match NAMES.iter().position(|name| name == class) {
                Some(known) => known + 1,
                None => NAMES.len() + index + 1,
            };
            (class.clone(), counts.get(number).map_or(0.0, |n| *n as f64 / all))
        };
        Ok(self.classes.iter().enumerate().map(share).collect())
    }
}
