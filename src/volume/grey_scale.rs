//! The grey scale of a tomogram: where its densities lie, gold and ice left out.
use ndarray::{Array3, ArrayView3, Axis};

use super::Tomogram;
use crate::runtime::{Error, Job, Result};

/// Voxels further than this from the mean, in standard deviations, are clipped for matched models: gold beads and ice
/// would otherwise set the scale of everything else.
pub const CLIP_SIGMA: f32 = 6.0;

/// Mean and standard deviation of a stack of slices after one round of clipping at six sigma.
///
/// Errors: [`Error::Format`] for a constant stack and for one whose moments are not finite.
pub fn grey_scale(slices: ArrayView3<f32>) -> Result<(f32, f32)> {
    let moments = |low: f64, high: f64| {
        let (mut count, mut sum, mut squares) = (0.0f64, 0.0f64, 0.0f64);
        for &value in &slices {
            let value = f64::from(value);
            if value >= low && value <= high {
                count += 1.0;
                sum += value;
                squares += value * value;
            }
        }
        let mean = sum / count.max(1.0);
        (mean, (squares / count.max(1.0) - mean * mean).max(0.0).sqrt())
    };
    let first = slices.first().copied().unwrap_or(0.0);
    if slices.iter().all(|value| *value == first) {
        return Err(Error::format(
            "tomogram",
            format!("every voxel is {first}; a constant slab has no structure"),
        ));
    }
    let (mean, deviation) = moments(f64::NEG_INFINITY, f64::INFINITY);
    let reach = f64::from(CLIP_SIGMA) * deviation;
    let (mean, deviation) = moments(mean - reach, mean + reach);
    if !(mean.is_finite() && deviation.is_finite() && deviation > 0.0) {
        return Err(Error::format(
            "tomogram",
            format!("mean {mean} and standard deviation {deviation} cannot be normalised"),
        ));
    }
    Ok((mean as f32, deviation as f32))
}

/// Slices that the grey scale of a whole tomogram is taken from, evenly spaced.
const SCALE_SLICES: usize = 32;

/// [`grey_scale`] of a whole tomogram, from at most 32 of its slices.
///
/// Errors: as [`grey_scale`]; slices that cannot be read; cancel.
pub fn tomogram_scale(tomogram: &Tomogram, job: &Job) -> Result<(f32, f32)> {
    let [depth, rows, cols] = tomogram.geometry().shape;
    let count = depth.min(SCALE_SLICES);
    let mut sample = Array3::zeros((count, rows, cols));
    for (index, mut target) in sample.outer_iter_mut().enumerate() {
        job.check()?;
        let z = (2 * index + 1) * depth / (2 * count);
        target.assign(&tomogram.read_slices(z..z + 1)?.index_axis(Axis(0), 0));
    }
    grey_scale(sample.view())
}
