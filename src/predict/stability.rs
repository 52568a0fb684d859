//! How much answers that were drawn from different noises differ.
use ndarray::Array2;
use serde::Serialize;

use super::lpips::Lpips;
use crate::image::{gaussian_ssim, multiscale_ssim, psnr, ssim};
use crate::runtime::Result;

/// Largest peak signal-to-noise ratio that is counted, in decibels: answers that are the same have an infinite one.
const MOST_DECIBELS: f64 = 100.0;

/// Means over the answers of how near each comes to the first one, as SDSeg's paper measures its stability: the nearer
/// to 1 (to 100 decibels) the less the noise matters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stability {
    /// Dice of the masks at one half, 0..=1; 1 where both are empty.
    pub dice: f64,
    /// Intersection over union of the masks at one half, 0..=1; 1 where both are empty.
    pub iou: f64,
    /// Peak signal-to-noise ratio of the probabilities in decibels, at most 100.
    pub psnr: f64,
    /// Structural similarity of the probabilities with a Gaussian window, -1..=1 (below 11 pixels a side: with a
    /// uniform one).
    pub ssim: f64,
    /// The same at five scales, 0..=1; none below 176 pixels a side.
    pub ms_ssim: Option<f64>,
    /// Perceptual distance, 0 or more, where weights for it are given; none below 64 pixels a side.
    pub lpips: Option<f64>,
}

impl Stability {
    /// The mean of several; none of none.
    pub fn mean(all: &[Self]) -> Option<Self> {
        let count = all.len() as f64;
        let of = |value: fn(&Self) -> f64| all.iter().map(value).sum::<f64>() / count;
        let of_all = |value: fn(&Self) -> Option<f64>| -> Option<f64> {
            let values: Option<Vec<f64>> = all.iter().map(value).collect();
            values.map(|values| values.iter().sum::<f64>() / count)
        };
        (!all.is_empty()).then(|| Self {
            dice: of(|one| one.dice),
            iou: of(|one| one.iou),
            psnr: of(|one| one.psnr),
            ssim: of(|one| one.ssim),
            ms_ssim: of_all(|one| one.ms_ssim),
            lpips: of_all(|one| one.lpips),
        })
    }

    fn between(a: &Array2<f32>, b: &Array2<f32>, lpips: Option<&Lpips>) -> Result<Self> {
        let above = |map: &Array2<f32>| map.iter().map(|p| *p > 0.5).collect::<Vec<_>>();
        let dice = mask_dice(above(a), above(b));
        Ok(Self {
            dice,
            iou: dice / (2.0 - dice),
            psnr: psnr(a.view(), b.view(), 1.0).min(MOST_DECIBELS),
            ssim: gaussian_ssim(a.view(), b.view(), 1.0).unwrap_or_else(|| ssim(a.view(), b.view(), 1.0)),
            ms_ssim: multiscale_ssim(a.view(), b.view(), 1.0),
            lpips: lpips.map(|lpips| lpips.distance(a, b)).transpose()?.flatten(),
        })
    }
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
pub fn stability(answers: &[Array2<f32>], lpips: Option<&Lpips>) -> Result<Option<Stability>> {
    let Some((first, others)) = answers.split_first() else {
        return Ok(None);
    };
    let all: Vec<Stability> = others
        .iter()
        .map(|other| Stability::between(first, other, lpips))
        .collect::<Result<_>>()?;
    Ok(Stability::mean(&all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_answers_are_stable_and_others_less() {
        let map = |shift: usize| Array2::from_shape_fn((24, 24), |(r, c)| f32::from(u8::from(r + shift > 8 && c < 12)));
        let same = stability(&[map(0), map(0), map(0)], None).unwrap().unwrap();
        assert_eq!((same.dice, same.iou, same.psnr, same.ms_ssim), (1.0, 1.0, 100.0, None));
        assert!((same.ssim - 1.0).abs() < 1e-9);
        let other = stability(&[map(0), map(3)], None).unwrap().unwrap();
        // 15 and 18 rows of 12 pixels, one within the other.
        assert!((other.dice - 2.0 * 15.0 / 33.0).abs() < 1e-12 && (other.iou - 15.0 / 18.0).abs() < 1e-12);
        // The first one against the others, not all pairs.
        let three = stability(&[map(0), map(3), map(3)], None).unwrap().unwrap();
        assert!((three.dice - other.dice).abs() < 1e-12);
        let error: f64 = 3.0 * 12.0 / 576.0;
        assert!((other.psnr + 10.0 * error.log10()).abs() < 1e-4 && other.ssim < 1.0);
        assert!(stability(&[map(0)], None).unwrap().is_none());
        assert_eq!(mask_dice([false; 3], [false; 3]), 1.0);
        assert_eq!(mask_dice([true, false], [false, false]), 0.0);
    }
}
