//! Diversity-driven aggregation of eigenvectors to one canvas per tile (the slab paper, canvas stage).
//!
//! Structures end up dark on a bright ground.
use ndarray::{s, Array2, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::{external_contours, finite_range, otsu_u8, psnr, resize_cubic_u8, ssim, stretch_f32, stretch_u8};
use crate::runtime::{Error, Result};

/// How eigenvectors are merged to one canvas per tile; the defaults are the released code's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AggregateOptions {
    /// Leading eigenvectors used, of those given.
    #[schemars(range(min = 1, max = 64))]
    pub eigenvectors: usize,
    /// Most outer contours of the eigenvector that the merge starts from.
    pub seed_contours: usize,
    /// Most outer contours after a merge.
    pub merged_contours: usize,
    /// A candidate's SSIM to the base must exceed this.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub min_similarity: f64,
    /// Most merges.
    #[schemars(range(max = 64))]
    pub rounds: usize,
    /// A pixel above this level counts as bright.
    #[schemars(range(min = 0.0, max = 255.0))]
    pub bright_level: f64,
    /// A map with a smaller share of bright pixels is inverted.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub bright_share: f64,
    /// Pixels per cell of the canvas.
    #[schemars(range(min = 1, max = 64))]
    pub upscale: usize,
}

impl Default for AggregateOptions {
    fn default() -> Self {
        Self {
            eigenvectors: 10,
            seed_contours: 10,
            merged_contours: 15,
            min_similarity: 0.35,
            rounds: 10,
            bright_level: 100.0,
            bright_share: 0.4,
            upscale: 8,
        }
    }
}

impl AggregateOptions {
    /// The paper's words: every eigenvector is a candidate. The code computes 12 and uses 10.
    pub fn paper() -> Self {
        Self {
            eigenvectors: 12,
            ..Self::default()
        }
    }
}

/// Side of the windows of [`diversity`], in cells, and the step between them.
const WINDOW: usize = 4;
const STRIDE: usize = 2;

/// Merges eigenvectors (one shape, leading first, any sign and scale) greedily to a canvas of `upscale` times their
/// size.
///
/// The base is the map of largest diversity among those with few enough contours; without one there is no canvas
/// (`None`). In each round the candidate of highest PSNR to the base that is similar enough, keeps the contours few and
/// does not lower the diversity is added to it. Constant maps are left out.
///
/// Errors: maps of different shapes, `upscale` outside 1..=64.
pub fn aggregate(maps: &[Array2<f32>], options: &AggregateOptions) -> Result<Option<Array2<u8>>> {
    if !(1..=64).contains(&options.upscale) {
        return Err(Error::argument("upscale", options.upscale, "must be 1..=64"));
    }
    if let Some(odd) = maps.iter().find(|map| map.dim() != maps[0].dim()) {
        return Err(Error::argument(
            "eigenvector shape",
            format!("{:?}", odd.dim()),
            "must be the same for all",
        ));
    }
    let mut candidates: Vec<Array2<f32>> = maps
        .iter()
        .take(options.eigenvectors)
        .filter(|map| finite_range(*map).is_some_and(|(low, high)| high > low))
        .map(|map| settle(stretch_f32(map.view()), options))
        .collect();
    let mut start: Option<(usize, f64)> = None;
    for (index, map) in candidates.iter().enumerate() {
        let score = diversity(map.view());
        let better = start.is_none_or(|(_, best)| score > best);
        if better && contours(map) <= options.seed_contours {
            start = Some((index, score));
        }
    }
    let Some((index, mut score)) = start else {
        return Ok(None);
    };
    let mut base = candidates.remove(index);
    for _ in 0..options.rounds {
        let range = finite_range(&base).map_or(0.0, |(low, high)| f64::from(high) - f64::from(low));
        let mut best: Option<(usize, f64, Array2<f32>, f64)> = None;
        for (index, candidate) in candidates.iter().enumerate() {
            let closeness = psnr(base.view(), candidate.view(), range);
            let closer = best.as_ref().is_none_or(|best| closeness > best.1);
            if !(closer && ssim(base.view(), candidate.view(), range) > options.min_similarity) {
                continue;
            }
            let merged = stretch_f32((&base + candidate).view());
            let diverse = diversity(merged.view());
            if diverse >= score && contours(&merged) <= options.merged_contours {
                best = Some((index, closeness, merged, diverse));
            }
        }
        let Some((index, _, merged, diverse)) = best else {
            break;
        };
        candidates.remove(index);
        (base, score) = (merged, diverse);
    }
    let (rows, cols) = base.dim();
    // The base is 0..=255 already: the cast truncates.
    let small = base.mapv(|v| v as u8);
    let canvas = resize_cubic_u8(small.view(), (rows * options.upscale, cols * options.upscale));
    let bright = canvas.iter().filter(|&&v| f64::from(v) > options.bright_level).count();
    let invert = (bright as f64) < options.bright_share * canvas.len() as f64;
    Ok(Some(if invert { canvas.mapv(|v| 255 - v) } else { canvas }))
}

/// Settles the sign: most of an image is ground, and the ground shall be bright (`conditional_invert`).
fn settle(map: Array2<f32>, options: &AggregateOptions) -> Array2<f32> {
    let bright = map.iter().filter(|&&v| f64::from(v) > options.bright_level).count();
    if (bright as f64) < options.bright_share * map.len() as f64 {
        map.mapv_into(|v| 255.0 - v)
    } else {
        map
    }
}

