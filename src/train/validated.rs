//! Validation scores of a run, its best weights, and when it has stopped to become better.
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Parameters;
use crate::runtime::Result;

/// The score of one validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreRecord {
    /// Steps done, those of earlier rounds included.
    pub step: u64,
    /// Mean Dice of the outputs, 0..=1.
    pub score: f64,
}

/// Weights and running statistics as they were at some step.
pub(crate) struct Snapshot {
    pub weights: Parameters,
    pub statistics: Parameters,
}

impl Snapshot {
    /// A copy that shares nothing with the run.
    pub fn of(weights: &Parameters, statistics: &Parameters) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        Ok(Self {
            weights: weights.duplicate()?,
            statistics: statistics.duplicate()?,
        })
    }

    /// The tensor `name`; none where there is no such.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        let of = |part: &'_ Parameters| part.names.iter().position(|known| known == name);
        match of(&self.weights) {
            Some(index) => self.weights.tensors.get(index),
            None => of(&self.statistics).and_then(|index| self.statistics.tensors.get(index)),
        }
    }
}

/// What validations have found so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Validated {
    /// All of them.
    pub history: Vec<ScoreRecord>,
    /// The first of the best.
    pub best: Option<ScoreRecord>,
    /// Validations since the score was last better, in this round.
    pub stale: u64,
    /// Whether there were too many of them.
    pub stopped: bool,
}

impl Validated {
    /// Takes notice of a score; whether it is the best so far. After more than `patience` (0: any number) without a
    /// better one the run is stopped.
    pub fn observe(&mut self, record: ScoreRecord, patience: u64) -> bool {
        self.history.push(record);
        let better = self.best.is_none_or(|best| record.score > best.score);
        if better {
            (self.best, self.stale) = (Some(record), 0);
        } else {
            self.stale += 1;
        }
        self.stopped = patience > 0 && self.stale >= patience;
        better
    }

    /// Whether the run was scored at `step`.
    pub fn has(&self, step: u64) -> bool {
        self.history.last().is_some_and(|record| record.step == step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stops_after_its_patience() {
        let mut validated = Validated::default();
        let scores = [0.2, 0.5, 0.5, 0.4, 0.6, 0.5, 0.5, 0.6];
        let better: Vec<bool> = (1..)
            .zip(scores)
            .map(|(step, score)| validated.observe(ScoreRecord { step, score }, 3))
            .collect();
        assert_eq!(better, [true, true, false, false, true, false, false, false]);
        assert!(validated.stopped && validated.has(8) && !validated.has(7));
        assert_eq!(validated.best, Some(ScoreRecord { step: 5, score: 0.6 }));
        let mut patient = Validated::default();
        for step in 0..100 {
            patient.observe(ScoreRecord { step, score: 0.0 }, 0);
        }
        assert!(!patient.stopped);
    }
}
