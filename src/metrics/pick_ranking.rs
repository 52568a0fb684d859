//! How well the scores of picks rank them: precision and recall of the best picks, whatever their number.
use super::matching::by_score;
use super::{Detection, MatchRule, PointMatch};

/// Picks in the order of their score, each right or wrong.
///
/// Picks are matched in that order ([`PointMatch`]), so that the best N of them are right or wrong whatever follows:
/// one matching gives the figures of every N. Redundant picks are wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct PickRanking {
    /// Scores, best first.
    scores: Vec<f64>,
    /// Which picks are right, in the same order.
    right: Vec<bool>,
    truths: usize,
}

/// A point of the precision-recall curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Picks of at least this score are taken.
    pub score: f64,
    /// Their number.
    pub picks: usize,
    /// Share of them that are right, 0..=1.
    pub precision: f64,
    /// Share of the truths that they find, 0..=1.
    pub recall: f64,
}

impl PickRanking {
    /// Matches `predictions` with their `scores` (missing ones count 0) to `truths`. Positions are (z, y, x) in the
    /// unit of the rule.
    pub fn new(predictions: &[[f64; 3]], scores: &[f64], truths: &[[f64; 3]], rule: MatchRule) -> Self {
        Self::of(&PointMatch::new(predictions, scores, truths, rule), scores)
    }

    /// The ranking behind a matching that was made with these `scores`.
    pub fn of(matched: &PointMatch, scores: &[f64]) -> Self {
        let order = by_score(matched.truth_of.len(), scores);
        Self {
            scores: order.iter().map(|&n| scores.get(n).copied().unwrap_or(0.0)).collect(),
            right: order.iter().map(|&n| matched.truth_of[n].is_some()).collect(),
            truths: matched.truths,
        }
    }

    /// Number of picks.
    pub fn picks(&self) -> usize {
        self.right.len()
    }

    /// The ranking of the `picks` best alone.
    pub fn first(&self, picks: usize) -> Self {
        let picks = picks.min(self.right.len());
        Self {
            scores: self.scores[..picks].to_vec(),
            right: self.right[..picks].to_vec(),
            truths: self.truths,
        }
    }

    /// Counts of the `picks` best picks, of all where there are fewer. Equal scores stand in the order given.
    pub fn at(&self, picks: usize) -> Detection {
        let taken = &self.right[..picks.min(self.right.len())];
        let hits = taken.iter().filter(|right| **right).count();
        Detection {
            found: hits,
            wrong: taken.len() - hits,
            missed: self.truths - hits,
        }
    }

    /// Precision and recall at every score, best first; picks of equal score come in together.
    pub fn curve(&self) -> Vec<CurvePoint> {
        let (mut picks, mut hits) = (0, 0);
        let mut curve = Vec::new();
        for tie in self.scores.chunk_by(|a, b| a == b) {
            let right = &self.right[picks..picks + tie.len()];
            picks += tie.len();
            hits += right.iter().filter(|right| **right).count();
            let detection = Detection {
                found: hits,
                wrong: picks - hits,
                missed: self.truths - hits,
            };
            curve.push(CurvePoint {
                score: tie[0],
                picks,
                precision: detection.precision(),
                recall: detection.recall(),
            });
        }
        curve
    }

    /// Area under the precision-recall curve as a sum of steps, `sum over k of (R_k - R_(k-1)) P_k` (scikit-learn's
    /// `average_precision_score`; its recall stops at 1, ours where the picks end, so that truths which no pick finds
    /// count). 0..=1; `None` where there are no truths.
    pub fn average_precision(&self) -> Option<f64> {
        let mut before = 0.0;
        let mut area = 0.0;
        for point in self.curve() {
            area += (point.recall - before) * point.precision;
            before = point.recall;
        }
        (self.truths > 0).then_some(area)
    }
}
