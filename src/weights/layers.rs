//! The source that a network asks for its tensors, and four layers that all networks share.
//!
//! A network is built by asking a source for each tensor by its published name and shape. The same walk lists the
//! tensors of a configuration, loads a file, or makes random weights for training.
use tch::Tensor;

use crate::runtime::{Error, Job, Result};

/// Answers "the tensor of this name, which must have this shape".
pub type FetchTensor<'a> = dyn FnMut(&str, &[i64]) -> Result<Tensor> + 'a;

/// A place in the tree of tensor names: a source and the prefix under which the next names are looked up.
pub(crate) struct Scope<'s, 'f> {
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

/// The error for `subject` ("tensor NAME") of shape `actual` where `expected` is needed.
pub(crate) fn wrong_shape(subject: &str, expected: &[i64], actual: &[i64]) -> Error {
    Error::format(subject, format_args!("has shape {actual:?}, expected {expected:?}"))
}

/// y = x W^T + b on the last axis.
pub(crate) struct Linear {
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
pub(crate) struct Conv2d {
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

    /// `x` [B, C, h, w]. Without gradients, a large product is computed in parts, so that a cancel is heard in between;
    /// every output is summed as in one call.
    pub fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        job.check()?;
        if x.requires_grad() || self.weight.requires_grad() {
            return self.convolve(x, &self.weight, &self.bias);
        }
        let pixels = x.numel() as f64 / (self.stride * self.stride) as f64;
        let taps = self.weight.numel() as f64 / x.size().get(1).copied().unwrap_or(1).max(1) as f64;
        // pixels counts the input channels too: B C h w * (out k k) * 2.
        let parts = (2.0 * pixels * taps / CONV_FLOP_LIMIT).ceil().clamp(1.0, 4096.0) as i64;
        // Each call lays its input and its weights out anew, so the larger of the two is the one to cut.
        match parts {
            1 => self.convolve(x, &self.weight, &self.bias),
            _ if x.numel() > self.weight.numel() => self.by_rows(x, parts, job),
            _ => self.by_channels(x, parts, job),
        }
    }

    fn convolve(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        Ok(x.f_conv2d(weight, Some(bias), [self.stride], [self.padding], [1], 1)?)
    }

    /// In about `parts` bands of output rows.
    fn by_rows(&self, x: &Tensor, parts: i64, job: &Job) -> Result<Tensor> {
        let (_, _, height, _) = x.size4()?;
        let kernel = self.weight.size4()?.2;
        let rows = (height + 2 * self.padding - kernel) / self.stride + 1;
        let step = (rows + parts - 1) / parts;
        let mut bands = Vec::new();
        for start in (0..rows).step_by(step.max(1) as usize) {
            job.check()?;
            let end = (start + step).min(rows);
            // Input rows under the band; those outside the image are the padding.
            let first = start * self.stride - self.padding;
            let last = (end - 1) * self.stride - self.padding + kernel;
            let (from, to) = (first.max(0), last.min(height));
            let mut band = x.f_narrow(2, from, to - from)?;
            if first < from || last > to {
                band = band.f_constant_pad_nd([0, 0, from - first, last - to])?;
            }
            let (stride, padding) = ([self.stride; 2], [0, self.padding]);
            bands.push(band.f_conv2d(&self.weight, Some(&self.bias), stride, padding, [1, 1], 1)?);
        }
        Ok(Tensor::f_cat(&bands, 2)?)
    }

    /// In about `parts` groups of output channels.
    fn by_channels(&self, x: &Tensor, parts: i64, job: &Job) -> Result<Tensor> {
        let out = self.bias.size1()?;
        // Multiples of 16 channels keep the vector units of the CPU full.
        let step = ((out + parts - 1) / parts + 15) / 16 * 16;
        let mut groups = Vec::new();
        for start in (0..out).step_by(step.max(1) as usize) {
            job.check()?;
            let length = step.min(out - start);
            let (weight, bias) = (
                self.weight.f_narrow(0, start, length)?,
                self.bias.f_narrow(0, start, length)?,
            );
            groups.push(self.convolve(x, &weight, &bias)?);
        }
        Ok(Tensor::f_cat(&groups, 1)?)
    }
}

/// Group normalisation over channel groups.
pub(crate) struct GroupNorm {
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
pub(crate) struct LayerNorm {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Generator;
    use tch::{Device, Kind};

    #[test]
    fn parts_of_a_convolution_are_the_whole() {
        let mut generator = Generator::new(1, 0);
        let mut draw = |shape: &[i64]| generator.normal_tensor(shape, Device::Cpu).unwrap();
        let job = Job::quiet();
        // The U-Net's 3x3, its downsampling, the autoencoder's downsampling, 1x1.
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (3, 2, 0), (1, 1, 0)] {
            let conv = Conv2d {
                weight: draw(&[40, 5, kernel, kernel]),
                bias: draw(&[40]),
                stride,
                padding,
            };
            for height in [3, 8, 13] {
                let x = draw(&[2, 5, height, 9]);
                let whole = conv.convolve(&x, &conv.weight, &conv.bias).unwrap();
                for parts in [1, 2, 3, 50] {
                    for split in [conv.by_rows(&x, parts, &job), conv.by_channels(&x, parts, &job)] {
                        let split = split.unwrap();
                        assert_eq!(split.size(), whole.size());
                        assert!(
                            split.allclose(&whole, 1e-5, 1e-5, false),
                            "{kernel} {stride} {padding} {height} {parts}"
                        );
                    }
                }
            }
        }
        let large = draw(&[1, 64, 200, 320]);
        let conv = Conv2d {
            weight: draw(&[64, 64, 3, 3]),
            bias: Tensor::zeros([64], (Kind::Float, Device::Cpu)),
            stride: 1,
            padding: 1,
        };
        let whole = conv.convolve(&large, &conv.weight, &conv.bias).unwrap();
        assert!(conv.forward(&large, &job).unwrap().allclose(&whole, 1e-4, 1e-3, false));
    }
}
