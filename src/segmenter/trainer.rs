//! The training run of a segmentation network.
use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::validation::{batch_of, score, Draw};
use super::{mean_dice, LabelledVolumes, OutputScore, Plan, SegmenterOptions};
use crate::networks::{Logits, Pass, SegmentationModel};
use crate::runtime::{Autocast, Error, Generator, Job, Result};
use crate::settings::{Identity, Settings};
use crate::train::checkpoint::{self, Restored};
use crate::train::run::{Objective, Run};
use crate::train::validated::Snapshot;
use crate::train::{augment, segmentation_loss, Example, ExampleSource, LossRecord, Parameters, ScoreRecord, Target};

/// Streams of the seed.
const WEIGHTS: u64 = 11;
const WINDOWS: u64 = 12;

/// What is made small: the loss of windows of one source.
struct Segmentation<S> {
    plan: Plan,
    model: SegmentationModel,
    source: S,
}

/// A run: weights, their moving average, running statistics, optimiser, data and where in the schedule it stands.
pub struct SegmenterTrainer<S> {
    task: Segmentation<S>,
    averaged: SegmentationModel,
    run: Run,
    device: Device,
    /// What it is scored with.
    held_out: Option<S>,
    /// Content hashes of what is learnt from, by name.
    inputs: BTreeMap<String, String>,
    /// Whether the source's labels are still those that were given, while the run is in a round of a teacher's.
    labels_are_due: bool,
}

impl<S: ExampleSource> SegmenterTrainer<S> {
    /// A fresh run, from random weights of the settings' network, or from `start`.
    pub fn new(
        settings: &SegmenterOptions,
        start: Option<&SegmentationModel>,
        source: S,
        device: Device,
    ) -> Result<Self> {
        settings.validate()?;
        let description = match start {
            Some(model) => model.description().clone(),
            None => settings.description(),
        };
        Self::of_plan(Plan::new(settings, description), start, source, device)
    }

    /// A fresh run of a plan whose settings are validated.
    pub(super) fn of_plan(plan: Plan, start: Option<&SegmentationModel>, source: S, device: Device) -> Result<Self> {
        let seed = plan.settings.seed;
        let model = match start {
            Some(model) => model.duplicate(device)?,
            None => SegmentationModel::random(plan.description.clone(), &mut Generator::new(seed, WEIGHTS), device)?,
        };
        let mut run = Run::new(
            parameters(model.weights()),
            &plan.settings.schedule(),
            Generator::new(seed, WINDOWS),
        )?;
        run.statistics = parameters(model.statistics());
        Self::assemble(plan, run, source, device)
    }

    /// Goes on from a checkpoint, with the same numbers as a run that never stopped (on a CPU, at the same number of
    /// threads). `source(plan, step)` makes the data as they were.
    pub fn resume(path: &Path, device: Device, source: impl FnOnce(&Plan, u64) -> Result<S>) -> Result<Self> {
        Self::restore(checkpoint::load(path, device)?, device, source)
    }

    /// Goes on from a checkpoint that is read already.
    pub(super) fn restore(
        restored: Restored<Plan>,
        device: Device,
        source: impl FnOnce(&Plan, u64) -> Result<S>,
    ) -> Result<Self> {
        let Restored { options, identity, run } = restored;
        let source = source(&options, run.step)?;
        let mut trainer = Self::assemble(options, run, source, device)?;
        trainer.inputs = identity.inputs;
        Ok(trainer)
    }

    /// Says what is learnt from, by content hashes that checkpoints keep.
    pub(super) fn set_inputs(&mut self, inputs: BTreeMap<String, String>) {
        self.inputs = inputs;
    }

    fn assemble(plan: Plan, mut run: Run, source: S, device: Device) -> Result<Self> {
        let network = &plan.description.network;
        run.unaveraged = run
            .weights
            .names
            .iter()
            .map(|name| !network.is_averaged(name))
            .collect();
        let model = model_of(&plan, &run.weights, &run.statistics, device)?;
        let plan = plan.suited_to(model.network())?;
        Ok(Self {
            averaged: model_of(&plan, &run.average, &run.statistics, device)?,
            task: Segmentation { plan, model, source },
            inputs: BTreeMap::new(),
            labels_are_due: run.round > 0,
            run,
            device,
            held_out: None,
        })
    }

    /// Changes the length of the schedule; steps already done stay done. For runs whose pace was misjudged.
    pub fn reschedule(&mut self, steps: u64) -> Result<()> {
        let mut settings = self.task.plan.settings.clone();
        settings.steps = steps;
        settings.validate()?;
        self.task.plan.settings = settings;
        Ok(())
    }

    /// Steps done, those of earlier rounds included.
    pub fn step(&self) -> u64 {
        self.run.earlier + self.run.step
    }

    /// Round of self-training, from 0 on.
    pub fn round(&self) -> u32 {
        self.run.round
    }

