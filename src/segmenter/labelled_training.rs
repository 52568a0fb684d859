//! A training on labelled slices from beginning to end: settings, labels, steps, checkpoints, the model.
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tch::Device;

use super::{
    LabelledVolume, LabelledVolumes, OutputScore, Plan, SegmenterOptions, SegmenterTrainer, SlabLabels, SlabView,
};
use crate::networks::sdseg::Taken;
use crate::networks::{are_alike, ModelDescription, SegmentationModel};
use crate::runtime::{Error, Generator, Job, Result};
use crate::settings::{hash_bytes, within, Identity, Settings};
use crate::train::checkpoint;
use crate::train::{LossRecord, ScoreRecord};
use crate::volume::Tomogram;

/// Longest time of one call, in minutes.
const MOST_MINUTES: f64 = 1e6;

/// A training that is given its labels first and then its steps.
pub struct LabelledTraining {
    pub(super) plan: Plan,
    start: Option<SegmentationModel>,
    taken: Option<Taken>,
    /// Content hash of the files that it begins with.
    files: Option<String>,
    /// Content hashes of the labels, in the order in which they were added.
    pub(super) labels: Vec<String>,
    device: Device,
    pub(super) learnt: Vec<LabelledVolume>,
    pub(super) held_out: Vec<LabelledVolume>,
    /// Numbers of slabs added as either, which stay when the run has taken them.
    pub(super) counts: (usize, usize),
    run: Option<SegmenterTrainer<LabelledVolumes>>,
    /// The latest checkpoint and its step.
    saved: Option<(PathBuf, u64)>,
}

impl LabelledTraining {
    /// A training without labels. Errors: settings out of their ranges, by name; what opening the start fails with.
    pub fn new(settings: &SegmenterOptions, device: Device) -> Result<Self> {
        settings.validate()?;
        let mut plan = Plan::new(settings, settings.description());
        // A network that is new is one of the window that it learns from, unless the paper says otherwise.
        match settings.window {
            Some([1, rows, cols]) if rows == cols => plan.description.network.set_window(rows as i64),
            _ => {}
        }
        let weights = settings.weights();
        let (start, taken) = weights.open(&plan.description, settings.seed, device)?;
        let plan = match &start {
            Some(model) => {
                plan.description = model.description().clone();
                plan.suited_to(model.network())?
            }
            None => {
                // Its weights are thrown away: only its needs are asked for.
                let mut gen = Generator::new(0, 0);
                let fresh = SegmentationModel::random(plan.description.clone(), &mut gen, device)?;
                plan.suited_to(fresh.network())?
            }
        };
        Ok(Self {
            plan,
            start,
            taken,
            files: weights.hash()?,
            labels: Vec::new(),
            device,
            learnt: Vec::new(),
            held_out: Vec::new(),
            counts: (0, 0),
            run: None,
            saved: None,
        })
    }

    /// Adds labelled slices of `tomogram`, to learn from or, where `held_out`, to score with. Of those to learn from
    /// the settings' validation share is split off.
    ///
    /// Errors: [`Error::State`] once the run has begun; those of [`LabelledVolume::new`] and
    /// [`LabelledVolume::divided`].
    pub fn add(&mut self, tomogram: &Tomogram, labels: &SlabLabels, held_out: bool, job: &Job) -> Result<()> {
        self.require_no_run()?;
        self.settle_voxel(tomogram, job, |training| {
            let (description, view) = (&training.plan.description, training.view());
            let volume = LabelledVolume::new(tomogram, labels, description, &view, job)?;
            training.labels.push(labels.hash(tomogram.geometry().shape, held_out));
            if held_out {
                training.held_out.push(volume);
                training.counts.1 += 1;
                return Ok(());
            }
            let (learnt, scored) = volume.divided(&training.plan)?;
            training.held_out.extend(scored);
            training.learnt.push(learnt);
            training.counts.0 += 1;
            training.settle_epochs();
            Ok(())
        })
    }

    /// Settles the number of steps, where epochs are asked for, for what is learnt from so far.
    pub(super) fn settle_epochs(&mut self) {
        let plan = &mut self.plan;
        let windows: usize = self.learnt.iter().map(|volume| volume.windows(plan)).sum();
        plan.settings.settle_epochs(windows as u64);
    }

    /// Adds slices of `tomogram` without labels, which rounds of self-training learn from.
    ///
    /// Errors: [`Error::State`] once the run has begun or where the settings have no such rounds; slices out of range.
    pub fn add_unlabelled(&mut self, tomogram: &Tomogram, z: Range<usize>, job: &Job) -> Result<()> {
        self.require_no_run()?;
        if self.plan.settings.rounds == 0 {
            return Err(Error::State(
                "slices without labels teach nothing in a training without rounds of self-training".into(),
            ));
        }
        self.settle_voxel(tomogram, job, |training| {
            let view = SlabView {
                margin: 0,
                ..training.view()
            };
            let volume = LabelledVolume::unlabelled(tomogram, z.clone(), &training.plan.description, &view, job)?;
            let shape = tomogram.geometry().shape;
            training.labels.push(hash_bytes(format!("{shape:?} {z:?}").as_bytes()));
            training.learnt.push(volume);
            Ok(())
        })
    }

