//! Architecture of Stable Diffusion's variational autoencoder, in the words of its configuration files.
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::refuse_other_values;
use crate::runtime::{Error, Result};

/// Architecture of an `AutoencoderKL`, in the words of diffusers' `vae/config.json`; absent keys have its defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// Channels of the image, in and out: 3 in Stable Diffusion, 1 where it was trained on slices of tomograms.
    pub in_channels: i64,
    /// Channels of the latent.
    pub latent_channels: i64,
    /// Width of each level, finest first.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks per level.
    pub layers_per_block: i64,
    /// Groups of every group norm.
    pub norm_num_groups: i64,
    /// The U-Net sees the latent times this.
    pub scaling_factor: f64,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            latent_channels: 4,
            block_out_channels: vec![64],
            layers_per_block: 1,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
        }
    }
}

/// Settings that exist here in one form only.
const FIXED: &[(&str, &[&str])] = &[
    ("_class_name", &["\"AutoencoderKL\""]),
    ("act_fn", &["\"silu\"", "\"swish\""]),
    ("in_channels", &["1", "3"]),
    ("latents_mean", &["null"]),
    ("latents_std", &["null"]),
    ("mid_block_add_attention", &["true"]),
    ("shift_factor", &["null"]),
    ("use_quant_conv", &["true"]),
];

impl VaeConfig {
    /// Reads diffusers' `config.json`; see [`super::UnetConfig::from_json`].
    pub fn from_json(json: &Value) -> Result<Self> {
        let table = json
            .as_object()
            .ok_or_else(|| Error::format("autoencoder config", "is not a JSON object"))?;
        refuse_other_values("autoencoder", table, FIXED)?;
        if let Some(Value::Array(types)) = table.get("down_block_types") {
            if let Some(other) = types.iter().find(|t| t.as_str() != Some("DownEncoderBlock2D")) {
                return Err(Error::Unsupported(format!(
                    "autoencoder down_block_types has {other}; only \"DownEncoderBlock2D\" is supported"
                )));
            }
        }
        let config: Self = serde_json::from_value(json.clone()).map_err(|e| Error::format("autoencoder config", e))?;
        config.validate()?;
        Ok(config)
    }

    /// Refuses sizes that this engine does not build, by name.
    pub fn validate(&self) -> Result<()> {
        let widths = &self.block_out_channels;
        if widths.is_empty() || widths.len() > 16 || widths.iter().any(|c| !(1..=1 << 16).contains(c)) {
            let detail = format!("block_out_channels is {widths:?}, must be 1..=16 widths of 1..=65536");
            return Err(Error::format("autoencoder config", detail));
        }
        for (name, value) in [
            ("in_channels", self.in_channels),
            ("layers_per_block", self.layers_per_block),
            ("latent_channels", self.latent_channels),
        ] {
            if !(1..=64).contains(&value) {
                return Err(Error::format(
                    "autoencoder config",
                    format_args!("{name} is {value}, must be 1..=64"),
                ));
            }
        }
        if !(self.scaling_factor.is_finite() && self.scaling_factor > 0.0) {
            let detail = format!("scaling_factor is {}, must be positive", self.scaling_factor);
            return Err(Error::format("autoencoder config", detail));
        }
        Ok(())
    }

    /// Pixels per latent pixel along each side: 8 in Stable Diffusion.
    pub fn factor(&self) -> i64 {
        1 << self.block_out_channels.len().saturating_sub(1)
    }
}
