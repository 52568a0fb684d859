//! Weights before training.
use tch::{Device, Kind, Tensor};

use super::sdseg::UNET;
use crate::runtime::{Generator, Result};

/// Initial weights of a network. Norms begin at scale one and shift zero in all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Initial {
    /// PyTorch's own: weights and biases uniform within 1 / sqrt(fan in).
    Uniform,
    /// He et al. 2015: normal of variance 2 / ((1 + slope^2) fan in), biases zero.
    Normal {
        /// Negative slope of the rectifier.
        slope: f64,
    },
    /// [`Initial::Uniform`], but the last convolution of every residual block, every attention's and the network's own
    /// of a latent-diffusion U-Net are zero: each block begins as what it adds to.
    Diffusion,
}

impl Initial {
    /// Tensors of these names and shapes, drawn in their order. The bias of a layer follows its weight.
    pub(super) fn draw(
        self,
        shapes: &[(String, Vec<i64>)],
        gen: &mut Generator,
        device: Device,
    ) -> Result<Vec<Tensor>> {
        // 0 marks a norm.
        let mut fan_in = 0.0;
        let mut tensors = Vec::with_capacity(shapes.len());
        for (name, shape) in shapes {
            let leaf = name.rsplit('.').next().unwrap_or(name);
            if leaf == "weight" {
                let taps: i64 = shape.iter().skip(1).product();
                fan_in = if shape.len() == 1 { 0.0 } else { taps.max(1) as f64 };
            }
            let constant = |value: f64| Tensor::f_full(shape, value, (Kind::Float, device));
            let bound = (fan_in.sqrt().recip()) as f32;
            let is_last = |part: &&str| name.starts_with(UNET) && name.contains(*part);
            let is_silent = self == Self::Diffusion && LAST.iter().any(is_last);
            tensors.push(match (leaf, self) {
                _ if is_silent => constant(0.0)?,
                ("running_var", _) => constant(1.0)?,
                ("weight", _) if fan_in == 0.0 => constant(1.0)?,
                ("weight", Self::Normal { slope }) => {
                    let deviation = (2.0 / ((1.0 + slope * slope) * fan_in)).sqrt();
                    gen.normal_tensor(shape, device)?.f_mul_scalar(deviation)?
                }
                ("weight", Self::Uniform | Self::Diffusion) => gen.uniform_tensor(-bound, bound, shape, device)?,
                ("bias", Self::Uniform | Self::Diffusion) if fan_in > 0.0 => {
                    gen.uniform_tensor(-bound, bound, shape, device)?
                }
                ("scale", _) => constant(RESIDUAL_SCALE)?,
                _ => constant(0.0)?,
            });
        }
        Ok(tensors)
    }
}

/// Parts of the names of convolutions that a latent-diffusion U-Net begins with at zero.
const LAST: [&str; 3] = [".out_layers.3.", ".proj_out.", "model.diffusion_model.out.2."];

/// Share of a residual branch at the start, for networks that scale it: small, so that depth does not add variance and
/// no normalisation is needed, but not zero, so that every weight learns from the first step.
const RESIDUAL_SCALE: f64 = 0.3;
