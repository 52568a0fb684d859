//! Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::clip::clipped;
use crate::runtime::Result;
use crate::tensors::{AdamForm, AdamRule, AdamStep, AdamUpdate};

/// Settings of [`AdamW`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWOptions {
    /// Full learning rate.
    #[schemars(range(min = 1e-9, max = 1))]
    pub rate: f64,
    /// Decoupled weight decay, per unit of learning rate.
    #[schemars(range(min = 0, max = 10))]
    pub weight_decay: f64,
    /// Decay of the first moment.
    #[schemars(range(min = 0, max = 0.9999))]
    pub beta1: f64,
    /// Decay of the second moment.
    #[schemars(range(min = 0, max = 0.999_999))]
    pub beta2: f64,
    /// Added to the root of the second moment.
    #[schemars(range(min = 1e-16, max = 1))]
    pub epsilon: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self {
            rate: 6e-4,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        }
    }
}

impl AdamWOptions {
    fn rule(&self) -> AdamRule {
        AdamRule {
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            form: AdamForm::Interpolated,
        }
    }
}

/// Moments of every parameter, and the options of their update.
pub struct AdamW {
    options: AdamWOptions,
    /// Moments and steps taken.
    pub(super) update: AdamUpdate,
}

impl AdamW {
    /// Zero moments for `parameters`.
    pub fn new(options: AdamWOptions, parameters: &[Tensor]) -> Result<Self> {
        let update = AdamUpdate::new(options.rule(), parameters)?;
        Ok(Self { options, update })
    }

    /// One update in place, at `rate` times the full learning rate, after scaling the gradients to a global norm of at
    /// most `clip`.
    ///
    /// Returns the norm before scaling. Gradients that are not finite change nothing. Call it with autograd off.
    pub fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor], rate: f64, clip: f64) -> Result<f64> {
        let (norm, scale) = clipped(gradients, clip)?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        let rate = rate * self.options.rate;
        let decay = rate * self.options.weight_decay;
        self.update
            .step(parameters, gradients, AdamStep { rate, decay, scale })?;
        Ok(norm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_match_the_formula_by_hand() {
        let options = AdamWOptions {
            rate: 0.1,
            weight_decay: 0.5,
            ..AdamWOptions::default()
        };
        let mut parameters = vec![Tensor::from_slice(&[2.0f32])];
        let mut adam = AdamW::new(options, &parameters).unwrap();
        let (mut p, mut m, mut v) = (2.0f64, 0.0f64, 0.0f64);
        for (n, g) in [(1, 0.3f64), (2, -0.1)] {
            adam.step(&mut parameters, &[Tensor::from_slice(&[g as f32])], 1.0, 10.0)
                .unwrap();
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            let (mh, vh) = (m / (1.0 - 0.9f64.powi(n)), v / (1.0 - 0.999f64.powi(n)));
            p = p * (1.0 - 0.1 * 0.5) - 0.1 * mh / (vh.sqrt() + 1e-8);
        }
        assert!(
            (parameters[0].double_value(&[0]) - p).abs() < 1e-5,
            "{} is not {p}",
            parameters[0].double_value(&[0])
        );
    }

    #[test]
    fn gradients_are_clipped_together_and_bad_ones_dropped() {
        let mut parameters = vec![Tensor::from_slice(&[0.0f32]), Tensor::from_slice(&[0.0f32])];
        let mut adam = AdamW::new(AdamWOptions::default(), &parameters).unwrap();
        let gradients = [Tensor::from_slice(&[3.0f32]), Tensor::from_slice(&[4.0f32])];
        assert!((adam.step(&mut parameters, &gradients, 1.0, 1.0).unwrap() - 5.0).abs() < 1e-6);
        assert!((adam.update.first[1].double_value(&[0]) - 0.08).abs() < 1e-6);
        let before = parameters[0].double_value(&[0]);
        let broken = [Tensor::from_slice(&[f32::NAN]), Tensor::from_slice(&[1.0f32])];
        assert!(adam.step(&mut parameters, &broken, 1.0, 1.0).unwrap().is_nan());
        assert_eq!(parameters[0].double_value(&[0]), before);
    }
}
