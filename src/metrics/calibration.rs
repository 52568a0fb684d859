//! Whether a score can be read as a probability.
use crate::{Error, Result};

/// A reliability table: scores in bins of equal width, and in each bin the share of positives beside the mean score.
///
/// Guo et al. 2017, *On calibration of modern neural networks*, section 2, for the positive class of a two-class
/// problem: bin m of M holds the scores in ((m - 1) / M, m / M], the first one 0 as well. Values come in portions: a
/// whole data set need not be in memory.
///
/// A constant score at the share of positives is perfectly calibrated and says nothing: read this beside an AUC.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    bins: Vec<CalibrationBin>,
}

/// One bin of a [`Calibration`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationBin {
    /// Scores above this (the first bin: from here on) ...
    pub low: f64,
    /// ... and up to this.
    pub high: f64,
    /// Number of scores in the bin.
    pub count: u64,
    /// Number of those that are positive.
    pub positives: u64,
    /// Their sum.
    score_sum: f64,
}

impl CalibrationBin {
    /// Mean score, 0..=1; `None` where the bin is empty.
    pub fn mean_score(&self) -> Option<f64> {
        (self.count > 0).then(|| self.score_sum / self.count as f64)
    }

    /// Share of positives, 0..=1; `None` where the bin is empty.
    pub fn share_positive(&self) -> Option<f64> {
        (self.count > 0).then(|| self.positives as f64 / self.count as f64)
    }

    /// Distance of the mean score from the share of positives, 0..=1; 0 where the bin is empty.
    fn gap(&self) -> f64 {
        match (self.mean_score(), self.share_positive()) {
            (Some(score), Some(share)) => (score - share).abs(),
            _ => 0.0,
        }
    }
}

impl Calibration {
    /// An empty table of `bins` bins; the paper takes 15.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where there is no bin.
    pub fn new(bins: usize) -> Result<Self> {
        if bins == 0 {
            return Err(Error::argument("bins", bins, "must be 1 or more"));
        }
        let bin = |n: usize| CalibrationBin {
            low: n as f64 / bins as f64,
            high: (n + 1) as f64 / bins as f64,
            count: 0,
            positives: 0,
            score_sum: 0.0,
        };
        Ok(Self {
            bins: (0..bins).map(bin).collect(),
        })
    }

    /// Counts `scores`, 0..=1 each; `positive` says which of them belong to the class.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the lengths differ or a score is NaN or outside 0..=1; nothing is counted then.
    pub fn add(&mut self, scores: &[f32], positive: &[bool]) -> Result<()> {
        if scores.len() != positive.len() {
            let allowed = format!("must be the number of scores, {}", scores.len());
            return Err(Error::argument("positive.len()", positive.len(), &allowed));
        }
        if let Some(score) = scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
            return Err(Error::argument("scores", score, "must be 0..=1 each"));
        }
        let bins = self.bins.len();
        for (&score, &positive) in scores.iter().zip(positive) {
            let score = f64::from(score);
            let number = ((score * bins as f64).ceil() as usize).clamp(1, bins) - 1;
            let bin = &mut self.bins[number];
            bin.count += 1;
            bin.positives += u64::from(positive);
            bin.score_sum += score;
        }
        Ok(())
    }

    /// The bins, lowest scores first.
    pub fn bins(&self) -> &[CalibrationBin] {
        &self.bins
    }

    /// Number of scores.
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|bin| bin.count).sum()
    }

    /// Expected calibration error, 0..=1: the bins' gaps between mean score and share of positives, weighted by their
    /// counts (equation 3 of the paper); `None` where nothing was counted.
    pub fn expected_error(&self) -> Option<f64> {
        let count = self.count();
        let weighted: f64 = self.bins.iter().map(|bin| bin.count as f64 * bin.gap()).sum();
        (count > 0).then(|| weighted / count as f64)
    }

    /// Maximum calibration error, 0..=1: the largest gap (equation 5 of the paper); `None` where nothing was counted.
    pub fn maximum_error(&self) -> Option<f64> {
        let largest = self.bins.iter().map(CalibrationBin::gap).fold(0.0, f64::max);
        (self.count() > 0).then_some(largest)
    }
}
