//! Opening a model: a diffusers folder, an original checkpoint, or a file in tomocut's own form.
use std::path::Path;

use tch::Kind;

use super::latent::EncoderConfig;
use super::load_options::LoadOptions;
use super::loading::{open_folder, open_single_file};
use super::model::{DiffusionModel, LatentEncoder, ModelConfig, WeightSource};
use super::single_file::{ModelFileConfig, AUTOENCODER, KEY};
use super::unet::Unet;
use super::vae::VaeEncoder;
use super::vae_decoder::VaeDecoder;
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::hash_bytes;
use crate::weights::TensorFile;

impl DiffusionModel {
    /// Opens Stable Diffusion 1.x or 2.x from a diffusers folder or an original single safetensors file, or a model in
    /// tomocut's own file. Nothing is downloaded; weights are mapped and copied one tensor at a time.
    ///
    /// The architecture of an original file is read off its tensor shapes, on the assumptions that hold for the
    /// published ones: 32 norm groups; 8 heads (SD 1) or heads of width 64 (SD 2). Where they do not hold, `STEM.json`
    /// beside `STEM.safetensors` overrides them: `{"unet": {..}, "vae": {..}, "text_encoder": {..}, "scheduler":
    /// {..}}`, each with keys of diffusers' config of that component.
    ///
    /// Errors: the operating system's; [`Error::Format`] and [`Error::Unsupported`] name the file, tensor or setting. A
    /// pickle checkpoint is never opened: the error says how to convert it.
    pub fn open(path: &Path, options: &LoadOptions, job: &Job) -> Result<Self> {
        job.enter(Stage::Load)?;
        let model = match path.is_dir() {
            true => open_folder(path, options, job)?,
            false => Self::open_file(path, options, job)?,
        };
        Ok(Self {
            source: Some(WeightSource::File(path.to_path_buf())),
            ..model
        })
    }

    fn open_file(path: &Path, options: &LoadOptions, job: &Job) -> Result<Self> {
        let file = TensorFile::map(path)?;
        match file.text(KEY).is_some() {
            true => Self::from_own_file(&file, options, job),
            false => open_single_file(path, file, options, job),
        }
    }

    /// A model in tomocut's own form (see [`super::write_model`]) from memory.
    pub fn from_safetensors_bytes(bytes: &[u8], options: &LoadOptions) -> Result<Self> {
        let file = TensorFile::from_bytes("model bytes", bytes)?;
        let model = Self::from_own_file(&file, options, &Job::quiet())?;
        Ok(Self {
            source: Some(WeightSource::Bytes(hash_bytes(bytes))),
            ..model
        })
    }

    fn from_own_file(file: &TensorFile, options: &LoadOptions, job: &Job) -> Result<Self> {
        let settings = settings_of(file)?;
        let unet = Unet::from_tensors(&settings.unet, &mut |name, shape| {
            job.check()?;
            file.tensor(name, shape, options.kind, options.device)
        })?;
        let (encoder, pixels_per_token) = match &settings.encoder {
            EncoderConfig::SpaceToDepth(cells) => (LatentEncoder::SpaceToDepth(*cells), cells.factor),
            EncoderConfig::Autoencoder(vae) => {
                // In float32 whatever the U-Net's type: it runs once per image.
                let encoder = VaeEncoder::from_tensors(vae, &mut |name, shape| {
                    job.check()?;
                    file.tensor(&format!("{AUTOENCODER}{name}"), shape, Kind::Float, options.device)
                })?;
                (LatentEncoder::Vae(Box::new(encoder)), vae.factor())
            }
        };
        Self::assemble(
            ModelConfig {
                name: settings.name,
                unet: settings.unet,
                schedule: settings.schedule,
                latent_mode: settings.latent_mode,
                voxel_nm: settings.voxel_nm,
                structures: settings.structures,
                pixels_per_token,
            },
            unet,
            encoder,
            None,
            options,
        )
    }
}

impl VaeDecoder {
    /// The decoder in a model file of tomocut's own, always in float32. Errors: those of opening a model;
    /// [`Error::Unsupported`] for a model without an autoencoder.
    pub fn open(path: &Path, options: &LoadOptions, job: &Job) -> Result<Self> {
        let file = TensorFile::map(path)?;
        let config = settings_of(&file)?;
        let EncoderConfig::Autoencoder(vae) = &config.encoder else {
            return Err(Error::Unsupported(format!("{} has no autoencoder", file.name())));
        };
        Self::from_tensors(vae, &mut |name, shape| {
            job.check()?;
            file.tensor(&format!("{AUTOENCODER}{name}"), shape, Kind::Float, options.device)
        })
    }
}

fn settings_of(file: &TensorFile) -> Result<ModelFileConfig> {
    ModelFileConfig::read(file)?
        .ok_or_else(|| Error::format(file.name(), "has no \"tomocut\" settings in its metadata"))
}
