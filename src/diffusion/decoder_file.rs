//! The decoder of a model's autoencoder, out of the file or folder that the model was opened from.
use tch::Kind;

use super::compvis;
use super::loading::{component_files, vae_names};
use super::model::{DiffusionModel, LatentEncoder, WeightSource};
use super::single_file::KEY;
use super::vae_decoder::VaeDecoder;
use crate::runtime::{Error, Job, Result, Stage};
use crate::weights::{TensorFile, WeightFiles};

impl DiffusionModel {
    /// Reads the decoder of the model's autoencoder, in float32 on the model's device. Only denoised images need it:
    /// an open model does not hold it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a model without an autoencoder or opened from memory; those of opening a model.
    pub fn open_decoder(&self, job: &Job) -> Result<VaeDecoder> {
        job.enter(Stage::Load)?;
        let LatentEncoder::Vae(encoder) = &self.encoder else {
            let name = &self.config.name;
            return Err(Error::Unsupported(format!(
                "{name} has no autoencoder, whose decoder is needed"
            )));
        };
        let Some(WeightSource::File(path)) = &self.source else {
            let text = "the decoder of a model opened from memory: open the model's file";
            return Err(Error::Unsupported(text.into()));
        };
        let (config, device) = (encoder.config(), self.options.device);
        let levels = config.block_out_channels.len() as i64;
        if path.is_dir() {
            let files = component_files(&path.join("vae"), "diffusion_pytorch_model")?;
            return VaeDecoder::from_tensors(config, &mut |name, shape| {
                job.check()?;
                files.tensor(&vae_names(name), shape, Kind::Float, device)
            });
        }
        let file = TensorFile::map(path)?;
        if file.text(KEY).is_some() {
            return VaeDecoder::open(path, &self.options, job);
        }
        let files = WeightFiles::new(&path.display().to_string(), vec![file]);
        VaeDecoder::from_tensors(config, &mut |name, shape| {
            job.check()?;
            let theirs = compvis::autoencoder_name(name, levels);
            let stored = format!("{}{}", compvis::VAE, theirs.as_deref().unwrap_or(name));
            files.tensor(&[stored], shape, Kind::Float, device)
        })
    }
}