    /// Whether the steps of this round are done, or its patience is at an end.
    pub fn round_is_over(&self) -> bool {
        self.run.validated.stopped || self.run.step >= self.task.plan.settings.steps
    }

    /// Gives the run something to be scored with. To be done before the first step, after a resume too.
    pub fn validate_with(&mut self, source: S) {
        self.held_out = Some(source);
    }

    /// The settings, the network and the window.
    pub fn plan(&self) -> &Plan {
        &self.task.plan
    }

    /// Where the windows come from.
    pub fn source(&self) -> &S {
        &self.task.source
    }

    /// Mean losses so far.
    pub fn history(&self) -> &[LossRecord] {
        &self.run.history
    }

    /// Validation scores so far.
    pub fn scores(&self) -> &[ScoreRecord] {
        &self.run.validated.history
    }

    /// The best of them, the first of equals.
    pub fn best(&self) -> Option<ScoreRecord> {
        self.run.validated.best
    }

    /// The model of the averaged weights. It shares the run's tensors: duplicate it to keep it.
    pub fn averaged(&self) -> &SegmentationModel {
        &self.averaged
    }

    /// Trains until `until` steps, those of earlier rounds included, are done (at most the round's), the patience is at
    /// an end, or `go_on(steps done, loss)` says no. On the way the averaged weights are scored where there is
    /// something to score them with.
    ///
    /// Errors: [`Error::State`] where the loss is not finite, with the step; what the source and the network report;
    /// cancel. The run is then as it was after the last whole step.
    pub fn train(&mut self, until: u64, job: &Job, go_on: &mut dyn FnMut(u64, f64) -> bool) -> Result<()> {
        let schedule = self.task.plan.settings.schedule();
        let until = until.saturating_sub(self.run.earlier).min(schedule.steps);
        if schedule.curve.needs_validation() && self.held_out.is_none() {
            let allowed = "must be another where nothing is held out: a plateau is one of validation scores";
            return Err(Error::argument("schedule", "plateau", allowed));
        }
        let mut goes_on = true;
        loop {
            self.validate(job)?;
            if !goes_on || self.run.validated.stopped || self.run.step >= until {
                return Ok(());
            }
            let stop = match self.held_out {
                Some(_) => self.task.plan.settings.next_validation(self.run.step).min(until),
                None => until,
            };
            let earlier = self.run.earlier;
            self.run
                .train(&mut self.task, &schedule, stop, job, &mut |step, loss| {
                    goes_on = go_on(earlier + step, loss);
                    goes_on
                })?;
        }
    }

    /// Scores the averaged weights if that is due and not yet done.
    fn validate(&mut self, job: &Job) -> Result<()> {
        let (plan, step) = (&self.task.plan, self.step());
        let settings = &plan.settings;
        let due = settings.is_validation_due(self.run.step) && !self.run.validated.has(step);
        let Some(source) = self.held_out.as_ref().filter(|_| due) else {
            return Ok(());
        };
        let draw = self.draw(settings.validation_windows);
        let dice = mean_dice(&score(&self.averaged, source, &plan.windows(), draw, job)?);
        // Copied first: a failure leaves the run as it was.
        let copy = Snapshot::of(&self.run.average, &self.run.statistics)?;
        let record = ScoreRecord { step, score: dice };
        if self.run.validated.observe(record, settings.patience) {
            self.run.best = Some(copy);
        }
        self.run.plateau.observe(dice, &settings.schedule().curve);
        job.set_score(dice);
        Ok(())
    }

    /// Scores of the averaged weights on `windows` windows of `source`, the same every time, as they are.
    pub fn held_out(&self, source: &impl ExampleSource, windows: usize, job: &Job) -> Result<Vec<OutputScore>> {
        score(
            &self.averaged,
            source,
            &self.task.plan.windows(),
            self.draw(windows),
            job,
        )
    }

    /// Scores of what [`SegmenterTrainer::model`] gives, on what the run is scored with or, where there is nothing,
    /// learns from.
    pub fn result_scores(&self, windows: usize, job: &Job) -> Result<Vec<OutputScore>> {
        let source = self.held_out.as_ref().unwrap_or(&self.task.source);
        score(
            &self.model()?,
            source,
            &self.task.plan.windows(),
            self.draw(windows),
            job,
        )
    }

    fn draw(&self, count: usize) -> Draw {
        Draw {
            seed: self.task.plan.settings.seed,
            count,
        }
    }

    /// Writes a checkpoint, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let identity = Identity {
            inputs: self.inputs.clone(),
            ..Identity::new(&self.task.plan, &[])?
        };
        checkpoint::save(path, identity, &self.run)
    }

    /// A copy of the result so far, which the run does not change any more: the averaged weights that scored best, or,
    /// where nothing is scored or the best is not to be kept, the averaged weights as they are.
    pub fn model(&self) -> Result<SegmentationModel> {
        match self.run.best.as_ref().filter(|_| self.task.plan.settings.keep_best) {
            Some(best) => snapshot_model(&self.task.plan, best, self.device),
            None => self.averaged.duplicate(self.device),
        }
    }
}

