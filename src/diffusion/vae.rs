//! Encoder of Stable Diffusion's variational autoencoder (Rombach et al. 2022): image to latent.
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use super::config::refuse_other_values;
use super::latent::LatentDraw;
use super::vae_trunk::EncoderTrunk;
use crate::runtime::{Error, Generator, Job, Result};
use crate::weights::{Conv2d, FetchTensor, Scope};

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

/// The encoder's weights. Autograd runs through it when its tensors ask for gradients.
pub struct VaeEncoder {
    config: VaeConfig,
    trunk: EncoderTrunk,
    quant_conv: Conv2d,
}

impl VaeEncoder {
    /// An encoder whose tensors are what `fetch(name, shape)` returns, by their present diffusers names
    /// (`encoder.mid_block.attentions.0.to_q.weight` [C, C]). They are shared, not copied.
    pub fn from_tensors(config: &VaeConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    pub(crate) fn build(config: &VaeConfig, mut root: Scope) -> Result<Self> {
        config.validate()?;
        let channels = 2 * config.latent_channels;
        Ok(Self {
            quant_conv: Conv2d::new(root.enter("quant_conv"), channels, channels, 1, 1, 0)?,
            trunk: EncoderTrunk::build(config, root.enter("encoder"))?,
            config: config.clone(),
        })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Scaled latent [B, C, H/8, W/8] of `image` [B, channels, H, W] in 0..=1, which enters the network as 2 x - 1; one channel
    /// is repeated where the network takes more. The sample is mean + exp(log variance / 2) * normal.
    pub fn encode(&self, image: &Tensor, draw: LatentDraw, generator: &mut Generator, job: &Job) -> Result<Tensor> {
        let size = image.size();
        let (factor, channels) = (self.config.factor(), self.config.in_channels);
        let batch = match size[..] {
            [batch, found, rows, columns]
                if batch > 0
                    && (found == 1 || found == channels)
                    && rows > 0
                    && columns > 0
                    && rows % factor == 0
                    && columns % factor == 0 =>
            {
                batch
            }
            _ => {
                let allowed = format!("must be [B, 1 or {channels}, H, W] with H and W multiples of {factor}");
                return Err(Error::argument("image", format_args!("{size:?}"), &allowed));
            }
        };
        let image = image.f_expand([batch, channels, -1, -1], false)?;
        let (mean, log_variance) = self.posterior(&image.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?, job)?;
        let latent = match draw {
            LatentDraw::Mean => mean,
            LatentDraw::Sample => {
                let deviation = log_variance.f_mul_scalar(0.5)?.f_exp()?;
                let normal = generator.normal_tensor(&mean.size(), mean.device())?;
                mean.f_add(&deviation.f_mul(&normal)?)?
            }
        };
        Ok(latent.f_mul_scalar(self.config.scaling_factor)?)
    }

    /// Mean and log variance (clamped to -30..=20) of the posterior, each [B, C, h, w] and unscaled, of `x` [B, channels, H, W] in
    /// -1..=1.
    pub fn posterior(&self, x: &Tensor, job: &Job) -> Result<(Tensor, Tensor)> {
        let moments = self.moments(x, job)?;
        let channels = self.config.latent_channels;
        let log_variance = moments.f_narrow(1, channels, channels)?.f_clamp(-30.0, 20.0)?;
        Ok((moments.f_narrow(1, 0, channels)?, log_variance))
    }

    /// Both moments as the network gives them, [B, 2 C, h, w].
    fn moments(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        self.quant_conv.forward(&self.trunk.forward(x, &mut Ok, job)?, job)
    }
}
