//! Whether structures look darker or brighter than their surroundings.
use ndarray::{s, Array3, ArrayView3};

use super::grey_scale::{grey_scale, CLIP_SIGMA};
use super::Tomogram;
use crate::image::gaussian_3d;
use crate::runtime::{Job, Result};

/// Voxels are averaged to about this edge before anything else, in nm.
const EDGE_NM: f64 = 1.5;
/// Standard deviation of the Gaussian that leaves molecules and membranes and takes the noise, in nm.
const STRUCTURE_NM: f64 = 3.0;
/// That of the one that leaves ice thickness and borders only, which are taken off, in nm.
const GROUND_NM: f64 = 30.0;
/// Fewer averaged voxels say nothing.
const LEAST_VOXELS: usize = 4096;
/// Skewness from which on a warning is worth it. Tomograms with dark structures have -0.3 to -2.1 (simulated ones of
/// SNR 0.1 and 0.8, four real ones), noise alone 0.
const LEAST_SKEWNESS: f64 = 0.2;
/// Slices of a whole tomogram that are looked at, and the bytes that they may take.
const SLICES: usize = 24;
const BYTES: usize = 64 << 20;

/// Skewness of the densities of `slices` (z, y, x), smoothed by 3 nm and less their ground of 30 nm: structures fill
/// little of the volume, so it is negative where they are dark and positive where they are bright. None where there are
/// too few voxels or no contrast. Errors: cancel.
pub fn contrast_skewness(slices: ArrayView3<f32>, voxel_nm: f64, job: &Job) -> Result<Option<f64>> {
    let step = ((EDGE_NM / voxel_nm).round() as usize).max(1);
    let edge_nm = step as f64 * voxel_nm;
    let Ok((mean, deviation)) = grey_scale(slices) else {
        return Ok(None);
    };
    let averaged = averaged(slices, step, |v| {
        ((v - mean) / deviation).clamp(-CLIP_SIGMA, CLIP_SIGMA)
    });
    if averaged.len() < LEAST_VOXELS {
        return Ok(None);
    }
    let mut smooth = gaussian_3d(averaged.view(), STRUCTURE_NM / edge_nm, || job.check())?;
    smooth -= &gaussian_3d(smooth.view(), GROUND_NM / edge_nm, || job.check())?;
    let count = smooth.len() as f64;
    let mean = smooth.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let moment = |power| smooth.iter().map(|v| (f64::from(*v) - mean).powi(power)).sum::<f64>() / count;
    let skewness = moment(3) / moment(2).powf(1.5);
    Ok(skewness.is_finite().then_some(skewness))
}

/// Warns where `slices` look as if their structures were bright and `bright` says dark, or the other way round.
pub fn warn_of_contrast(slices: ArrayView3<f32>, voxel_nm: f64, bright: bool, job: &Job) -> Result<()> {
    let Some(skewness) = contrast_skewness(slices, voxel_nm, job)? else {
        return Ok(());
    };
    let seen = skewness * if bright { -1.0 } else { 1.0 };
    if seen > LEAST_SKEWNESS {
        let (look, said) = if bright { ("dark", "true") } else { ("bright", "false") };
        job.logger().warn(
            "contrast",
            &format!(
                "structures look {look} (skewness of the smoothed densities {skewness:.2}), the setting bright is \
                 {said}: check the contrast"
            ),
        );
    }
    Ok(())
}

/// [`warn_of_contrast`] of the middle slices of `tomogram`; nothing where its voxel size is unknown.
///
/// Errors: slices that cannot be read; cancel.
pub fn warn_of_tomogram_contrast(tomogram: &Tomogram, bright: bool, job: &Job) -> Result<()> {
    let geometry = tomogram.geometry();
    let Some(voxel_nm) = geometry.voxel_nm() else {
        return Ok(());
    };
    let [depth, rows, cols] = geometry.shape;
    let count = (BYTES / (rows * cols * size_of::<f32>()).max(1))
        .clamp(1, SLICES)
        .min(depth);
    let first = (depth - count) / 2;
    warn_of_contrast(
        tomogram.read_slices(first..first + count)?.view(),
        voxel_nm,
        bright,
        job,
    )
}

/// Means of cubes of `step` voxels (fewer along an axis that has fewer); what is left over at the ends is left out.
fn averaged(slices: ArrayView3<f32>, step: usize, scaled: impl Fn(f32) -> f32) -> Array3<f32> {
    let (depth, rows, cols) = slices.dim();
    let steps = [depth, rows, cols].map(|extent| step.min(extent).max(1));
    let share = 1.0 / steps.iter().product::<usize>() as f32;
    let [k, j, i] = steps;
    Array3::from_shape_fn((depth / k, rows / j, cols / i), |(z, y, x)| {
        let cube = slices.slice(s![z * k..(z + 1) * k, y * j..(y + 1) * j, x * i..(x + 1) * i]);
        cube.iter().map(|v| scaled(*v)).sum::<f32>() * share
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Generator;

    /// Noise with balls of 12 voxels, `height` above the ground, over a slope.
    fn scene(height: f32) -> Array3<f32> {
        let mut gen = Generator::new(7, 0);
        let noise: Vec<f32> = (0..24 * 96 * 96).map(|_| gen.normal() as f32).collect();
        let noise = Array3::from_shape_vec((24, 96, 96), noise).unwrap();
        Array3::from_shape_fn((24, 96, 96), |(z, y, x)| {
            let off = |v: usize, period: usize| (v % period) as f64 - period as f64 / 2.0;
            let squared = (z as f64 - 12.0).powi(2) + off(y, 32).powi(2) + off(x, 48).powi(2);
            let body = if squared <= 36.0 { height } else { 0.0 };
            noise[[z, y, x]] + body + 0.005 * x as f32
        })
    }

    #[test]
    fn the_sign_is_that_of_the_structures() {
        let skewness = |scene: &Array3<f32>| contrast_skewness(scene.view(), 1.0, &Job::quiet()).unwrap().unwrap();
        let dark = skewness(&scene(-1.5));
        assert!(dark < -0.5, "{dark}");
        let bright = skewness(&scene(-1.5).mapv(|v| -v));
        assert!((bright + dark).abs() < 1e-3, "{bright}, {dark}");
        let noise = skewness(&scene(0.0));
        assert!(noise.abs() < LEAST_SKEWNESS, "{noise}");
        let few = Array3::from_shape_fn((4, 8, 8), |(z, y, x)| (z + y + x) as f32);
        assert_eq!(contrast_skewness(few.view(), 1.0, &Job::quiet()).unwrap(), None);
        let constant = Array3::from_elem((24, 96, 96), 3.0);
        assert_eq!(contrast_skewness(constant.view(), 1.0, &Job::quiet()).unwrap(), None);
    }
}
