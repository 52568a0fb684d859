//! Decoder of Stable Diffusion's variational autoencoder (Rombach et al. 2022): latent to image.
use tch::Tensor;

use super::resnet::{ResnetBlock, Upsample};
use super::vae::VaeEncoder;
use super::vae_config::VaeConfig;
use super::vae_mid::{MidBlock, EPS};
use crate::runtime::{Error, Job, Result};
use crate::tensors::term;
use crate::weights::{Conv2d, FetchTensor, GroupNorm, Scope};

/// Residual blocks of one resolution.
struct Level {
    resnets: Vec<ResnetBlock>,
    upsample: Option<Upsample>,
}

/// The decoder's weights. Autograd runs through it when its tensors ask for gradients.
pub struct VaeDecoder {
    config: VaeConfig,
    post_quant_conv: Conv2d,
    conv_in: Conv2d,
    mid: MidBlock,
    levels: Vec<Level>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

/// Every tensor of an autoencoder of this configuration, encoder and decoder: its diffusers name and its shape.
pub fn vae_tensor_shapes(config: &VaeConfig) -> Result<Vec<(String, Vec<i64>)>> {
    let mut list = Vec::new();
    let mut record = |name: &str, shape: &[i64]| {
        list.push((name.to_owned(), shape.to_vec()));
        Ok(Tensor::new())
    };
    VaeEncoder::build(config, Scope::listing(&mut record))?;
    VaeDecoder::build(config, Scope::listing(&mut record))?;
    Ok(list)
}

impl VaeDecoder {
    /// A decoder whose tensors are what `fetch(name, shape)` returns, by their present diffusers names
    /// (`decoder.up_blocks.0.resnets.0.conv1.weight`). They are shared, not copied.
    pub fn from_tensors(config: &VaeConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    pub(crate) fn build(config: &VaeConfig, mut root: Scope) -> Result<Self> {
        config.validate()?;
        let groups = config.norm_num_groups;
        let resnet = |scope: Scope, from, to| ResnetBlock::new(scope, from, to, None, groups, EPS);
        let (latent, widths) = (config.latent_channels, &config.block_out_channels);
        let post_quant_conv = Conv2d::new(root.enter("post_quant_conv"), latent, latent, 1, 1, 0)?;
        let mut scope = root.enter("decoder");
        let mut from = widths.last().copied().unwrap_or(0);
        let conv_in = Conv2d::new(scope.enter("conv_in"), latent, from, 3, 1, 1)?;
        let mid = MidBlock::new(scope.enter("mid_block"), from, groups)?;
        let mut levels = Vec::new();
        for (index, &width) in widths.iter().rev().enumerate() {
            let mut block = scope.enter(format_args!("up_blocks.{index}"));
            let mut resnets = Vec::new();
            for i in 0..config.layers_per_block + 1 {
                resnets.push(resnet(block.enter(format_args!("resnets.{i}")), from, width)?);
                from = width;
            }
            let upsample = if index + 1 < widths.len() {
                Some(Upsample::new(block.enter("upsamplers.0"), width)?)
            } else {
                None
            };
            levels.push(Level { resnets, upsample });
        }
        Ok(Self {
            conv_norm_out: GroupNorm::new(scope.enter("conv_norm_out"), from, groups, EPS)?,
            conv_out: Conv2d::new(scope.enter("conv_out"), from, config.in_channels, 3, 1, 1)?,
            config: config.clone(),
            post_quant_conv,
            conv_in,
            mid,
            levels,
        })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// The inverse of [`VaeEncoder::encode`]: the image [B, channels, 8 h, 8 w] of a scaled `latent` [B, C, h, w].
    /// Black is 0, white 1; nothing is clamped.
    pub fn decode(&self, latent: &Tensor, job: &Job) -> Result<Tensor> {
        let z = (term(latent) * (1.0 / self.config.scaling_factor)).tensor()?;
        (0.5 * (term(self.reconstruct(&z, job)) + 1.0)).tensor()
    }

    /// The image in the network's own scale, black -1 and white 1, of an unscaled latent `z` [B, C, h, w].
    pub fn reconstruct(&self, z: &Tensor, job: &Job) -> Result<Tensor> {
        let size = z.size();
        if !matches!(size[..], [b, c, h, w] if b > 0 && c == self.config.latent_channels && h > 0 && w > 0) {
            let allowed = format!("must be [B, {}, h, w]", self.config.latent_channels);
            return Err(Error::argument("latent", format_args!("{size:?}"), &allowed));
        }
        let mut h = self.post_quant_conv.forward(z, job)?;
        h = self.mid.forward(&self.conv_in.forward(&h, job)?, job)?;
        for level in &self.levels {
            for resnet in &level.resnets {
                h = resnet.forward(&h, None, job)?;
            }
            if let Some(upsample) = &level.upsample {
                let (_, _, rows, columns) = h.size4()?;
                h = upsample.forward(&h, 2 * rows, 2 * columns, job)?;
            }
        }
        self.conv_out.forward(&self.conv_norm_out.forward(&h)?.f_silu()?, job)
    }
}
