//! The training run of a segmentation network.
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{ExampleSource, SegmenterOptions};
use crate::networks::{Pass, SegmentationModel};
use crate::runtime::{Error, Generator, Job, Result};
use crate::train::checkpoint;
use crate::train::run::{Objective, Run};
use crate::train::{augment, segmentation_loss, Example, LossRecord, Parameters, Target};

/// Streams of the seed.
const WEIGHTS: u64 = 11;
const WINDOWS: u64 = 12;
const HELD_OUT: u64 = 13;

/// How well the averaged weights do on windows that they were not trained on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutputScore {
    /// Name of the output.
    pub output: String,
    /// Dice of probability above one half with truth above one half, over all windows, 0..=1; 1 where both are empty.
    pub dice: f64,
    /// Mean probability.
    pub mean_probability: f64,
    /// Mean truth; equal to the former where the network is calibrated in the large.
    pub mean_truth: f64,
}

/// What is made small: the loss of windows of one source.
struct Segmentation<S> {
    options: SegmenterOptions,
    model: SegmentationModel,
    source: S,
}

/// A run: weights, their moving average, running statistics, optimiser, data and where in the schedule it stands.
pub struct SegmenterTrainer<S> {
    task: Segmentation<S>,
    averaged: SegmentationModel,
    run: Run,
    device: Device,
}

impl<S: ExampleSource> SegmenterTrainer<S> {
    /// A fresh run, from random weights, or from those of `start`, whose network must be the options'.
    pub fn new(
        options: &SegmenterOptions,
        start: Option<&SegmentationModel>,
        source: S,
        device: Device,
    ) -> Result<Self> {
        options.validate()?;
        let model = match start {
            Some(model) if model.description().network == options.description.network => model.duplicate(device)?,
            Some(model) => {
                return Err(Error::argument(
                    "network",
                    format!("{:?}", model.description().network),
                    &format!("must be the options' {:?}", options.description.network),
                ))
            }
            None => {
                let mut gen = Generator::new(options.seed, WEIGHTS);
                SegmentationModel::random(options.description.clone(), &mut gen, device)?
            }
        };
        let mut run = Run::new(
            parameters(model.weights()),
            options.schedule.adamw,
            Generator::new(options.seed, WINDOWS),
        )?;
        run.statistics = parameters(model.statistics());
        Self::assemble(options.clone(), run, source, device)
    }

    /// Goes on from a checkpoint, with the same numbers as a run that never stopped (on a CPU, at the same number of threads).
    /// `source(options, step)` makes the data as they were.
    pub fn resume(
        path: &Path,
        device: Device,
        source: impl FnOnce(&SegmenterOptions, u64) -> Result<S>,
    ) -> Result<Self> {
        let (options, run) = checkpoint::load::<SegmenterOptions>(path, device)?;
        let source = source(&options, run.step)?;
        Self::assemble(options, run, source, device)
    }

    fn assemble(options: SegmenterOptions, run: Run, source: S, device: Device) -> Result<Self> {
        let model = model_of(&options, &run.weights, &run.statistics, device)?;
        options.validate_window(model.network())?;
        Ok(Self {
            averaged: model_of(&options, &run.average, &run.statistics, device)?,
            task: Segmentation { options, model, source },
            run,
            device,
        })
    }

    /// Changes the length of the schedule; steps already done stay done. For runs whose pace was misjudged.
    pub fn reschedule(&mut self, steps: u64) -> Result<()> {
        let mut options = self.task.options.clone();
        options.schedule.steps = steps;
        options.validate()?;
        self.task.options = options;
        Ok(())
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.run.step
    }

    /// The settings.
    pub fn options(&self) -> &SegmenterOptions {
        &self.task.options
    }

    /// Where the windows come from.
    pub fn source(&self) -> &S {
        &self.task.source
    }

    /// Mean losses so far.
    pub fn history(&self) -> &[LossRecord] {
        &self.run.history
    }

    /// The model of the averaged weights, which is what predicts. It shares the run's tensors: duplicate it to keep it.
    pub fn averaged(&self) -> &SegmentationModel {
        &self.averaged
    }

    /// Trains until `until` steps (at most the schedule's) are done or `go_on(steps done, loss)` says no.
    ///
    /// Errors: [`Error::State`] where the loss is not finite, with the step; what the source and the network report; cancel. The
    /// weights are then those of the last whole step.
    pub fn train(&mut self, until: u64, job: &Job, go_on: &mut dyn FnMut(u64, f64) -> bool) -> Result<()> {
        let schedule = self.task.options.schedule;
        self.run.train(&mut self.task, &schedule, until, job, go_on)
    }

