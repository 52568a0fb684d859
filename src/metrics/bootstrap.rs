//! Confidence intervals by resampling whole tomograms.
use crate::image::percentiles_f64;
use crate::runtime::Generator;

/// Resamples of a set and the share of them that an interval holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Number of resamples.
    pub resamples: usize,
    /// Share of the resamples between both ends, 0..1.
    pub confidence: f64,
    /// Seed of the draws: equal seeds draw equal tomograms for every figure and every method, so that methods are
    /// compared on the same resamples.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 2000,
            confidence: 0.95,
            seed: 1,
        }
    }
}

impl Bootstrap {
    /// Both ends of the percentile interval (Efron and Tibshirani 1993, section 13.3) of `statistic`, which gets the
    /// numbers of the `count` members drawn with replacement. Resamples whose statistic is not defined are left out.
    ///
    /// None for fewer than two members, which say nothing of the spread, and where no resample has a statistic.
    pub fn interval(&self, count: usize, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<[f64; 2]> {
        if count < 2 {
            return None;
        }
        let mut generator = Generator::new(self.seed, 0);
        let mut drawn = vec![0; count];
        let mut values = Vec::with_capacity(self.resamples);
        for _ in 0..self.resamples {
            drawn.fill_with(|| generator.integer(0, count as i64 - 1) as usize);
            values.extend(statistic(&drawn));
        }
        let outside = 50.0 * (1.0 - self.confidence);
        let ends = percentiles_f64(values, &[outside, 100.0 - outside])?;
        Some([*ends.first()?, *ends.last()?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> impl Fn(&[usize]) -> Option<f64> + '_ {
        |drawn| Some(drawn.iter().map(|n| values[*n]).sum::<f64>() / drawn.len() as f64)
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_the_theory() {
        // A resampled mean of n values has their standard deviation over the root of n, and is nearly normal.
        let values: Vec<f64> = (0..200).map(|n| f64::from(n % 20)).collect();
        let centre = 9.5;
        let spread = (values.iter().map(|v| (v - centre) * (v - centre)).sum::<f64>() / 200.0 / 200.0).sqrt();
        let [low, high] = Bootstrap::default().interval(200, mean(&values)).unwrap();
        // 2000 draws settle a 2.5th percentile to about 0.06 standard deviations; four times that.
        for (end, expected) in [(low, -1.96), (high, 1.96)] {
            assert!(((end - centre) / spread - expected).abs() < 0.25, "{low} {high}");
        }
    }

    #[test]
    fn two_members_span_their_values_and_one_has_no_interval() {
        // Of two values, a quarter of the resamples holds each one alone.
        let values = [0.25, 0.75];
        assert_eq!(Bootstrap::default().interval(2, mean(&values)), Some([0.25, 0.75]));
        assert_eq!(Bootstrap::default().interval(1, mean(&values)), None);
        assert_eq!(Bootstrap::default().interval(2, |_| None), None);
    }

    #[test]
    fn equal_seeds_give_equal_intervals() {
        let values: Vec<f64> = (0..9).map(|n| f64::from(n * n)).collect();
        let interval = |seed| {
            Bootstrap {
                seed,
                ..Bootstrap::default()
            }
            .interval(9, mean(&values))
        };
        assert_eq!(interval(3), interval(3));
        assert_ne!(interval(3), interval(4));
    }
}
