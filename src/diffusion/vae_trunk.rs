//! The trunk of the autoencoder's encoder: image to moments, shared with the vision encoder that grows on it.
use tch::Tensor;

use super::resnet::{Dropout, ResnetBlock};
use super::vae_config::VaeConfig;
use super::vae_mid::{MidBlock, EPS};
use crate::runtime::{Job, Result};
use crate::weights::{Conv2d, GroupNorm, Scope};

/// Residual blocks of one resolution.
struct Level {
    resnets: Vec<ResnetBlock>,
    downsample: Option<Conv2d>,
}

/// All of the encoder but its last 1x1 convolution.
pub(super) struct EncoderTrunk {
    conv_in: Conv2d,
    levels: Vec<Level>,
    mid: MidBlock,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl EncoderTrunk {
    /// `scope` is "encoder" of the network it belongs to; `config` is valid.
    pub fn build(config: &VaeConfig, mut scope: Scope) -> Result<Self> {
        let groups = config.norm_num_groups;
        let resnet = |scope: Scope, from, to| ResnetBlock::new(scope, from, to, None, groups, EPS);
        let first = config.block_out_channels.first().copied().unwrap_or(0);
        let conv_in = Conv2d::new(scope.enter("conv_in"), config.in_channels, first, 3, 1, 1)?;
        let mut levels = Vec::new();
        let mut from = first;
        for (index, &width) in config.block_out_channels.iter().enumerate() {
            let mut block = scope.enter(format_args!("down_blocks.{index}"));
            let mut resnets = Vec::new();
            for i in 0..config.layers_per_block {
                resnets.push(resnet(block.enter(format_args!("resnets.{i}")), from, width)?);
                from = width;
            }
            let downsample = if index + 1 < config.block_out_channels.len() {
                Some(Conv2d::new(block.enter("downsamplers.0.conv"), width, width, 3, 2, 0)?)
            } else {
                None
            };
            levels.push(Level { resnets, downsample });
        }
        let mid = MidBlock::new(scope.enter("mid_block"), from, groups)?;
        Ok(Self {
            conv_norm_out: GroupNorm::new(scope.enter("conv_norm_out"), from, groups, EPS)?,
            conv_out: Conv2d::new(scope.enter("conv_out"), from, 2 * config.latent_channels, 3, 1, 1)?,
            conv_in,
            levels,
            mid,
        })
    }

    /// `x` [B, channels, H, W] to [B, 2 C, h, w].
    pub fn forward(&self, x: &Tensor, dropout: &mut Dropout, job: &Job) -> Result<Tensor> {
        let mut h = self.conv_in.forward(x, job)?;
        for level in &self.levels {
            for resnet in &level.resnets {
                h = resnet.forward_dropping(&h, None, dropout, job)?;
            }
            if let Some(downsample) = &level.downsample {
                // One row and one column of zeros at the end only, unlike the U-Net's.
                h = downsample.forward(&h.f_constant_pad_nd([0, 1, 0, 1])?, job)?;
            }
        }
        h = self.mid.forward_dropping(&h, dropout, job)?;
        self.conv_out.forward(&self.conv_norm_out.forward(&h)?.f_silu()?, job)
    }
}
