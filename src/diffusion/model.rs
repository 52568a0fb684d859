//! A diffusion model as a feature extractor: image to latent, latent to self-attention.
use std::path::PathBuf;

use tch::{Device, Kind, Tensor};

use super::config::UnetConfig;
use super::latent::{depth_to_space, space_to_depth, CellShape, LatentDraw, LatentMode, Structure};
use super::load_options::LoadOptions;
use super::schedule::{NoiseSchedule, ScheduleConfig};
use super::taps::{AttentionTap, TapParts, Taps};
use super::unet::Unet;
use super::vae::VaeEncoder;
use crate::runtime::{Error, Generator, Job, Result};
use crate::settings::hash_file;

/// From image to latent.
pub enum LatentEncoder {
    /// Voxels as they are, gathered into cells.
    SpaceToDepth(CellShape),
    /// An autoencoder of Stable Diffusion's shape.
    Vae(Box<VaeEncoder>),
}

/// Description of a model.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// "Stable Diffusion 1", "Stable Diffusion 2", or the built-in model's name.
    pub name: String,
    /// U-Net architecture.
    pub unet: UnetConfig,
    /// Noise schedule.
    pub schedule: ScheduleConfig,
    /// Default preparation of a slice for the U-Net.
    pub latent_mode: LatentMode,
    /// Voxel sizes in nm, smallest and largest, that the model was made for.
    pub voxel_nm: Option<[f64; 2]>,
    /// Structures that it predicts beside the noise.
    pub structures: Vec<Structure>,
    pub(super) pixels_per_token: i64,
}

impl ModelConfig {
    /// Pixels per latent pixel (a token of the finest attention) along each side: 8 in Stable Diffusion.
    pub fn pixels_per_token(&self) -> i64 {
        self.pixels_per_token
    }

    /// Side in pixels of a tile of 64 x 64 tokens: 512 in Stable Diffusion.
    pub fn tile_pixels(&self) -> i64 {
        64 * self.pixels_per_token
    }

    /// Image sides that are multiples of this many pixels halve evenly at every level of the U-Net. Others work too,
    /// as long as they are multiples of [`ModelConfig::pixels_per_token`].
    pub fn granularity(&self) -> i64 {
        let halvings = self.unet.block_out_channels.len().saturating_sub(1).min(16) as u32;
        self.pixels_per_token << halvings
    }
}

/// Results of one U-Net pass.
#[derive(Debug)]
pub struct Extraction {
    /// Input of the U-Net, [1, C, h, w].
    pub input: Tensor,
    /// Q and K of the layers that were asked for, in execution order.
    pub taps: Vec<AttentionTap>,
    /// The U-Net's prediction of the noise (or velocity), [1, C, h, w]; of the middle cell where cells have neighbours.
    pub output: Tensor,
    /// One-step estimate of the clean latent, in the scale of the latent; shape of `output`.
    pub clean: Tensor,
    /// Likelihood, 0..=1, of each of the model's structures at every voxel of the middle cell, [structures, slices, H,
    /// W].
    pub structures: Option<Tensor>,
}

/// Immutable weights on one device.
pub struct DiffusionModel {
    pub(super) config: ModelConfig,
    pub(super) unet: Unet,
    pub(super) encoder: LatentEncoder,
    /// Text embedding of the empty prompt [1, 77, D], where the U-Net takes one.
    pub(super) context: Option<Tensor>,
    pub(super) schedule: NoiseSchedule,
    pub(super) options: LoadOptions,
    pub(super) source: Option<WeightSource>,
}

/// What the weights were read from.
pub(super) enum WeightSource {
    File(PathBuf),
    /// Bytes of this hash.
    Bytes(String),
}

// SAFETY: after loading nothing changes the weights, no field has interior mutability, and libtorch's functions may
// read one tensor from several threads; reference counts are atomic. Only `Tensor` keeps the compiler from seeing it:
// it is `Send` and not `Sync` because of its functions that write in place, none of which is called on a model.
unsafe impl Sync for DiffusionModel {}

impl DiffusionModel {
    /// Hash of the file, folder or bytes that the model was opened from. Gigabytes of a file are read for it, hence on
    /// demand.
    ///
    /// Errors: a file that cannot be read; [`Error::State`] for a model that was never in a file.
    pub fn content_hash(&self) -> Result<String> {
        match &self.source {
            Some(WeightSource::File(path)) => hash_file(path),
            Some(WeightSource::Bytes(hash)) => Ok(hash.clone()),
            None => Err(Error::State(
                "the diffusion model was never in a file: write it and open the file".into(),
            )),
        }
    }

    /// A model of the parts that its files hold.
    pub(super) fn assemble(
        config: ModelConfig,
        unet: Unet,
        encoder: LatentEncoder,
        context: Option<Tensor>,
        options: &LoadOptions,
    ) -> Result<Self> {
        Ok(Self {
            schedule: NoiseSchedule::new(&config.schedule)?,
            options: *options,
            config,
            unet,
            encoder,
            context,
            source: None,
        })
    }

    /// Description of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Device of the weights and of all work.
    pub fn device(&self) -> Device {
        self.options.device
    }

    /// Its noise schedule.
    pub fn schedule(&self) -> &NoiseSchedule {
        &self.schedule
    }

