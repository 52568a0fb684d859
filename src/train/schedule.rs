//! How long a run is and how its weights move.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdamWOptions, RateCurve, SgdOptions};

/// Which rule moves the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UpdateRule {
    /// Adam with decoupled weight decay.
    AdamW(AdamWOptions),
    /// Gradient descent with momentum.
    Sgd(SgdOptions),
    /// The same with Nesterov's momentum.
    Nesterov(SgdOptions),
}

/// What the loop is told of the weights' movement; settings become one at their door.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingSchedule {
    /// Steps of the whole schedule.
    pub steps: u64,
    /// The optimiser, at its full learning rate.
    pub rule: UpdateRule,
    /// How the learning rate goes.
    pub curve: RateCurve,
    /// Steps of linear warm-up of [`RateCurve::Cosine`].
    pub warm_up: u64,
    /// Share of the steps, at the end, in which the learning rate of [`RateCurve::Cosine`] falls along a half cosine to
    /// 2 %.
    pub cool_down: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Decay of the weights' moving average, which is what ships; min(decay, (1 + n) / (10 + n)) after n steps.
    pub ema_decay: f64,
    /// A loss of more than so many times the mean of the last 25 before it moves nothing, and ten of them in a row end
    /// the run; 0: every loss counts.
    pub spike: f64,
}

impl Default for TrainingSchedule {
    fn default() -> Self {
        CosineSchedule::default().into()
    }
}

impl TrainingSchedule {
    /// Learning rate of step `step` (0-based) relative to the full one; of a plateau before any is met.
    pub fn rate(&self, step: u64) -> f64 {
        self.curve.at(step, self.steps, (self.warm_up, self.cool_down))
    }
}

/// Settings of a run with AdamW and this project's own curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CosineSchedule {
    /// Steps of the whole schedule.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub steps: u64,
    /// The optimiser, at its full learning rate.
    pub adamw: AdamWOptions,
    /// Steps of linear warm-up.
    pub warm_up: u64,
    /// Share of the steps, at the end, in which the learning rate falls along a half cosine to 2 %.
    #[schemars(range(min = 0, max = 1))]
    pub cool_down: f64,
    /// Largest global norm of the gradient.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub clip: f64,
    /// Decay of the weights' moving average, which is what ships; min(decay, (1 + n) / (10 + n)) after n steps.
    #[schemars(range(min = 0, max = 1))]
    pub ema_decay: f64,
}

impl Default for CosineSchedule {
    fn default() -> Self {
        Self {
            steps: 2000,
            adamw: AdamWOptions::default(),
            warm_up: 60,
            cool_down: 0.3,
            clip: 1.0,
            ema_decay: 0.998,
        }
    }
}

impl From<CosineSchedule> for TrainingSchedule {
    fn from(settings: CosineSchedule) -> Self {
        Self {
            steps: settings.steps,
            rule: UpdateRule::AdamW(settings.adamw),
            curve: RateCurve::Cosine,
            warm_up: settings.warm_up,
            cool_down: settings.cool_down,
            clip: settings.clip,
            ema_decay: settings.ema_decay,
            spike: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_warms_up_and_cools_down() {
        let schedule = TrainingSchedule {
            steps: 1000,
            warm_up: 10,
            cool_down: 0.2,
            ..TrainingSchedule::default()
        };
        assert!((schedule.rate(0) - 0.1).abs() < 1e-12);
        assert_eq!(schedule.rate(500), 1.0);
        assert!((schedule.rate(900) - 0.51).abs() < 1e-9);
        assert!(schedule.rate(999) < 0.03);
    }
}
