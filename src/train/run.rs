//! The loop that every training run shares: a batch's loss, its gradients, the optimiser, the moving average, the
//! history of losses.
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::optimiser::Optimiser;
use super::rate::Plateau;
use super::validated::{Snapshot, Validated};
use super::{Parameters, TrainingSchedule};
use crate::runtime::{Error, Generator, Job, MemoryReuse, Result, Stage};

/// Steps per record of the loss history.
const RECORD_EVERY: u64 = 25;

/// Steps in a row whose gradients are not finite, and move nothing, that end a run.
const MOST_IDLE: u32 = 10;

/// Mean loss of the steps that end before `step`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossRecord {
    /// Steps done, those of earlier rounds included.
    pub step: u64,
    /// Mean of the last `RECORD_EVERY` losses.
    pub loss: f32,
}

/// What a run makes small.
pub(crate) trait Objective {
    /// Brings the data to `step`.
    fn advance(&mut self, step: u64, job: &Job) -> Result<()>;

    /// The loss of the weights as they are on a fresh batch, with the graph that its gradients need.
    fn loss(&self, step: u64, gen: &mut Generator, job: &Job) -> Result<Tensor>;
}

/// What moves while a run goes on; all of it is in a checkpoint.
pub(crate) struct Run {
    pub weights: Parameters,
    pub average: Parameters,
    /// Weights, by their place, whose last value is their average; empty: none.
    pub unaveraged: Vec<bool>,
    /// What batches move without gradients: running means and variances. Shared with the network, which updates them in
    /// place.
    pub statistics: Parameters,
    pub optimiser: Optimiser,
    /// Of a curve that follows validation scores.
    pub plateau: Plateau,
    /// Draws the batches.
    pub gen: Generator,
    /// Steps done of the schedule.
    pub step: u64,
    /// Steps of schedules that were gone through before.
    pub earlier: u64,
    pub history: Vec<LossRecord>,
    /// Losses since the last record.
    pub recent: Vec<f32>,
    /// Steps in a row that moved nothing.
    pub idle: u32,
    pub validated: Validated,
    /// The averaged weights that scored best.
    pub best: Option<Snapshot>,
    /// What the labels of this round of self-training were made with; none in the first.
    pub teacher: Option<Snapshot>,
    /// Round of self-training, from 0 on.
    pub round: u32,
}

impl Run {
    /// The start of a run from `weights`.
    pub fn new(mut weights: Parameters, schedule: &TrainingSchedule, gen: Generator) -> Result<Self> {
        let average = weights.duplicate()?;
        let optimiser = Optimiser::new(schedule.rule, &weights.tensors)?;
        weights.require_gradients()?;
        Ok(Self {
            weights,
            average,
            unaveraged: Vec::new(),
            statistics: Parameters::none(),
            optimiser,
            plateau: Plateau::default(),
            gen,
            step: 0,
            earlier: 0,
            history: Vec::new(),
            recent: Vec::new(),
            idle: 0,
            validated: Validated::default(),
            best: None,
            teacher: None,
            round: 0,
        })
    }

