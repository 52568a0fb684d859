//! The autoencoder of masks that is compiled into the library; `models/README.md` says how it was made.
use tch::{Device, Kind, Tensor};

use super::names::{FIRST_STAGE, SCALE};
use crate::diffusion::VaeConfig;
use crate::runtime::Result;
use crate::weights::TensorFile;

/// 8 x 8 pixels of a mask become 8 numbers: a hundredth of the weights of the paper's first stage, because a mask is no
/// photograph.
pub fn mask_autoencoder() -> VaeConfig {
    VaeConfig {
        in_channels: 1,
        latent_channels: 8,
        block_out_channels: vec![8, 16, 32, 64],
        layers_per_block: 1,
        norm_num_groups: 8,
        scaling_factor: 1.0,
    }
}

/// A static, because a constant is copied into every object file that uses it.
static MODEL: [u8; include_bytes!("../../../models/mask_autoencoder.safetensors").len()] =
    *include_bytes!("../../../models/mask_autoencoder.safetensors");

/// The tensor `name` of a network whose first stage is `config`, where the library has one.
pub(in crate::networks) fn tensors(
    config: &VaeConfig,
    name: &str,
    shape: &[i64],
    device: Device,
) -> Result<Option<Tensor>> {
    if *config != mask_autoencoder() {
        return Ok(None);
    }
    let file = TensorFile::from_bytes("built-in mask autoencoder", &MODEL)?;
    let stored = name.strip_prefix(FIRST_STAGE).unwrap_or(name);
    if (name != SCALE && stored == name) || !file.contains(stored) {
        return Ok(None);
    }
    file.tensor(stored, shape, Kind::Float, device).map(Some)
}
