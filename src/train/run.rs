//! The loop that every training run shares: a batch's loss, its gradients, AdamW, the moving average, the history of losses.
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{AdamW, AdamWOptions, Parameters};
use crate::runtime::{Error, Generator, Job, Result, Stage};

/// Steps per record of the loss history.
const RECORD_EVERY: u64 = 25;

/// Mean loss of the steps that end before `step`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossRecord {
    /// Steps done.
    pub step: u64,
    /// Mean of the last `RECORD_EVERY` losses.
    pub loss: f32,
}

/// How long a run is and how its weights move.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSchedule {
    /// Steps of the whole schedule, 1..=10^7.
    pub steps: u64,
    /// The optimiser, at its full learning rate.
    pub adamw: AdamWOptions,
    /// Steps of linear warm-up.
    pub warm_up: u64,
    /// Share of the steps, at the end, in which the learning rate falls along a half cosine to 2 %.
    pub cool_down: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Decay of the weights' moving average, which is what ships; min(decay, (1 + n) / (10 + n)) after n steps.
    pub ema_decay: f64,
}

impl Default for TrainingSchedule {
    fn default() -> Self {
        Self {
            steps: 2000,
            adamw: AdamWOptions::default(),
            warm_up: 60,
            cool_down: 0.3,
            clip: 1.0,
            ema_decay: 0.998,
        }
    }
}

impl TrainingSchedule {
    /// Refuses settings out of their documented ranges, by name.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("steps", self.steps as f64, 1.0, 1e7),
            ("cool_down", self.cool_down, 0.0, 1.0),
            ("clip", self.clip, 1e-6, 1e6),
            ("ema_decay", self.ema_decay, 0.0, 1.0),
        ];
        super::options::check_ranges(&ranges)?;
        self.adamw.validate()
    }

    /// Learning rate of step `step` (0-based) relative to the full one.
    pub fn rate(&self, step: u64) -> f64 {
        let warm = (step + 1) as f64 / self.warm_up.max(1) as f64;
        let start = self.steps as f64 * (1.0 - self.cool_down);
        let cooled = ((step as f64 - start) / (self.steps as f64 - start).max(1.0)).clamp(0.0, 1.0);
        let cool = 0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * cooled).cos());
        warm.min(1.0) * cool
    }
}

/// What a run makes small.
pub(super) trait Objective {
    /// Brings the data to `step`.
    fn advance(&mut self, step: u64, job: &Job) -> Result<()>;

    /// The loss of the weights as they are on a fresh batch, with the graph that its gradients need.
    fn loss(&self, step: u64, gen: &mut Generator, job: &Job) -> Result<Tensor>;
}

/// What moves while a run goes on; all of it is in a checkpoint.
pub(super) struct Run {
    pub weights: Parameters,
    pub average: Parameters,
    /// What batches move without gradients: running means and variances. Shared with the network, which updates them in place.
    pub statistics: Parameters,
    pub optimiser: AdamW,
    /// Draws the batches.
    pub gen: Generator,
    /// Steps done.
    pub step: u64,
    pub history: Vec<LossRecord>,
    /// Losses since the last record.
    pub recent: Vec<f32>,
}

impl Run {
    /// The start of a run from `weights`.
    pub fn new(mut weights: Parameters, adamw: AdamWOptions, gen: Generator) -> Result<Self> {
        let average = weights.duplicate()?;
        let optimiser = AdamW::new(adamw, &weights.tensors)?;
        weights.require_gradients()?;
        Ok(Self {
            weights,
            average,
            statistics: Parameters::none(),
            optimiser,
            gen,
            step: 0,
            history: Vec::new(),
            recent: Vec::new(),
        })
    }

    /// Trains until `until` steps (at most the schedule's) are done or `go_on(steps done, loss)` says no.
    ///
    /// A cancel is heard between libtorch calls; the backward pass is one of them and takes about half a step. The step that a
    /// cancel interrupts is undone: what follows, in this run or from a checkpoint, is what it would have been.
    pub fn train(
        &mut self,
        objective: &mut dyn Objective,
        schedule: &TrainingSchedule,
        until: u64,
        job: &Job,
        go_on: &mut dyn FnMut(u64, f64) -> bool,
    ) -> Result<()> {
        job.enter(Stage::Train)?;
        let until = until.min(schedule.steps);
        while self.step < until {
            objective.advance(self.step, job)?;
            job.enter(Stage::Train)?;
            let before = (self.gen.clone(), self.statistics.duplicate()?);
            let (weights, gen, step) = (&self.weights, &mut self.gen, self.step);
            let found = weights.gradients(job, || objective.loss(step, gen, job));
            if !matches!(&found, Ok((loss, _)) if loss.is_finite()) {
                self.gen = before.0;
                self.statistics.assign(&before.1)?;
            }
            let (loss, gradients) = found?;
            if !loss.is_finite() {
                return Err(Error::State(format!(
                    "the loss of step {step} is {loss}; the weights are those of the step before: lower the rate and go on from the last checkpoint"
                )));
            }
            self.update(&gradients, schedule)?;
            self.record(loss as f32);
            job.advance_with_loss(self.step as f64 / schedule.steps as f64, loss)?;
            if !go_on(self.step, loss) {
                break;
            }
        }
        Ok(())
    }

    /// One step down the gradients.
    fn update(&mut self, gradients: &[Tensor], schedule: &TrainingSchedule) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let rate = schedule.rate(self.step);
        self.optimiser
            .step(&mut self.weights.tensors, gradients, rate, schedule.clip)?;
        let n = self.step as f64;
        let decay = schedule.ema_decay.min((1.0 + n) / (10.0 + n));
        for (average, weight) in self.average.tensors.iter_mut().zip(&self.weights.tensors) {
            let _ = average.f_lerp_(weight, 1.0 - decay)?;
        }
        self.step += 1;
        Ok(())
    }

    fn record(&mut self, loss: f32) {
        self.recent.push(loss);
        if self.step.is_multiple_of(RECORD_EVERY) {
            let mean = self.recent.iter().sum::<f32>() / self.recent.len() as f32;
            self.history.push(LossRecord {
                step: self.step,
                loss: mean,
            });
            self.recent.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_warms_up_and_cools_down() {
        let schedule = TrainingSchedule {
            steps: 1000,
            warm_up: 10,
            cool_down: 0.2,
            ..TrainingSchedule::default()
        };
        assert!((schedule.rate(0) - 0.1).abs() < 1e-12);
        assert_eq!(schedule.rate(500), 1.0);
        assert!((schedule.rate(900) - 0.51).abs() < 1e-9);
        assert!(schedule.rate(999) < 0.03);
    }
}
