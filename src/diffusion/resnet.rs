//! Residual block, down- and upsampling, shared by the U-Net and the autoencoder.
use tch::Tensor;

use crate::runtime::{Job, Result};
use crate::tensors::term;
use crate::weights::{Conv2d, GroupNorm, Linear, Scope};

/// Applied to the features before a block's last convolution: dropout in training, the identity at inference.
pub(crate) type Dropout<'a> = dyn FnMut(Tensor) -> Result<Tensor> + 'a;

/// norm, SiLU, conv, (+ time), norm, SiLU, (dropout,) conv, + input (through a 1x1 conv where the width changes).
pub(super) struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl ResnetBlock {
    /// `time` is the width of the time embedding; the autoencoder has none.
    pub fn new(mut scope: Scope, from: i64, to: i64, time: Option<i64>, groups: i64, eps: f64) -> Result<Self> {
        Ok(Self {
            norm1: GroupNorm::new(scope.enter("norm1"), from, groups, eps)?,
            conv1: Conv2d::new(scope.enter("conv1"), from, to, 3, 1, 1)?,
            time: match time {
                Some(time) => Some(Linear::new(scope.enter("time_emb_proj"), time, to, true)?),
                None => None,
            },
            norm2: GroupNorm::new(scope.enter("norm2"), to, groups, eps)?,
            conv2: Conv2d::new(scope.enter("conv2"), to, to, 3, 1, 1)?,
            shortcut: if from == to {
                None
            } else {
                Some(Conv2d::new(scope.enter("conv_shortcut"), from, to, 1, 1, 0)?)
            },
        })
    }

    /// `x` [B, C, h, w]; `time` [B, T], already through SiLU.
    pub fn forward(&self, x: &Tensor, time: Option<&Tensor>, job: &Job) -> Result<Tensor> {
        self.forward_dropping(x, time, &mut Ok, job)
    }

    /// The same with `dropout` before the last convolution.
    pub fn forward_dropping(
        &self,
        x: &Tensor,
        time: Option<&Tensor>,
        dropout: &mut Dropout,
        job: &Job,
    ) -> Result<Tensor> {
        let mut h = self.conv1.forward(&self.norm1.forward(x)?.f_silu()?, job)?;
        if let (Some(linear), Some(time)) = (&self.time, time) {
            let shift = linear.forward(time)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
            h = (term(h) + shift).tensor()?;
        }
        h = dropout(self.norm2.forward(&h)?.f_silu()?)?;
        h = self.conv2.forward(&h, job)?;
        let shortcut = match &self.shortcut {
            Some(conv) => term(conv.forward(x, job)),
            None => term(x),
        };
        (shortcut + h).tensor()
    }
}

/// Nearest-neighbour enlargement to (rows, columns), then a 3x3 convolution.
pub(super) struct Upsample(Conv2d);

impl Upsample {
    pub fn new(mut scope: Scope, channels: i64) -> Result<Self> {
        Ok(Self(Conv2d::new(scope.enter("conv"), channels, channels, 3, 1, 1)?))
    }

    /// The size is that of the skip connection to come: twice as large, less one where a side was odd.
    pub fn forward(&self, x: &Tensor, rows: i64, columns: i64, job: &Job) -> Result<Tensor> {
        self.0
            .forward(&x.f_upsample_nearest2d([rows, columns], None, None)?, job)
    }
}
