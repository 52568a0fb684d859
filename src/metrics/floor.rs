//! What blurring and blob detection reach without any learning: the floor under every reported number.
use std::ops::Range;

use ndarray::{s, Array3, ArrayView3, ArrayViewMut1, Axis, Zip};

use super::overlap::{check_shapes, counted_pairs};
use super::{auc, Overlap};
use crate::runtime::Job;
use crate::{Error, Result};

/// Standard deviations of the blurs in voxels.
const SIGMAS: [f64; 3] = [1.0, 2.0, 3.0];

/// The best of three Gaussian blurs of a tomogram, thresholded so that the true number of voxels is foreground.
///
/// This knows the true fraction and picks the best blur by the truth: an unfair floor on purpose.
pub struct BlurFloor {
    /// Blurred densities, negated where structures are dark: higher is more likely structure.
    blurred: Vec<Array3<f32>>,
}

/// The best blur's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloorScore {
    /// Dice or AUC.
    pub value: f64,
    /// Standard deviation of the blur in voxels.
    pub sigma: f64,
}

impl BlurFloor {
    /// Blurs `volume` and keeps its slices `keep`; the slices around them serve as a margin, 12 are enough.
    /// `dark`: structures are darker than their surroundings.
    pub fn new(volume: &Array3<f32>, keep: Range<usize>, dark: bool, job: &Job) -> Result<Self> {
        if keep.start >= keep.end || keep.end > volume.dim().0 {
            let value = format!("{}:{}", keep.start, keep.end);
            return Err(Error::argument(
                "keep",
                value,
                &format!("must be a range within 0:{}", volume.dim().0),
            ));
        }
        let mut blurred = Vec::new();
        for sigma in SIGMAS {
            let mut smooth = gaussian(volume, sigma, None, job)?
                .slice(s![keep.clone(), .., ..])
                .to_owned();
            if dark {
                smooth.mapv_inplace(|v| -v);
            }
            blurred.push(smooth);
        }
        Ok(Self { blurred })
    }

    /// Best Dice against `truth`; with `counted`, among the voxels where it is true.
    pub fn dice(&self, truth: &Array3<bool>, counted: Option<&Array3<bool>>) -> Result<FloorScore> {
        self.best(|scores| {
            check_shapes("truth", scores.shape(), truth.shape())?;
            let mut kept: Vec<f32> = Vec::with_capacity(scores.len());
            let everything = Array3::from_elem(truth.dim(), true);
            let counted = counted.unwrap_or(&everything);
            check_shapes("counted", scores.shape(), counted.shape())?;
            Zip::from(scores).and(counted).for_each(|&score, &counts| {
                if counts {
                    kept.push(score);
                }
            });
            let truth_voxels = Overlap::of(truth, truth, Some(counted))?.truth as usize;
            let threshold = match kept.len().checked_sub(truth_voxels) {
                // Nothing true: nothing is predicted.
                _ if truth_voxels == 0 => f32::INFINITY,
                Some(rank) => *kept.select_nth_unstable_by(rank, f32::total_cmp).1,
                None => f32::NEG_INFINITY,
            };
            let prediction = scores.mapv(|score| score >= threshold);
            Ok(Overlap::of(&prediction, truth, Some(counted))?.dice())
        })
    }

    /// Best area under the ROC curve against `truth`; with `counted`, among the voxels where it is true.
    pub fn auc(&self, truth: &Array3<bool>, counted: Option<&Array3<bool>>) -> Result<FloorScore> {
        self.best(|scores| {
            let (scores, positive) = counted_pairs(scores, truth, counted)?;
            auc(&scores, &positive)
        })
    }

    fn best(&self, value: impl Fn(&Array3<f32>) -> Result<f64>) -> Result<FloorScore> {
        let mut best = FloorScore {
            value: f64::NEG_INFINITY,
            sigma: 0.0,
        };
        for (scores, sigma) in self.blurred.iter().zip(SIGMAS) {
            let value = value(scores)?;
            if value > best.value {
                best = FloorScore { value, sigma };
            }
        }
        Ok(best)
    }
}

