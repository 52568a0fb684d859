//! An ordinary denoiser on the latents of an autoencoder: white noise, as Stable Diffusion was trained.
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::autoencoder_options::check_crop;
use super::{AutoencoderTrainer, Batch, BatchSource, DenoiserOptions, DenoiserTrainer, SliceOptions, SlicePool};
use crate::diffusion::{
    with_autoencoder, write_model, CellShape, LatentDraw, ModelFileConfig, Structure, VaeConfig, VaeEncoder,
};
use crate::runtime::{Generator, Job, Result};
use crate::settings::Settings;
use crate::train::Parameters;

/// Voxel sizes of the phantoms, nm.
const VOXEL_NM: [f64; 2] = [0.4, 3.2];
/// Added to the seed, so that the denoiser does not meet the autoencoder's phantoms again.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// Latents of slices, drawn through a finished encoder.
pub struct LatentPool {
    slices: SliceOptions,
    pool: SlicePool,
    encoder: VaeEncoder,
    autoencoder: Parameters,
    device: Device,
}

impl LatentPool {
    /// Latents of the autoencoder's kind of slices, by its averaged weights and its scaling factor, as they stand at
    /// `step`.
    fn new(options: &DenoiserOptions, autoencoder: &AutoencoderTrainer, step: u64, job: &Job) -> Result<Self> {
        let theirs = autoencoder.options();
        check_crop("crop", options.crop, &theirs.vae)?;
        check_crop("large_crop", options.large_crop, &theirs.vae)?;
        let slices = SliceOptions {
            shape: options.volume_shape,
            ..theirs.slices.clone()
        };
        let device = autoencoder.device();
        let weights = autoencoder.averaged().duplicate()?;
        Ok(Self {
            pool: SlicePool::new(&slices, options.seed ^ SEED, step, device, job)?,
            encoder: weights.encoder(&theirs.vae)?,
            autoencoder: weights,
            slices,
            device,
        })
    }

    fn vae(&self) -> &VaeConfig {
        self.encoder.config()
    }
}

impl BatchSource for LatentPool {
    /// A latent's channels are like slices of single pixels: nothing to gather, no neighbours.
    fn cells(&self) -> CellShape {
        CellShape {
            factor: 1,
            slices: self.vae().latent_channels,
            context: 0,
        }
    }

    fn structures(&self) -> &'static [Structure] {
        &[]
    }

    fn advance(&mut self, _: &DenoiserOptions, step: u64, job: &Job) -> Result<()> {
        self.pool.advance(step, job)
    }

    fn batch(&self, count: usize, side: usize, _: f64, gen: &mut Generator, job: &Job) -> Result<Batch> {
        let _guard = tch::no_grad_guard();
        let images = self.pool.draw(count, side, gen)?.images;
        let clean = self.encoder.encode(&images, LatentDraw::Sample, gen, job)?;
        let (batch, channels, rows, columns) = clean.size4()?;
        let options = (Kind::Float, clean.device());
        Ok(Batch {
            cells: self.cells(),
            noise: gen.normal_tensor(&clean.size(), clean.device())?,
            present: Tensor::f_ones([batch, channels, 1, 1], options)?,
            structures: Tensor::f_zeros([batch, 0, rows, columns], options)?,
            clean,
        })
    }

    fn held_out(&self, options: &DenoiserOptions, job: &Job) -> Result<Self> {
        let slices = SliceOptions {
            stacks: options.volumes,
            refresh: 0,
            tomograms: Vec::new(),
            ..self.slices.clone()
        };
        let weights = self.autoencoder.duplicate()?;
        let device = self.device;
        Ok(Self {
            pool: SlicePool::new(&slices, options.seed, 0, device, job)?,
            encoder: weights.encoder(self.vae())?,
            autoencoder: weights,
            slices,
            device,
        })
    }
}

impl DenoiserTrainer<LatentPool> {
    /// A fresh run on the latents of `autoencoder`, whose scale must have been measured.
    pub fn on_latents(options: &DenoiserOptions, autoencoder: &AutoencoderTrainer, job: &Job) -> Result<Self> {
        options.validate()?;
        let channels = autoencoder.options().vae.latent_channels;
        let cells = CellShape {
            factor: 1,
            slices: channels,
            context: 0,
        };
        options.validate_channels(cells, 0)?;
        let pool = LatentPool::new(options, autoencoder, 0, job)?;
        Self::start(options, pool, autoencoder.device())
    }

    /// Goes on from a checkpoint, with the same numbers as a run that never stopped, if `autoencoder` is the same.
    pub fn resume_on_latents(path: &Path, autoencoder: &AutoencoderTrainer, job: &Job) -> Result<Self> {
        Self::resume_with(path, autoencoder.device(), |options, step| {
            LatentPool::new(options, autoencoder, step, job)
        })
    }

    /// Writes the averaged weights and the autoencoder as one model file in float16.
    pub fn export(&self, path: &Path, name: &str) -> Result<()> {
        let source = self.source();
        let config = ModelFileConfig::latent(name, self.options().unet.clone(), source.vae().clone(), VOXEL_NM);
        let tensors = with_autoencoder(self.averaged().named(), source.autoencoder.named());
        write_model(path, &config, &tensors, Kind::Half)
    }
}