    fn view(&self) -> SlabView {
        SlabView {
            // Windows that reach beyond the labels see what is there.
            margin: self.plan.window[0].saturating_sub(1),
            bright: self.plan.settings.bright,
            voxel_nm: self.plan.settings.voxel_nm,
            rescale: self.plan.settings.rescale,
            point_labels: self.plan.settings.point_labels,
        }
    }

    pub(super) fn require_no_run(&self) -> Result<()> {
        match self.run {
            None => Ok(()),
            Some(_) => Err(Error::State(
                "labels are added before the first step; this training has begun".into(),
            )),
        }
    }

    /// Adds by `add`. The first tomogram says which voxels the network is for, unless the network says it.
    fn settle_voxel(
        &mut self,
        tomogram: &Tomogram,
        job: &Job,
        add: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let known = self.plan.description.voxel_nm;
        let edge = self.plan.settings.voxel_nm.or(tomogram.geometry().voxel_nm());
        self.plan.description.voxel_nm = known.or(edge);
        if let Err(error) = add(self) {
            self.plan.description.voxel_nm = known;
            return Err(error);
        }
        if let (Some(known), Some(edge), None) = (known, edge, self.plan.description.slice_side) {
            if !are_alike(known, edge) {
                let done = match self.plan.settings.rescale {
                    true => "it is brought to that size",
                    false => "sizes are learnt in voxels",
                };
                let name = tomogram.name();
                let text = format!("{name} has voxels of {edge:.3} nm, the network is for {known:.3} nm: {done}");
                job.logger().warn("train", &text);
            }
        }
        Ok(())
    }

