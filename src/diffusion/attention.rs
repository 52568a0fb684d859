//! Spatial transformer of the U-Net: self-attention, attention to the text, feed-forward.
use tch::{Kind, Tensor};

use super::attend::attend;
use super::taps::Taps;
use crate::runtime::{Job, Result};
use crate::tensors::term;
use crate::weights::{Conv2d, GroupNorm, LayerNorm, Linear, Scope};

/// Sizes of one spatial transformer.
pub(super) struct TransformerShape {
    pub channels: i64,
    pub heads: i64,
    pub depth: i64,
    pub groups: i64,
    /// Width of the text embedding; without it there is no cross-attention.
    pub context: Option<i64>,
    /// Projections are linear (SD 2) or 1x1 convolutions (SD 1).
    pub linear: bool,
    /// Attention logits in float32 whatever the weights are (SD 2.1).
    pub upcast: bool,
}

/// What tokens attend to.
#[derive(Clone, Copy)]
enum Role {
    /// Each other, on a grid of (rows, columns).
    Itself { grid: (usize, usize) },
    /// The text.
    Text,
}

/// Multi-head attention: to_q, to_k, to_v without bias, to_out with.
struct Attention {
    name: String,
    heads: i64,
    upcast: bool,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl Attention {
    fn new(mut scope: Scope, shape: &TransformerShape, context: i64) -> Result<Self> {
        let c = shape.channels;
        Ok(Self {
            to_q: Linear::new(scope.enter("to_q"), c, c, false)?,
            to_k: Linear::new(scope.enter("to_k"), context, c, false)?,
            to_v: Linear::new(scope.enter("to_v"), context, c, false)?,
            to_out: Linear::new(scope.enter("to_out.0"), c, c, true)?,
            heads: shape.heads,
            upcast: shape.upcast,
            name: scope.name("").trim_end_matches('.').to_owned(),
        })
    }

    /// [B, N, C] -> [B, heads, N, d].
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, tokens, channels) = x.size3()?;
        Ok(x.f_reshape([batch, tokens, self.heads, channels / self.heads])?
            .f_transpose(1, 2)?)
    }

    /// `x` [B, N, C] attends to `context` [B, M, D] (itself in self-attention).
    fn forward(
        &self,
        x: &Tensor,
        context: &Tensor,
        role: Role,
        mut taps: Option<&mut Taps>,
        job: &Job,
    ) -> Result<Tensor> {
        let mut query = self.split(&self.to_q.forward(x)?)?;
        let mut key = self.split(&self.to_k.forward(context)?)?;
        let value = self.split(&self.to_v.forward(context)?)?;
        if let Some(taps) = &mut taps {
            if let Role::Itself { grid } = role {
                taps.offer(&self.name, grid, &query, &key)?;
            }
            (query, key) = taps.settle(query, key)?;
        }
        let kind = query.f_kind()?;
        let mixed = if self.upcast && kind != Kind::Float {
            let float = |x: &Tensor| x.f_to_kind(Kind::Float);
            attend(&float(&query)?, &float(&key)?, &float(&value)?, job)?.f_to_kind(kind)?
        } else {
            attend(&query, &key, &value, job)?
        };
        let (batch, _, tokens, _) = mixed.size4()?;
        let output = self
            .to_out
            .forward(&mixed.f_transpose(1, 2)?.f_reshape([batch, tokens, -1])?)?;
        match (taps, role) {
            (Some(taps), Role::Itself { .. }) => {
                taps.offer_output(&output)?;
                Ok(output)
            }
            (Some(taps), Role::Text) => taps.pushed(output),
            (None, _) => Ok(output),
        }
    }
}

/// Feed-forward with GEGLU: (x W1) * gelu(x W2), value half first, exact gelu.
struct FeedForward {
    proj: Linear,
    out: Linear,
}

impl FeedForward {
    fn new(mut scope: Scope, channels: i64) -> Result<Self> {
        Ok(Self {
            proj: Linear::new(scope.enter("net.0.proj"), channels, 8 * channels, true)?,
            out: Linear::new(scope.enter("net.2"), 4 * channels, channels, true)?,
        })
    }

    fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        job.check()?;
        let both = self.proj.forward(x)?;
        let half = both.size().last().copied().unwrap_or(0) / 2;
        let gate = both.f_narrow(-1, half, half)?.f_gelu("none")?;
        job.check()?;
        let gated = term(both.f_narrow(-1, 0, half)) * gate;
        self.out.forward(&gated.tensor()?)
    }
}

