//! Residual block with scale and shift by the time, and attention over pixels.
use tch::Tensor;

use super::super::attend::attend;
use super::super::resnet::Dropout;
use crate::runtime::{Job, Result};
use crate::tensors::term;
use crate::weights::{Conv2d, GroupNorm, Linear, Scope};

/// Every norm of the network has this epsilon.
pub(super) const EPS: f64 = 1e-5;

/// Change of resolution in a residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resize {
    /// No change.
    Keep,
    /// Halves it, by means of 2 x 2 pixels.
    Down,
    /// Doubles it, every pixel becoming 2 x 2.
    Up,
}

impl Resize {
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Keep => x.shallow_clone(),
            Self::Down => x.f_avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>)?,
            Self::Up => {
                let (_, _, rows, columns) = x.size4()?;
                x.f_upsample_nearest2d([2 * rows, 2 * columns], None, None)?
            }
        })
    }
}

/// norm, SiLU, (resize,) conv; norm (1 + scale) + shift, SiLU, dropout, conv; + the (resized) input, through a 1x1 conv
/// where the width changes. Scale and shift are linear in SiLU of the time's embedding.
pub(super) struct ResBlock {
    norm_in: GroupNorm,
    conv_in: Conv2d,
    film: Linear,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    skip: Option<Conv2d>,
    resize: Resize,
}

impl ResBlock {
    /// From `from` to `to` channels with a time embedding of `time` numbers.
    pub fn new(mut scope: Scope, (from, to): (i64, i64), time: i64, groups: i64, resize: Resize) -> Result<Self> {
        Ok(Self {
            norm_in: GroupNorm::new(scope.enter("in_layers.0"), from, groups, EPS)?,
            conv_in: Conv2d::new(scope.enter("in_layers.2"), from, to, 3, 1, 1)?,
            film: Linear::new(scope.enter("emb_layers.1"), time, 2 * to, true)?,
            norm_out: GroupNorm::new(scope.enter("out_layers.0"), to, groups, EPS)?,
            conv_out: Conv2d::new(scope.enter("out_layers.3"), to, to, 3, 1, 1)?,
            skip: match from == to {
                true => None,
                false => Some(Conv2d::new(scope.enter("skip_connection"), from, to, 1, 1, 0)?),
            },
            resize,
        })
    }

    /// `x` [B, from, h, w]; `time` [B, T], already through SiLU.
    pub fn forward(&self, x: &Tensor, time: &Tensor, dropout: &mut Dropout, job: &Job) -> Result<Tensor> {
        let h = self.resize.apply(&self.norm_in.forward(x)?.f_silu()?)?;
        let mut h = self.conv_in.forward(&h, job)?;
        let film = self.film.forward(time)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
        let width = film.size()[1] / 2;
        let (scale, shift) = (film.f_narrow(1, 0, width)?, film.f_narrow(1, width, width)?);
        h = (term(self.norm_out.forward(&h)) * (1.0 + term(scale)) + shift).tensor()?;
        h = self.conv_out.forward(&dropout(h.f_silu()?)?, job)?;
        let x = self.resize.apply(x)?;
        let shortcut = match &self.skip {
            Some(conv) => conv.forward(&x, job)?,
            None => x,
        };
        (term(shortcut) + h).tensor()
    }
}

/// Self-attention over pixels: norm, one product for queries, keys and values, attention, projection, + the input.
///
/// The "legacy" order: of the 3 C channels the first 3 C / heads are those of the first head, its queries before its
/// keys before its values. Tensors `qkv` [3 C, C, 1] and `proj_out` [C, C, 1].
pub(super) struct AttentionBlock {
    norm: GroupNorm,
    qkv: (Tensor, Tensor),
    out: (Tensor, Tensor),
    heads: i64,
}

impl AttentionBlock {
    pub fn new(mut scope: Scope, channels: i64, heads: i64, groups: i64) -> Result<Self> {
        let mut pointwise = |name: &str, to: i64| -> Result<(Tensor, Tensor)> {
            let mut scope = scope.enter(name);
            Ok((
                scope.tensor("weight", &[to, channels, 1])?,
                scope.tensor("bias", &[to])?,
            ))
        };
        Ok(Self {
            qkv: pointwise("qkv", 3 * channels)?,
            out: pointwise("proj_out", channels)?,
            norm: GroupNorm::new(scope.enter("norm"), channels, groups, EPS)?,
            heads,
        })
    }

    /// `x` [B, C, h, w].
    pub fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        job.check()?;
        let (batch, channels, rows, columns) = x.size4()?;
        let (tokens, width) = (rows * columns, channels / self.heads);
        let flat = self.norm.forward(x)?.f_reshape([batch, channels, tokens])?;
        let pointwise =
            |x: &Tensor, (weight, bias): &(Tensor, Tensor)| x.f_conv1d(weight, Some(bias), [1], [0], [1], 1);
        let parts = pointwise(&flat, &self.qkv)?.f_reshape([batch, self.heads, 3, width, tokens])?;
        let part = |n: i64| parts.f_select(2, n)?.f_transpose(2, 3);
        let mixed = attend(&part(0)?, &part(1)?, &part(2)?, job)?;
        let mixed = mixed.f_transpose(2, 3)?.f_reshape([batch, channels, tokens])?;
        let out = pointwise(&mixed, &self.out)?;
        (term(out.f_reshape([batch, channels, rows, columns])) + x).tensor()
    }
}
