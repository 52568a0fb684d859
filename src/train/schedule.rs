//! How long a run is and how its weights move.
use serde::{Deserialize, Serialize};

use super::{AdamWOptions, RateCurve, SgdOptions};
use crate::runtime::Result;

/// How long a run is and how its weights move.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSchedule {
    /// Steps of the whole schedule, 1..=10^7.
    pub steps: u64,
    /// The optimiser, at its full learning rate, unless there is an `sgd`.
    pub adamw: AdamWOptions,
    /// Gradient descent with momentum in AdamW's place.
    pub sgd: Option<SgdOptions>,
    /// How the learning rate goes.
    pub curve: RateCurve,
    /// Steps of linear warm-up of [`RateCurve::Cosine`].
    pub warm_up: u64,
    /// Share of the steps, at the end, in which the learning rate of [`RateCurve::Cosine`] falls along a half cosine to 2 %.
    pub cool_down: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Decay of the weights' moving average, which is what ships; min(decay, (1 + n) / (10 + n)) after n steps.
    pub ema_decay: f64,
    /// A loss of more than so many times the mean of the last 25 before it moves nothing, and ten of them in a row end the run,
    /// 2..=10^6; 0: every loss counts.
    #[serde(skip_serializing_if = "is_zero")]
    pub spike: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Default for TrainingSchedule {
    fn default() -> Self {
        Self {
            steps: 2000,
            adamw: AdamWOptions::default(),
            sgd: None,
            curve: RateCurve::Cosine,
            warm_up: 60,
            cool_down: 0.3,
            clip: 1.0,
            ema_decay: 0.998,
            spike: 0.0,
        }
    }
}

impl TrainingSchedule {
    /// Refuses settings out of their documented ranges, by name.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("steps", self.steps as f64, 1.0, 1e7),
            ("cool_down", self.cool_down, 0.0, 1.0),
            ("clip", self.clip, 1e-6, 1e6),
            ("ema_decay", self.ema_decay, 0.0, 1.0),
        ];
        super::ranges::check_ranges(&ranges)?;
        if self.spike != 0.0 {
            super::ranges::check_ranges(&[("spike", self.spike, 2.0, 1e6)])?;
        }
        self.curve.validate()?;
        match &self.sgd {
            Some(sgd) => sgd.validate(),
            None => self.adamw.validate(),
        }
    }

    /// The optimiser's full learning rate.
    pub fn full_rate(&self) -> f64 {
        self.sgd.map_or(self.adamw.rate, |sgd| sgd.rate)
    }

    /// Sets the optimiser's full learning rate.
    pub fn set_full_rate(&mut self, rate: f64) {
        match &mut self.sgd {
            Some(sgd) => sgd.rate = rate,
            None => self.adamw.rate = rate,
        }
    }

    /// Learning rate of step `step` (0-based) relative to the full one; of a plateau before any is met.
    pub fn rate(&self, step: u64) -> f64 {
        self.curve.at(step, self.steps, (self.warm_up, self.cool_down))
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
