//! The training run of a denoising U-Net.
use std::path::Path;

use serde::Serialize;
use tch::{Device, Kind, Reduction, Tensor};

use super::class_attention::ClassAttention;
use super::start::weights_of;
use super::{Batch, BatchSource, DenoiserOptions, PhantomPool, CELLS, STRUCTURES};
use crate::diffusion::{write_model, ModelFile, ModelFileConfig, NoiseSchedule, ScheduleConfig, Unet};
use crate::runtime::{Generator, Job, Result};
use crate::settings::{Identity, Settings};
use crate::tensors::term;
use crate::train::checkpoint::{self, Restored};
use crate::train::run::{Objective, Run};
use crate::train::{LossRecord, Parameters};

/// Streams of the seed.
const WEIGHTS: u64 = 1;
const BATCHES: u64 = 2;
const HELD_OUT: u64 = 3;
/// Added to the seed of the phantoms that are never trained on.
const HELD_OUT_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Voxel sizes of the phantoms, nm.
const VOXEL_NM: [f64; 2] = [0.4, 3.2];

/// Loss of the averaged weights on phantoms that are never trained on.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HeldOutLoss {
    /// Timestep.
    pub timestep: i64,
    /// Mean squared error of the predicted noise; 1 is what predicting nothing gives.
    pub noise_error: f64,
    /// Mean squared error of the one-step clean image, in units of the signal's variance.
    pub clean_error: f64,
    /// Cross-entropy of the structures, nats per voxel and structure.
    pub structure_error: f64,
    /// Mean of -log of the attention that stays within a token's class, where it has a weight.
    pub attention_error: Option<f64>,
}

/// Mean squared error of the noise that a U-Net finds in batches of one source, at random timesteps; beside it, on
/// request, the cross-entropy of the structures and the attention that leaves a token's class.
struct NoisePrediction<S> {
    options: DenoiserOptions,
    schedule: NoiseSchedule,
    network: Unet,
    attention: Option<ClassAttention>,
    source: S,
    device: Device,
}

/// A run: weights, their moving average, optimiser, data and where in the schedule it stands. `S` is where the batches
/// come from: phantoms and their own noise for a matched model, latents of an autoencoder and white noise for an
/// ordinary one.
pub struct DenoiserTrainer<S = PhantomPool> {
    task: NoisePrediction<S>,
    averaged_network: Unet,
    run: Run,
}

impl DenoiserTrainer {
    /// A fresh run of a matched-noise denoiser; simulates the first phantoms.
    pub fn new(options: &DenoiserOptions, device: Device, job: &Job) -> Result<Self> {
        options.validate()?;
        options.validate_channels(CELLS, STRUCTURES.len())?;
        let pool = PhantomPool::new(options, 0, device, job)?;
        Self::start(options, pool, device)
    }

    /// A fresh run that begins with the weights of `model`, whose network is taken in the place of the options'.
    ///
    /// Errors: as [`DenoiserTrainer::new`]; a model of other cells or structures than [`CELLS`] and [`STRUCTURES`].
    pub fn from_model(options: &DenoiserOptions, model: &ModelFile, device: Device, job: &Job) -> Result<Self> {
        let options = DenoiserOptions {
            unet: model.config.unet.clone(),
            ..options.clone()
        };
        options.validate()?;
        let weights = weights_of(model, device)?;
        let pool = PhantomPool::new(&options, 0, device, job)?;
        Self::start_from(&options, weights, pool, device)
    }

    /// Goes on from a checkpoint, with the same numbers as a run that never stopped (on the CPU, at the same thread
    /// count).
    pub fn resume(path: &Path, device: Device, job: &Job) -> Result<Self> {
        Self::resume_with(path, device, |options, step| {
            options.validate_channels(CELLS, STRUCTURES.len())?;
            PhantomPool::new(options, step, device, job)
        })
    }

    /// Writes the averaged weights as a model file in float16.
    pub fn export(&self, path: &Path, name: &str) -> Result<()> {
        let config = ModelFileConfig::matched(name, self.options().unet.clone(), CELLS, &STRUCTURES, VOXEL_NM);
        write_model(path, &config, &self.averaged().named(), Kind::Half)
    }
}