    /// Begins the schedule once more, from the weights of `teacher`: the next round. Generator, histories and best
    /// weights stay.
    pub fn next_round(&mut self, teacher: Snapshot, schedule: &TrainingSchedule) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for (target, name) in self.weights.tensors.iter_mut().zip(&self.weights.names) {
            target.f_copy_(required(&teacher, name)?)?;
        }
        for (target, name) in self.average.tensors.iter_mut().zip(&self.average.names) {
            target.f_copy_(required(&teacher, name)?)?;
        }
        for (target, name) in self.statistics.tensors.iter_mut().zip(&self.statistics.names) {
            target.f_copy_(required(&teacher, name)?)?;
        }
        self.optimiser = Optimiser::new(schedule.rule, &self.weights.tensors)?;
        self.plateau = Plateau::default();
        self.earlier += schedule.steps;
        self.step = 0;
        self.recent.clear();
        (self.validated.stale, self.validated.stopped) = (0, false);
        self.teacher = Some(teacher);
        self.round += 1;
        Ok(())
    }

    /// Trains until `until` steps (at most the schedule's) are done or `go_on(steps done, loss)` says no.
    ///
    /// A cancel is heard between libtorch calls; the backward pass is one of them and takes about half a step. A step
    /// that a cancel or an error interrupts leaves the run as it was before it: what follows has the same numbers.
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
        let _kept = MemoryReuse::start();
        while self.step < until {
            objective.advance(self.step, job)?;
            job.enter(Stage::Train)?;
            let (loss, gradients) = self.gradients(objective, job)?;
            match self.spike(loss, schedule) {
                Some(usual) => self.pass_over(loss, usual, job)?,
                None => {
                    self.update(&gradients, schedule)?;
                    self.record(loss as f32);
                }
            }
            job.advance_with_loss(self.step as f64 / schedule.steps as f64, loss)?;
            if !go_on(self.step, loss) {
                break;
            }
        }
        Ok(())
    }

    /// The loss of the step and its gradients; after a failure generator and statistics are as before.
    fn gradients(&mut self, objective: &dyn Objective, job: &Job) -> Result<(f64, Vec<Tensor>)> {
        let (gen, statistics) = (self.gen.clone(), self.statistics.duplicate()?);
        let (weights, draws, step) = (&self.weights, &mut self.gen, self.step);
        let outcome = weights.gradients(job, || objective.loss(step, draws, job));
        let failed = match outcome {
            Ok((loss, gradients)) if loss.is_finite() => return Ok((loss, gradients)),
            Ok((loss, _)) => Error::State(format!(
                "the loss of step {step} is {loss}; the weights are those of the step before: lower the \
                 rate and go on from the last checkpoint"
            )),
            Err(error) => error,
        };
        self.gen = gen;
        self.statistics.assign(&statistics)?;
        Err(failed)
    }

    /// The usual loss, where `loss` is far above it.
    fn spike(&self, loss: f64, schedule: &TrainingSchedule) -> Option<f64> {
        let usual = f64::from(self.history.last()?.loss);
        (schedule.spike > 0.0 && loss > schedule.spike * usual).then_some(usual)
    }

    /// A step that moves nothing because its loss is far above the usual one.
    fn pass_over(&mut self, loss: f64, usual: f64, job: &Job) -> Result<()> {
        self.idle += 1;
        let step = self.step;
        if self.idle >= MOST_IDLE {
            self.idle = 0;
            return Err(Error::State(format!(
                "the losses of {MOST_IDLE} steps up to {step} are far above the usual {usual:.4} (the last is \
                 {loss:.4}) and moved nothing: lower the rate and go on from the last checkpoint"
            )));
        }
        let text =
            format!("the loss of step {step} is {loss:.4}, far above the usual {usual:.4}: the step moves nothing");
        job.logger().warn("train", &text);
        self.step += 1;
        Ok(())
    }

    /// One step down the gradients.
    fn update(&mut self, gradients: &[Tensor], schedule: &TrainingSchedule) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let rate = schedule.rate(self.step) * self.plateau.factor;
        let norm = self
            .optimiser
            .step(&mut self.weights.tensors, gradients, rate, schedule.clip)?;
        self.idle = if norm.is_finite() { 0 } else { self.idle + 1 };
        if self.idle >= MOST_IDLE {
            self.idle = 0;
            return Err(Error::State(format!(
                "the gradients of {MOST_IDLE} steps up to {} are not finite and moved nothing: lower the rate and go \
                 on from the last checkpoint",
                self.step
            )));
        }
        let n = self.step as f64;
        let decay = schedule.ema_decay.min((1.0 + n) / (10.0 + n));
        for (place, (average, weight)) in self.average.tensors.iter_mut().zip(&self.weights.tensors).enumerate() {
            let share = if self.unaveraged.get(place) == Some(&true) {
                1.0
            } else {
                1.0 - decay
            };
            let _ = average.f_lerp_(weight, share)?;
        }
        self.step += 1;
        Ok(())
    }

    fn record(&mut self, loss: f32) {
        self.recent.push(loss);
        if self.step.is_multiple_of(RECORD_EVERY) {
            let mean = self.recent.iter().sum::<f32>() / self.recent.len() as f32;
            self.history.push(LossRecord {
                step: self.earlier + self.step,
                loss: mean,
            });
            self.recent.clear();
        }
    }
}

fn required<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Tensor> {
    let lacking = || Error::Internal(format!("the teacher lacks the tensor {name}"));
    snapshot.tensor(name).ok_or_else(lacking)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loss is the one weight's square, times a million from step 30 on.
    struct Spiking(Tensor);

    impl Objective for Spiking {
        fn advance(&mut self, _: u64, _: &Job) -> Result<()> {
            Ok(())
        }

        fn loss(&self, step: u64, _: &mut Generator, _: &Job) -> Result<Tensor> {
            let factor = if step < 30 { 1.0 } else { 1e6 };
            Ok(self.0.f_square()?.f_sum(tch::Kind::Float)?.f_mul_scalar(factor)?)
        }
    }

    #[test]
    fn losses_far_above_the_usual_move_nothing_and_end_a_run() {
        let weights = Parameters {
            names: vec!["weight".into()],
            tensors: vec![Tensor::from_slice(&[2.0f32])],
        };
        let train = |spike: f64| {
            let schedule = TrainingSchedule {
                steps: 100,
                spike,
                ..TrainingSchedule::default()
            };
            let mut run = Run::new(weights.duplicate().unwrap(), &schedule, Generator::new(1, 0)).unwrap();
            let mut objective = Spiking(run.weights.tensors[0].shallow_clone());
            let done = run.train(&mut objective, &schedule, 100, &Job::quiet(), &mut |_, _| true);
            (done, run.step, run.weights.tensors[0].double_value(&[0]))
        };
        let (done, step, weight) = train(50.0);
        let text = done.unwrap_err().to_string();
        assert!(
            text.contains("far above the usual") && text.contains("lower the rate"),
            "{text}"
        );
        assert_eq!(step, 39);
        let (done, step, other) = train(0.0);
        done.unwrap();
        assert!(step == 100 && other < weight, "{other} {weight}");
    }
}