    /// Trains until `until` steps, of all rounds together, are done (at most all), or `minutes` have passed since the
    /// call, or the patience is at an end. A round of self-training that its patience ends counts as whole.
    ///
    /// Errors: no labels; minutes out of range; those of [`SegmenterTrainer::train`].
    pub fn train(&mut self, until: u64, minutes: Option<f64>, job: &Job) -> Result<()> {
        within("minutes", minutes.unwrap_or(0.0), 0.0..=MOST_MINUTES)?;
        let end = minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(60.0 * minutes));
        let rounds = self.plan.settings.rounds;
        let saved = self.saved.clone();
        let trainer = self.begin()?;
        let span = job.span();
        let part = |round: u32| span.start + (span.end - span.start) * f64::from(round) / f64::from(rounds + 1);
        let mut rest = || -> Result<()> {
            trainer.restore_labels(job)?;
            loop {
                let mut in_time = true;
                job.set_span(part(trainer.round())..part(trainer.round() + 1));
                trainer.train(until, job, &mut |_, _| {
                    in_time = end.is_none_or(|end| Instant::now() < end); // a step is done before the time is looked at
                    in_time
                })?;
                let go_on = in_time && trainer.round_is_over() && trainer.round() < rounds && trainer.step() < until;
                if !go_on {
                    return Ok(());
                }
                trainer.next_round(job)?;
            }
        };
        let done = rest();
        job.set_span(span.clone());
        match (done, saved) {
            (Err(Error::State(text)), Some((path, step))) => {
                let path = path.display();
                Err(Error::State(format!("{text}; the latest is {path}, of step {step}")))
            }
            (done, _) => done,
        }
    }

    /// The run, made from the labels where it is not yet.
    fn begin(&mut self) -> Result<&mut SegmenterTrainer<LabelledVolumes>> {
        if self.run.is_none() {
            self.require_labels()?;
            let source = LabelledVolumes::new(std::mem::take(&mut self.learnt), self.device)?;
            let trainer = SegmenterTrainer::of_plan(self.plan.clone(), self.start.as_ref(), source, self.device)?;
            self.start_with(trainer)?;
        }
        self.run
            .as_mut()
            .ok_or_else(|| Error::Internal("the run was not kept".into()))
    }

    fn start_with(&mut self, mut trainer: SegmenterTrainer<LabelledVolumes>) -> Result<()> {
        trainer.set_inputs(self.inputs());
        if !self.held_out.is_empty() {
            trainer.validate_with(LabelledVolumes::new(std::mem::take(&mut self.held_out), self.device)?);
        }
        self.run = Some(trainer);
        Ok(())
    }

    fn require_labels(&self) -> Result<()> {
        if self.counts.0 > 0 {
            return Ok(());
        }
        Err(Error::State("there are no labels to learn from; add some first".into()))
    }

    /// Goes on from a checkpoint of a run of the same settings (but for the number of steps, which is this training's)
    /// on the same labels, added in the same order.
    ///
    /// Errors: [`Error::State`] where the run has begun or there are no labels; [`Error::InvalidArgument`] where the
    /// settings differ; what reading the checkpoint fails with. The labels stay, so that a run may begin afresh after a
    /// failure.
    pub fn resume(&mut self, path: &Path) -> Result<()> {
        if self.run.is_some() {
            return Err(Error::State(
                "a checkpoint is read before the first step; this training has begun".into(),
            ));
        }
        self.require_labels()?;
        let restored = checkpoint::load::<Plan>(path, self.device)?;
        let theirs = identity(&restored.options, restored.identity.inputs.clone())?;
        identity(&self.plan, self.inputs())?.check_equals(&theirs, &path.display().to_string())?;
        let (learnt, device) = (&mut self.learnt, self.device);
        let mut trainer = SegmenterTrainer::restore(restored, device, |_, _| {
            LabelledVolumes::new(std::mem::take(learnt), device)
        })?;
        trainer.reschedule(self.plan.settings.steps)?;
        self.saved = Some((path.to_owned(), trainer.step()));
        self.start_with(trainer)
    }

    /// Content hashes of what is learnt from and begun with.
    fn inputs(&self) -> BTreeMap<String, String> {
        let mut inputs = BTreeMap::from([("labels".to_owned(), hash_bytes(self.labels.concat().as_bytes()))]);
        inputs.extend(self.files.clone().map(|files| ("start".to_owned(), files)));
        inputs
    }

    /// Writes a checkpoint, whole or not at all. Errors: no labels; the operating system's.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        let trainer = self.begin()?;
        trainer.save(path)?;
        let step = trainer.step();
        self.saved = Some((path.to_owned(), step));
        Ok(())
    }

    /// The result so far: the averaged weights, those of the best score where there are scores. Errors: no labels.
    pub fn model(&mut self) -> Result<SegmentationModel> {
        self.begin()?.model()
    }

    /// Scores of the result so far on `windows` windows, the same every time, of the labels held out or, where there
    /// are none, of those learnt from. Errors: no labels; windows out of 1..=10000; cancel.
    pub fn scores(&mut self, windows: usize, job: &Job) -> Result<Vec<OutputScore>> {
        within("windows", windows, 1..=10_000)?;
        let trainer = self.begin()?;
        trainer.restore_labels(job)?;
        trainer.result_scores(windows, job)
    }

    /// What was taken from pretrained weights; none without such.
    pub fn taken(&self) -> Option<&Taken> {
        self.taken.as_ref()
    }

    /// The settings.
    pub fn settings(&self) -> &SegmenterOptions {
        &self.plan.settings
    }

    /// The network, the voxel size included once there are labels.
    pub fn description(&self) -> &ModelDescription {
        &self.plan.description
    }

    /// Extents (z, y, x) of a window in voxels.
    pub fn window(&self) -> [usize; 3] {
        self.plan.window
    }

    /// Whether anything is held out: whole slabs, or a share of each.
    pub fn holds_out(&self) -> bool {
        self.counts.1 > 0 || self.plan.settings.validation_share > 0.0
    }

    /// Numbers of slabs to learn from and to score with.
    pub fn counts(&self) -> (usize, usize) {
        self.counts
    }

    /// Steps done, of all rounds together.
    pub fn step(&self) -> u64 {
        self.run.as_ref().map_or(0, SegmenterTrainer::step)
    }

    /// Steps of all rounds together.
    pub fn steps(&self) -> u64 {
        self.plan.settings.steps * (u64::from(self.plan.settings.rounds) + 1)
    }

    /// Round of self-training, from 0 on.
    pub fn round(&self) -> u32 {
        self.run.as_ref().map_or(0, SegmenterTrainer::round)
    }

    /// Whether nothing is left to do: all steps are done, or the last round's patience is at an end.
    pub fn is_finished(&self) -> bool {
        let last = self.plan.settings.rounds;
        let over = |run: &SegmenterTrainer<_>| run.round() >= last && run.round_is_over();
        self.run.as_ref().is_some_and(over)
    }

    /// Mean losses so far.
    pub fn history(&self) -> &[LossRecord] {
        self.run.as_ref().map_or(&[], |run| run.history())
    }

    /// Mean of the latest losses; none before there are any.
    pub fn loss(&self) -> Option<f64> {
        self.history().last().map(|record| f64::from(record.loss))
    }

    /// All validation scores so far.
    pub fn score_history(&self) -> &[ScoreRecord] {
        self.run.as_ref().map_or(&[], |run| run.scores())
    }

    /// The best validation score so far, whose weights are the result.
    pub fn best(&self) -> Option<ScoreRecord> {
        self.run.as_ref().and_then(SegmenterTrainer::best)
    }
}

/// What two runs have in common that give the same bytes as far as both go: not their length, nor where the files lie.
fn identity(plan: &Plan, inputs: BTreeMap<String, String>) -> Result<Identity> {
    let left_out = ["steps", "rounds", "start", "pretrained", "first_stage"].map(|name| format!("settings.{name}"));
    Ok(Identity {
        inputs,
        ..Identity::new(plan, &left_out.each_ref().map(String::as_str))?
    })
}
