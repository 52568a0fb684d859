//! A training on labelled slices from beginning to end: settings, labels, steps, checkpoints, the model.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tch::Device;

use super::{LabelledVolume, LabelledVolumes, OutputScore, SegmenterOptions, SegmenterTrainer, SlabLabels};
use crate::networks::SegmentationModel;
use crate::runtime::{Error, Generator, Job, Result};
use crate::train::LossRecord;
use crate::volume::Tomogram;

/// Voxel sizes that differ by more than this factor are told: a network learns sizes in voxels.
const ALIKE: f64 = 1.25;

/// Longest time of one call, in minutes.
const MOST_MINUTES: f64 = 1e6;

/// The weights that a training begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Random ones, of the network that the settings describe.
    #[default]
    Random,
    /// Those of the network that is compiled into the library; the settings' network is then not used.
    Builtin,
    /// Those of a model file; the settings' network is then not used.
    File(PathBuf),
}

/// What is known before there are labels.
#[derive(Clone, Debug, Default)]
pub struct LabelledTrainingOptions {
    /// How to train; the window may have zero extents, then it is what suits the network.
    pub settings: SegmenterOptions,
    /// What to start from.
    pub start: Start,
    /// Edge of the tomograms' voxels in nm, where their own is wrong or unknown.
    pub voxel_nm: Option<f64>,
    /// Whether structures are brighter than their surroundings in the tomograms.
    pub bright: bool,
}

/// A training that is given its labels first and then its steps.
pub struct LabelledTraining {
    settings: SegmenterOptions,
    start: Option<SegmentationModel>,
    voxel_nm: Option<f64>,
    bright: bool,
    device: Device,
    learnt: Vec<LabelledVolume>,
    held_out: Vec<LabelledVolume>,
    /// Numbers of both, which stay when the run has taken them.
    counts: (usize, usize),
    run: Option<Started>,
}

/// The run, and the labels that it never sees.
struct Started {
    trainer: SegmenterTrainer<LabelledVolumes>,
    held_out: Option<LabelledVolumes>,
}

impl LabelledTraining {
    /// A training without labels. Errors: settings out of their ranges, by name; what opening the start fails with.
    pub fn new(options: &LabelledTrainingOptions, device: Device) -> Result<Self> {
        let mut settings = options.settings.clone();
        let start = match &options.start {
            Start::File(path) => Some(SegmentationModel::open(path, device)?),
            Start::Builtin => Some(SegmentationModel::builtin(device)?),
            Start::Random => None,
        };
        if let Some(model) = &start {
            settings.description = model.description().clone();
        }
        if let Some(voxel) = options.voxel_nm.filter(|v| !(0.01..=100.0).contains(v)) {
            return Err(Error::argument("voxel_nm", voxel, "must be 0.01..=100"));
        }
        settings.validate()?;
        // Its weights are thrown away: only its needs are asked for.
        let fresh = match &start {
            Some(_) => None,
            None => Some(SegmentationModel::random(
                settings.description.clone(),
                &mut Generator::new(0, 0),
                device,
            )?),
        };
        if let Some(model) = start.as_ref().or(fresh.as_ref()) {
            if settings.window.contains(&0) {
                settings.window = SegmenterOptions::window_for(model.network());
            }
            settings.validate_window(model.network())?;
        }
        Ok(Self {
            settings,
            start,
            voxel_nm: options.voxel_nm,
            bright: options.bright,
            device,
            learnt: Vec::new(),
            held_out: Vec::new(),
            counts: (0, 0),
            run: None,
        })
    }

    /// Adds labelled slices of `tomogram`, to learn from or, where `held_out`, to score with.
    ///
    /// Errors: [`Error::State`] once the run has begun; those of [`LabelledVolume::new`].
    pub fn add(&mut self, tomogram: &Tomogram, labels: &SlabLabels, held_out: bool, job: &Job) -> Result<()> {
        if self.run.is_some() {
            return Err(Error::State(
                "labels are added before the first step; this training has begun".into(),
            ));
        }
        // Windows that reach beyond the labels see what is there.
        let margin = (self.settings.window[0].saturating_sub(1), self.bright);
        let volume = LabelledVolume::new(tomogram, labels, &self.settings.description, margin, job)?;
        self.settle_voxel(tomogram, job);
        if held_out {
            self.held_out.push(volume);
        } else {
            self.learnt.push(volume);
        }
        self.counts = (self.learnt.len(), self.held_out.len());
        Ok(())
    }

    /// The first tomogram says which voxels the network is for; others, and those of the start, should be alike.
    fn settle_voxel(&mut self, tomogram: &Tomogram, job: &Job) {
        let known = self.settings.description.voxel_nm;
        let Some(edge) = self.voxel_nm.or(tomogram.geometry().voxel_nm()) else {
            return;
        };
        if let Some(known) = known.filter(|known| (known / edge).max(edge / known) > ALIKE) {
            let text = format!(
                "{} has voxels of {edge:.3} nm, the network was made for {known:.3} nm; sizes are learnt in voxels",
                tomogram.name()
            );
            job.logger().warn("train", &text);
        }
        if self.learnt.is_empty() && self.held_out.is_empty() {
            self.settings.description.voxel_nm = Some(edge);
        }
    }