    /// Scores of the averaged weights on `windows` windows of `source`, the same every time, as they are.
    pub fn held_out(&self, source: &impl ExampleSource, windows: usize, job: &Job) -> Result<Vec<OutputScore>> {
        let _guard = tch::no_grad_guard();
        let options = &self.task.options;
        let network = self.averaged.network();
        let mut gen = Generator::new(options.seed, HELD_OUT);
        // Per output: probability and truth and both, of voxels above one half; probability and truth as they are; weight.
        let mut sums = vec![[0f64; 6]; network.outputs().len()];
        for _ in 0..windows {
            job.check()?;
            let example = source.example(options, &mut gen)?;
            let logits = network.forward(
                &batch_of(&[&example.image], network.dimensions())?,
                &mut Pass::Inference,
                job,
            )?;
            let found = network.activation().probabilities(&logits.main)?;
            let truth = batch_of(&[&example.truth], network.dimensions())?;
            let weight = batch_of(&[&example.weight], network.dimensions())?.f_narrow(1, 0, 1)?;
            let (inside, true_inside) = (found.f_gt(0.5)?, truth.f_gt(0.5)?);
            let both = inside.f_logical_and(&true_inside)?;
            for (index, sums) in sums.iter_mut().enumerate() {
                let of = |map: &Tensor| -> Result<f64> {
                    let map = map.f_narrow(1, index as i64, 1)?.f_to_kind(Kind::Float)?;
                    Ok(map.f_mul(&weight)?.f_sum(Kind::Double)?.f_double_value(&[])?)
                };
                let parts = [of(&inside)?, of(&true_inside)?, of(&both)?, of(&found)?, of(&truth)?];
                let all = weight.f_sum(Kind::Double)?.f_double_value(&[])?;
                for (sum, part) in sums.iter_mut().zip(parts.into_iter().chain([all])) {
                    *sum += part;
                }
            }
        }
        let score = |(name, [found, truth, both, probability, certainty, all]): (&String, [f64; 6])| OutputScore {
            output: name.clone(),
            dice: if found + truth > 0.0 {
                2.0 * both / (found + truth)
            } else {
                1.0
            },
            mean_probability: probability / all.max(f64::MIN_POSITIVE),
            mean_truth: certainty / all.max(f64::MIN_POSITIVE),
        };
        Ok(network.outputs().iter().zip(sums).map(score).collect())
    }

    /// Writes a checkpoint, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        checkpoint::save(path, &self.task.options, &self.run)
    }

    /// A copy of the averaged model that the run does not change any more.
    pub fn model(&self) -> Result<SegmentationModel> {
        self.averaged.duplicate(self.device)
    }
}

fn parameters(named: Vec<(String, Tensor)>) -> Parameters {
    let (names, tensors) = named.into_iter().unzip();
    Parameters { names, tensors }
}

/// The network of `options` on these very tensors.
fn model_of(
    options: &SegmenterOptions,
    weights: &Parameters,
    statistics: &Parameters,
    device: Device,
) -> Result<SegmentationModel> {
    let (mut weight, mut statistic) = (weights.fetch(), statistics.fetch());
    SegmentationModel::from_tensors(options.description.clone(), device, &mut |name, shape| match statistics
        .names
        .iter()
        .any(|known| known == name)
    {
        true => statistic(name, shape),
        false => weight(name, shape),
    })
}

/// Windows [C, z, y, x] as a batch [B, C, z, y, x], of a network of slices as [B, C, y, x].
fn batch_of(parts: &[&Tensor], dimensions: usize) -> Result<Tensor> {
    let batch = Tensor::f_stack(parts, 0)?;
    Ok(if dimensions == 2 {
        batch.f_squeeze_dim(2)?
    } else {
        batch
    })
}

impl<S: ExampleSource> Objective for Segmentation<S> {
    fn advance(&mut self, step: u64, job: &Job) -> Result<()> {
        self.source.advance(step, job)
    }

    fn loss(&self, _: u64, gen: &mut Generator, job: &Job) -> Result<Tensor> {
        let options = &self.options;
        let mut examples: Vec<Example> = Vec::with_capacity(options.batch);
        for _ in 0..options.batch {
            let example = self.source.example(options, gen)?;
            examples.push(augment(&example, &options.augment, gen)?);
        }
        let network = self.model.network();
        let gather = |part: fn(&Example) -> &Tensor| {
            let parts: Vec<&Tensor> = examples.iter().map(part).collect();
            batch_of(&parts, network.dimensions())
        };
        let (image, truth, weight) = (gather(|e| &e.image)?, gather(|e| &e.truth)?, gather(|e| &e.weight)?);
        let logits = network.forward(&image, &mut Pass::Training(gen), job)?;
        let target = Target {
            truth: &truth,
            weight: Some(&weight),
        };
        segmentation_loss(&logits, network.activation(), &target, &options.loss)
    }
}
