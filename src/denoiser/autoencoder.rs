//! The training run of an autoencoder of Stable Diffusion's shape on slices of tomograms.
//!
//! What goes in is what comes out: the slice with its noise, enhanced as the slab enhances it before an encoder. So
//! phantoms and the user's own tomograms, of which no noise-free version exists, are learnt from alike, and what the
//! encoder sees later is what it saw here. The error is squared because noise has zero mean: the reconstruction with
//! the least squared error against a noisy slice is also the one with the least against its signal (Lehtinen et al.
//! 2018), and the noise, which 4 numbers per 64 pixels cannot hold, only adds a constant to the loss.
use std::path::Path;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::posterior;
use super::{AutoencoderOptions, SliceOptions, SlicePool};
use crate::diffusion::{vae_tensor_shapes, write_autoencoder, LatentDraw, VaeConfig, VaeDecoder, VaeEncoder};
use crate::runtime::{Error, Generator, Job, Result};
use crate::settings::{Identity, Settings};
use crate::train::checkpoint::{self, Restored};
use crate::train::run::{Objective, Run};
use crate::train::{LossRecord, Parameters};

/// Streams of the seed.
const WEIGHTS: u64 = 11;
const BATCHES: u64 = 12;
const SCALE: u64 = 13;
const HELD_OUT: u64 = 14;
/// Added to the seed of the phantoms that are never trained on.
const HELD_OUT_SEED: u64 = 0x51ed_270b_9f65_c2a7;
/// Crops whose latents set the scaling factor.
const SCALE_CROPS: usize = 64;

/// How well the averaged weights reconstruct phantoms that are never trained on, with means for latents.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Reconstruction {
    /// Squared error as a share of the images' variance: 0 is perfect, 1 what the mean grey gives.
    pub unexplained: f64,
    /// Correlation with the noise-free slice.
    pub signal_correlation: f64,
    /// Correlation of the input itself with the noise-free slice: what doing nothing gives.
    pub input_correlation: f64,
    /// Contrast of the membranes (mean grey outside less inside) relative to that in the noise-free slice.
    pub membrane_contrast: f64,
}

/// Squared error of the reconstruction plus a little KL divergence.
struct Reconstructing {
    options: AutoencoderOptions,
    encoder: VaeEncoder,
    decoder: VaeDecoder,
    pool: SlicePool,
}

/// A run: weights, their moving average, optimiser, slices and where in the schedule it stands.
pub struct AutoencoderTrainer {
    task: Reconstructing,
    run: Run,
    device: Device,
}

impl AutoencoderTrainer {
    /// A fresh run; simulates the first phantoms and reads the first tomograms.
    pub fn new(options: &AutoencoderOptions, device: Device, job: &Job) -> Result<Self> {
        options.validate()?;
        let mut gen = Generator::new(options.seed, WEIGHTS);
        let weights = Parameters::random_of(vae_tensor_shapes(&options.vae)?, &mut gen, device)?;
        let run = Run::new(weights, &options.schedule.into(), Generator::new(options.seed, BATCHES))?;
        Self::assemble(options.clone(), run, device, job)
    }

    /// Goes on from a checkpoint, with the same numbers as a run that never stopped (on the CPU, at the same thread
    /// count).
    pub fn resume(path: &Path, device: Device, job: &Job) -> Result<Self> {
        let Restored { options, run, .. } = checkpoint::load::<AutoencoderOptions>(path, device)?;
        Self::assemble(options, run, device, job)
    }

    fn assemble(options: AutoencoderOptions, run: Run, device: Device, job: &Job) -> Result<Self> {
        let pool = SlicePool::new(&options.slices, options.seed, run.step, device, job)?;
        Ok(Self {
            task: Reconstructing {
                encoder: run.weights.encoder(&options.vae)?,
                decoder: run.weights.decoder(&options.vae)?,
                options,
                pool,
            },
            run,
            device,
        })
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.run.step
    }

