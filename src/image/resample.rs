//! Volumes on another grid.
use ndarray::{Array3, ArrayView3, Axis};

use super::border::replicate;
use super::gaussian::gaussian_3d;
use super::resize::{resize_linear_f32, resize_nearest};

/// Standard deviation of the blur before a reduction by `factor` (above 1), in voxels: what the coarser grid cannot
/// hold is taken away first. A box of `factor` voxels and the voxel itself differ by this much in variance.
fn blur(factor: f64) -> f64 {
    ((factor * factor - 1.0).max(0.0) / 12.0).sqrt()
}

/// `volume` (z, y, x) with slices of `shape` (rows, columns) at the depths `z`, in voxels of `volume`: linear along
/// every axis, half-pixel centres within a slice, the border repeated. Reductions are blurred first by what a voxel of
/// the new grid averages. `check` is asked now and then; its error ends the work. An empty `volume` or `shape` gives
/// zeros.
pub fn resample_linear<E>(
    volume: ArrayView3<f32>,
    shape: (usize, usize),
    z: &[f64],
    mut check: impl FnMut() -> Result<(), E>,
) -> Result<Array3<f32>, E> {
    let (depth, rows, cols) = volume.dim();
    let mut out = Array3::zeros((z.len(), shape.0, shape.1));
    if volume.is_empty() || out.is_empty() {
        return Ok(out);
    }
    let reduction = (rows as f64 / shape.0 as f64).max(cols as f64 / shape.1 as f64);
    let sharp = gaussian_3d(volume, blur(reduction), &mut check)?;
    let mut resized = Array3::zeros((depth, shape.0, shape.1));
    for (slice, mut target) in sharp.outer_iter().zip(resized.outer_iter_mut()) {
        target.assign(&resize_linear_f32(slice, shape));
        check()?;
    }
    for (position, mut target) in z.iter().zip(out.outer_iter_mut()) {
        let below = position.floor();
        let upper = (position - below) as f32;
        for (index, weight) in [(below as isize, 1.0 - upper), (below as isize + 1, upper)] {
            target.scaled_add(weight, &resized.index_axis(Axis(0), replicate(index, depth)));
        }
        check()?;
    }
    Ok(out)
}

/// The same for labels: each voxel is that of `volume` whose centre is nearest.
pub fn resample_nearest<T: Copy + Default>(volume: ArrayView3<T>, shape: (usize, usize), z: &[f64]) -> Array3<T> {
    let depth = volume.len_of(Axis(0));
    let mut out = Array3::default((z.len(), shape.0, shape.1));
    if volume.is_empty() {
        return out;
    }
    for (position, mut target) in z.iter().zip(out.outer_iter_mut()) {
        let nearest = replicate(position.round() as isize, depth);
        target.assign(&resize_nearest(volume.index_axis(Axis(0), nearest), shape));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn never() -> Result<(), Infallible> {
        Ok(())
    }

    #[test]
    fn a_ramp_stays_a_ramp_at_any_sampling() {
        let ramp = |z: f64, y: f64, x: f64| 3.0 * z - 2.0 * y + 0.5 * x;
        let volume = Array3::from_shape_fn((12, 24, 36), |(z, y, x)| ramp(z as f64, y as f64, x as f64) as f32);
        for factor in [0.5, 1.0, 1.5, 2.0] {
            let shape = ((24.0 * factor) as usize, (36.0 * factor) as usize);
            let z: Vec<f64> = (0..10).map(|i| 1.0 + f64::from(i)).collect();
            let Ok(out) = resample_linear(volume.view(), shape, &z, never);
            // Away from the borders, which the blur and the sampling repeat.
            let margin = (6.0 * factor) as usize;
            for row in margin..shape.0 - margin {
                for col in margin..shape.1 - margin {
                    let at = |index: usize| (index as f64 + 0.5) / factor - 0.5;
                    let expected = ramp(z[5], at(row), at(col)) as f32;
                    assert!((out[[5, row, col]] - expected).abs() < 1e-3, "{factor} {row} {col}");
                }
            }
        }
    }

    #[test]
    fn a_reduction_takes_away_what_the_coarse_grid_cannot_hold() {
        let stripes = Array3::from_shape_fn((4, 64, 64), |(_, _, x)| if x % 2 == 0 { 1.0 } else { -1.0 });
        let Ok(out) = resample_linear(stripes.view(), (16, 16), &[1.0], never);
        assert!(out.iter().all(|v: &f32| v.abs() < 0.1), "{out:?}");
    }

    #[test]
    fn labels_keep_their_values_and_places() {
        let labels = Array3::from_shape_fn((3, 4, 4), |(z, y, x)| (z * 16 + y * 4 + x) as i8);
        let fine = resample_nearest(labels.view(), (8, 8), &[0.2, 1.0, 1.6, 5.0]);
        assert_eq!(
            (fine[[0, 0, 0]], fine[[1, 7, 7]], fine[[2, 2, 3]], fine[[3, 0, 0]]),
            (0, 31, 37, 32)
        );
        assert_eq!(resample_nearest(fine.view(), (4, 4), &[0.0, 1.0, 2.0]), labels);
    }

    #[test]
    fn nothing_gives_nothing() {
        let Ok(out) = resample_linear(Array3::zeros((0, 4, 4)).view(), (2, 2), &[0.0], never);
        assert_eq!(out, Array3::<f32>::zeros((1, 2, 2)));
        assert_eq!(
            resample_nearest(Array3::<i8>::zeros((2, 0, 4)).view(), (2, 2), &[0.0]).dim(),
            (1, 2, 2)
        );
    }
}
