//! The training run of the mask autoencoder that SDSeg's small network stands on: shapes that are drawn at random, no
//! data.
//!
//! Its loss is the mean absolute error of the mask's picture (-1 and 1), which, unlike the squared one, has sharp edges
//! for its optimum, plus a little KL divergence, which keeps latents near unit variance and makes the decoder forgive
//! small errors of them.
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::posterior;
use super::random_masks::random_masks;
use crate::diffusion::{vae_tensor_shapes, VaeConfig, VaeDecoder, VaeEncoder};
use crate::networks::sdseg::mask_autoencoder;
use crate::runtime::{Error, Generator, Job, Result};
use crate::settings::{Identity, Settings};
use crate::train::checkpoint::{self, Restored, RunOptions};
use crate::train::run::{Objective, Run};
use crate::train::{AdamWOptions, CosineSchedule, LossRecord, Parameters, TrainingSchedule};
use crate::weights::write_tensors;

/// Streams of the seed.
const WEIGHTS: u64 = 11;
const BATCHES: u64 = 12;
const HELD_OUT: u64 = 14;

/// What to train and how long. Same options and seed, same weights (on one machine and thread count).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaskAutoencoderOptions {
    /// Architecture.
    #[schemars(with = "Value")]
    pub vae: VaeConfig,
    /// Seed of weights and masks.
    pub seed: u64,
    /// Masks per step.
    #[schemars(range(min = 1, max = 256))]
    pub batch: usize,
    /// Side of a mask in pixels, a multiple of the autoencoder's factor.
    #[schemars(range(min = 8, max = 512))]
    pub crop: usize,
    /// Weight of the KL divergence, mean over the latent's numbers, beside the absolute error, mean over pixels.
    #[schemars(range(min = 0, max = 1))]
    pub kl_weight: f64,
    /// How long, and how the weights move.
    pub schedule: CosineSchedule,
}

impl Default for MaskAutoencoderOptions {
    fn default() -> Self {
        Self {
            vae: mask_autoencoder(),
            seed: 1,
            batch: 8,
            crop: 128,
            kl_weight: 5e-4,
            schedule: CosineSchedule {
                steps: 3000,
                adamw: AdamWOptions {
                    rate: 2e-3,
                    ..AdamWOptions::default()
                },
                ..CosineSchedule::default()
            },
        }
    }
}

impl Settings for MaskAutoencoderOptions {
    const FAMILY: &'static str = "mask-autoencoder";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn validate_together(&self) -> Result<()> {
        self.vae.validate()?;
        if self.crop as i64 % self.vae.factor() != 0 {
            let allowed = format!("must be a multiple of the autoencoder's factor {}", self.vae.factor());
            return Err(Error::argument("crop", self.crop, &allowed));
        }
        Ok(())
    }
}

impl RunOptions for MaskAutoencoderOptions {
    fn check(&self) -> Result<()> {
        self.validate()
    }

    fn tensor_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        vae_tensor_shapes(&self.vae)
    }

    fn schedule(&self) -> TrainingSchedule {
        self.schedule.into()
    }
}

/// Error of the mask's picture plus a little KL divergence.
struct Reconstructing {
    options: MaskAutoencoderOptions,
    encoder: VaeEncoder,
    decoder: VaeDecoder,
    device: Device,
}

/// A run: weights, their moving average, optimiser and where in the schedule it stands.
pub struct MaskAutoencoderTrainer {
    task: Reconstructing,
    run: Run,
}

impl MaskAutoencoderTrainer {
    /// A fresh run. Errors: options out of range.
    pub fn new(options: &MaskAutoencoderOptions, device: Device) -> Result<Self> {
        options.validate()?;
        let mut gen = Generator::new(options.seed, WEIGHTS);
        let weights = Parameters::random_of(vae_tensor_shapes(&options.vae)?, &mut gen, device)?;
        let run = Run::new(weights, &options.schedule.into(), Generator::new(options.seed, BATCHES))?;
        Self::assemble(options.clone(), run, device)
    }

