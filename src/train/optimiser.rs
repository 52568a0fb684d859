//! Which rule moves the weights, and what it keeps from step to step.
use tch::Tensor;

use super::{AdamW, Sgd, UpdateRule};
use crate::runtime::Result;

/// A rule with its state.
pub(crate) enum Optimiser {
    AdamW(AdamW),
    Sgd(Sgd),
}

impl Optimiser {
    /// The rule at rest.
    pub fn new(rule: UpdateRule, parameters: &[Tensor]) -> Result<Self> {
        Ok(match rule {
            UpdateRule::AdamW(options) => Self::AdamW(AdamW::new(options, parameters)?),
            UpdateRule::Sgd(options) => Self::Sgd(Sgd::new(options, false, parameters)?),
            UpdateRule::Nesterov(options) => Self::Sgd(Sgd::new(options, true, parameters)?),
        })
    }

    /// One update in place, at `rate` times the full learning rate, of gradients scaled to a global norm of at most
    /// `clip`; the norm before. Gradients that are not finite change nothing.
    pub fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor], rate: f64, clip: f64) -> Result<f64> {
        match self {
            Self::AdamW(rule) => rule.step(parameters, gradients, rate, clip),
            Self::Sgd(rule) => rule.step(parameters, gradients, rate, clip),
        }
    }

    /// Steps taken.
    pub fn taken(&self) -> u64 {
        match self {
            Self::AdamW(rule) => rule.update.taken,
            Self::Sgd(rule) => rule.taken,
        }
    }

    /// Name and tensors, in the parameters' order, of each part of the state.
    pub fn state(&self) -> Vec<(&'static str, &[Tensor])> {
        match self {
            Self::AdamW(rule) => vec![("first", &rule.update.first), ("second", &rule.update.second)],
            Self::Sgd(rule) => vec![("velocity", &rule.velocity)],
        }
    }

    /// Puts back what [`Optimiser::state`] and [`Optimiser::taken`] gave; `read(name)` gives the tensors.
    pub fn restore(&mut self, taken: u64, mut read: impl FnMut(&str) -> Result<Vec<Tensor>>) -> Result<()> {
        match self {
            Self::AdamW(rule) => {
                let update = &mut rule.update;
                (update.first, update.second, update.taken) = (read("first")?, read("second")?, taken);
            }
            Self::Sgd(rule) => (rule.velocity, rule.taken) = (read("velocity")?, taken),
        }
        Ok(())
    }
}
