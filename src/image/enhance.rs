//! Contrast enhancement of one slice before an autoencoder.
use ndarray::{Array2, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{clahe, gaussian_truncated_u8, percentiles, stretch_u8};

/// Clip limit of CLAHE, in mean bins (the released code's).
const CLAHE_CLIP: f64 = 2.0;

/// CLAHE tiles along each side (the released code's).
const CLAHE_GRID: usize = 8;

/// From a slice to an 8-bit image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnhanceOptions {
    /// Percent of the pixels clipped at either end before the stretch; 0 stretches from minimum to maximum, as
    /// the papers do. Gold beads and ice make those fragile.
    #[schemars(range(min = 0.0, max = 49.9))]
    pub clip_percent: f64,
    /// Adaptive equalisation. The paper has it; the released code computes it and throws it away.
    pub clahe: bool,
    /// Standard deviation of the smoothing, in pixels; 0 for none.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub sigma: f64,
}

impl Default for EnhanceOptions {
    /// The paper: stretch, CLAHE(2, 8x8), Gaussian 1.25, stretch.
    fn default() -> Self {
        Self {
            clip_percent: 0.0,
            clahe: true,
            sigma: 1.25,
        }
    }
}

impl EnhanceOptions {
    /// The released code: the paper's without CLAHE.
    pub fn released_code() -> Self {
        Self {
            clahe: false,
            ..Self::default()
        }
    }
}

/// Slice (any grey scale) to 0..=255: percentile clip, stretch, CLAHE, Gaussian in 8 bit, stretch. A constant slice
/// becomes 0 before CLAHE, hence constant after it.
pub fn enhance(slice: ArrayView2<f32>, options: &EnhanceOptions) -> Array2<u8> {
    let clip = options.clip_percent.clamp(0.0, 49.9);
    let range = if clip > 0.0 {
        percentiles(slice, &[clip, 100.0 - clip])
    } else {
        None
    };
    let mut image = match range.as_deref() {
        // `clamp` panics on a reversed range; percentiles of finite values are ordered.
        Some(&[low, high]) if low <= high => stretch_u8(slice.mapv(|v| v.clamp(low, high)).view()),
        _ => stretch_u8(slice),
    };
    if options.clahe {
        image = clahe(image.view(), CLAHE_CLIP, CLAHE_GRID);
    }
    image = gaussian_truncated_u8(image.view(), options.sigma);
    stretch_u8(image.mapv(f32::from).view())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice() -> Array2<f32> {
        Array2::from_shape_fn((64, 64), |(y, x)| {
            ((3 * x * x + 5 * y * y + 7 * x * y + 11) % 251) as f32 * 0.1 - 7.0
        })
    }

    #[test]
    fn released_code_is_stretch_blur_stretch() {
        // Row 17 as numpy, OpenCV and scipy give it, without and with CLAHE.
        let image = enhance(slice().view(), &EnhanceOptions::released_code());
        let expected = include_str!("../../tests/fixtures/image/enhance.txt");
        let expected: Vec<u8> = expected.split_whitespace().map(|v| v.parse().unwrap()).collect();
        let (plain, paper) = expected.split_at(64);
        assert_eq!(image.row(17).to_vec(), plain);
        assert_eq!(
            enhance(slice().view(), &EnhanceOptions::default()).row(17).to_vec(),
            paper
        );
        assert_eq!((image.iter().min(), image.iter().max()), (Some(&0), Some(&255)));
    }

    #[test]
    fn a_bead_does_not_set_the_scale_when_clipped() {
        let mut with_bead = slice();
        with_bead[[5, 5]] = -1e6;
        let options = EnhanceOptions {
            clip_percent: 0.5,
            ..EnhanceOptions::released_code()
        };
        let (clean, clipped) = (enhance(slice().view(), &options), enhance(with_bead.view(), &options));
        let fragile = enhance(with_bead.view(), &EnhanceOptions::released_code());
        assert!(clipped[[40, 40]].abs_diff(clean[[40, 40]]) < 6);
        assert!(fragile.iter().filter(|&&v| v > 250).count() > 3900);
        let constant = enhance(Array2::from_elem((33, 500), 2.0).view(), &EnhanceOptions::default());
        assert!(constant.iter().all(|&v| v == constant[[0, 0]]));
    }
}
