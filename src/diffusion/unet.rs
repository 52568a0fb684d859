//! The conditional U-Net of Stable Diffusion 1.x and 2.x (Rombach et al. 2022), of any width, for inference and
//! training.
use tch::{Kind, Tensor};

use super::attention::{SpatialTransformer, TransformerShape};
use super::config::UnetConfig;
use super::resnet::{ResnetBlock, Upsample};
use super::taps::Taps;
use crate::runtime::{Error, Job, Result};
use crate::tensors::term;
use crate::weights::{Conv2d, FetchTensor, GroupNorm, Linear, Scope};

/// Residual blocks of one resolution on the way down, each followed by a transformer where the level has attention.
struct DownBlock {
    layers: Vec<(ResnetBlock, Option<SpatialTransformer>)>,
    downsample: Option<Conv2d>,
}

/// The same on the way up; every residual block first joins one skip connection.
struct UpBlock {
    layers: Vec<(ResnetBlock, Option<SpatialTransformer>)>,
    upsample: Option<Upsample>,
}

/// The U-Net's weights. Autograd runs through [`Unet::forward`] when the tensors ask for gradients.
pub struct Unet {
    config: UnetConfig,
    linear_1: Linear,
    linear_2: Linear,
    conv_in: Conv2d,
    down: Vec<DownBlock>,
    mid: (ResnetBlock, SpatialTransformer, ResnetBlock),
    up: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

/// Every tensor of a U-Net of this configuration: its diffusers name and its shape, in the order of execution.
pub fn unet_tensor_shapes(config: &UnetConfig) -> Result<Vec<(String, Vec<i64>)>> {
    let mut list = Vec::new();
    let mut record = |name: &str, shape: &[i64]| {
        list.push((name.to_owned(), shape.to_vec()));
        Ok(Tensor::new())
    };
    Unet::build(config, Scope::listing(&mut record))?;
    Ok(list)
}

impl Unet {
    /// A U-Net whose tensors are what `fetch(name, shape)` returns: diffusers names, as [`unet_tensor_shapes`] lists
    /// them.
    ///
    /// The tensors are kept as they are (shared, not copied), so an optimiser may go on updating them in place.
    /// Errors: a setting that is not supported; whatever `fetch` fails with; a tensor of another shape.
    pub fn from_tensors(config: &UnetConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    fn build(config: &UnetConfig, mut scope: Scope) -> Result<Self> {
        config.validate()?;
        let levels = config.block_out_channels.len();
        let channels = &config.block_out_channels;
        let time = config.time_width();
        let (groups, eps) = (config.norm_num_groups, config.norm_eps);
        let resnet = |scope: Scope, from: i64, to: i64| ResnetBlock::new(scope, from, to, Some(time), groups, eps);
        let transformer = |scope: Scope, level: usize| {
            let shape = TransformerShape {
                channels: channels[level],
                heads: config.heads(level),
                depth: config.transformer_depth(level),
                groups,
                context: config.cross_attention_dim,
                linear: config.use_linear_projection,
                upcast: config.upcast_attention,
            };
            SpatialTransformer::new(scope, &shape)
        };

        let conv_in = Conv2d::new(scope.enter("conv_in"), config.in_channels, channels[0], 3, 1, 1)?;
        let linear_1 = Linear::new(scope.enter("time_embedding.linear_1"), channels[0], time, true)?;
        let linear_2 = Linear::new(scope.enter("time_embedding.linear_2"), time, time, true)?;

        let mut down = Vec::new();
        let mut skips = vec![channels[0]];
        for level in 0..levels {
            let mut block = scope.enter(format_args!("down_blocks.{level}"));
            let mut layers = Vec::new();
            for i in 0..config.layers(level) {
                let from = if i == 0 {
                    channels[level.saturating_sub(1)]
                } else {
                    channels[level]
                };
                let residual = resnet(block.enter(format_args!("resnets.{i}")), from, channels[level])?;
                let attention = if config.down_has_attention(level) {
                    Some(transformer(block.enter(format_args!("attentions.{i}")), level)?)
                } else {
                    None
                };
                layers.push((residual, attention));
                skips.push(channels[level]);
            }
            let downsample = if level + 1 < levels {
                skips.push(channels[level]);
                let scope = block.enter("downsamplers.0.conv");
                Some(Conv2d::new(scope, channels[level], channels[level], 3, 2, 1)?)
            } else {
                None
            };
            down.push(DownBlock { layers, downsample });
        }

        let last = levels - 1;
        let mid = (
            resnet(scope.enter("mid_block.resnets.0"), channels[last], channels[last])?,
            transformer(scope.enter("mid_block.attentions.0"), last)?,
            resnet(scope.enter("mid_block.resnets.1"), channels[last], channels[last])?,
        );

        let mut up = Vec::new();
        let mut from = channels[last];
        for (index, level) in (0..levels).rev().enumerate() {
            let mut block = scope.enter(format_args!("up_blocks.{index}"));
            let mut layers = Vec::new();
            for i in 0..config.layers(level) + 1 {
                let skip = skips
                    .pop()
                    .ok_or_else(|| Error::Internal("U-Net: skip connections do not pair".into()))?;
                layers.push((
                    resnet(block.enter(format_args!("resnets.{i}")), from + skip, channels[level])?,
                    if config.up_has_attention(index) {
                        Some(transformer(block.enter(format_args!("attentions.{i}")), level)?)
                    } else {
                        None
                    },
                ));
                from = channels[level];
            }
            let upsample = if index + 1 < levels {
                Some(Upsample::new(block.enter("upsamplers.0"), channels[level])?)
            } else {
                None
            };
            up.push(UpBlock { layers, upsample });
        }

        Ok(Self {
            conv_norm_out: GroupNorm::new(scope.enter("conv_norm_out"), channels[0], groups, eps)?,
            conv_out: Conv2d::new(scope.enter("conv_out"), channels[0], config.out_channels, 3, 1, 1)?,
            config: config.clone(),
            linear_1,
            linear_2,
            conv_in,
            down,
            mid,
            up,
        })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// Predicts the noise (or velocity) of `x` [B, in_channels, h, w] at the timesteps `t`, one int64 per image.
    ///
    /// `context` is the text embedding [B or 1, M, cross_attention_dim], needed exactly when the network has
    /// cross-attention. `taps` takes Q and K of self-attention layers. Returns [B, out_channels, h, w].
    /// No operation is in place and gradients are left as the caller set them. With gradients off no libtorch call
    /// is long, and `job` is checked in between.
    pub fn forward(
        &self,
        x: &Tensor,
        t: &Tensor,
        context: Option<&Tensor>,
        mut taps: Option<&mut Taps>,
        job: &Job,
    ) -> Result<Tensor> {
        let batch = self.check_input(x, t, context)?;
        let context = match context {
            Some(context) => Some(context.f_expand([batch, -1, -1], false)?),
            None => None,
        };
        let context = context.as_ref();
        let c = &self.config;
        let time = timestep_embedding(t, c.block_out_channels[0], c.flip_sin_to_cos, c.freq_shift)?;
        let time = time.f_to_kind(x.f_kind()?)?;
        let time = self
            .linear_2
            .forward(&self.linear_1.forward(&time)?.f_silu()?)?
            .f_silu()?;
        let time = Some(&time);

        let mut h = self.conv_in.forward(x, job)?;
        let mut skips = vec![h.shallow_clone()];
        for block in &self.down {
            for (residual, attention) in &block.layers {
                h = residual.forward(&h, time, job)?;
                if let Some(attention) = attention {
                    h = attention.forward(&h, context, taps.as_deref_mut(), job)?;
                }
                skips.push(h.shallow_clone());
            }
            if let Some(downsample) = &block.downsample {
                h = downsample.forward(&h, job)?;
                skips.push(h.shallow_clone());
            }
        }

        h = self.mid.0.forward(&h, time, job)?;
        h = self.mid.1.forward(&h, context, taps.as_deref_mut(), job)?;
        h = self.mid.2.forward(&h, time, job)?;

        let unpaired = || Error::Internal("U-Net: skip connections do not pair".into());
        for block in &self.up {
            for (residual, attention) in &block.layers {
                let joined = Tensor::f_cat(&[h, skips.pop().ok_or_else(unpaired)?], 1)?;
                h = residual.forward(&joined, time, job)?;
                if let Some(attention) = attention {
                    h = attention.forward(&h, context, taps.as_deref_mut(), job)?;
                }
            }
            if let Some(upsample) = &block.upsample {
                let (_, _, rows, columns) = skips.last().ok_or_else(unpaired)?.size4()?;
                h = upsample.forward(&h, rows, columns, job)?;
            }
        }
        self.conv_out.forward(&self.conv_norm_out.forward(&h)?.f_silu()?, job)
    }

    /// Batch size, once the shapes fit together.
    fn check_input(&self, x: &Tensor, t: &Tensor, context: Option<&Tensor>) -> Result<i64> {
        let size = x.size();
        let batch = match size[..] {
            [batch, channels, rows, columns]
                if channels == self.config.in_channels && batch > 0 && rows > 0 && columns > 0 =>
            {
                batch
            }
            _ => {
                let allowed = format!("must be [B, {}, rows, columns]", self.config.in_channels);
                return Err(Error::argument("U-Net input", format_args!("{size:?}"), &allowed));
            }
        };
        if t.size() != [batch] {
            let allowed = format!("must be [{batch}], one per image");
            return Err(Error::argument("timesteps", format_args!("{:?}", t.size()), &allowed));
        }
        let shape = context.map(|context| context.size());
        let fits = match (&shape, self.config.cross_attention_dim) {
            (None, None) => true,
            (Some(shape), Some(width)) => {
                matches!(shape[..], [b, m, w] if (b == 1 || b == batch) && m > 0 && w == width)
            }
            _ => false,
        };
        if !fits {
            let allowed = match self.config.cross_attention_dim {
                Some(width) => format!("must be [{batch}, tokens, {width}]"),
                None => "must be absent: this network has no cross-attention".to_owned(),
            };
            return Err(Error::argument("text embedding", format_args!("{shape:?}"), &allowed));
        }
        Ok(batch)
    }
}

/// Sinusoidal embedding [B, width] of the timesteps `t` [B]: cos then sin (or the reverse) of
/// t exp(-ln(10^4) i / (width/2 - shift)), i < width/2 (diffusers `get_timestep_embedding`).
pub(super) fn timestep_embedding(t: &Tensor, width: i64, cosines_first: bool, shift: f64) -> Result<Tensor> {
    let half = width / 2;
    let step = -(1e4f64).ln() / (half as f64 - shift);
    let frequency = (step * term(Tensor::f_arange(half, (Kind::Float, t.device())))).exp();
    let angle = (term(t.f_to_kind(Kind::Float)?.f_unsqueeze(1)) * frequency).tensor()?;
    let (sin, cos) = (angle.f_sin()?, angle.f_cos()?);
    let pair = if cosines_first { [cos, sin] } else { [sin, cos] };
    Ok(Tensor::f_cat(&pair, 1)?)
}
