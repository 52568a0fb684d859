//! The training run of the matched-noise denoiser.
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, Tensor};

use super::checkpoint::{self, State, Tensors};
use super::{AdamW, Batch, DenoiserOptions, Parameters, PhantomPool, CELLS, STRUCTURES};
use crate::diffusion::{write_model, ModelFileConfig, NoiseSchedule, ScheduleConfig, Unet};
use crate::runtime::{Generator, Job, Result, Stage};

/// Streams of the seed.
const WEIGHTS: u64 = 1;
const BATCHES: u64 = 2;
const HELD_OUT: u64 = 3;
/// Added to the seed of the phantoms that are never trained on.
const HELD_OUT_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Steps per record of the loss history.
const RECORD_EVERY: u64 = 25;
/// Voxel sizes of the phantoms, nm.
const VOXEL_NM: [f64; 2] = [0.4, 3.2];

/// Mean loss of the steps that end before `step`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossRecord {
    /// Steps done.
    pub step: u64,
    /// Mean of the last `RECORD_EVERY` losses.
    pub loss: f32,
}

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
}

/// A run: weights, their moving average, optimiser, phantoms and where in the schedule it stands.
pub struct DenoiserTrainer {
    options: DenoiserOptions,
    schedule: NoiseSchedule,
    weights: Parameters,
    average: Parameters,
    network: Unet,
    averaged_network: Unet,
    optimiser: AdamW,
    pool: PhantomPool,
    gen: Generator,
    step: u64,
    history: Vec<LossRecord>,
    /// Losses since the last record.
    recent: Vec<f32>,
    device: Device,
}

impl DenoiserTrainer {
    /// A fresh run; simulates the first phantoms.
    pub fn new(options: &DenoiserOptions, device: Device, job: &Job) -> Result<Self> {
        options.validate()?;
        let weights = Parameters::random(&options.unet, &mut Generator::new(options.seed, WEIGHTS), device)?;
        let average = weights.duplicate()?;
        let optimiser = AdamW::new(options.adamw, &weights.tensors)?;
        let state = State {
            options: options.clone(),
            step: 0,
            optimiser_steps: 0,
            generator: generator_state(&Generator::new(options.seed, BATCHES)),
            history: Vec::new(),
            recent: Vec::new(),
        };
        Self::assemble(
            state,
            Tensors {
                weights,
                average,
                optimiser,
            },
            device,
            job,
        )
    }

    /// Goes on from a checkpoint, with the same numbers as a run that never stopped (on the CPU, at the same thread count).
    pub fn resume(path: &Path, device: Device, job: &Job) -> Result<Self> {
        let (state, tensors) = checkpoint::load(path, device)?;
        Self::assemble(state, tensors, device, job)
    }

    fn assemble(state: State, tensors: Tensors, device: Device, job: &Job) -> Result<Self> {
        let Tensors {
            mut weights,
            average,
            optimiser,
        } = tensors;
        weights.require_gradients()?;
        let pool = PhantomPool::new(&state.options, state.step, device, job)?;
        Ok(Self {
            schedule: NoiseSchedule::new(&ScheduleConfig::default())?,
            network: weights.network(&state.options.unet)?,
            averaged_network: average.network(&state.options.unet)?,
            gen: state.generator()?,
            step: state.step,
            history: state.history,
            options: state.options,
            weights,
            average,
            optimiser,
            pool,
            recent: state.recent,
            device,
        })
    }

