//! Named trainable tensors of a network.
use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use crate::diffusion::{unet_tensor_shapes, Unet, UnetConfig, VaeConfig, VaeDecoder, VaeEncoder};
use crate::runtime::{Error, Generator, Job, Result};

/// The tensors of a network under their diffusers names, in the order of execution.
pub struct Parameters {
    /// diffusers names.
    pub names: Vec<String>,
    /// float32, one per name.
    pub tensors: Vec<Tensor>,
}

impl Parameters {
    /// Fresh weights of a U-Net; see [`Parameters::random_of`].
    pub fn random(config: &UnetConfig, gen: &mut Generator, device: Device) -> Result<Self> {
        Self::random_of(unet_tensor_shapes(config)?, gen, device)
    }

    /// Fresh weights with PyTorch's default bounds: weights and biases uniform within 1 / sqrt(fan in), norms one and
    /// zero.
    pub fn random_of(shapes: Vec<(String, Vec<i64>)>, gen: &mut Generator, device: Device) -> Result<Self> {
        let (mut names, mut tensors) = (Vec::new(), Vec::new());
        // A bias follows its weight, whose fan-in bounds it; 0 marks a norm.
        let mut bound = 0.0f64;
        for (name, shape) in shapes {
            let is_weight = name.ends_with("weight");
            if is_weight {
                let fan_in: i64 = shape.iter().skip(1).product();
                bound = if shape.len() == 1 {
                    0.0
                } else {
                    (fan_in.max(1) as f64).sqrt().recip()
                };
            }
            let kind = (Kind::Float, device);
            tensors.push(match (bound > 0.0, is_weight) {
                (true, _) => gen.uniform_tensor(-bound as f32, bound as f32, &shape, device)?,
                (false, true) => Tensor::f_ones(&shape, kind)?,
                (false, false) => Tensor::f_zeros(&shape, kind)?,
            });
            names.push(name);
        }
        Ok(Self { names, tensors })
    }

    /// No tensors.
    pub fn none() -> Self {
        Self {
            names: Vec::new(),
            tensors: Vec::new(),
        }
    }

    /// A copy that shares nothing.
    pub fn duplicate(&self) -> Result<Self> {
        let copy = |tensor: &Tensor| Ok(tensor.f_detach_copy()?);
        Ok(Self {
            names: self.names.clone(),
            tensors: self.tensors.iter().map(copy).collect::<Result<_>>()?,
        })
    }

    /// Takes the values of `other`, of the same tensors, in place: whoever shares these tensors sees them.
    pub fn assign(&mut self, other: &Self) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for (tensor, value) in self.tensors.iter_mut().zip(&other.tensors) {
            tensor.f_copy_(value)?;
        }
        Ok(())
    }

    /// Asks for gradients of every tensor.
    pub fn require_gradients(&mut self) -> Result<()> {
        for tensor in &mut self.tensors {
            *tensor = tensor.f_set_requires_grad(true)?;
        }
        Ok(())
    }

    /// What `loss` gives, a scalar, and its gradients in the order of the tensors. Gradients are on meanwhile, whatever
    /// the caller has; the backward pass is one libtorch call, before and after which `job` is asked.
    pub fn gradients(&self, job: &Job, loss: impl FnOnce() -> Result<Tensor>) -> Result<(f64, Vec<Tensor>)> {
        tch::with_grad(|| {
            let loss = loss()?;
            // libtorch crashes on a loss that nothing asks gradients of.
            if !loss.requires_grad() {
                return Err(Error::Internal("the loss depends on no trainable weight".into()));
            }
            job.check()?;
            let gradients = Tensor::f_run_backward(&[&loss], &self.tensors, false, false)?;
            job.check()?;
            Ok((f64::try_from(loss.f_detach()?)?, gradients))
        })
    }

    /// A U-Net on these very tensors: updates in place are seen by it.
    pub fn network(&self, config: &UnetConfig) -> Result<Unet> {
        Unet::from_tensors(config, &mut self.fetch())
    }

    /// An encoder on these very tensors.
    pub fn encoder(&self, config: &VaeConfig) -> Result<VaeEncoder> {
        VaeEncoder::from_tensors(config, &mut self.fetch())
    }

    /// A decoder on these very tensors.
    pub fn decoder(&self, config: &VaeConfig) -> Result<VaeDecoder> {
        VaeDecoder::from_tensors(config, &mut self.fetch())
    }

    /// These very tensors by name, as networks are built from.
    pub(crate) fn fetch(&self) -> impl FnMut(&str, &[i64]) -> Result<Tensor> + use<'_> {
        let by_name: HashMap<&str, &Tensor> = self.names.iter().map(String::as_str).zip(&self.tensors).collect();
        move |name, shape| {
            by_name.get(name).map(|tensor| tensor.shallow_clone()).ok_or_else(|| {
                Error::format(
                    format!("tensor {name}"),
                    format!("is missing, expected shape {shape:?}"),
                )
            })
        }
    }

    /// Number of weights.
    pub fn count(&self) -> usize {
        self.tensors.iter().map(Tensor::numel).sum()
    }

    /// Name and tensor of each, as the file writer takes them.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        self.names
            .iter()
            .cloned()
            .zip(self.tensors.iter().map(Tensor::shallow_clone))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::small_unet;

    #[test]
    fn the_default_network_has_the_expected_size_and_bounds() {
        let parameters =
            Parameters::random(&small_unet([32, 64, 96, 96]), &mut Generator::new(1, 0), Device::Cpu).unwrap();
        assert!(
            (4_500_000..5_500_000).contains(&parameters.count()),
            "{} weights",
            parameters.count()
        );
        let find = |name: &str| &parameters.tensors[parameters.names.iter().position(|n| n == name).unwrap()];
        let largest = find("conv_in.weight").abs().max().double_value(&[]);
        // 1 / sqrt(40 x 9): forty channels in, 3 x 3 taps.
        assert!(largest <= 0.0528 && largest > 0.05, "{largest}");
        assert_eq!(find("conv_norm_out.weight").min().double_value(&[]), 1.0);
        assert_eq!(find("conv_norm_out.bias").abs().max().double_value(&[]), 0.0);
    }
}
