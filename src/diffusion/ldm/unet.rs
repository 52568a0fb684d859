//! The network: way down, middle, way up.
use tch::Tensor;

use super::blocks::{AttentionBlock, ResBlock, Resize, EPS};
use super::LdmUnetConfig;
use crate::diffusion::attention::{SpatialTransformer, TransformerShape};
use crate::diffusion::resnet::Dropout;
use crate::diffusion::unet::timestep_embedding;
use crate::runtime::{Error, Job, Result};
use crate::weights::{Conv2d, FetchTensor, GroupNorm, Linear, Scope};

/// Attention after a residual block: over the pixels or, where the network has a context, over the pixels and the
/// context.
enum Attention {
    Pixels(AttentionBlock),
    Context(SpatialTransformer),
}

impl Attention {
    fn new(scope: Scope, config: &LdmUnetConfig, channels: i64) -> Result<Self> {
        let (heads, groups) = (config.num_heads, config.norm_num_groups);
        if config.context_dim.is_none() {
            return Ok(Self::Pixels(AttentionBlock::new(scope, channels, heads, groups)?));
        }
        let shape = TransformerShape {
            channels,
            heads,
            depth: 1,
            groups,
            context: config.context_dim,
            linear: false,
            upcast: false,
        };
        Ok(Self::Context(SpatialTransformer::new(scope, &shape)?))
    }

    fn forward(&self, x: &Tensor, context: Option<&Tensor>, job: &Job) -> Result<Tensor> {
        match self {
            Self::Pixels(block) => block.forward(x, job),
            Self::Context(block) => block.forward(x, context, None, job),
        }
    }
}

/// One of `input_blocks` or `output_blocks`: a residual block, attention where there is any, a change of the
/// resolution.
struct Stage {
    block: ResBlock,
    attention: Option<Attention>,
    resize: Option<ResBlock>,
}

impl Stage {
    fn forward(
        &self,
        x: &Tensor,
        time: &Tensor,
        context: Option<&Tensor>,
        dropout: &mut Dropout,
        job: &Job,
    ) -> Result<Tensor> {
        let mut h = self.block.forward(x, time, dropout, job)?;
        if let Some(attention) = &self.attention {
            h = attention.forward(&h, context, job)?;
        }
        match &self.resize {
            Some(block) => block.forward(&h, time, dropout, job),
            None => Ok(h),
        }
    }
}