/// A local maximum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// (z, y, x) in voxels of the volume.
    pub position: [f64; 3],
    /// Height; higher is better.
    pub score: f64,
}

/// Blobs of `diameter` voxels by the Laplacian of Gaussian, the best `count` of those in the slices `keep`, best first.
///
/// The Laplacian of a Gaussian answers most to a ball of radius sqrt(3) sigma, hence sigma = diameter / (2 sqrt(3)).
/// Peaks are voxels higher than their 26 neighbours; of two closer than a quarter of the diameter the lower one is
/// dropped. Densities are first cut at 3 standard deviations, as everybody does who has gold beads: on a real tomogram
/// that doubles the recall of the first picks.
pub fn blob_peaks(
    volume: &Array3<f32>,
    keep: Range<usize>,
    diameter: f64,
    dark: bool,
    count: usize,
    job: &Job,
) -> Result<Vec<Peak>> {
    if !(diameter.is_finite() && diameter > 0.0) {
        return Err(Error::argument(
            "diameter",
            diameter,
            "must be a positive number of voxels",
        ));
    }
    let (clipped, sigma) = (without_outliers(volume), diameter / (2.0 * 3f64.sqrt()));
    let mut response = Array3::zeros(volume.dim());
    for axis in 0..3 {
        response.scaled_add(
            if dark { 1.0 } else { -1.0 },
            &gaussian(&clipped, sigma, Some(axis), job)?,
        );
    }
    let mut peaks = maxima(response.view(), keep);
    peaks.sort_by(|a, b| b.score.total_cmp(&a.score));
    let apart = (diameter / 4.0).powi(2);
    let mut kept: Vec<Peak> = Vec::new();
    for peak in peaks {
        job.check()?;
        if kept.len() >= count {
            break;
        }
        let squared = |other: &Peak| -> f64 { (0..3).map(|k| (peak.position[k] - other.position[k]).powi(2)).sum() };
        if kept.iter().all(|other| squared(other) >= apart) {
            kept.push(peak);
        }
    }
    Ok(kept)
}

/// Densities cut at 3 standard deviations from their mean.
fn without_outliers(volume: &Array3<f32>) -> Array3<f32> {
    let count = volume.len().max(1) as f64;
    let mean = volume.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let variance = volume.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    let (low, high) = (mean - 3.0 * variance.sqrt(), mean + 3.0 * variance.sqrt());
    volume.mapv(|v| v.clamp(low as f32, high as f32))
}

/// Separable Gaussian blur as `scipy.ndimage.gaussian_filter`: kernel cut at 4 sigma, edges mirrored with the edge
/// voxel repeated. Along the axis `curved`, if any, the kernel is the Gaussian's second derivative.
fn gaussian(volume: &Array3<f32>, sigma: f64, curved: Option<usize>, job: &Job) -> Result<Array3<f32>> {
    let radius = (4.0 * sigma + 0.5) as usize;
    let weights: Vec<f64> = (0..=radius)
        .map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp())
        .collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    let plain: Vec<f32> = weights.iter().map(|w| (w / sum) as f32).collect();
    let second = |(k, w): (usize, &f64)| (w / sum * ((k * k) as f64 / sigma.powi(4) - sigma.powi(-2))) as f32;
    let bent: Vec<f32> = weights.iter().enumerate().map(second).collect();
    let mut out = volume.clone();
    for axis in 0..3 {
        let half = if curved == Some(axis) { &bent } else { &plain };
        let from = out;
        out = Array3::zeros(from.dim());
        let length = from.len_of(Axis(axis)) as i64;
        if axis == 2 {
            for (line, target) in from.rows().into_iter().zip(out.rows_mut()) {
                blur_line(line.to_vec(), half, target);
            }
            job.check()?;
            continue;
        }
        for n in 0..length {
            job.check()?;
            let mut target = out.index_axis_mut(Axis(axis), n as usize);
            for k in -(radius as i64)..=radius as i64 {
                let source = from.index_axis(Axis(axis), mirrored(n + k, length));
                target.scaled_add(half[k.unsigned_abs() as usize], &source);
            }
        }
    }
    Ok(out)
}

