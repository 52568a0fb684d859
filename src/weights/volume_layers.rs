//! Layers of three-dimensional networks, and the normalisations that carry or take statistics.
use tch::{Device, Kind, Tensor};

use super::layers::Scope;
use crate::runtime::{Job, Result};

/// Added to the variance by both normalisations (PyTorch's default).
const EPS: f64 = 1e-5;

/// Share of a batch in the running statistics (PyTorch's default).
const MOMENTUM: f64 = 0.1;

/// Floating-point operations of one uninterrupted convolution at inference: about 50 ms on two CPU cores.
const CONV_FLOP_LIMIT: f64 = 1e10;

/// Cubic three-dimensional convolution. Odd kernels keep the extent (zeros outside), even ones add nothing.
pub(crate) struct Conv3d {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

impl Conv3d {
    pub fn new(mut scope: Scope, from: i64, to: i64, kernel: i64, stride: i64, bias: bool) -> Result<Self> {
        Ok(Self {
            weight: scope.tensor("weight", &[to, from, kernel, kernel, kernel])?,
            bias: if bias { Some(scope.tensor("bias", &[to])?) } else { None },
            stride,
            padding: if kernel % 2 == 1 { kernel / 2 } else { 0 },
        })
    }

    /// `x` [B, C, z, y, x]. Without gradients, a large product is computed in slabs of z, so that a cancel is heard in
    /// between; every output is summed as in one call.
    pub fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        job.check()?;
        if x.requires_grad() || self.weight.requires_grad() {
            return self.convolve(x, [self.padding; 3]);
        }
        let (_, channels, _, _, _) = x.size5()?;
        let outputs = x.numel() as f64 / (channels.max(1) * self.stride.pow(3)) as f64;
        let parts = (2.0 * outputs * self.weight.numel() as f64 / CONV_FLOP_LIMIT).ceil();
        match parts.clamp(1.0, 4096.0) as i64 {
            1 => self.convolve(x, [self.padding; 3]),
            parts => self.by_slabs(x, parts, job),
        }
    }

    fn convolve(&self, x: &Tensor, padding: [i64; 3]) -> Result<Tensor> {
        let gradients = x.requires_grad() || self.weight.requires_grad();
        if x.device() == Device::Cpu && x.kind() == Kind::Float && self.weight.kind() == Kind::Float && !gradients {
            // libtorch takes a slower path where channels x slices x rows are at most 20480 (use_mkldnn in
            // ATen/native/Convolution.cpp).
            let (stride, bias) = ([self.stride; 3], self.bias.as_ref());
            return Ok(x.f_mkldnn_convolution(&self.weight, bias, padding, stride, [1, 1, 1], 1)?);
        }
        Ok(x.f_conv3d(
            &self.weight,
            self.bias.as_ref(),
            [self.stride; 3],
            padding,
            [1, 1, 1],
            1,
        )?)
    }

    /// In about `parts` slabs of output slices.
    fn by_slabs(&self, x: &Tensor, parts: i64, job: &Job) -> Result<Tensor> {
        let (_, _, depth, _, _) = x.size5()?;
        let kernel = self.weight.size5()?.2;
        let slices = (depth + 2 * self.padding - kernel) / self.stride + 1;
        let step = (slices + parts - 1) / parts;
        let mut slabs = Vec::new();
        for start in (0..slices).step_by(step.max(1) as usize) {
            job.check()?;
            let end = (start + step).min(slices);
            // Input slices under the slab; those outside the volume are the padding.
            let first = start * self.stride - self.padding;
            let last = (end - 1) * self.stride - self.padding + kernel;
            let (from, to) = (first.max(0), last.min(depth));
            let mut slab = x.f_narrow(2, from, to - from)?;
            if first < from || last > to {
                slab = slab.f_constant_pad_nd([0, 0, 0, 0, from - first, last - to])?;
            }
            slabs.push(self.convolve(&slab, [0, self.padding, self.padding])?);
        }
        Ok(Tensor::f_cat(&slabs, 2)?)
    }
}

/// Transposed convolution that doubles every extent: kernel 2, or kernel 3 with one voxel of padding.
pub(crate) struct Doubling3d {
    weight: Tensor,
    bias: Option<Tensor>,
    padding: i64,
}

impl Doubling3d {
    pub fn new(mut scope: Scope, from: i64, to: i64, kernel: i64, bias: bool) -> Result<Self> {
        Ok(Self {
            weight: scope.tensor("weight", &[from, to, kernel, kernel, kernel])?,
            bias: if bias { Some(scope.tensor("bias", &[to])?) } else { None },
            padding: kernel - 2,
        })
    }

    pub fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        job.check()?;
        // 2 (n - 1) - 2 p + k + p = 2 n for k = p + 2.
        let (stride, padding) = ([2; 3], [self.padding; 3]);
        let bias = self.bias.as_ref();
        Ok(x.f_conv_transpose3d(&self.weight, bias, stride, padding, padding, 1, [1, 1, 1])?)
    }
}

/// Normalisation of every channel of every sample over its own voxels, with a learnt scale and shift.
pub(crate) struct InstanceNorm {
    weight: Tensor,
    bias: Tensor,
}

impl InstanceNorm {
    pub fn new(mut scope: Scope, channels: i64) -> Result<Self> {
        Ok(Self {
            weight: scope.tensor("weight", &[channels])?,
            bias: scope.tensor("bias", &[channels])?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        Ok(x.f_instance_norm(weight, bias, None, None, true, MOMENTUM, EPS, false)?)
    }
}

/// Batch normalisation, over whatever axes follow the channels.
pub(crate) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl BatchNorm {
    pub fn new(mut scope: Scope, channels: i64) -> Result<Self> {
        Ok(Self {
            weight: scope.tensor("weight", &[channels])?,
            bias: scope.tensor("bias", &[channels])?,
            mean: scope.tensor("running_mean", &[channels])?,
            variance: scope.tensor("running_var", &[channels])?,
        })
    }

    /// With the statistics of training, or, while `training`, with the batch's own, which then move the former in
    /// place.
    pub fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        let (mean, variance) = (Some(&self.mean), Some(&self.variance));
        Ok(x.f_batch_norm(weight, bias, mean, variance, training, MOMENTUM, EPS, false)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Generator;
    use tch::Device;

    #[test]
    fn slabs_of_a_convolution_are_the_whole() {
        let mut generator = Generator::new(1, 0);
        let mut draw = |shape: &[i64]| generator.normal_tensor(shape, Device::Cpu).unwrap();
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (2, 2, 0), (1, 1, 0)] {
            let conv = Conv3d {
                weight: draw(&[6, 5, kernel, kernel, kernel]),
                bias: Some(draw(&[6])),
                stride,
                padding,
            };
            for depth in [4, 8, 13] {
                let x = draw(&[2, 5, depth, 6, 7]);
                let whole = conv.convolve(&x, [padding; 3]).unwrap();
                for parts in [1, 2, 3, 50] {
                    let slabs = conv.by_slabs(&x, parts, &Job::quiet()).unwrap();
                    assert_eq!(slabs.size(), whole.size());
                    assert!(
                        slabs.allclose(&whole, 1e-5, 1e-5, false),
                        "{kernel} {stride} {depth} {parts}"
                    );
                }
            }
        }
    }
}