/// The U-Net's weights. Autograd runs through `forward` when the tensors ask for gradients.
pub struct LdmUnet {
    config: LdmUnetConfig,
    time_embed: (Linear, Linear),
    conv_in: Conv2d,
    down: Vec<Stage>,
    middle: (ResBlock, Attention, ResBlock),
    up: Vec<Stage>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl LdmUnet {
    /// A U-Net whose tensors are what `fetch(name, shape)` returns ("input_blocks.0.0.weight"). They are shared, not
    /// copied.
    ///
    /// Errors: a setting out of range; whatever `fetch` fails with; a tensor of another shape.
    pub fn from_tensors(config: &LdmUnetConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    pub(crate) fn build(config: &LdmUnetConfig, mut root: Scope) -> Result<Self> {
        config.validate()?;
        let (first, groups) = (config.model_channels, config.norm_num_groups);
        let time = 4 * first;
        let block = |scope: Scope, from, to, resize| ResBlock::new(scope, (from, to), time, groups, resize);
        let time_embed = (
            Linear::new(root.enter("time_embed.0"), first, time, true)?,
            Linear::new(root.enter("time_embed.2"), time, time, true)?,
        );
        let conv_in = Conv2d::new(root.enter("input_blocks.0.0"), config.in_channels, first, 3, 1, 1)?;
        let levels = config.channel_mult.len();
        let (mut from, mut factor) = (first, 1);
        let (mut skips, mut down) = (vec![first], Vec::new());
        for (level, width) in config.channel_mult.iter().map(|m| m * first).enumerate() {
            for _ in 0..config.num_res_blocks {
                let mut scope = root.enter(format_args!("input_blocks.{}", down.len() + 1));
                let residual = block(scope.enter("0"), from, width, Resize::Keep)?;
                let attention = match config.attention_resolutions.contains(&factor) {
                    true => Some(Attention::new(scope.enter("1"), config, width)?),
                    false => None,
                };
                down.push(Stage {
                    block: residual,
                    attention,
                    resize: None,
                });
                skips.push(width);
                from = width;
            }
            if level + 1 < levels {
                let mut scope = root.enter(format_args!("input_blocks.{}", down.len() + 1));
                down.push(Stage {
                    block: block(scope.enter("0"), width, width, Resize::Down)?,
                    attention: None,
                    resize: None,
                });
                skips.push(width);
                factor *= 2;
            }
        }
        let middle = (
            block(root.enter("middle_block.0"), from, from, Resize::Keep)?,
            Attention::new(root.enter("middle_block.1"), config, from)?,
            block(root.enter("middle_block.2"), from, from, Resize::Keep)?,
        );
        let mut up = Vec::new();
        for (level, width) in config.channel_mult.iter().map(|m| m * first).enumerate().rev() {
            for i in 0..=config.num_res_blocks {
                let skip = skips.pop().ok_or_else(unpaired)?;
                let mut scope = root.enter(format_args!("output_blocks.{}", up.len()));
                let residual = block(scope.enter("0"), from + skip, width, Resize::Keep)?;
                let attention = match config.attention_resolutions.contains(&factor) {
                    true => Some(Attention::new(scope.enter("1"), config, width)?),
                    false => None,
                };
                let resize = match level > 0 && i == config.num_res_blocks {
                    true => {
                        factor /= 2;
                        let at = 1 + usize::from(attention.is_some());
                        Some(block(scope.enter(at), width, width, Resize::Up)?)
                    }
                    false => None,
                };
                up.push(Stage {
                    block: residual,
                    attention,
                    resize,
                });
                from = width;
            }
        }
        Ok(Self {
            norm_out: GroupNorm::new(root.enter("out.0"), from, groups, EPS)?,
            conv_out: Conv2d::new(root.enter("out.2"), from, config.out_channels, 3, 1, 1)?,
            config: config.clone(),
            time_embed,
            conv_in,
            down,
            middle,
            up,
        })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &LdmUnetConfig {
        &self.config
    }

    /// The network's prediction for `x` [B, in_channels, h, w], sides multiples of [`LdmUnetConfig::factor`], at the
    /// timesteps `t`, one int64 per image; [B, out_channels, h, w]. `context` [B, tokens, context_dim] is needed
    /// exactly where it has cross-attention. `dropout` is what residual blocks do before their last convolution.
    ///
    /// Errors: shapes that do not fit; cancel.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        t: &Tensor,
        context: Option<&Tensor>,
        dropout: &mut Dropout,
        job: &Job,
    ) -> Result<Tensor> {
        self.check_input(x, t, context)?;
        let time = timestep_embedding(t, self.config.model_channels, true, 0.0)?.f_to_kind(x.f_kind()?)?;
        let (first, second) = &self.time_embed;
        let time = second.forward(&first.forward(&time)?.f_silu()?)?.f_silu()?;
        let mut h = self.conv_in.forward(x, job)?;
        let mut skips = vec![h.shallow_clone()];
        for stage in &self.down {
            h = stage.forward(&h, &time, context, dropout, job)?;
            skips.push(h.shallow_clone());
        }
        h = self.middle.0.forward(&h, &time, dropout, job)?;
        h = self.middle.1.forward(&h, context, job)?;
        h = self.middle.2.forward(&h, &time, dropout, job)?;
        for stage in &self.up {
            let joined = Tensor::f_cat(&[h, skips.pop().ok_or_else(unpaired)?], 1)?;
            h = stage.forward(&joined, &time, context, dropout, job)?;
        }
        self.conv_out.forward(&self.norm_out.forward(&h)?.f_silu()?, job)
    }

    fn check_input(&self, x: &Tensor, t: &Tensor, context: Option<&Tensor>) -> Result<()> {
        let (size, factor, channels) = (x.size(), self.config.factor(), self.config.in_channels);
        let fits = |n: i64| n > 0 && n % factor == 0;
        let batch = match size[..] {
            [batch, planes, rows, columns] if planes == channels && fits(rows) && fits(columns) => batch,
            _ => {
                let allowed = format!("must be [B, {channels}, rows, columns] with sides that {factor} divides");
                return Err(Error::argument("U-Net input", format_args!("{size:?}"), &allowed));
            }
        };
        if t.size() != [batch] {
            let allowed = format!("must be [{batch}], one per image");
            return Err(Error::argument("timesteps", format_args!("{:?}", t.size()), &allowed));
        }
        let shape = context.map(Tensor::size);
        let fits = match (&shape, self.config.context_dim) {
            (None, None) => true,
            (Some(shape), Some(width)) => matches!(shape[..], [b, n, w] if b == batch && n > 0 && w == width),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let allowed = match self.config.context_dim {
            Some(width) => format!("must be [{batch}, tokens, {width}]"),
            None => "must be absent: this network has no cross-attention".to_owned(),
        };
        Err(Error::argument("context", format_args!("{shape:?}"), &allowed))
    }
}

fn unpaired() -> Error {
    Error::Internal("latent-diffusion U-Net: skip connections do not pair".into())
}