    /// The settings, with the scaling factor that was measured last.
    pub fn options(&self) -> &AutoencoderOptions {
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

    /// Device of the weights.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Changes the length of the schedule; steps already done stay done.
    pub fn reschedule(&mut self, steps: u64) -> Result<()> {
        let mut options = self.task.options.clone();
        options.schedule.steps = steps;
        options.validate()?;
        self.task.options = options;
        Ok(())
    }

    /// Trains until `until` steps (at most the schedule's) are done or `go_on(steps done, loss)` says no.
    ///
    /// A cancel is heard between libtorch calls; the backward pass is one of them and takes about half a step. The step
    /// that a cancel interrupts is lost, so save before or go on from the last checkpoint.
    pub fn train(&mut self, until: u64, job: &Job, go_on: &mut dyn FnMut(u64, f64) -> bool) -> Result<()> {
        let schedule = self.task.options.schedule.into();
        self.run.train(&mut self.task, &schedule, until, job, go_on)
    }

    /// Sets the scaling factor to 1 / the standard deviation of the latents that the averaged weights draw for slices
    /// of the pool (all channels together, as Rombach et al. 2022, section G, did), and returns it. A U-Net on the
    /// scaled latents sees unit variance.
    pub fn measure_scale(&mut self, job: &Job) -> Result<f64> {
        let _guard = tch::no_grad_guard();
        let options = &self.task.options;
        let config = VaeConfig {
            scaling_factor: 1.0,
            ..options.vae.clone()
        };
        let encoder = self.run.average.encoder(&config)?;
        let mut gen = Generator::new(options.seed, SCALE);
        let mut latents = Vec::new();
        for _ in 0..SCALE_CROPS.div_ceil(options.batch) {
            let images = self.task.pool.draw(options.batch, options.crop, &mut gen)?.images;
            latents.push(encoder.encode(&images, LatentDraw::Sample, &mut gen, job)?);
        }
        let deviation = Tensor::f_cat(&latents, 0)?.f_std(true)?.f_double_value(&[])?;
        if !(deviation.is_finite() && deviation > 1e-12) {
            let detail = format!("its latents have a standard deviation of {deviation}");
            return Err(Error::State(format!("the autoencoder cannot be scaled: {detail}")));
        }
        self.task.options.vae.scaling_factor = deviation.recip();
        Ok(deviation.recip())
    }

    /// Reconstructs the same `crops` of `phantoms` held-out phantoms every time; `noise_free` of them (0..=1) come
    /// without noise.
    pub fn held_out(&self, phantoms: usize, crops: usize, noise_free: f64, job: &Job) -> Result<Reconstruction> {
        let _guard = tch::no_grad_guard();
        let options = &self.task.options;
        let slices = SliceOptions {
            stacks: phantoms,
            noise_free,
            ..options.slices.clone()
        };
        let pool = SlicePool::with_truth(&slices, options.seed ^ HELD_OUT_SEED, self.device, job)?;
        let mut gen = Generator::new(options.seed, HELD_OUT);
        let batch = pool.draw(crops, options.crop, &mut gen)?;
        let encoder = self.run.average.encoder(&options.vae)?;
        let decoder = self.run.average.decoder(&options.vae)?;
        let latent = encoder.encode(&batch.images, LatentDraw::Mean, &mut gen, job)?;
        let decoded = decoder.decode(&latent, job)?;
        let (signal, membrane) = batch
            .truth
            .ok_or_else(|| Error::Internal("held-out phantoms have no truth".into()))?;
        Ok(Reconstruction {
            unexplained: mean(&decoded.f_sub(&batch.images)?.f_square()?)? / variance(&batch.images)?,
            signal_correlation: correlation(&decoded, &signal)?,
            input_correlation: correlation(&batch.images, &signal)?,
            membrane_contrast: contrast(&decoded, &membrane)? / contrast(&signal, &membrane)?,
        })
    }

    /// Writes a checkpoint, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        checkpoint::save(path, Identity::new(&self.task.options, &[])?, &self.run)
    }

    /// Writes the averaged weights into `folder` as diffusers keeps an `AutoencoderKL`: `config.json` and
    /// `diffusion_pytorch_model.safetensors` (float32). Each file is whole or absent.
    pub fn export(&self, folder: &Path) -> Result<()> {
        write_autoencoder(folder, &self.task.options.vae, &self.averaged().named())
    }
}

impl Objective for Reconstructing {
    fn advance(&mut self, step: u64, job: &Job) -> Result<()> {
        self.pool.advance(step, job)
    }

    /// Both terms are sums over an image divided by its pixels, which leaves their ratio as Stable Diffusion has it.
    fn loss(&self, _: u64, gen: &mut Generator, job: &Job) -> Result<Tensor> {
        let options = &self.options;
        let images = self.pool.draw(options.batch, options.crop, gen)?.images;
        let x = images.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
        let (mean, log_variance) = self.encoder.posterior(&x, job)?;
        let (z, divergence) = posterior::draw(&mean, &log_variance, gen)?;
        let error = self.decoder.reconstruct(&z, job)?.f_sub(&x)?.f_square()?.f_mean(None)?;
        let weight = options.kl_weight / x.numel() as f64;
        Ok(error.f_add(&divergence.f_sum(None)?.f_mul_scalar(weight)?)?)
    }
}

fn mean(x: &Tensor) -> Result<f64> {
    Ok(x.f_mean(Kind::Double)?.f_double_value(&[])?)
}

fn variance(x: &Tensor) -> Result<f64> {
    mean(&x.f_sub(&x.f_mean(None)?)?.f_square()?)
}

/// Pearson's correlation over all pixels.
fn correlation(a: &Tensor, b: &Tensor) -> Result<f64> {
    let (da, db) = (a.f_sub(&a.f_mean(None)?)?, b.f_sub(&b.f_mean(None)?)?);
    Ok(mean(&da.f_mul(&db)?)? / (mean(&da.f_square()?)? * mean(&db.f_square()?)?).sqrt())
}

/// Mean outside `mask` (0 or 1) less mean inside it; NaN where the mask is empty.
fn contrast(image: &Tensor, mask: &Tensor) -> Result<f64> {
    let share = mean(mask)?;
    let inside = mean(&image.f_mul(mask)?)? / share;
    let outside = (mean(image)? - inside * share) / (1.0 - share);
    Ok(outside - inside)
}
