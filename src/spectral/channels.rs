//! The small network whose softmax channels the published recipe optimises.
use tch::{Device, Tensor};

use crate::runtime::{Error, Generator, Result};

/// Stabiliser of batch normalisation.
const EPSILON: f64 = 1e-5;

/// A learnable `[1, hidden, rows, cols]` map behind three 3x3 convolutions, the first two with batch normalisation and
/// ReLU, the last to C channels ("ToyCNN", spec section 4).
///
/// Normalisation always uses the statistics of the grid itself (training mode), also for the read-out.
pub(super) struct ChannelNet {
    /// map, (weight, bias, gain, offset) of the two hidden layers, (weight, bias) of the last.
    pub parameters: Vec<Tensor>,
}

impl ChannelNet {
    /// Normal draws for the map and PyTorch's default bounds U(+-1/sqrt(fan_in)) for the convolutions.
    pub fn new(
        grid: (usize, usize),
        hidden: i64,
        channels: i64,
        generator: &mut Generator,
        device: Device,
    ) -> Result<Self> {
        let bound = (1.0 / (9.0 * hidden as f64).sqrt()) as f32;
        let mut parameters = vec![generator.normal_tensor(&[1, hidden, grid.0 as i64, grid.1 as i64], device)?];
        for outputs in [hidden, hidden, channels] {
            parameters.push(generator.uniform_tensor(-bound, bound, &[outputs, hidden, 3, 3], device)?);
            parameters.push(generator.uniform_tensor(-bound, bound, &[outputs], device)?);
            if parameters.len() < 9 {
                parameters.push(Tensor::f_ones([hidden], (tch::Kind::Float, device))?);
                parameters.push(Tensor::f_zeros([hidden], (tch::Kind::Float, device))?);
            }
        }
        for parameter in &parameters {
            let _ = parameter.f_set_requires_grad(true)?;
        }
        Ok(Self { parameters })
    }

    /// X, the softmax over channels, as columns `[rows * cols, C]`.
    pub fn forward(&self) -> Result<Tensor> {
        let [map, w1, b1, g1, o1, w2, b2, g2, o2, w3, b3] = &self.parameters[..] else {
            return Err(Error::Internal("the channel network has lost parameters".into()));
        };
        let conv = |x: &Tensor, w: &Tensor, b: &Tensor| x.f_conv2d(w, Some(b), 1, 1, 1, 1);
        let none = None::<&Tensor>;
        let mut x = map.shallow_clone();
        for (w, b, gain, offset) in [(w1, b1, g1, o1), (w2, b2, g2, o2)] {
            x = conv(&x, w, b)?;
            x = x.f_batch_norm(Some(gain), Some(offset), none, none, true, 0.1, EPSILON, false)?;
            x = x.f_relu()?;
        }
        let x = conv(&x, w3, b3)?.f_softmax(1, None)?;
        let (_, channels, rows, cols) = x.size4()?;
        Ok(x.f_reshape([channels, rows * cols])?.f_transpose(0, 1)?)
    }

    /// d (sum of X * slope) / d parameters, for an X of [`ChannelNet::forward`] and `slope` of its shape.
    pub fn backward(&self, x: &Tensor, slope: &Tensor) -> Result<Vec<Tensor>> {
        let surrogate = x.f_mul(slope)?.f_sum(None)?;
        Ok(Tensor::f_run_backward(&[&surrogate], &self.parameters, true, false)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_size() {
        let net = ChannelNet::new((64, 64), 128, 12, &mut Generator::new(0, 0), Device::Cpu).unwrap();
        let count: usize = net.parameters.iter().map(Tensor::numel).sum();
        assert_eq!(count, 833_804);
        let x = net.forward().unwrap();
        assert_eq!(x.size(), [4096, 12]);
        let error = x
            .sum_dim_intlist(1_i64, false, None)
            .f_sub_scalar(1.0)
            .unwrap()
            .abs()
            .max();
        assert!(error.double_value(&[]) < 1e-5);
    }
}
