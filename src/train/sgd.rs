//! Stochastic gradient descent with momentum, plain (Polyak 1964) and Nesterov's (Sutskever et al. 2013), as PyTorch
//! has it.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::clip::clipped;
use crate::runtime::Result;

/// Settings of [`Sgd`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SgdOptions {
    /// Full learning rate.
    #[schemars(range(min = 1e-9, max = 1))]
    pub rate: f64,
    /// Weight decay, added to the gradient: times the weight.
    #[schemars(range(min = 0, max = 10))]
    pub weight_decay: f64,
    /// Decay of the velocity.
    #[schemars(range(min = 0, max = 0.9999))]
    pub momentum: f64,
}

impl Default for SgdOptions {
    fn default() -> Self {
        Self {
            rate: 1e-2,
            weight_decay: 1e-4,
            momentum: 0.9,
        }
    }
}

impl SgdOptions {
    /// As nnU-Net and MemBrain-seg have it with Nesterov's momentum.
    pub fn nesterov() -> Self {
        Self {
            weight_decay: 3e-5,
            momentum: 0.99,
            ..Self::default()
        }
    }
}

/// The velocity of every parameter.
pub struct Sgd {
    options: SgdOptions,
    nesterov: bool,
    /// In the order of the parameters; zero before the first step, which equals PyTorch's "the first gradient".
    pub(super) velocity: Vec<Tensor>,
    /// Steps taken.
    pub(super) taken: u64,
}

impl Sgd {
    /// Parameters at rest; with `nesterov` the gradient is taken where the velocity leads.
    pub fn new(options: SgdOptions, nesterov: bool, parameters: &[Tensor]) -> Result<Self> {
        let at_rest = |p: &Tensor| Ok(p.f_detach()?.f_zeros_like()?);
        Ok(Self {
            options,
            nesterov,
            velocity: parameters.iter().map(at_rest).collect::<Result<_>>()?,
            taken: 0,
        })
    }

    /// One update in place, at `rate` times the full learning rate, after scaling the gradients to a global norm of at
    /// most `clip`: v = momentum v + g, p = p - rate v, or of Nesterov p = p - rate (g + momentum v); g holds the
    /// weight decay.
    ///
    /// Returns the norm before scaling. Gradients that are not finite change nothing. Call it with autograd off.
    pub fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor], rate: f64, clip: f64) -> Result<f64> {
        let (norm, scale) = clipped(gradients, clip)?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        self.taken += 1;
        let o = self.options;
        for ((parameter, gradient), velocity) in parameters.iter_mut().zip(gradients).zip(&mut self.velocity) {
            let gradient = gradient
                .f_mul_scalar(scale)?
                .f_add(&parameter.f_mul_scalar(o.weight_decay)?)?;
            let _ = velocity.f_mul_scalar_(o.momentum)?.f_add_(&gradient)?;
            let update = match self.nesterov {
                true => gradient.f_add(&velocity.f_mul_scalar(o.momentum)?)?,
                false => velocity.shallow_clone(),
            };
            let _ = parameter.f_sub_(&update.f_mul_scalar(rate * o.rate)?)?;
        }
        Ok(norm)
    }
}