impl SegmenterTrainer<LabelledVolumes> {
    /// Begins the next round of self-training: the result so far labels what it is sure of, and the schedule begins
    /// once more from its weights. After an error (a cancel) the run is as it was.
    pub fn next_round(&mut self, job: &Job) -> Result<()> {
        let plan = &self.task.plan;
        let result = self.model()?;
        let teacher = Snapshot::of(&parameters(result.weights()), &parameters(result.statistics()))?;
        let labels = self.task.source.relabelled(&result, plan, job)?;
        self.run.next_round(teacher, &plan.settings.schedule())?;
        self.task.source.replace(labels);
        self.labels_are_due = false;
        Ok(())
    }

    /// After a resume in a round of self-training: its labels, by its teacher. Does nothing where they are there.
    pub fn restore_labels(&mut self, job: &Job) -> Result<()> {
        let Some(teacher) = self.run.teacher.as_ref().filter(|_| self.labels_are_due) else {
            return Ok(());
        };
        let plan = &self.task.plan;
        let teacher = snapshot_model(plan, teacher, self.device)?;
        let labels = self.task.source.relabelled(&teacher, plan, job)?;
        self.task.source.replace(labels);
        self.labels_are_due = false;
        Ok(())
    }
}

/// A model with the weights of `snapshot`, which it does not share.
fn snapshot_model(plan: &Plan, snapshot: &Snapshot, device: Device) -> Result<SegmentationModel> {
    let _guard = tch::no_grad_guard();
    SegmentationModel::from_tensors(plan.description.clone(), device, &mut |name, _| {
        let lacking = || Error::Internal(format!("the snapshot lacks the tensor {name}"));
        Ok(snapshot.tensor(name).ok_or_else(lacking)?.f_detach_copy()?)
    })
}

fn parameters(named: Vec<(String, Tensor)>) -> Parameters {
    let (names, tensors) = named.into_iter().unzip();
    Parameters { names, tensors }
}

/// The network of `plan` on these very tensors.
fn model_of(plan: &Plan, weights: &Parameters, statistics: &Parameters, device: Device) -> Result<SegmentationModel> {
    let (mut weight, mut statistic) = (weights.fetch(), statistics.fetch());
    SegmentationModel::from_tensors(plan.description.clone(), device, &mut |name, shape| match statistics
        .names
        .iter()
        .any(|known| known == name)
    {
        true => statistic(name, shape),
        false => weight(name, shape),
    })
}

impl<S: ExampleSource> Objective for Segmentation<S> {
    fn advance(&mut self, step: u64, job: &Job) -> Result<()> {
        self.source.advance(step, job)
    }

    fn loss(&self, _: u64, gen: &mut Generator, job: &Job) -> Result<Tensor> {
        let settings = &self.plan.settings;
        let variation = settings.augmentation();
        let mut examples: Vec<Example> = Vec::with_capacity(settings.batch);
        for _ in 0..settings.batch {
            let example = self.source.example(&self.plan.windows(), gen)?;
            examples.push(augment(&example, &variation, gen)?);
        }
        let network = self.model.network();
        let gather = |part: fn(&Example) -> &Tensor| {
            let parts: Vec<&Tensor> = examples.iter().map(part).collect();
            batch_of(&parts, network.dimensions())
        };
        let (image, truth, weight) = (gather(|e| &e.image)?, gather(|e| &e.truth)?, gather(|e| &e.weight)?);
        let (own, logits) = {
            let reduced = settings.mixed_precision && image.device().is_cuda();
            let _guard = reduced.then(|| Autocast::begin(image.device()));
            let mut pass = Pass::Training(gen);
            match network.objective((&image, &truth, &weight), &mut pass, job)? {
                Some(loss) => (Some(loss), None),
                None => (None, Some(network.forward(&image, &mut pass, job)?)),
            }
        };
        let logits = match (own, logits) {
            (Some(loss), _) => return Ok(loss.f_to_kind(Kind::Float)?),
            (None, Some(logits)) => logits,
            (None, None) => return Err(Error::Internal("a batch without a loss".into())),
        };
        let logits = in_full(&logits)?;
        let target = Target {
            truth: &truth,
            weight: Some(&weight),
        };
        segmentation_loss(&logits, network.activation(), &target, &settings.loss())
    }
}

/// Logits in float32, in which losses are computed.
fn in_full(logits: &Logits) -> Result<Logits> {
    let full = |x: &Tensor| Ok(x.f_to_kind(Kind::Float)?);
    Ok(Logits {
        main: full(&logits.main)?,
        deep: logits.deep.iter().map(full).collect::<Result<_>>()?,
    })
}