impl<S: BatchSource> DenoiserTrainer<S> {
    /// A fresh run on batches of `source`.
    pub(super) fn start(options: &DenoiserOptions, source: S, device: Device) -> Result<Self> {
        let weights = Parameters::random(&options.unet, &mut Generator::new(options.seed, WEIGHTS), device)?;
        Self::start_from(options, weights, source, device)
    }

    fn start_from(options: &DenoiserOptions, weights: Parameters, source: S, device: Device) -> Result<Self> {
        let run = Run::new(weights, &options.schedule(), Generator::new(options.seed, BATCHES))?;
        Self::assemble(options.clone(), run, source, device)
    }

    /// Goes on from a checkpoint; `source(options, step)` makes the data as they were.
    pub(super) fn resume_with(
        path: &Path,
        device: Device,
        source: impl FnOnce(&DenoiserOptions, u64) -> Result<S>,
    ) -> Result<Self> {
        let Restored { options, run, .. } = checkpoint::load::<DenoiserOptions>(path, device)?;
        let source = source(&options, run.step)?;
        Self::assemble(options, run, source, device)
    }

    fn assemble(options: DenoiserOptions, run: Run, source: S, device: Device) -> Result<Self> {
        options.validate_channels(source.cells(), source.structures().len())?;
        Ok(Self {
            averaged_network: run.average.network(&options.unet)?,
            task: NoisePrediction {
                schedule: NoiseSchedule::new(&ScheduleConfig::default())?,
                network: run.weights.network(&options.unet)?,
                attention: ClassAttention::new(&options, source.structures())?,
                options,
                source,
                device,
            },
            run,
        })
    }

    /// Changes the length of the schedule; steps already done stay done. For runs whose pace was misjudged.
    pub fn reschedule(&mut self, steps: u64) -> Result<()> {
        let options = DenoiserOptions {
            steps,
            ..self.task.options.clone()
        };
        options.validate()?;
        self.task.options = options;
        Ok(())
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.run.step
    }

    /// The settings.
    pub fn options(&self) -> &DenoiserOptions {
        &self.task.options
    }

    /// Where the batches come from.
    pub fn source(&self) -> &S {
        &self.task.source
    }

    /// Mean losses so far.
    pub fn history(&self) -> &[LossRecord] {
        &self.run.history
    }

    /// The averaged weights.
    pub fn averaged(&self) -> &Parameters {
        &self.run.average
    }

    /// Trains until `until` steps (at most the schedule's) are done or `go_on(steps done, loss)` says no.
    ///
    /// A cancel is heard between libtorch calls; the backward pass is one of them and takes about half a step. The step
    /// that a cancel interrupts is lost, so save before or go on from the last checkpoint.
    pub fn train(&mut self, until: u64, job: &Job, go_on: &mut dyn FnMut(u64, f64) -> bool) -> Result<()> {
        let schedule = self.task.options.schedule();
        self.run.train(&mut self.task, &schedule, until, job, go_on)
    }

