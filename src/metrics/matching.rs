//! Predicted positions against true ones, one to one.
//!
//! The convention (slab-pipeline, section 13, numbers 1 and 2): predictions in the order of their score, equal scores
//! in the order given; each takes the best truth that is still free and fits by the rule, the first of equally good
//! ones. A prediction that fits only taken truths is *redundant*. DeePiCt counts redundant ones neither right nor
//! wrong; here they are wrong unless asked for, since a user who extracts them gets the same particle twice.

/// When a prediction fits a truth. Lengths are in the unit of the positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MatchRule {
    /// Centres at most this far apart; the nearest is best.
    Distance(f64),
    /// Cubes of side `side` around both centres overlap by at least `iou` (0..=1) of their union; the largest is
    /// best. The slab paper's rule is 0.3.
    Box {
        /// Side of the cubes.
        side: f64,
        /// Least intersection over union.
        iou: f64,
    },
}

impl MatchRule {
    /// How badly two centres fit, 0 is perfect; `None` where they do not.
    fn misfit(self, a: [f64; 3], b: [f64; 3]) -> Option<f64> {
        match self {
            Self::Distance(radius) => {
                let distance = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
                (distance <= radius).then_some(distance)
            }
            Self::Box { side, iou } => {
                let shared: f64 = a.iter().zip(b).map(|(a, b)| (side - (a - b).abs()).max(0.0)).product();
                let overlap = shared / (2.0 * side.powi(3) - shared);
                (overlap >= iou && shared > 0.0).then_some(1.0 - overlap)
            }
        }
    }
}

/// Which prediction found which truth.
#[derive(Clone, Debug, PartialEq)]
pub struct PointMatch {
    /// Per prediction, in the order given: the truth it found.
    pub truth_of: Vec<Option<usize>>,
    /// Per prediction: it fits truths that better predictions have taken, and no free one.
    pub redundant: Vec<bool>,
    /// Number of truths.
    pub truths: usize,
}

impl PointMatch {
    /// Matches `predictions` with their `scores` (missing ones count 0) to `truths`.
    pub fn new(predictions: &[[f64; 3]], scores: &[f64], truths: &[[f64; 3]], rule: MatchRule) -> Self {
        let mut free = vec![true; truths.len()];
        let mut truth_of = vec![None; predictions.len()];
        let mut redundant = vec![false; predictions.len()];
        for n in by_score(predictions.len(), scores) {
            let mut best: Option<(usize, f64)> = None;
            let mut fits_taken = false;
            for (k, truth) in truths.iter().enumerate() {
                let Some(misfit) = rule.misfit(predictions[n], *truth) else {
                    continue;
                };
                if !free[k] {
                    fits_taken = true;
                } else if best.is_none_or(|(_, least)| misfit < least) {
                    best = Some((k, misfit));
                }
            }
            if let Some((k, _)) = best {
                free[k] = false;
                truth_of[n] = Some(k);
            } else {
                redundant[n] = fits_taken;
            }
        }
        Self {
            truth_of,
            redundant,
            truths: truths.len(),
        }
    }

    /// Counts; with `forgive_redundant` as DeePiCt does, redundant predictions are not counted at all.
    pub fn detection(&self, forgive_redundant: bool) -> Detection {
        let hits = self.truth_of.iter().flatten().count();
        let redundant = self.redundant.iter().filter(|r| **r).count();
        let forgiven = if forgive_redundant { redundant } else { 0 };
        Detection {
            found: hits,
            wrong: self.truth_of.len() - hits - forgiven,
            missed: self.truths - hits,
        }
    }
}

/// Right, wrong and missed predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Truths that were found.
    pub found: usize,
    /// Predictions that found nothing.
    pub wrong: usize,
    /// Truths that were not found.
    pub missed: usize,
}

impl Detection {
    /// Share of the predictions that are right; 1 where nothing was predicted.
    pub fn precision(&self) -> f64 {
        share(self.found, self.found + self.wrong)
    }

    /// Share of the truths that were found; 1 where there was nothing to find.
    pub fn recall(&self) -> f64 {
        share(self.found, self.found + self.missed)
    }

    /// Harmonic mean of both, 2 found / (2 found + wrong + missed); 1 where there is nothing on either side.
    pub fn f1(&self) -> f64 {
        share(2 * self.found, 2 * self.found + self.wrong + self.missed)
    }
}

impl std::ops::Add for Detection {
    type Output = Self;

    /// The counts of both.
    fn add(self, other: Self) -> Self {
        Self {
            found: self.found + other.found,
            wrong: self.wrong + other.wrong,
            missed: self.missed + other.missed,
        }
    }
}

/// The numbers 0 to `count` - 1, best score first, equal scores in the order given; missing scores count 0.
pub(super) fn by_score(count: usize, scores: &[f64]) -> Vec<usize> {
    let score = |n: usize| scores.get(n).copied().unwrap_or(0.0);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
    order
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}
