//! The threshold on likelihoods that needs no truth.

/// Likelihoods are counted in so many bins.
const BINS: usize = 1024;

/// Likelihoods, counted; in any order, and in parts.
#[derive(Clone, Debug, PartialEq)]
pub struct LikelihoodCounts {
    count: Vec<u64>,
    sum: Vec<f64>,
}

impl Default for LikelihoodCounts {
    fn default() -> Self {
        Self {
            count: vec![0; BINS],
            sum: vec![0.0; BINS],
        }
    }
}

impl LikelihoodCounts {
    /// Counts one likelihood, 0..=1; others count as the nearer end.
    pub fn add(&mut self, likelihood: f32) {
        let p = likelihood.clamp(0.0, 1.0);
        let bin = ((p * BINS as f32) as usize).min(BINS - 1);
        self.count[bin] += 1;
        self.sum[bin] += f64::from(p);
    }

    /// The threshold whose mask, everything above it, has the largest expected Dice coefficient, 2 sum(p above) /
    /// (count above + sum p).
    ///
    /// With calibrated likelihoods this is the best mask that can be drawn without the truth; it lies at half the Dice
    /// it reaches (Lipton, Elkan and Naryanaswamy 2014, for F1). 1 where nothing is likely at all.
    pub fn expected_dice_threshold(&self) -> f32 {
        let total: f64 = self.sum.iter().sum();
        let (mut above, mut inside) = (0u64, 0f64);
        let (mut best, mut threshold) = (0f64, 1f32);
        for bin in (1..BINS).rev() {
            above += self.count[bin];
            inside += self.sum[bin];
            let dice = 2.0 * inside / (above as f64 + total).max(1e-12);
            if dice > best {
                (best, threshold) = (dice, bin as f32 / BINS as f32 - f32::EPSILON);
            }
        }
        threshold
    }
}

/// [`LikelihoodCounts::expected_dice_threshold`] of all of `likelihood`.
pub fn expected_dice_threshold(likelihood: impl Iterator<Item = f32>) -> f32 {
    let mut counts = LikelihoodCounts::default();
    likelihood.for_each(|p| counts.add(p));
    counts.expected_dice_threshold()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_maximises_the_expected_dice() {
        // 10 voxels of 0.9, 10 of 0.4, 100 of 0.05: all above 0.4 give 26 / 38, above 0.9 alone 18 / 28, all of them 36
        // / 138.
        let values = || [(0.9f32, 10), (0.4, 10), (0.05, 100)].into_iter();
        let list = values().flat_map(|(value, count)| std::iter::repeat_n(value, count));
        let threshold = expected_dice_threshold(list);
        assert!((0.06..0.4).contains(&threshold), "{threshold}");
        assert!(expected_dice_threshold(std::iter::repeat_n(0.0, 9)) > 0.99);
    }
}