    /// Trains until `until` steps are done (at most all), or `minutes` have passed since the call.
    ///
    /// Errors: no labels; minutes out of range; those of [`SegmenterTrainer::train`].
    pub fn train(&mut self, until: u64, minutes: Option<f64>, job: &Job) -> Result<()> {
        if let Some(minutes) = minutes.filter(|minutes| !(0.0..=MOST_MINUTES).contains(minutes)) {
            let allowed = format!("must be 0..={MOST_MINUTES}");
            return Err(Error::argument("minutes", minutes, &allowed));
        }
        let end = minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(60.0 * minutes));
        self.begin()?.trainer.train(until, job, &mut |_, _| {
            end.is_none_or(|end| Instant::now() < end) // a step is done before the time is looked at
        })
    }

    /// The run, made from the labels where it is not yet.
    fn begin(&mut self) -> Result<&mut Started> {
        if self.run.is_none() {
            self.require_labels()?;
            let source = LabelledVolumes::new(std::mem::take(&mut self.learnt), self.device)?;
            let trainer = SegmenterTrainer::new(&self.settings, self.start.as_ref(), source, self.device)?;
            self.start_with(trainer)?;
        }
        self.run
            .as_mut()
            .ok_or_else(|| Error::Internal("the run was not kept".into()))
    }

    fn start_with(&mut self, trainer: SegmenterTrainer<LabelledVolumes>) -> Result<()> {
        let held_out = match self.held_out.is_empty() {
            true => None,
            false => Some(LabelledVolumes::new(std::mem::take(&mut self.held_out), self.device)?),
        };
        self.run = Some(Started { trainer, held_out });
        Ok(())
    }

    fn require_labels(&self) -> Result<()> {
        if self.counts.0 > 0 {
            return Ok(());
        }
        Err(Error::State("there are no labels to learn from; add some first".into()))
    }

    /// Goes on from a checkpoint of a run of the same settings (but for the number of steps, which is this training's) on the
    /// same labels, added in the same order.
    ///
    /// Errors: [`Error::State`] where the run has begun or there are no labels; [`Error::InvalidArgument`] where the settings differ;
    /// what reading the checkpoint fails with. The labels stay, so that a run may begin afresh after a failure.
    pub fn resume(&mut self, path: &Path) -> Result<()> {
        if self.run.is_some() {
            return Err(Error::State(
                "a checkpoint is read before the first step; this training has begun".into(),
            ));
        }
        self.require_labels()?;
        let (settings, learnt, device) = (&self.settings, &mut self.learnt, self.device);
        let mut trainer = SegmenterTrainer::resume(path, device, |found, _| {
            check_alike(path, settings, found)?;
            LabelledVolumes::new(std::mem::take(learnt), device)
        })?;
        trainer.reschedule(self.settings.schedule.steps)?;
        self.start_with(trainer)
    }

    /// Writes a checkpoint, whole or not at all. Errors: no labels; the operating system's.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        self.begin()?.trainer.save(path)
    }

    /// The model of the averaged weights as they are. Errors: no labels.
    pub fn model(&mut self) -> Result<SegmentationModel> {
        self.begin()?.trainer.model()
    }

    /// Scores on `windows` windows, the same every time, of the labels held out or, where there are none, of those learnt from.
    /// Errors: no labels; windows out of 1..=10000; cancel.
    pub fn scores(&mut self, windows: usize, job: &Job) -> Result<Vec<OutputScore>> {
        if !(1..=10_000).contains(&windows) {
            return Err(Error::argument("windows", windows, "must be 1..=10000"));
        }
        let Started { trainer, held_out } = self.begin()?;
        trainer.held_out(held_out.as_ref().unwrap_or(trainer.source()), windows, job)
    }

    /// The settings, the voxel size included once there are labels.
    pub fn settings(&self) -> &SegmenterOptions {
        &self.settings
    }

    /// Numbers of labelled volumes to learn from and to score with.
    pub fn counts(&self) -> (usize, usize) {
        self.counts
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.run.as_ref().map_or(0, |run| run.trainer.step())
    }

    /// Mean losses so far.
    pub fn history(&self) -> &[LossRecord] {
        self.run.as_ref().map_or(&[], |run| run.trainer.history())
    }

    /// Mean of the latest losses; none before there are any.
    pub fn loss(&self) -> Option<f64> {
        self.history().last().map(|record| f64::from(record.loss))
    }
}

/// Refuses a checkpoint whose settings differ by more than the number of steps.
fn check_alike(path: &Path, ours: &SegmenterOptions, theirs: &SegmenterOptions) -> Result<()> {
    // As text of limited digits: JSON need not carry every number to the last bit.
    let text = |settings: &SegmenterOptions| {
        let mut settings = settings.clone();
        settings.schedule.steps = ours.schedule.steps;
        format!("{settings:.9?}")
    };
    if text(ours) == text(theirs) {
        return Ok(());
    }
    Err(Error::argument(
        "checkpoint",
        path.display(),
        "must come from a run of the same network, window, batch, seed, loss and voxel size",
    ))
}
