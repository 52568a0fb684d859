//! Encoder of Stable Diffusion's variational autoencoder (Rombach et al. 2022): image to latent.
use tch::Tensor;

use super::latent::LatentDraw;
use super::vae_config::VaeConfig;
use super::vae_trunk::EncoderTrunk;
use crate::runtime::{Error, Generator, Job, Result};
use crate::tensors::term;
use crate::weights::{Conv2d, FetchTensor, Scope};

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

    /// Scaled latent [B, C, H/8, W/8] of `image` [B, channels, H, W] in 0..=1, which enters the network as 2 x - 1; one
    /// channel is repeated where the network takes more. The sample is mean + exp(log variance / 2) * normal.
    pub fn encode(&self, image: &Tensor, draw: LatentDraw, generator: &mut Generator, job: &Job) -> Result<Tensor> {
        let size = image.size();
        let (factor, channels) = (self.config.factor(), self.config.in_channels);
        let batch = match size[..] {
            [batch, planes, rows, columns]
                if batch > 0
                    && (planes == 1 || planes == channels)
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
        let (mean, log_variance) = self.posterior(&(2.0 * term(image) - 1.0).tensor()?, job)?;
        let latent = match draw {
            LatentDraw::Mean => mean,
            LatentDraw::Sample => {
                let normal = generator.normal_tensor(&mean.size(), mean.device())?;
                let deviation = (0.5 * term(log_variance)).exp();
                (term(mean) + deviation * normal).tensor()?
            }
        };
        (self.config.scaling_factor * term(latent)).tensor()
    }

    /// Mean and log variance (clamped to -30..=20) of the posterior, each [B, C, h, w] and unscaled, of `x` [B,
    /// channels, H, W] in
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