/// Self-attention, cross-attention (if any) and feed-forward, each after a layer norm and added to its input.
struct TransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    cross: Option<(LayerNorm, Attention)>,
    norm3: LayerNorm,
    feed_forward: FeedForward,
}

impl TransformerBlock {
    fn new(mut scope: Scope, shape: &TransformerShape) -> Result<Self> {
        let c = shape.channels;
        Ok(Self {
            norm1: LayerNorm::new(scope.enter("norm1"), c, 1e-5)?,
            attn1: Attention::new(scope.enter("attn1"), shape, c)?,
            cross: match shape.context {
                Some(context) => Some((
                    LayerNorm::new(scope.enter("norm2"), c, 1e-5)?,
                    Attention::new(scope.enter("attn2"), shape, context)?,
                )),
                None => None,
            },
            norm3: LayerNorm::new(scope.enter("norm3"), c, 1e-5)?,
            feed_forward: FeedForward::new(scope.enter("ff"), c)?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        context: Option<&Tensor>,
        grid: (usize, usize),
        mut taps: Option<&mut Taps>,
        job: &Job,
    ) -> Result<Tensor> {
        let normed = self.norm1.forward(x)?;
        let role = Role::Itself { grid };
        let attended = self.attn1.forward(&normed, &normed, role, taps.as_deref_mut(), job);
        let mut x = (term(x) + attended).tensor()?;
        if let (Some((norm2, attn2)), Some(context)) = (&self.cross, context) {
            let normed = norm2.forward(&x)?;
            if let Some(taps) = &mut taps {
                taps.offer_cross_query(|| attn2.split(&attn2.to_q.forward(&normed)?))?;
            }
            x = (term(x) + attn2.forward(&normed, context, Role::Text, taps, job)).tensor()?;
        }
        let normed = self.norm3.forward(&x)?;
        (term(x) + self.feed_forward.forward(&normed, job)).tensor()
    }
}

/// 1x1 projection in and out of the token space.
enum Projection {
    Linear(Linear),
    Conv(Conv2d),
}

/// Group norm, projection to tokens, transformer blocks, projection back, added to the input.
pub(super) struct SpatialTransformer {
    norm: GroupNorm,
    proj_in: Projection,
    blocks: Vec<TransformerBlock>,
    proj_out: Projection,
}

impl SpatialTransformer {
    pub fn new(mut scope: Scope, shape: &TransformerShape) -> Result<Self> {
        let c = shape.channels;
        let projection = |scope: Scope| -> Result<Projection> {
            Ok(if shape.linear {
                Projection::Linear(Linear::new(scope, c, c, true)?)
            } else {
                Projection::Conv(Conv2d::new(scope, c, c, 1, 1, 0)?)
            })
        };
        Ok(Self {
            norm: GroupNorm::new(scope.enter("norm"), c, shape.groups, 1e-6)?,
            proj_in: projection(scope.enter("proj_in"))?,
            blocks: (0..shape.depth)
                .map(|i| TransformerBlock::new(scope.enter(format_args!("transformer_blocks.{i}")), shape))
                .collect::<Result<_>>()?,
            proj_out: projection(scope.enter("proj_out"))?,
        })
    }

    /// `x` [B, C, h, w], `context` [B, M, D].
    pub fn forward(
        &self,
        x: &Tensor,
        context: Option<&Tensor>,
        mut taps: Option<&mut Taps>,
        job: &Job,
    ) -> Result<Tensor> {
        let (batch, channels, rows, columns) = x.size4()?;
        let to_tokens = |x: &Tensor| x.f_reshape([batch, channels, rows * columns])?.f_transpose(1, 2);
        let to_image = |x: &Tensor| x.f_transpose(1, 2)?.f_reshape([batch, channels, rows, columns]);
        let normed = self.norm.forward(x)?;
        let mut tokens = match &self.proj_in {
            Projection::Linear(linear) => linear.forward(&to_tokens(&normed)?)?,
            Projection::Conv(conv) => to_tokens(&conv.forward(&normed, job)?)?,
        };
        let grid = (rows as usize, columns as usize);
        for block in &self.blocks {
            tokens = block.forward(&tokens, context, grid, taps.as_deref_mut(), job)?;
        }
        let out = match &self.proj_out {
            Projection::Linear(linear) => to_image(&linear.forward(&tokens)?)?,
            Projection::Conv(conv) => conv.forward(&to_image(&tokens)?, job)?,
        };
        (term(out) + x).tensor()
    }
}
