//! Canvas or score to foreground.
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};

use crate::image::{
    adaptive_threshold, expected_dice_threshold, gaussian_blur_u8, hysteresis, hysteresis_3d, otsu_f32, otsu_u8,
};

/// The papers' blur before the adaptive threshold: 7 x 7, sigma 1.5.
const BLUR: (usize, f64) = (7, 1.5);

/// Block and offset of the papers' adaptive threshold.
const ADAPTIVE: (usize, i32) = (15, 3);

/// How foreground is told from ground. Canvases are dark where structure is; scores are high there, 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Binarisation {
    /// The papers': 8-bit blur, adaptive Gaussian threshold, inverted: structure is at least 3 grey levels below the
    /// local mean. Local, hence blind to the inside of anything wider than the 15-pixel block.
    #[default]
    Adaptive,
    /// Otsu's threshold: per slice on a canvas, over the whole slab on a score volume.
    Otsu,
    /// The threshold of the largest expected Dice, for scores that are likelihoods:
    /// [`crate::image::expected_dice_threshold`], over the whole slab. A canvas is no likelihood: it takes the papers'.
    ExpectedDice,
    /// Parts above `low` that somewhere exceed `high` (in score units): keeps weak ends of strong structures and drops
    /// weak specks.
    Hysteresis {
        /// Every foreground pixel exceeds this, 0..=1.
        low: f32,
        /// Every connected part exceeds this somewhere, 0..=1.
        high: f32,
    },
}

/// Foreground of a canvas (dark structures).
pub fn canvas_foreground(canvas: ArrayView2<u8>, rule: Binarisation) -> Array2<bool> {
    match rule {
        Binarisation::Adaptive | Binarisation::ExpectedDice => {
            let blurred = gaussian_blur_u8(canvas, BLUR.0, BLUR.1);
            adaptive_threshold(blurred.view(), ADAPTIVE.0, ADAPTIVE.1).mapv_into(|above| !above)
        }
        Binarisation::Otsu => {
            let dark = canvas.mapv(|v| 255 - v);
            let level = otsu_u8(dark.view());
            dark.mapv(|v| v > level)
        }
        Binarisation::Hysteresis { low, high } => {
            hysteresis(canvas.mapv(|v| 1.0 - f32::from(v) / 255.0).view(), low, high)
        }
    }
}

/// Foreground of a score volume (z, y, x), 0..=1, high in structures. Otsu's threshold is one for the whole slab and
/// hysteresis runs in 3D; the adaptive rule works slice by slice on `255 (1 - score)`.
pub fn score_foreground(score: ArrayView3<f32>, rule: Binarisation) -> Array3<bool> {
    match rule {
        Binarisation::Adaptive => {
            let mut foreground = Array3::default(score.dim());
            for (slice, mut out) in score.axis_iter(Axis(0)).zip(foreground.axis_iter_mut(Axis(0))) {
                let canvas = slice.mapv(|v| (255.0 * (1.0 - v)).round() as u8);
                out.assign(&canvas_foreground(canvas.view(), rule));
            }
            foreground
        }
        Binarisation::Otsu => match otsu_f32(score) {
            Some(level) => score.mapv(|v| v > level),
            None => Array3::default(score.dim()),
        },
        Binarisation::ExpectedDice => {
            let level = expected_dice_threshold(score.iter().copied());
            score.mapv(|v| v > level)
        }
        Binarisation::Hysteresis { low, high } => hysteresis_3d(score, low, high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adaptive_is_the_complement_of_the_golden_mask() {
        let canvas = Array2::from_shape_fn((64, 64), |(y, x)| {
            ((3 * x * x + 5 * y * y + 7 * x * y + 11) % 251) as u8
        });
        for rule in [Binarisation::Adaptive, Binarisation::ExpectedDice] {
            let mask = canvas_foreground(canvas.view(), rule);
            assert_eq!(mask.iter().filter(|&&v| v).count(), 64 * 64 - 2655, "{rule:?}");
        }
    }

    /// Dark bar on a bright ground, with a faint end and a faint speck.
    fn scene() -> Array2<u8> {
        Array2::from_shape_fn((40, 60), |(y, x)| match (y, x) {
            (18..=21, 10..=29) => 20,
            (18..=21, 30..=45) => 110,
            (2..=4, 2..=4) => 110,
            _ => 240,
        })
    }

    #[test]
    fn every_rule_finds_dark_structure_on_canvases_and_high_scores() {
        let hysteresis = Binarisation::Hysteresis { low: 0.4, high: 0.8 };
        let score = scene().mapv(|v| 1.0 - f32::from(v) / 255.0).insert_axis(Axis(0));
        for rule in [Binarisation::Adaptive, Binarisation::Otsu, hysteresis] {
            let mask = canvas_foreground(scene().view(), rule);
            assert!(mask[[19, 15]] && mask[[20, 40]] && !mask[[35, 50]], "{rule:?}");
            assert_eq!(mask[[3, 3]], rule != hysteresis, "{rule:?}");
            let volume = score_foreground(score.view(), rule);
            let differ = volume
                .index_axis(Axis(0), 0)
                .iter()
                .zip(&mask)
                .filter(|(a, b)| a != b)
                .count();
            assert!(differ <= 12, "{rule:?}: {differ}");
        }
    }
}
