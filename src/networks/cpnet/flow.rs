//! Pixels follow the flows.
use ndarray::{Array2, Array3, ArrayView2, ArrayView3};
use tch::{Device, Tensor};

use super::options::DynamicsCode;
use crate::runtime::{Job, Result};
use crate::tensors::{from_array, term, to_vec};

/// Flows are trained five times as long as a step.
pub(super) const FLOW_SCALE: f32 = 5.0;

/// Pixels followed between two questions whether to stop.
const CHECK_EVERY: usize = 1024;

/// Pixels (y, x) with a cell probability above `threshold`, in scan order.
pub(super) fn inside(cell_probability: ArrayView2<f32>, threshold: f32) -> Vec<[usize; 2]> {
    let above = cell_probability.indexed_iter().filter(|(_, &v)| v > threshold);
    above.map(|((y, x), _)| [y, x]).collect()
}

/// Position of each of `pixels` after `steps` Euler steps along `flows` [2, y, x] / 5, which are zero outside of
/// `pixels`; in whole pixels, rounded down.
pub(super) fn follow(
    flows: ArrayView3<f32>,
    pixels: &[[usize; 2]],
    steps: usize,
    code: DynamicsCode,
    device: Device,
    job: &Job,
) -> Result<Vec<[usize; 2]>> {
    let mut field = Array3::<f32>::zeros(flows.dim());
    for &[y, x] in pixels {
        for axis in 0..2 {
            field[[axis, y, x]] = flows[[axis, y, x]] / FLOW_SCALE;
        }
    }
    match code {
        DynamicsCode::Gpu => sampled(&field, pixels, steps, device, job),
        DynamicsCode::Cpu => interpolated(&field, pixels, steps, job),
    }
}

/// With libtorch's `grid_sample`: positions in -1..=1, zeros beyond the outer half pixels, clamped to the image.
fn sampled(
    field: &Array3<f32>,
    pixels: &[[usize; 2]],
    steps: usize,
    device: Device,
    job: &Job,
) -> Result<Vec<[usize; 2]>> {
    let _guard = tch::no_grad_guard();
    let (_, rows, cols) = field.dim();
    // Both in the order x, y, as grid_sample has it. One pixel wide, there is nowhere to go.
    let last = [cols, rows].map(|side| side.saturating_sub(1).max(1) as f64);
    let plane = |axis: usize, scale: f64| -> Result<Tensor> {
        let plane = from_array(field.index_axis(ndarray::Axis(0), axis));
        (term(plane) * (2.0 / scale)).tensor()
    };
    let field = Tensor::f_stack(&[plane(1, last[0])?, plane(0, last[1])?], 0)?
        .f_unsqueeze(0)?
        .f_to_device(device)?;
    let start = |axis: usize, last: f64| -> Result<Tensor> {
        let values: Vec<f32> = pixels.iter().map(|p| p[axis] as f32).collect();
        (term(Tensor::f_from_slice(&values)) / last * 2.0 - 1.0).tensor()
    };
    // [1, 1, pixels, 2]
    let mut positions = Tensor::f_stack(&[start(1, last[0])?, start(0, last[1])?], -1)?
        .f_reshape([1, 1, pixels.len() as i64, 2])?
        .f_to_device(device)?;
    for _ in 0..steps {
        job.check()?;
        // Bilinear, zeros outside, corners not aligned.
        let step = field.f_grid_sampler(&positions, 0, 0, false)?.f_permute([0, 2, 3, 1])?;
        positions = (term(positions) + step).tensor()?.f_clamp(-1.0, 1.0)?;
    }
    let back = (0.5 * (term(positions) + 1.0)).tensor()?;
    let axis = |index: i64, last: f64, side: usize| -> Result<Vec<usize>> {
        let pixels = (term(back.f_select(-1, index)) * last).tensor()?;
        Ok(to_vec::<i64>(&pixels)?
            .into_iter()
            .map(|v| v.clamp(0, side as i64 - 1) as usize)
            .collect())
    };
    let (x, y) = (axis(0, last[0], cols)?, axis(1, last[1], rows)?);
    Ok(y.into_iter().zip(x).map(|(y, x)| [y, x]).collect())
}