    /// Goes on from a checkpoint, with the same numbers as a run that never stopped.
    pub fn resume(path: &Path, device: Device) -> Result<Self> {
        let Restored { options, run, .. } = checkpoint::load::<MaskAutoencoderOptions>(path, device)?;
        Self::assemble(options, run, device)
    }

    fn assemble(options: MaskAutoencoderOptions, run: Run, device: Device) -> Result<Self> {
        Ok(Self {
            task: Reconstructing {
                encoder: run.weights.encoder(&options.vae)?,
                decoder: run.weights.decoder(&options.vae)?,
                options,
                device,
            },
            run,
        })
    }

    /// Changes the length of the schedule; steps already done stay done.
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
    pub fn options(&self) -> &MaskAutoencoderOptions {
        &self.task.options
    }

    /// Mean losses so far.
    pub fn history(&self) -> &[LossRecord] {
        &self.run.history
    }

    /// The averaged weights.
    pub fn averaged(&self) -> &Parameters {
        &self.run.average
    }

    /// Trains until `until` steps (at most the schedule's) are done.
    pub fn train(&mut self, until: u64, job: &Job) -> Result<()> {
        let schedule = self.task.options.schedule.into();
        self.run.train(&mut self.task, &schedule, until, job, &mut |_, _| true)
    }

    /// Writes a checkpoint, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        checkpoint::save(path, Identity::new(&self.task.options, &[])?, &self.run)
    }

    /// Dice of masks that are never trained on with what the averaged weights make of the means of their latents, and
    /// the standard deviation of these; of `count` masks.
    pub fn held_out(&self, count: usize, job: &Job) -> Result<(f64, f64)> {
        let _guard = tch::no_grad_guard();
        let options = &self.task.options;
        let (encoder, decoder) = (
            self.run.average.encoder(&options.vae)?,
            self.run.average.decoder(&options.vae)?,
        );
        let mut gen = Generator::new(options.seed, HELD_OUT);
        let masks = random_masks(count, options.crop, &mut gen, self.task.device)?;
        let (mean, _) = encoder.posterior(&signs(&masks)?, job)?;
        let decoded = decoder.reconstruct(&mean, job)?.f_gt(0.0)?.f_to_kind(Kind::Float)?;
        let sum = |x: &Tensor| -> Result<f64> { Ok(x.f_sum(Kind::Double)?.f_double_value(&[])?) };
        let dice = 2.0 * sum(&decoded.f_mul(&masks)?)? / (sum(&decoded)? + sum(&masks)?).max(1.0);
        Ok((dice, mean.f_std(true)?.f_double_value(&[])?))
    }

    /// Writes the averaged weights in float16 by their diffusers names and `scale_factor`, 1 / the standard deviation
    /// of latents.
    pub fn export(&self, path: &Path, job: &Job) -> Result<()> {
        let (_, deviation) = self.held_out(64, job)?;
        if !(deviation.is_finite() && deviation > 1e-12) {
            let text = format!("the latents of the mask autoencoder have a standard deviation of {deviation}");
            return Err(Error::State(text));
        }
        let mut named = self.averaged().named();
        named.push(("scale_factor".to_owned(), Tensor::from(deviation.recip() as f32)));
        let tensors = named.iter().map(|(name, tensor)| (name, tensor));
        write_tensors(path, tensors, Kind::Half, None)
    }
}

/// Masks of 0 and 1 as pictures of -1 and 1.
fn signs(masks: &Tensor) -> Result<Tensor> {
    Ok(masks.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?)
}

impl Objective for Reconstructing {
    fn advance(&mut self, _: u64, _: &Job) -> Result<()> {
        Ok(())
    }

    fn loss(&self, _: u64, gen: &mut Generator, job: &Job) -> Result<Tensor> {
        let options = &self.options;
        let x = signs(&random_masks(options.batch, options.crop, gen, self.device)?)?;
        let (mean, log_variance) = self.encoder.posterior(&x, job)?;
        let (z, divergence) = posterior::draw(&mean, &log_variance, gen)?;
        let error = self.decoder.reconstruct(&z, job)?.f_sub(&x)?.f_abs()?.f_mean(None)?;
        Ok(error.f_add(&divergence.f_mean(None)?.f_mul_scalar(options.kl_weight)?)?)
    }
}