    /// Changes the length of the schedule; steps already done stay done. For runs whose pace was misjudged.
    pub fn reschedule(&mut self, steps: u64) -> Result<()> {
        let options = DenoiserOptions {
            steps,
            ..self.options.clone()
        };
        options.validate()?;
        self.options = options;
        Ok(())
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The settings.
    pub fn options(&self) -> &DenoiserOptions {
        &self.options
    }

    /// Mean losses so far.
    pub fn history(&self) -> &[LossRecord] {
        &self.history
    }

    /// The averaged weights.
    pub fn averaged(&self) -> &Parameters {
        &self.average
    }

    /// Trains until `until` steps (at most the schedule's) are done or `go_on(steps done, loss)` says no.
    ///
    /// A cancel is heard between libtorch calls; the backward pass is one of them and takes about half a step. The step that a
    /// cancel interrupts is lost, so save before or go on from the last checkpoint.
    pub fn train(&mut self, until: u64, job: &Job, go_on: &mut dyn FnMut(u64, f64) -> bool) -> Result<()> {
        job.enter(Stage::Train)?;
        let until = until.min(self.options.steps);
        while self.step < until {
            self.pool.advance(&self.options, self.step, job)?;
            job.enter(Stage::Train)?;
            let loss = self.one_step(job)?;
            job.advance_with_loss(self.step as f64 / self.options.steps as f64, loss)?;
            if !go_on(self.step, loss) {
                break;
            }
        }
        Ok(())
    }

    fn one_step(&mut self, job: &Job) -> Result<f64> {
        let options = &self.options;
        let late = 2 * self.step >= options.steps;
        let large = late && self.gen.chance(options.large_share);
        let (side, count) = if large {
            let ratio = (options.crop as f64 / options.large_crop as f64).powi(2);
            (
                options.large_crop,
                ((options.batch as f64 * ratio).round() as usize).max(1),
            )
        } else {
            (options.crop, options.batch)
        };
        let batch = self.pool.draw(count, side, options.missing_share, &mut self.gen)?;
        let [low, high] = options.timesteps;
        let timesteps: Vec<i64> = (0..count)
            .map(|_| {
                if self.gen.chance(options.any_timestep) {
                    self.gen.integer(0, self.schedule.len() - 1)
                } else {
                    self.gen.integer(low, high)
                }
            })
            .collect();
        let input = batch.noised(&self.schedule, &timesteps)?;
        let times = Tensor::f_from_slice(&timesteps)?.f_to_device(self.device)?;
        let (loss, gradients) = self.weights.gradients(job, || {
            let predicted = self.network.forward(&input, &times, None, None, job)?;
            let (noise, structure) = errors(&predicted, &batch)?;
            Ok(noise.f_add(&structure.f_mul_scalar(options.structure_weight)?)?)
        })?;

        let _guard = tch::no_grad_guard();
        let rate = options.rate(self.step);
        self.optimiser
            .step(&mut self.weights.tensors, &gradients, rate, options.clip)?;
        let n = self.step as f64;
        let decay = options.ema_decay.min((1.0 + n) / (10.0 + n));
        for (average, weight) in self.average.tensors.iter_mut().zip(&self.weights.tensors) {
            let _ = average.f_lerp_(weight, 1.0 - decay)?;
        }
        self.step += 1;
        self.recent.push(loss as f32);
        if self.step % RECORD_EVERY == 0 {
            let mean = self.recent.iter().sum::<f32>() / self.recent.len() as f32;
            self.history.push(LossRecord {
                step: self.step,
                loss: mean,
            });
            self.recent.clear();
        }
        Ok(loss)
    }

    /// Loss of the averaged weights at `timesteps` on the same `crops` of `volumes` held-out phantoms every time.
    pub fn held_out(&self, volumes: usize, crops: usize, timesteps: &[i64], job: &Job) -> Result<Vec<HeldOutLoss>> {
        let options = DenoiserOptions {
            seed: self.options.seed ^ HELD_OUT_SEED,
            volumes,
            refresh: 0,
            ..self.options.clone()
        };
        let pool = PhantomPool::new(&options, 0, self.device, job)?;
        let batch = pool.draw(crops, options.crop, 0.0, &mut Generator::new(options.seed, HELD_OUT))?;
        let _guard = tch::no_grad_guard();
        let mut losses = Vec::with_capacity(timesteps.len());
        for t in timesteps {
            let input = batch.noised(&self.schedule, &vec![*t; crops])?;
            let times = Tensor::f_full([crops as i64], *t, (Kind::Int64, self.device))?;
            let predicted = self.averaged_network.forward(&input, &times, None, None, job)?;
            let (noise, structure) = errors(&predicted, &batch)?;
            let predicted = predicted.f_narrow(1, 0, CELLS.cell_channels())?;
            let clean = self.schedule.clean(&CELLS.middle(&input)?, &predicted, *t)?;
            let truth = CELLS.middle(&batch.clean)?;
            losses.push(HeldOutLoss {
                timestep: *t,
                noise_error: f64::try_from(noise)?,
                clean_error: f64::try_from(clean.f_mse_loss(&truth, Reduction::Mean)?)?,
                structure_error: f64::try_from(structure)?,
            });
        }
        Ok(losses)
    }

    /// Writes a checkpoint, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let state = State {
            options: self.options.clone(),
            step: self.step,
            optimiser_steps: self.optimiser.taken,
            generator: generator_state(&self.gen),
            history: self.history.clone(),
            recent: self.recent.clone(),
        };
        checkpoint::save(path, &state, &self.weights, &self.average, &self.optimiser)
    }

    /// Writes the averaged weights as a model file in float16.
    pub fn export(&self, path: &Path, name: &str) -> Result<()> {
        let config = ModelFileConfig::matched(name, self.options.unet.clone(), CELLS, &STRUCTURES, VOXEL_NM);
        write_model(path, &config, &self.average.named(), Kind::Half)
    }
}

/// Mean squared error of the noise of the middle cell where its slices are there, and mean cross-entropy of the structures.
pub(super) fn errors(predicted: &Tensor, batch: &Batch) -> Result<(Tensor, Tensor)> {
    let channels = CELLS.cell_channels();
    let present = CELLS.middle(&batch.present)?;
    let noise = CELLS.middle(&batch.noise)?;
    let wrong = predicted.f_narrow(1, 0, channels)?.f_sub(&noise)?.f_square()?;
    // Mean over the middle's channels that are there; one of its slices always is.
    let share = present.f_mean(None)?;
    let noise_error = wrong.f_mul(&present)?.f_mean(None)?.f_div(&share)?;
    let logits = predicted.f_narrow(1, channels, channels * STRUCTURES.len() as i64)?;
    let structure_error =
        logits.f_binary_cross_entropy_with_logits::<&Tensor>(&batch.structures, None, None, Reduction::Mean)?;
    Ok((noise_error, structure_error))
}

fn generator_state(gen: &Generator) -> ([u8; 32], u64, String) {
    let (seed, stream, position) = gen.state();
    (seed, stream, position.to_string())
}