/// With plain bilinear interpolation between pixel centres, in double precision, positions in single precision.
fn interpolated(field: &Array3<f32>, pixels: &[[usize; 2]], steps: usize, job: &Job) -> Result<Vec<[usize; 2]>> {
    let (_, rows, cols) = field.dim();
    let last = [rows.saturating_sub(1), cols.saturating_sub(1)];
    let (down, across) = (plane(field, 0), plane(field, 1));
    let mut ends = Vec::with_capacity(pixels.len());
    for (index, &[y, x]) in pixels.iter().enumerate() {
        if index % CHECK_EVERY == 0 {
            job.check()?;
        }
        let mut position = [y as f32, x as f32];
        for _ in 0..steps {
            let floor = position.map(|v| v as usize);
            let [fy, fx] = [0, 1].map(|i| f64::from(position[i]) - floor[i] as f64);
            let (y1, x1) = ((floor[0] + 1).min(last[0]), (floor[1] + 1).min(last[1]));
            let at = |plane: &Array2<f32>, y: usize, x: usize| f64::from(plane[[y, x]]);
            let value = |plane: &Array2<f32>| {
                at(plane, floor[0], floor[1]) * (1.0 - fy) * (1.0 - fx)
                    + at(plane, floor[0], x1) * (1.0 - fy) * fx
                    + at(plane, y1, floor[1]) * fy * (1.0 - fx)
                    + at(plane, y1, x1) * fy * fx
            };
            let step = [value(&down) as f32, value(&across) as f32];
            for axis in 0..2 {
                position[axis] = (position[axis] + step[axis]).clamp(0.0, last[axis] as f32);
            }
        }
        ends.push(position.map(|v| v as usize));
    }
    Ok(ends)
}

fn plane(field: &Array3<f32>, axis: usize) -> Array2<f32> {
    field.index_axis(ndarray::Axis(0), axis).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flows of unit length towards (12, 9) on a 24 x 20 image.
    fn towards(centre: [f64; 2]) -> Array3<f32> {
        Array3::from_shape_fn((2, 24, 20), |(axis, y, x)| {
            let d = [centre[0] - y as f64, centre[1] - x as f64];
            let length = d[0].hypot(d[1]).max(1e-9);
            (5.0 * d[axis] / length.max(1.0)) as f32
        })
    }

    #[test]
    fn pixels_gather_where_the_flows_end() {
        let flows = towards([12.0, 9.0]);
        let pixels: Vec<[usize; 2]> = (0..24).flat_map(|y| (0..20).map(move |x| [y, x])).collect();
        for code in [DynamicsCode::Gpu, DynamicsCode::Cpu] {
            let ends = follow(flows.view(), &pixels, 40, code, Device::Cpu, &Job::quiet()).unwrap();
            let near = |end: &&[usize; 2]| end[0].abs_diff(12) <= 1 && end[1].abs_diff(9) <= 1;
            assert_eq!(ends.iter().filter(near).count(), pixels.len(), "{code:?}");
        }
    }

    #[test]
    fn without_flows_pixels_stay_and_the_image_has_an_end() {
        let pixels = [[0, 0], [5, 19], [23, 7]];
        for code in [DynamicsCode::Gpu, DynamicsCode::Cpu] {
            let still = Array3::zeros((2, 24, 20));
            let ends = follow(still.view(), &pixels, 3, code, Device::Cpu, &Job::quiet()).unwrap();
            for (end, pixel) in ends.iter().zip(&pixels) {
                assert!(
                    end[0].abs_diff(pixel[0]) <= 1 && end[1].abs_diff(pixel[1]) <= 1,
                    "{code:?}"
                );
            }
            let away = Array3::from_elem((2, 24, 20), 500.0);
            let ends = follow(away.view(), &pixels, 3, code, Device::Cpu, &Job::quiet()).unwrap();
            assert!(ends.iter().all(|end| end[0] < 24 && end[1] < 20));
        }
    }
}
