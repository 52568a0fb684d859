//! Optimiser and schedule of a training, in the settings: words, and the numbers of each.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::train::RateCurve;

/// An optimiser by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserName {
    /// Adam with decoupled weight decay.
    #[default]
    Adamw,
    /// Gradient descent with momentum.
    Sgd,
    /// Gradient descent with Nesterov's momentum.
    Nesterov,
}

/// A schedule of the learning rate by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleName {
    /// A linear warm-up, the full rate, and half a cosine down to 2 % at the end.
    #[default]
    Cosine,
    /// A factor after every so many steps.
    Step,
    /// (1 - step / steps)^power.
    Poly,
    /// Up along half a cosine, and down along another.
    OneCycle,
    /// A factor whenever the validation score has stopped to improve.
    Plateau,
}

/// Numbers of the schedules; each is used by the schedule that its name begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CurveOptions {
    /// Steps at one rate; null: a third of all.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub step_every: Option<u64>,
    /// Factor between them.
    #[schemars(range(min = 0, max = 1))]
    pub step_factor: f64,
    /// The power; 0.9 in the papers.
    #[schemars(range(min = 0, max = 10))]
    pub poly_power: f64,
    /// Steps at one rate: an epoch of the papers.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub poly_every: u64,
    /// Share of the steps on the way up.
    #[schemars(range(min = 0, max = 0.9))]
    pub one_cycle_warm_up: f64,
    /// Full rate over the first.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub one_cycle_start: f64,
    /// First rate over the last.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub one_cycle_end: f64,
    /// Steps at one rate; where epochs are asked for, an epoch.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub one_cycle_every: u64,
    /// Factor of the rate at a plateau.
    #[schemars(range(min = 0.001, max = 0.999))]
    pub plateau_factor: f64,
    /// Patience, in validations.
    #[schemars(range(max = 1_000_000))]
    pub plateau_patience: u64,
}

impl Default for CurveOptions {
    fn default() -> Self {
        Self {
            step_every: None,
            step_factor: 0.1,
            poly_power: 0.9,
            poly_every: 1,
            one_cycle_warm_up: 0.1,
            one_cycle_start: 30.0,
            one_cycle_end: 100.0,
            one_cycle_every: 1,
            plateau_factor: 0.1,
            plateau_patience: 10,
        }
    }
}

impl CurveOptions {
    /// The curve of `schedule` over `steps`.
    pub(super) fn of(&self, schedule: ScheduleName, steps: u64) -> RateCurve {
        match schedule {
            ScheduleName::Cosine => RateCurve::Cosine,
            ScheduleName::Step => RateCurve::Step {
                every: self.step_every.unwrap_or(steps.div_ceil(3)),
                factor: self.step_factor,
            },
            ScheduleName::Poly => RateCurve::Poly {
                power: self.poly_power,
                every: self.poly_every,
            },
            ScheduleName::OneCycle => RateCurve::OneCycle {
                warm_up: self.one_cycle_warm_up,
                start: self.one_cycle_start,
                end: self.one_cycle_end,
                every: self.one_cycle_every,
            },
            ScheduleName::Plateau => RateCurve::Plateau {
                factor: self.plateau_factor,
                patience: self.plateau_patience,
            },
        }
    }
}
