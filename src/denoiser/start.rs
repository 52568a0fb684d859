//! The weights of a finished model, to train further.
use tch::Device;

use super::{CELLS, STRUCTURES};
use crate::diffusion::{EncoderConfig, LatentMode, ModelFile};
use crate::runtime::{Error, Result};
use crate::train::Parameters;

/// A copy of the weights of `model` on `device`. Errors: a model of other cells or structures than those of the
/// built-in one.
pub(super) fn weights_of(model: &ModelFile, device: Device) -> Result<Parameters> {
    let config = &model.config;
    if config.encoder != EncoderConfig::SpaceToDepth(CELLS)
        || config.structures != STRUCTURES
        || config.latent_mode != LatentMode::Matched
    {
        return Err(Error::Unsupported(format!(
            "model \"{}\" cannot be trained further: its cells or structures are not those of the built-in model",
            config.name
        )));
    }
    Ok(Parameters {
        names: model.tensors.iter().map(|(name, _)| name.clone()).collect(),
        tensors: model
            .tensors
            .iter()
            .map(|(_, tensor)| Ok(tensor.f_detach_copy()?.f_to_device(device)?))
            .collect::<Result<_>>()?,
    })
}
