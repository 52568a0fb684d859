//! Where weights come from, and the four layers that every network here is made of.
//!
//! A network is built by asking a source for each tensor by its diffusers name and shape. The same walk lists the
//! tensors of a configuration, loads a file, or makes random weights for training.
use tch::Tensor;

use crate::runtime::{Error, Job, Result};

/// Answers "the tensor of this name, which must have this shape".
pub type FetchTensor<'a> = dyn FnMut(&str, &[i64]) -> Result<Tensor> + 'a;

/// A place in the tree of tensor names: a source and the prefix under which the next names are looked up.
pub(super) struct Scope<'s, 'f> {
    fetch: &'s mut FetchTensor<'f>,
    prefix: String,
    /// Off only while names and shapes are being listed.
    verify: bool,
}

impl<'s, 'f> Scope<'s, 'f> {
    /// The root of the names that `fetch` knows.
    pub fn root(fetch: &'s mut FetchTensor<'f>) -> Self {
        Self {
            fetch,
            prefix: String::new(),
            verify: true,
        }
    }

    /// A root whose source returns placeholders.
    pub fn listing(fetch: &'s mut FetchTensor<'f>) -> Self {
        Self {
            verify: false,
            ..Self::root(fetch)
        }
    }

    /// The scope `prefix.child`.
    pub fn enter(&mut self, child: impl std::fmt::Display) -> Scope<'_, 'f> {
        Scope {
            prefix: self.name(child),
            fetch: &mut *self.fetch,
            verify: self.verify,
        }
    }

    /// Full name of `child` in this scope.
    pub fn name(&self, child: impl std::fmt::Display) -> String {
        if self.prefix.is_empty() {
            child.to_string()
        } else {
            format!("{}.{child}", self.prefix)
        }
    }

    /// The tensor `prefix.child` of exactly `shape`.
    pub fn tensor(&mut self, child: &str, shape: &[i64]) -> Result<Tensor> {
        let name = self.name(child);
        let tensor = (self.fetch)(&name, shape)?;
        if self.verify && tensor.size() != shape {
            return Err(wrong_shape(&format!("tensor {name}"), shape, &tensor.size()));
        }
        Ok(tensor)
    }
}

/// The error for `what` ("tensor NAME") of shape `found` where `expected` is needed.
pub(super) fn wrong_shape(what: &str, expected: &[i64], found: &[i64]) -> Error {
    Error::format(what, format_args!("has shape {found:?}, expected {expected:?}"))
}

/// y = x W^T + b on the last axis.
pub(super) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub fn new(mut scope: Scope, from: i64, to: i64, bias: bool) -> Result<Self> {
        Ok(Self {
            weight: scope.tensor("weight", &[to, from])?,
            bias: if bias { Some(scope.tensor("bias", &[to])?) } else { None },
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, self.bias.as_ref())?)
    }
}

/// Floating-point operations of one uninterrupted convolution at inference: about 30 ms on two CPU cores.
const CONV_FLOP_LIMIT: f64 = 4e9;

/// Square two-dimensional convolution with bias.
pub(super) struct Conv2d {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
}

impl Conv2d {
    pub fn new(mut scope: Scope, from: i64, to: i64, kernel: i64, stride: i64, padding: i64) -> Result<Self> {
        Ok(Self {
            weight: scope.tensor("weight", &[to, from, kernel, kernel])?,
            bias: scope.tensor("bias", &[to])?,
            stride,
            padding,
        })
    }

    /// `x` [B, C, h, w]. Without gradients, a large product is computed a few output channels at a time, so that a
    /// cancel is heard in between; the numbers are those of one call.
    pub fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        job.check()?;
        let out = self.weight.size().first().copied().unwrap_or(1);
        let parts = if x.requires_grad() || self.weight.requires_grad() {
            1
        } else {
            let pixels = x.numel() as f64 / (self.stride * self.stride) as f64;
            let taps = self.weight.numel() as f64 / x.size().get(1).copied().unwrap_or(1).max(1) as f64;
            // pixels counts the input channels too: B C h w * (out k k) * 2.
            (2.0 * pixels * taps / CONV_FLOP_LIMIT).ceil().clamp(1.0, out as f64) as i64
        };
        let whole =
            |weight: &Tensor, bias: &Tensor| x.f_conv2d(weight, Some(bias), [self.stride], [self.padding], [1], 1);
        if parts == 1 {
            return Ok(whole(&self.weight, &self.bias)?);
        }
        // Multiples of 16 channels keep the vector units of the CPU full.
        let step = ((out + parts - 1) / parts + 15) / 16 * 16;
        let mut slices = Vec::new();
        let mut start = 0;
        while start < out {
            let length = step.min(out - start);
            job.check()?;
            slices.push(whole(
                &self.weight.f_narrow(0, start, length)?,
                &self.bias.f_narrow(0, start, length)?,
            )?);
            start += length;
        }
        Ok(Tensor::f_cat(&slices, 1)?)
    }
}

/// Group normalisation over channel groups.
pub(super) struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: i64,
    eps: f64,
}

impl GroupNorm {
    pub fn new(mut scope: Scope, channels: i64, groups: i64, eps: f64) -> Result<Self> {
        if groups < 1 || channels % groups != 0 {
            return Err(Error::Unsupported(format!(
                "{} has {channels} channels, which norm_num_groups = {groups} does not divide",
                scope.prefix
            )));
        }
        Ok(Self {
            weight: scope.tensor("weight", &[channels])?,
            bias: scope.tensor("bias", &[channels])?,
            groups,
            eps,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_group_norm(self.groups, Some(&self.weight), Some(&self.bias), self.eps, false)?)
    }
}

/// Layer normalisation over the last axis.
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    pub fn new(mut scope: Scope, channels: i64, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: scope.tensor("weight", &[channels])?,
            bias: scope.tensor("bias", &[channels])?,
            eps,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_layer_norm(
            self.weight.size(),
            Some(&self.weight),
            Some(&self.bias),
            self.eps,
            false,
        )?)
    }
}
