//! The vision encoder of SDSeg: an autoencoder's encoder whose last 1x1 convolution is one of its own.
use tch::Tensor;

use super::resnet::Dropout;
use super::vae_config::VaeConfig;
use super::vae_trunk::EncoderTrunk;
use crate::runtime::{Error, Job, Result};
use crate::weights::{Conv2d, Scope};

/// Image to what a diffusion model is conditioned on: the encoder's trunk, then `out`, a 1x1 convolution of the 2 C
/// moments to C channels. Names: `encoder.*` as the autoencoder's, `out.weight`, `out.bias`.
pub struct VisionEncoder {
    config: VaeConfig,
    trunk: EncoderTrunk,
    out: Conv2d,
}

impl VisionEncoder {
    pub(crate) fn build(config: &VaeConfig, mut root: Scope) -> Result<Self> {
        config.validate()?;
        let channels = config.latent_channels;
        Ok(Self {
            trunk: EncoderTrunk::build(config, root.enter("encoder"))?,
            out: Conv2d::new(root.enter("out"), 2 * channels, channels, 1, 1, 0)?,
            config: config.clone(),
        })
    }

    /// The configuration; its latent channels are those that come out.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// `image` [B, 1 or channels, H, W], in the scale that the encoder is trained on (-1..=1 for pictures), to [B, C,
    /// h, w]; one channel is repeated where the network takes more.
    ///
    /// Errors: a shape that does not fit; cancel.
    pub(crate) fn forward(&self, image: &Tensor, dropout: &mut Dropout, job: &Job) -> Result<Tensor> {
        let (size, channels) = (image.size(), self.config.in_channels);
        let batch = match size[..] {
            [batch, planes, _, _] if planes == 1 || planes == channels => batch,
            _ => {
                let allowed = format!("must be [B, 1 or {channels}, H, W]");
                return Err(Error::argument("image", format_args!("{size:?}"), &allowed));
            }
        };
        let image = image.f_expand([batch, channels, -1, -1], false)?;
        self.out.forward(&self.trunk.forward(&image, dropout, job)?, job)
    }
}