    /// Loss of the averaged weights at `timesteps` on the same `crops` of `volumes` held-out phantoms every time.
    pub fn held_out(&self, volumes: usize, crops: usize, timesteps: &[i64], job: &Job) -> Result<Vec<HeldOutLoss>> {
        let task = &self.task;
        let options = DenoiserOptions {
            seed: task.options.seed ^ HELD_OUT_SEED,
            volumes,
            refresh: 0,
            ..task.options.clone()
        };
        let source = task.source.held_out(&options, job)?;
        let cells = source.cells();
        let _guard = tch::no_grad_guard();
        let batch = source.batch(
            crops,
            options.crop,
            0.0,
            &mut Generator::new(options.seed, HELD_OUT),
            job,
        )?;
        let mut losses = Vec::with_capacity(timesteps.len());
        for t in timesteps {
            let input = batch.noised(&task.schedule, &vec![*t; crops])?;
            let times = Tensor::f_full([crops as i64], *t, (Kind::Int64, task.device))?;
            let mut taps = task.attention.as_ref().map(ClassAttention::taps);
            let predicted = self
                .averaged_network
                .forward(&input, &times, None, taps.as_mut(), job)?;
            let (noise, structure) = errors(&predicted, &batch)?;
            let attention = match (&task.attention, taps) {
                (Some(attention), Some(taps)) => {
                    Some(f64::try_from(attention.loss(&taps.into_taken(), &batch, job)?)?)
                }
                _ => None,
            };
            let predicted = predicted.f_narrow(1, 0, cells.cell_channels())?;
            let clean = task.schedule.clean(&cells.middle(&input)?, &predicted, *t)?;
            let truth = cells.middle(&batch.clean)?;
            losses.push(HeldOutLoss {
                timestep: *t,
                noise_error: f64::try_from(noise)?,
                clean_error: f64::try_from(clean.f_mse_loss(&truth, Reduction::Mean)?)?,
                structure_error: f64::try_from(structure)?,
                attention_error: attention,
            });
        }
        Ok(losses)
    }

    /// Writes a checkpoint, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        checkpoint::save(path, Identity::new(&self.task.options, &[])?, &self.run)
    }
}

impl<S: BatchSource> Objective for NoisePrediction<S> {
    fn advance(&mut self, step: u64, job: &Job) -> Result<()> {
        self.source.advance(&self.options, step, job)
    }

    fn loss(&self, step: u64, gen: &mut Generator, job: &Job) -> Result<Tensor> {
        let options = &self.options;
        let late = 2 * step >= options.steps;
        let large = late && gen.chance(options.large_share);
        let (side, count) = if large {
            let ratio = (options.crop as f64 / options.large_crop as f64).powi(2);
            (
                options.large_crop,
                ((options.batch as f64 * ratio).round() as usize).max(1),
            )
        } else {
            (options.crop, options.batch)
        };
        let batch = self.source.batch(count, side, options.missing_share, gen, job)?;
        let [low, high] = options.timesteps;
        let timesteps: Vec<i64> = (0..count)
            .map(|_| {
                if gen.chance(options.any_timestep) {
                    gen.integer(0, self.schedule.len() - 1)
                } else {
                    gen.integer(low, high)
                }
            })
            .collect();
        let input = batch.noised(&self.schedule, &timesteps)?;
        let times = Tensor::f_from_slice(&timesteps)?.f_to_device(self.device)?;
        let mut taps = self.attention.as_ref().map(ClassAttention::taps);
        let predicted = self.network.forward(&input, &times, None, taps.as_mut(), job)?;
        let (noise, structure) = errors(&predicted, &batch)?;
        let loss = term(noise) + options.structure_weight * term(structure);
        match (&self.attention, taps) {
            (Some(attention), Some(taps)) => {
                let strayed = attention.loss(&taps.into_taken(), &batch, job);
                (loss + options.attention_weight * term(strayed)).tensor()
            }
            _ => loss.tensor(),
        }
    }
}

/// Mean squared error of the noise of the middle cell where its slices are there, and mean cross-entropy of the
/// structures.
pub(super) fn errors(predicted: &Tensor, batch: &Batch) -> Result<(Tensor, Tensor)> {
    let cells = batch.cells;
    let channels = cells.cell_channels();
    let present = cells.middle(&batch.present)?;
    let noise = cells.middle(&batch.noise)?;
    let wrong = (term(predicted.f_narrow(1, 0, channels)) - noise).square();
    // Mean over the middle's channels that are there; one of its slices always is.
    let share = present.f_mean(None)?;
    let noise_error = ((wrong * present).map(|x| x.f_mean(None)) / &share).tensor()?;
    let truth = batch.structures.size4()?.1;
    if truth == 0 {
        let none = share.f_zeros_like()?;
        return Ok((noise_error, none));
    }
    let logits = predicted.f_narrow(1, channels, truth)?;
    let structure_error =
        logits.f_binary_cross_entropy_with_logits::<&Tensor>(&batch.structures, None, None, Reduction::Mean)?;
    Ok((noise_error, structure_error))
}