/// How much the local contrast varies: population standard deviation, over all 4 x 4 windows at stride 2, of the
/// population standard deviation within the window. A map with a side below 4 is one window along it.
pub fn diversity(map: ArrayView2<f32>) -> f64 {
    let (rows, cols) = map.dim();
    if map.is_empty() {
        return 0.0;
    }
    let (height, width) = (WINDOW.min(rows), WINDOW.min(cols));
    let mut deviations = Vec::new();
    for top in (0..=rows - height).step_by(STRIDE) {
        for left in (0..=cols - width).step_by(STRIDE) {
            let window = map.slice(s![top..top + height, left..left + width]);
            deviations.push(deviation(window.iter().map(|&v| f64::from(v))));
        }
    }
    deviation(deviations.iter().copied())
}

/// Population standard deviation, in two passes.
fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let (count, sum) = values.clone().fold((0.0, 0.0), |(n, sum), v| (n + 1.0, sum + v));
    let mean = sum / count;
    (values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt()
}

/// Outer contours of the Otsu foreground of a map.
fn contours(map: &Array2<f32>) -> usize {
    let image = stretch_u8(map.view());
    let level = otsu_u8(image.view());
    external_contours(image.mapv(|v| v > level).view())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn golden() -> Array2<f32> {
        Array2::from_shape_fn((64, 64), |(y, x)| {
            ((3 * x * x + 5 * y * y + 7 * x * y + 11) % 251) as f32
        })
    }

    #[test]
    fn golden_diversity() {
        assert!((diversity(golden().view()) - 7.484041308012478).abs() < 1e-9);
        let blur = crate::image::gaussian_blur_u8(golden().mapv(|v| v as u8).view(), 7, 1.5);
        assert!((diversity(blur.mapv(f32::from).view()) - 4.159174774143344).abs() < 1e-9);
    }

    /// Eigenvector-like maps that any language can regenerate: sums of a few integer-valued bumps.
    fn maps(seed: u32, count: usize, side: usize) -> Vec<Array2<f32>> {
        let mut state = seed;
        let mut draw = move |below: u32| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            ((state >> 16) % below) as i64
        };
        let bumps: Vec<[i64; 4]> = (0..6)
            .map(|_| [draw(side as u32), draw(side as u32), 6 + draw(14), 20 + draw(60)])
            .collect();
        (0..count)
            .map(|_| {
                let weights: Vec<i64> = (0..bumps.len()).map(|_| draw(7) - 2).collect();
                let (tilt, noise) = (draw(5) - 2, draw(1000));
                Array2::from_shape_fn((side, side), |(y, x)| {
                    let (y, x) = (y as i64, x as i64);
                    let bump = |([by, bx, radius, height], weight): (&[i64; 4], &i64)| {
                        let distance = (y - by).pow(2) + (x - bx).pow(2);
                        weight * height * (radius * radius - distance).max(0) / (radius * radius)
                    };
                    let sum: i64 = bumps.iter().zip(&weights).map(bump).sum();
                    (sum * 4 + tilt * (x + y) + (x * 31 + y * 17 + x * y * 3 + noise) % 13) as f32
                })
            })
            .collect()
    }

    #[test]
    fn merges_as_the_oracle_does() {
        let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/image/aggregate.json")).unwrap();
        let mut merged = 0;
        for case in fixture.as_array().unwrap() {
            let number = |key: &str| case[key].as_u64().unwrap();
            let seed = number("seed");
            let maps = maps(seed as u32, 12, 64);
            let canvas = aggregate(&maps, &AggregateOptions::default()).unwrap();
            let Some(canvas) = canvas else {
                assert!(case["sum"].is_null(), "seed {seed}: no canvas");
                continue;
            };
            assert_eq!(canvas.dim(), (512, 512));
            merged += number("merges");
            let sum: u64 = canvas.iter().map(|&v| u64::from(v)).sum();
            // The float32 stretch of a merged base may put a pixel on the other side of a grey level.
            assert!(
                sum.abs_diff(case["sum"].as_u64().unwrap_or(0)) < 400,
                "seed {seed}: {sum}, {}",
                case["sum"]
            );
        }
        assert!(merged > 5);
    }

    #[test]
    fn no_canvas_from_noise_or_constants_and_shapes_must_agree() {
        let options = AggregateOptions::default();
        assert_eq!(aggregate(&[], &options).unwrap(), None);
        assert_eq!(aggregate(&[Array2::from_elem((64, 64), 1.0)], &options).unwrap(), None);
        let stripes = Array2::from_shape_fn((64, 64), |(_, x)| (x % 2) as f32);
        assert_eq!(aggregate(std::slice::from_ref(&stripes), &options).unwrap(), None);
        assert!(aggregate(&[stripes, Array2::zeros((5, 63))], &options).is_err());
        let ramp = Array2::from_shape_fn((3, 63), |(y, x)| (x + y) as f32);
        assert_eq!(aggregate(&[ramp], &options).unwrap().unwrap().dim(), (24, 504));
    }

    #[test]
    fn the_sign_of_an_eigenvector_does_not_matter() {
        // One eigenvector: structures dark whichever sign the solver left.
        let blob = Array2::from_shape_fn((64, 64), |(y, x)| {
            (-(((x as f32 - 30.0).powi(2) + (y as f32 - 25.0).powi(2)) / 60.0)).exp()
        });
        let options = AggregateOptions::default();
        let canvas = aggregate(std::slice::from_ref(&blob), &options).unwrap().unwrap();
        assert_eq!(
            aggregate(&[-blob], &options).unwrap().unwrap().mapv(|v| v / 2),
            canvas.mapv(|v| v / 2)
        );
        assert!(canvas[[200, 240]] < 20 && canvas[[500, 20]] > 240);
    }
}
