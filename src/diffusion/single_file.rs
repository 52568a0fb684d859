//! tomocut's own model file: one safetensors file, the U-Net's tensors under their diffusers names, those of an
//! autoencoder (where the model has one) under theirs after `vae.`, and the settings as JSON under the header's
//! `__metadata__` key `tomocut`.
use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::config::UnetConfig;
use super::latent::{CellShape, EncoderConfig, LatentMode, Structure};
use super::schedule::ScheduleConfig;
use super::unet::unet_tensor_shapes;
use super::vae_config::VaeConfig;
use super::vae_decoder::vae_tensor_shapes;
use crate::runtime::{write_whole, Error, Result};
use crate::weights::{metadata, tensors_to_bytes, wrong_shape, TensorFile};

/// Key of the settings in `__metadata__`.
pub(super) const KEY: &str = "tomocut";

/// In front of the names of an autoencoder's tensors.
pub(super) const AUTOENCODER: &str = "vae.";

/// Version of the settings that this engine writes and reads.
const FORMAT: u32 = 1;

/// Settings of a model in tomocut's own file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFileConfig {
    /// Version of this structure, 1.
    pub format: u32,
    /// Name of the model in reports.
    pub name: String,
    /// From image to latent.
    pub encoder: EncoderConfig,
    /// Default preparation of a slice for the U-Net.
    pub latent_mode: LatentMode,
    /// Architecture.
    pub unet: UnetConfig,
    /// Noise schedule.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Voxel sizes in nm, smallest and largest, that the model was trained for.
    #[serde(default)]
    pub voxel_nm: Option<[f64; 2]>,
    /// Structures that the U-Net predicts beside the noise, in this order: `cell_channels` logits each, after the
    /// noise's channels.
    #[serde(default)]
    pub structures: Vec<Structure>,
}

impl ModelFileConfig {
    /// Settings of a matched-noise model on space-to-depth cells, with Stable Diffusion's schedule.
    pub fn matched(
        name: &str,
        unet: UnetConfig,
        cells: CellShape,
        structures: &[Structure],
        voxel_nm: [f64; 2],
    ) -> Self {
        Self {
            format: FORMAT,
            name: name.to_owned(),
            encoder: EncoderConfig::SpaceToDepth(cells),
            latent_mode: LatentMode::Matched,
            unet,
            schedule: ScheduleConfig::default(),
            voxel_nm: Some(voxel_nm),
            structures: structures.to_vec(),
        }
    }

    /// Settings of an ordinary latent diffusion model on the latents of `vae`: white noise, Stable Diffusion's
    /// schedule.
    pub fn latent(name: &str, unet: UnetConfig, vae: VaeConfig, voxel_nm: [f64; 2]) -> Self {
        Self {
            format: FORMAT,
            name: name.to_owned(),
            encoder: EncoderConfig::Autoencoder(vae),
            latent_mode: LatentMode::Noised,
            unet,
            schedule: ScheduleConfig::default(),
            voxel_nm: Some(voxel_nm),
            structures: Vec::new(),
        }
    }

