//! Spatial transformer of the U-Net, and the taps on its self-attention.
use tch::{Kind, Tensor};

use crate::runtime::{Error, Job, Result};
use crate::tensors::term;
use crate::weights::{Conv2d, GroupNorm, LayerNorm, Linear, Scope};

/// Floating-point operations of one uninterrupted attention call at inference, counting a logit's exponential as 40:
/// one head of width 8 to 20 at 64x64 tokens, about 20 ms on two CPU cores.
const ATTENTION_FLOP_LIMIT: i64 = 2_000_000_000;

/// Queries and keys of one self-attention layer, from one U-Net pass of one image, or of a batch where
/// [`Taps::of_batch`] took them: there all tensors begin with [B, ..].
///
/// The attention itself is P = softmax over keys of `query` `key`^T / sqrt(d), row-stochastic, per head:
/// see [`AttentionTap::probabilities`].
#[derive(Debug)]
pub struct AttentionTap {
    /// Place in execution order: 0..=15 in Stable Diffusion.
    pub index: usize,
    /// diffusers name, as in `down_blocks.0.attentions.0.transformer_blocks.0.attn1`.
    pub name: String,
    /// Token grid (rows, columns); N = rows * columns, row-major.
    pub grid: (usize, usize),
    /// [heads, N, d], float32.
    pub query: Tensor,
    /// [heads, N, d], float32.
    pub key: Tensor,
    /// Output of the layer after its output projection, [N, C], float32; where it was asked for.
    pub output: Option<Tensor>,
    /// Queries of the cross-attention of the same block, [heads, N, d], float32; where they were asked for and the
    /// network has one.
    pub cross_query: Option<Tensor>,
}

/// Parts of the tapped layers that are kept beside queries and keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapParts {
    /// Keep [`AttentionTap::output`].
    pub output: bool,
    /// Keep [`AttentionTap::cross_query`].
    pub cross_query: bool,
}

impl AttentionTap {
    /// Rows `rows` of the attention of every head, [heads, rows, N]: softmax over keys of Q K^T / sqrt(d).
    ///
    /// Ask for few rows at a time: all of them are heads * N * N numbers (2^27 at 64x64 tokens and 8 heads).
    pub fn probabilities(&self, rows: std::ops::Range<i64>) -> Result<Tensor> {
        let (_, tokens, d) = self.query.size3()?;
        if rows.start < 0 || rows.end > tokens || rows.start >= rows.end {
            return Err(Error::argument(
                "rows",
                format_args!("{rows:?}"),
                &format!("must be within 0..{tokens}"),
            ));
        }
        let query = self.query.f_narrow(1, rows.start, rows.end - rows.start)?;
        let logits = query
            .f_matmul(&self.key.f_transpose(1, 2)?)?
            .f_mul_scalar(1.0 / (d as f64).sqrt())?;
        Ok(logits.f_softmax(-1, Kind::Float)?)
    }

    /// P `values`, the mean over heads, [B, N, C]: where `values` [B, N, C] marks sets of tokens, how much of its
    /// attention a token has in each of them. For taps of [`Taps::of_batch`]; gradients run through queries and keys.
    /// The attention is never stored.
    pub fn mix(&self, values: &Tensor, job: &Job) -> Result<Tensor> {
        let (_, heads, _, width) = self.query.size4()?;
        let (_, _, columns) = values.size3()?;
        // The fused kernel wants values as wide as the queries.
        let padded = values.f_constant_pad_nd([0, (width - columns).max(0)])?;
        let padded = padded.f_unsqueeze(1)?.f_expand([-1, heads, -1, -1], false)?;
        let mixed = attend(&self.query, &self.key, &padded, job)?.f_narrow(-1, 0, columns)?;
        Ok(mixed.f_mean_dim(1, false, Kind::Float)?)
    }
}

/// Collects the taps of one pass.
pub struct Taps<'a> {
    layers: &'a [usize],
    parts: TapParts,
    whole_batch: bool,
    next: usize,
    taken: Vec<AttentionTap>,
}

impl<'a> Taps<'a> {
    /// Will take queries, keys and `parts` of the layers whose index (execution order) is in `layers`.
    pub fn new(layers: &'a [usize], parts: TapParts) -> Self {
        Self {
            layers,
            parts,
            whole_batch: false,
            next: 0,
            taken: Vec::new(),
        }
    }

    /// Will take queries and keys of every image of the batch, [B, heads, N, d], in their own type and with their
    /// gradients: for training.
    pub fn of_batch(layers: &'a [usize]) -> Self {
        Self {
            whole_batch: true,
            ..Self::new(layers, TapParts::default())
        }
    }

    /// The taps, in execution order.
    pub fn into_taken(self) -> Vec<AttentionTap> {
        self.taken
    }