    /// Its encoder.
    pub fn encoder(&self) -> &LatentEncoder {
        &self.encoder
    }

    /// Text embedding of the empty prompt, [1, 77, D], where the U-Net takes one.
    pub fn text_embedding(&self) -> Option<&Tensor> {
        self.context.as_ref()
    }

    /// Slices that one pass takes and slices that it predicts: both 1 where there is an autoencoder.
    pub fn cells(&self) -> CellShape {
        match &self.encoder {
            LatentEncoder::SpaceToDepth(cells) => *cells,
            LatentEncoder::Vae(_) => CellShape {
                factor: self.config.pixels_per_token,
                ..CellShape::SINGLE
            },
        }
    }

    /// Latent [B, C, h, w] of `image` [B, S, H, W]: sides must be multiples of [`ModelConfig::pixels_per_token`].
    ///
    /// Space-to-depth: S is [`CellShape::slices_seen`], zero mean and unit variance; slices that are not there are
    /// zero; nothing is scaled. Autoencoder: [B, 1 or its channels, H, W] in 0..=1; the
    /// latent comes scaled by the model's factor; `generator` serves [`LatentDraw::Sample`] only. The result is
    /// float32.
    pub fn encode(&self, image: &Tensor, draw: LatentDraw, generator: &mut Generator, job: &Job) -> Result<Tensor> {
        job.check()?;
        let _guard = tch::no_grad_guard();
        let image = image.f_to_device(self.options.device)?.f_to_kind(Kind::Float)?;
        match &self.encoder {
            LatentEncoder::SpaceToDepth(cells) => space_to_depth(&image, cells.factor),
            LatentEncoder::Vae(vae) => vae.encode(&image, draw, generator, job),
        }
    }

    /// One U-Net pass over `latent` [1, C, h, w] at `timestep`, keeping Q and K of `layers` (indices in execution
    /// order).
    ///
    /// With `noise` (the latent's shape) the input is sqrt(abar_t) latent + sqrt(1 - abar_t) noise, otherwise the
    /// latent as it is. Gradients are off. Stops within one libtorch call of a cancel.
    pub fn extract(
        &self,
        latent: &Tensor,
        timestep: i64,
        noise: Option<&Tensor>,
        layers: &[usize],
        job: &Job,
    ) -> Result<Extraction> {
        self.extract_parts(latent, timestep, noise, layers, TapParts::default(), job)
    }

    /// [`DiffusionModel::extract`], keeping more of each tapped layer.
    pub fn extract_parts(
        &self,
        latent: &Tensor,
        timestep: i64,
        noise: Option<&Tensor>,
        layers: &[usize],
        parts: TapParts,
        job: &Job,
    ) -> Result<Extraction> {
        let _guard = tch::no_grad_guard();
        let count = self.config.unet.attention_layers();
        if let Some(layer) = layers.iter().find(|layer| **layer >= count) {
            return Err(Error::argument("layer", layer, &format!("must be below {count}")));
        }
        let latent = latent.f_to_device(self.options.device)?.f_to_kind(Kind::Float)?;
        let input = match noise {
            Some(noise) => {
                let noise = noise.f_to_device(self.options.device)?.f_to_kind(Kind::Float)?;
                self.schedule.noised(&latent, &noise, timestep)?
            }
            None => {
                self.schedule.alpha_cumprod(timestep)?;
                latent
            }
        };
        let mut taps = Taps::new(layers, parts);
        let output = self.predict(&input, timestep, Some(&mut taps), job)?;
        let taps = taps.into_taken();
        let (noisy, output, structures) = match &self.encoder {
            LatentEncoder::SpaceToDepth(cells) => {
                let channels = cells.cell_channels();
                let noise = output.f_narrow(1, 0, channels)?;
                (cells.middle(&input)?, noise, self.structures(&output, *cells)?)
            }
            LatentEncoder::Vae(_) => (input.shallow_clone(), output, None),
        };
        let clean = self.schedule.clean(&noisy, &output, timestep)?;
        Ok(Extraction {
            input,
            taps,
            output,
            clean,
            structures,
        })
    }

    /// The likelihoods after the noise's channels of `output`, [structures, slices, H, W].
    fn structures(&self, output: &Tensor, cells: CellShape) -> Result<Option<Tensor>> {
        let kinds = self.config.structures.len() as i64;
        if kinds == 0 {
            return Ok(None);
        }
        let channels = cells.cell_channels();
        let logits = depth_to_space(&output.f_narrow(1, channels, kinds * channels)?, cells.factor)?;
        let (_, _, rows, columns) = logits.size4()?;
        Ok(Some(logits.f_sigmoid()?.f_reshape([
            kinds,
            cells.slices,
            rows,
            columns,
        ])?))
    }

    /// The U-Net's output at `timestep`, float32, for `input` [B, C, h, w] in float32.
    pub(super) fn predict(&self, input: &Tensor, timestep: i64, taps: Option<&mut Taps>, job: &Job) -> Result<Tensor> {
        let batch = input.size().first().copied().unwrap_or(0);
        let t = Tensor::f_full([batch], timestep, (Kind::Int64, self.options.device))?;
        let input = input.f_to_kind(self.options.kind)?;
        let output = self.unet.forward(&input, &t, self.context.as_ref(), taps, job)?;
        Ok(output.f_to_kind(Kind::Float)?)
    }
}