    /// Every tensor of the file: its name and its shape.
    pub fn tensor_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        let mut shapes = unet_tensor_shapes(&self.unet)?;
        if let EncoderConfig::Autoencoder(vae) = &self.encoder {
            let theirs = vae_tensor_shapes(vae)?.into_iter();
            shapes.extend(theirs.map(|(name, shape)| (format!("{AUTOENCODER}{name}"), shape)));
        }
        Ok(shapes)
    }

    /// The settings in `file`, or none where it is not a tomocut file.
    pub(super) fn read(file: &TensorFile) -> Result<Option<Self>> {
        let Some(text) = file.text(KEY) else { return Ok(None) };
        let subject = || format!("{}: metadata \"{KEY}\"", file.name());
        let json: serde_json::Value = serde_json::from_str(text).map_err(|e| Error::format(subject(), e))?;
        match json.get("format").and_then(serde_json::Value::as_u64) {
            Some(1) => {}
            Some(other) => {
                return Err(Error::Version(format!(
                    "{} has format {other}, this engine reads {FORMAT}",
                    subject()
                )));
            }
            None => return Err(Error::format(subject(), "has no number under \"format\"")),
        }
        if let Some(unet) = json.get("unet") {
            // For its clear answer to settings that are not supported.
            UnetConfig::from_json(unet)?;
        }
        let config: Self = serde_json::from_value(json).map_err(|e| Error::format(subject(), e))?;
        config.validate()?;
        Ok(Some(config))
    }

    /// Checks that the parts fit each other.
    pub fn validate(&self) -> Result<()> {
        self.unet.validate()?;
        let needed = match &self.encoder {
            EncoderConfig::SpaceToDepth(cells) => {
                cells.validate()?;
                unet_channels(*cells, self.structures.len())
            }
            EncoderConfig::Autoencoder(vae) => {
                vae.validate()?;
                if self.latent_mode == LatentMode::Matched || !self.structures.is_empty() {
                    return Err(Error::format(
                        "model settings",
                        "latent_mode matched and structures need voxels as they are: \
                         a model with an autoencoder has neither",
                    ));
                }
                (vae.latent_channels, vae.latent_channels)
            }
        };
        let given = (self.unet.in_channels, self.unet.out_channels);
        if given != needed {
            return Err(Error::format(
                "model settings",
                format_args!(
                    "{:?} with {} structures needs a U-Net of {needed:?} channels in and out, it has {given:?}",
                    self.encoder,
                    self.structures.len()
                ),
            ));
        }
        if self.unet.cross_attention_dim.is_some() {
            return Err(Error::format(
                "model settings",
                "unet.cross_attention_dim must be null: the file holds no text embedding",
            ));
        }
        if let Some([low, high]) = self.voxel_nm {
            if !(low > 0.0 && low <= high && high.is_finite()) {
                let detail = format!("voxel_nm is [{low}, {high}], must be 0 < smallest <= largest");
                return Err(Error::format("model settings", detail));
            }
        }
        Ok(())
    }
}

/// Channels into and out of a U-Net on `cells` that predicts the noise of the middle cell and `structures` logits per
/// voxel.
pub fn unet_channels(cells: CellShape, structures: usize) -> (i64, i64) {
    (cells.input_channels(), cells.cell_channels() * (1 + structures as i64))
}

/// The tensors of a U-Net and those of its autoencoder, under the names that a model file has for them.
pub fn with_autoencoder(unet: Vec<(String, Tensor)>, autoencoder: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    let theirs = autoencoder.into_iter();
    unet.into_iter()
        .chain(theirs.map(|(name, tensor)| (format!("{AUTOENCODER}{name}"), tensor)))
        .collect()
}

/// The bytes of a model file. `tensors` are named as [`ModelFileConfig::tensor_shapes`] lists them; all must be there,
/// none beside. `kind` is float32, float16 or bfloat16. The same input gives the same bytes.
pub fn model_to_bytes(config: &ModelFileConfig, tensors: &[(String, Tensor)], kind: Kind) -> Result<Vec<u8>> {
    config.validate()?;
    let json = serde_json::to_string(config).map_err(|e| Error::Internal(format!("model settings: {e}")))?;
    exact_tensors_to_bytes(&config.tensor_shapes()?, tensors, kind, metadata(KEY, json))
}

/// The bytes of a safetensors file of tensors of these `shapes`; all must be among `tensors`, none beside.
pub(super) fn exact_tensors_to_bytes(
    shapes: &[(String, Vec<i64>)],
    tensors: &[(String, Tensor)],
    kind: Kind,
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    let given: HashMap<&str, &Tensor> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    if tensors.len() != shapes.len() {
        let detail = format!("{} tensors were given, the model has {}", tensors.len(), shapes.len());
        return Err(Error::format("model", detail));
    }
    let mut fitting = Vec::with_capacity(shapes.len());
    for (name, shape) in shapes {
        let missing = || {
            Error::format(
                format_args!("tensor {name}"),
                format_args!("is missing, expected shape {shape:?}"),
            )
        };
        let tensor = given.get(name.as_str()).copied().ok_or_else(missing)?;
        if tensor.size() != *shape {
            return Err(wrong_shape(&format!("tensor {name}"), shape, &tensor.size()));
        }
        fitting.push((name, tensor));
    }
    tensors_to_bytes(fitting, kind, metadata)
}

/// Writes a model file: whole and renamed into place, or not at all. See [`model_to_bytes`].
pub fn write_model(path: &Path, config: &ModelFileConfig, tensors: &[(String, Tensor)], kind: Kind) -> Result<()> {
    write_whole(path, &model_to_bytes(config, tensors, kind)?)
}
