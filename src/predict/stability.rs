//! How much answers that were drawn from different noises differ.
use ndarray::Array2;
use serde::Serialize;

use crate::image::{psnr, ssim};

/// Largest peak signal-to-noise ratio that is counted, in decibels: answers that are the same have an infinite one.
const MOST_DECIBELS: f64 = 100.0;

/// Means over all pairs of answers, as SDSeg's paper measures its stability; the nearer to 1, 100 and 1 the less the
/// noise matters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stability {
    /// Dice of the masks at one half, 0..=1; 1 where both are empty.
    pub dice: f64,
    /// Peak signal-to-noise ratio of the probabilities in decibels, at most 100.
    pub psnr: f64,
    /// Structural similarity of the probabilities, -1..=1.
    pub ssim: f64,
}

/// Dice of two masks of one extent, 0..=1; 1 where both are empty.
pub fn mask_dice(a: impl IntoIterator<Item = bool>, b: impl IntoIterator<Item = bool>) -> f64 {
    let (mut both, mut sum) = (0u64, 0u64);
    for (a, b) in a.into_iter().zip(b) {
        both += u64::from(a && b);
        sum += u64::from(a) + u64::from(b);
    }
    if sum == 0 {
        return 1.0;
    }
    2.0 * both as f64 / sum as f64
}

/// The stability of several answers, probabilities of one picture; none where there are fewer than two.
pub fn stability(answers: &[Array2<f32>]) -> Option<Stability> {
    let (mut sum, mut pairs) = ([0.0; 3], 0.0);
    for (index, a) in answers.iter().enumerate() {
        for b in &answers[..index] {
            let above = |map: &Array2<f32>| map.iter().map(|p| *p > 0.5).collect::<Vec<_>>();
            sum[0] += mask_dice(above(a), above(b));
            sum[1] += psnr(a.view(), b.view(), 1.0).min(MOST_DECIBELS);
            sum[2] += ssim(a.view(), b.view(), 1.0);
            pairs += 1.0;
        }
    }
    (pairs > 0.0).then(|| Stability {
        dice: sum[0] / pairs,
        psnr: sum[1] / pairs,
        ssim: sum[2] / pairs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_answers_are_stable_and_others_less() {
        let map = |shift: usize| Array2::from_shape_fn((24, 24), |(r, c)| f32::from(u8::from(r + shift > 8 && c < 12)));
        let same = stability(&[map(0), map(0), map(0)]).unwrap();
        assert_eq!((same.dice, same.psnr), (1.0, 100.0));
        assert!((same.ssim - 1.0).abs() < 1e-9);
        let other = stability(&[map(0), map(3)]).unwrap();
        // 15 and 18 rows of 12 pixels, one within the other.
        assert!((other.dice - 2.0 * 15.0 / 33.0).abs() < 1e-12);
        let error: f64 = 3.0 * 12.0 / 576.0;
        assert!((other.psnr + 10.0 * error.log10()).abs() < 1e-4 && other.ssim < 1.0);
        assert!(stability(&[map(0)]).is_none());
        assert_eq!(mask_dice([false; 3], [false; 3]), 1.0);
        assert_eq!(mask_dice([true, false], [false, false]), 0.0);
    }
}
