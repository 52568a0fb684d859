//! Writing an autoencoder as diffusers keeps it.
use std::path::Path;

use serde_json::json;
use tch::{Kind, Tensor};

use super::single_file::exact_tensors_to_bytes;
use super::vae_config::VaeConfig;
use super::vae_decoder::vae_tensor_shapes;
use crate::runtime::{write_whole, Error, Result};

/// Writes `diffusion_pytorch_model.safetensors` (float32), then `config.json`, into `folder`, which is made where it is
/// missing; each file is whole or absent. `tensors` are named as [`vae_tensor_shapes`] lists them.
///
/// Errors: the operating system's; [`Error::Format`] for a tensor that is missing or misshapen, before anything is
/// written.
pub fn write_autoencoder(folder: &Path, config: &VaeConfig, tensors: &[(String, Tensor)]) -> Result<()> {
    config.validate()?;
    let shapes = vae_tensor_shapes(config)?;
    let weights = exact_tensors_to_bytes(&shapes, tensors, Kind::Float, Some(Default::default()))?;
    let levels = config.block_out_channels.len();
    let settings = json!({
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "block_out_channels": config.block_out_channels,
        "down_block_types": vec!["DownEncoderBlock2D"; levels],
        "in_channels": config.in_channels,
        "latent_channels": config.latent_channels,
        "layers_per_block": config.layers_per_block,
        "norm_num_groups": config.norm_num_groups,
        "out_channels": config.in_channels,
        "scaling_factor": config.scaling_factor,
        "up_block_types": vec!["UpDecoderBlock2D"; levels],
    });
    std::fs::create_dir_all(folder).map_err(|e| Error::io("making", folder, e))?;
    write_whole(&folder.join("diffusion_pytorch_model.safetensors"), &weights)?;
    write_whole(&folder.join("config.json"), format!("{settings:#}\n").as_bytes())
}