fn blur_line(line: Vec<f32>, half: &[f32], mut target: ArrayViewMut1<f32>) {
    let (radius, length) = (half.len() - 1, line.len() as i64);
    let padded: Vec<f32> = (-(radius as i64)..length + radius as i64)
        .map(|n| line[mirrored(n, length)])
        .collect();
    for (n, out) in target.iter_mut().enumerate() {
        let window = &padded[n..n + 2 * radius + 1];
        *out = window
            .iter()
            .enumerate()
            .map(|(k, v)| half[k.abs_diff(radius)] * v)
            .sum();
    }
}

/// Index `n` mirrored at the ends with the end repeated: d c b a | a b c d | d c b a.
fn mirrored(n: i64, length: i64) -> usize {
    let n = n.rem_euclid(2 * length);
    (if n < length { n } else { 2 * length - 1 - n }) as usize
}

/// Voxels of the slices `keep` that are higher than all neighbours; of a plateau, its first voxel.
fn maxima(volume: ArrayView3<f32>, keep: Range<usize>) -> Vec<Peak> {
    let (nz, ny, nx) = volume.dim();
    let mut peaks = Vec::new();
    for z in keep.start..keep.end.min(nz) {
        for y in 0..ny {
            for x in 0..nx {
                let value = volume[[z, y, x]];
                let around = [
                    z.saturating_sub(1)..(z + 2).min(nz),
                    y.saturating_sub(1)..(y + 2).min(ny),
                ];
                let higher = |p: (usize, usize, usize)| {
                    let other = volume[[p.0, p.1, p.2]];
                    other > value || (other == value && p < (z, y, x))
                };
                let beaten = around[0].clone().any(|k| {
                    let mut rows = around[1].clone();
                    rows.any(|j| (x.saturating_sub(1)..(x + 2).min(nx)).any(|i| higher((k, j, i))))
                });
                if !beaten {
                    let position = [z as f64, y as f64, x as f64];
                    peaks.push(Peak {
                        position,
                        score: f64::from(value),
                    });
                }
            }
        }
    }
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blur_is_that_of_scipy() {
        // scipy.ndimage.gaussian_filter(v, 1) of a unit impulse at (2, 3, 4), mode reflect.
        let volume = Array3::from_shape_fn([7, 8, 9], |p| if p == (2, 3, 4) { 1.0 } else { 0.0 });
        let blurred = gaussian(&volume, 1.0, None, &Job::quiet()).unwrap();
        let plain = [
            ([2, 3, 4], 0.063_494_2),
            ([0, 3, 4], 0.009_298_363),
            ([2, 3, 8], 2.129_993_2e-5),
        ];
        // scipy.ndimage.gaussian_filter(v, 1, order=(0, 0, 2)).
        let bent = gaussian(&volume, 1.0, Some(2), &Job::quiet()).unwrap();
        let second = [
            ([2, 3, 4], -0.063_494_2),
            ([2, 3, 6], 0.025_779_02),
            ([0, 3, 8], 4.679e-5),
        ];
        for (own, expected) in [(blurred, plain), (bent, second)] {
            for (at, value) in expected {
                assert!((own[at] - value).abs() < 1e-6, "{at:?}: {}", own[at]);
            }
        }
    }

    #[test]
    fn mirroring_repeats_the_edge() {
        let seen: Vec<usize> = (-4..8).map(|n| mirrored(n, 3)).collect();
        assert_eq!(seen, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
    }
}