    fn offer(&mut self, name: &str, grid: (usize, usize), query: &Tensor, key: &Tensor) -> Result<()> {
        let index = self.next;
        self.next += 1;
        if !self.layers.contains(&index) {
            return Ok(());
        }
        let batch = query.size().first().copied().unwrap_or(0);
        let (query, key) = if self.whole_batch {
            (query.shallow_clone(), key.shallow_clone())
        } else if batch == 1 {
            (first_image(query)?, first_image(key)?)
        } else {
            return Err(Error::argument("batch", batch, "must be 1 where attention is tapped"));
        };
        self.taken.push(AttentionTap {
            index,
            name: name.to_owned(),
            grid,
            query,
            key,
            output: None,
            cross_query: None,
        });
        Ok(())
    }

    /// The tap of the layer that was offered last, if it was taken.
    fn current(&mut self) -> Option<&mut AttentionTap> {
        let next = self.next;
        self.taken.last_mut().filter(|tap| tap.index + 1 == next)
    }

    fn offer_output(&mut self, output: &Tensor) -> Result<()> {
        if self.parts.output {
            if let Some(tap) = self.current() {
                tap.output = Some(first_image(output)?);
            }
        }
        Ok(())
    }

    fn offer_cross_query(&mut self, query: impl FnOnce() -> Result<Tensor>) -> Result<()> {
        if self.parts.cross_query {
            if let Some(tap) = self.current() {
                tap.cross_query = Some(first_image(&query()?)?);
            }
        }
        Ok(())
    }
}

/// The first image of a batch, float32; contiguous, so that a tap does not keep a wider buffer alive.
fn first_image(batch: &Tensor) -> Result<Tensor> {
    Ok(batch.f_select(0, 0)?.f_to_kind(Kind::Float)?.f_contiguous()?)
}

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
        mut tap: Option<(&mut Taps, (usize, usize))>,
        job: &Job,
    ) -> Result<Tensor> {
        let query = self.split(&self.to_q.forward(x)?)?;
        let key = self.split(&self.to_k.forward(context)?)?;
        let value = self.split(&self.to_v.forward(context)?)?;
        if let Some((taps, grid)) = &mut tap {
            taps.offer(&self.name, *grid, &query, &key)?;
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
        if let Some((taps, _)) = tap {
            taps.offer_output(&output)?;
        }
        Ok(output)
    }
}

/// softmax(Q K^T / sqrt(d)) V by libtorch's fused kernel, [B, heads, N, d]: the logits are never stored.
///
/// Without gradients it runs over blocks of heads and rows, so that a cancel is heard in between.
pub(super) fn attend(query: &Tensor, key: &Tensor, value: &Tensor, job: &Job) -> Result<Tensor> {
    let fused = |q: &Tensor, k: &Tensor, v: &Tensor| -> Result<Tensor> {
        job.check()?;
        Ok(Tensor::f_scaled_dot_product_attention(
            q,
            k,
            v,
            None::<&Tensor>,
            0.0,
            false,
            None,
            false,
        )?)
    };
    let (batch, heads, rows, d) = query.size4()?;
    // Two products over the head's width, and the softmax, for one row of one head of every image.
    let row_cost = batch * key.size4()?.2 * (4 * d + 40);
    if query.requires_grad() || heads * rows * row_cost <= ATTENTION_FLOP_LIMIT {
        return fused(query, key, value);
    }
    let heads_at_once = (ATTENTION_FLOP_LIMIT / (rows * row_cost)).clamp(1, heads);
    let rows_at_once = (ATTENTION_FLOP_LIMIT / (heads_at_once * row_cost)).clamp(1, rows);
    let mut by_head = Vec::new();
    for head in (0..heads).step_by(heads_at_once as usize) {
        let take = |x: &Tensor| x.f_narrow(1, head, heads_at_once.min(heads - head));
        let (q, k, v) = (take(query)?, take(key)?, take(value)?);
        let mut by_row = Vec::new();
        for row in (0..rows).step_by(rows_at_once as usize) {
            by_row.push(fused(&q.f_narrow(2, row, rows_at_once.min(rows - row))?, &k, &v)?);
        }
        by_head.push(Tensor::f_cat(&by_row, 2)?);
    }
    Ok(Tensor::f_cat(&by_head, 1)?)
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
        mut tap: Option<(&mut Taps, (usize, usize))>,
        job: &Job,
    ) -> Result<Tensor> {
        let normed = self.norm1.forward(x)?;
        let self_tap = tap.as_mut().map(|(taps, grid)| (&mut **taps, *grid));
        let mut x = (term(x) + self.attn1.forward(&normed, &normed, self_tap, job)).tensor()?;
        if let (Some((norm2, attn2)), Some(context)) = (&self.cross, context) {
            let normed = norm2.forward(&x)?;
            if let Some((taps, _)) = tap {
                taps.offer_cross_query(|| attn2.split(&attn2.to_q.forward(&normed)?))?;
            }
            x = (term(x) + attn2.forward(&normed, context, None, job)).tensor()?;
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
        for block in &self.blocks {
            let tap = taps
                .as_deref_mut()
                .map(|taps| (taps, (rows as usize, columns as usize)));
            tokens = block.forward(&tokens, context, tap, job)?;
        }
        let out = match &self.proj_out {
            Projection::Linear(linear) => to_image(&linear.forward(&tokens)?)?,
            Projection::Conv(conv) => conv.forward(&to_image(&tokens)?, job)?,
        };
        (term(out) + x).tensor()
    }
}
