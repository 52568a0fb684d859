//! A model file as training takes it up: settings and weights, not yet a network.
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::builtin::builtin_model_bytes;
use super::load_options::LoadOptions;
use super::model::DiffusionModel;
use super::single_file::{model_to_bytes, ModelFileConfig};
use crate::runtime::{Error, Result};
use crate::weights::TensorFile;

/// Settings and weights of a model in tomocut's own file, for training to go on from.
pub struct ModelFile {
    /// The settings.
    pub config: ModelFileConfig,
    /// Tensors in float32 on the CPU, named and ordered as [`ModelFileConfig::tensor_shapes`] lists them.
    pub tensors: Vec<(String, Tensor)>,
}

impl ModelFile {
    /// Reads the file at `path`. Errors: the operating system's; [`Error::Format`] where it is none of tomocut's own.
    pub fn open(path: &Path) -> Result<Self> {
        Self::take(&TensorFile::map(path)?)
    }

    /// The model that is compiled into the library.
    pub fn builtin() -> Result<Self> {
        Self::take(&TensorFile::from_bytes("built-in model", builtin_model_bytes())?)
    }

    fn take(file: &TensorFile) -> Result<Self> {
        let config = ModelFileConfig::read(file)?
            .ok_or_else(|| Error::format(file.name(), "is no model in tomocut's own form"))?;
        let tensors = config
            .tensor_shapes()?
            .into_iter()
            .map(|(name, shape)| {
                let tensor = file.tensor(&name, &shape, Kind::Float, Device::Cpu)?;
                Ok((name, tensor))
            })
            .collect::<Result<_>>()?;
        Ok(Self { config, tensors })
    }

    /// The model, ready to use on `device` in float32.
    pub fn load(&self, device: Device) -> Result<DiffusionModel> {
        let bytes = model_to_bytes(&self.config, &self.tensors, Kind::Float)?;
        let options = LoadOptions {
            device,
            kind: Kind::Float,
        };
        DiffusionModel::from_safetensors_bytes(&bytes, &options)
    }
}
