//! The coarsest level of the autoencoder, the same in encoder and decoder: residual block, attention over all pixels,
//! residual block.
use tch::Tensor;

use super::attend::attend;
use super::resnet::{Dropout, ResnetBlock};
use crate::runtime::{Job, Result};
use crate::tensors::term;
use crate::weights::{GroupNorm, Linear, Scope};

/// Every norm of the autoencoder has this epsilon.
pub(super) const EPS: f64 = 1e-6;

/// Single-head attention over all pixels of the coarsest level.
struct PixelAttention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl PixelAttention {
    fn new(mut scope: Scope, channels: i64, groups: i64) -> Result<Self> {
        let mut linear = |name: &str| Linear::new(scope.enter(name), channels, channels, true);
        Ok(Self {
            to_q: linear("to_q")?,
            to_k: linear("to_k")?,
            to_v: linear("to_v")?,
            to_out: linear("to_out.0")?,
            group_norm: GroupNorm::new(scope.enter("group_norm"), channels, groups, EPS)?,
        })
    }

    fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        let (batch, channels, rows, columns) = x.size4()?;
        let tokens = self.group_norm.forward(x)?;
        let tokens = tokens.f_reshape([batch, channels, rows * columns])?.f_transpose(1, 2)?;
        let head = |linear: &Linear| -> Result<Tensor> { Ok(linear.forward(&tokens)?.f_unsqueeze(1)?) };
        let mixed = attend(&head(&self.to_q)?, &head(&self.to_k)?, &head(&self.to_v)?, job)?;
        let out = self.to_out.forward(&mixed.f_squeeze_dim(1)?)?;
        let out = out.f_transpose(1, 2)?.f_reshape([batch, channels, rows, columns])?;
        (term(out) + x).tensor()
    }
}

/// `mid_block` of either half.
pub(super) struct MidBlock {
    before: ResnetBlock,
    attention: PixelAttention,
    after: ResnetBlock,
}

impl MidBlock {
    /// `scope` is that of the half it belongs to.
    pub fn new(mut scope: Scope, channels: i64, groups: i64) -> Result<Self> {
        let mut resnet = |i: i64| {
            ResnetBlock::new(
                scope.enter(format_args!("resnets.{i}")),
                channels,
                channels,
                None,
                groups,
                EPS,
            )
        };
        let (before, after) = (resnet(0)?, resnet(1)?);
        Ok(Self {
            attention: PixelAttention::new(scope.enter("attentions.0"), channels, groups)?,
            before,
            after,
        })
    }

    /// `x` [B, C, h, w].
    pub fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        self.forward_dropping(x, &mut Ok, job)
    }

    /// The same with `dropout` in its residual blocks.
    pub fn forward_dropping(&self, x: &Tensor, dropout: &mut Dropout, job: &Job) -> Result<Tensor> {
        let h = self.before.forward_dropping(x, None, dropout, job)?;
        let h = self.attention.forward(&h, job)?;
        self.after.forward_dropping(&h, None, dropout, job)
    }
}
