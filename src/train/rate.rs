//! How the learning rate goes over a run, relative to the full one.
use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A curve of the learning rate. Steps are those of the optimiser; where a paper counts epochs, `every` is their length
/// in steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RateCurve {
    /// A linear warm-up, the full rate, and half a cosine down to 2 % at the end: this project's own.
    #[default]
    Cosine,
    /// `factor`^floor(step / every): PyTorch's StepLR.
    Step {
        /// Steps at one rate.
        every: u64,
        /// Factor between them.
        factor: f64,
    },
    /// (1 - e / E)^power with e = floor(step / every) and E = ceil(steps / every): nnU-Net's and MemBrain-seg's.
    Poly {
        /// The power; 0.9 in the papers.
        power: f64,
        /// Steps at one rate.
        every: u64,
    },
    /// Up along half a cosine from 1 / `start` over the share `warm_up` of the steps, and down along another to 1 /
    /// (`start` `end`): PyTorch's OneCycleLR without its cycle of the momentum.
    OneCycle {
        /// Share of the steps on the way up.
        warm_up: f64,
        /// Full rate over the first.
        start: f64,
        /// First rate over the last.
        end: f64,
        /// Steps at one rate.
        every: u64,
    },
    /// Times `factor` whenever the validation score has not become better for more than `patience` validations:
    /// PyTorch's ReduceLROnPlateau, of a score to be made large, with its relative threshold of 10^-4. Needs a
    /// validation.
    Plateau {
        /// The factor.
        factor: f64,
        /// Patience, in validations.
        patience: u64,
    },
}

impl RateCurve {
    /// Whether the curve follows validation scores.
    pub fn needs_validation(&self) -> bool {
        matches!(self, Self::Plateau { .. })
    }

    /// The rate of step `step` (0-based) of `steps`, relative to the full one; `cosine` is (steps of warm-up, share of
    /// cool-down) of the project's own curve. A plateau's is 1 here: [`Plateau`] has its factor.
    pub(super) fn at(&self, step: u64, steps: u64, cosine: (u64, f64)) -> f64 {
        let between = |from: f64, to: f64, share: f64| to + (from - to) * 0.5 * (1.0 + (PI * share).cos());
        match *self {
            Self::Cosine => {
                let (warm_up, cool_down) = cosine;
                let warm = (step + 1) as f64 / warm_up.max(1) as f64;
                let start = steps as f64 * (1.0 - cool_down);
                let cooled = ((step as f64 - start) / (steps as f64 - start).max(1.0)).clamp(0.0, 1.0);
                warm.min(1.0) * between(1.0, 0.02, cooled)
            }
            Self::Step { every, factor } => factor.powf((step / every.max(1)) as f64),
            Self::Poly { power, every } => {
                let epochs = steps.div_ceil(every.max(1)).max(1);
                let share = (step / every.max(1)) as f64 / epochs as f64;
                (1.0 - share).max(0.0).powf(power)
            }
            Self::OneCycle {
                warm_up,
                start,
                end,
                every,
            } => {
                let (step, steps) = (step / every.max(1), steps.div_ceil(every.max(1)));
                // As PyTorch counts: the first phase ends at step warm_up * steps - 1, the second at steps - 1.
                let (first, last) = (warm_up * steps as f64 - 1.0, steps as f64 - 1.0);
                let (low, lowest, step) = (start.recip(), (start * end).recip(), step as f64);
                if step <= first {
                    between(low, 1.0, step / first.max(1e-9))
                } else {
                    between(1.0, lowest, ((step - first) / (last - first).max(1e-9)).min(1.0))
                }
            }
            Self::Plateau { .. } => 1.0,
        }
    }
}

/// Where a run stands that follows [`RateCurve::Plateau`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plateau {
    /// Product of the factors so far.
    pub factor: f64,
    best: Option<f64>,
    bad: u64,
}

impl Default for Plateau {
    fn default() -> Self {
        Self {
            factor: 1.0,
            best: None,
            bad: 0,
        }
    }
}

impl Plateau {
    /// Counts a validation score.
    pub fn observe(&mut self, score: f64, curve: &RateCurve) {
        let RateCurve::Plateau { factor, patience } = *curve else {
            return;
        };
        if self.best.is_none_or(|best| score > best * (1.0 + 1e-4)) {
            (self.best, self.bad) = (Some(score), 0);
        } else {
            self.bad += 1;
        }
        if self.bad > patience {
            (self.factor, self.bad) = (self.factor * factor, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_COSINE: (u64, f64) = (0, 0.0);

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-12, "{actual} is not {expected}");
    }

    #[test]
    fn steps_and_powers_are_the_formulae() {
        let step = RateCurve::Step {
            every: 10_000,
            factor: 0.1,
        };
        for (at, share) in [(0, 1.0), (9_999, 1.0), (10_000, 0.1), (29_999, 0.01)] {
            close(step.at(at, 30_000, NO_COSINE), share);
        }
        let poly = RateCurve::Poly { power: 0.9, every: 4 };
        for (at, epoch) in [(0_u64, 0), (3, 0), (4, 1), (399, 99)] {
            close(poly.at(at, 400, NO_COSINE), (1.0 - f64::from(epoch) / 100.0).powf(0.9));
        }
    }

    #[test]
    fn one_cycle_goes_up_and_down() {
        let curve = RateCurve::OneCycle {
            warm_up: 0.1,
            start: 30.0,
            end: 100.0,
            every: 1,
        };
        let at = |step| curve.at(step, 100, NO_COSINE);
        close(at(0), 1.0 / 30.0);
        close(at(9), 1.0);
        close(at(99), 1.0 / 3000.0);
        // Half-way between 9 and 99 the cosine is half-way.
        close(at(54), 0.5 * (1.0 + 1.0 / 3000.0));
        assert!((1..10).all(|n| at(n) > at(n - 1)) && (10..100).all(|n| at(n) < at(n - 1)));
        // A run too short for a way up has none.
        assert!(curve.at(0, 5, NO_COSINE).is_finite() && curve.at(0, 1, NO_COSINE).is_finite());
        let by_epoch = RateCurve::OneCycle {
            warm_up: 0.1,
            start: 30.0,
            end: 100.0,
            every: 11,
        };
        for step in [0_u64, 10, 11, 100, 1099] {
            close(by_epoch.at(step, 1100, NO_COSINE), at(step / 11));
        }
    }

    /// tests/oracle/optimisers_golden.py, "plateau".
    #[test]
    fn a_plateau_is_met_as_by_pytorch() {
        let scores = [0.1, 0.2, 0.2, 0.20001, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1];
        let expected = [1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01];
        let curve = RateCurve::Plateau {
            factor: 0.1,
            patience: 2,
        };
        let mut plateau = Plateau::default();
        for (score, expected) in scores.into_iter().zip(expected) {
            close(plateau.factor, expected);
            plateau.observe(score, &curve);
        }
    }
}
