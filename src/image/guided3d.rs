//! The guided filter (He, Sun, Tang 2010) in three dimensions, float32.
use ndarray::{Array3, ArrayView3, Axis, Zip};

/// `q = mean(a) I + mean(b)` with `a = cov(I, p) / (var(I) + epsilon)`, `b = mean(p) - a mean(I)`, I the `guide`, p the
/// `input`, means over the cube of (2 `radius` + 1) voxels, cut at the border. Where the guide has an edge the input
/// keeps or gains it, elsewhere it is smoothed; `epsilon` is in squared units of the guide. Both volumes (z, y, x) have
/// one shape; otherwise the input is returned. The guide should have a mean near 0: variances are differences of
/// squares. `check` is asked between passes; its error ends the work. Memory: five volumes beside the two.
pub fn guided_filter_3d<E>(
    guide: ArrayView3<f32>,
    input: ArrayView3<f32>,
    radius: usize,
    epsilon: f32,
    mut check: impl FnMut() -> Result<(), E>,
) -> Result<Array3<f32>, E> {
    if guide.dim() != input.dim() || input.is_empty() || radius == 0 {
        return Ok(input.to_owned());
    }
    let mut mean = |volume: Array3<f32>| -> Result<Array3<f32>, E> {
        check()?;
        Ok(box_mean_3d(volume, radius))
    };
    let mean_guide = mean(guide.to_owned())?;
    let mean_input = mean(input.to_owned())?;
    let mut slope = mean(&guide * &input)?;
    let square = mean(&guide * &guide)?;
    Zip::from(&mut slope)
        .and(&square)
        .and(&mean_guide)
        .and(&mean_input)
        .for_each(|slope, square, guide, input| {
            let variance = (square - guide * guide).max(0.0);
            *slope = (*slope - guide * input) / (variance + epsilon).max(f32::MIN_POSITIVE);
        });
    drop(square);
    let mut offset = mean_input;
    Zip::from(&mut offset)
        .and(&slope)
        .and(&mean_guide)
        .for_each(|offset, slope, guide| *offset -= slope * guide);
    drop(mean_guide);
    let (slope, mut result) = (mean(slope)?, mean(offset)?);
    Zip::from(&mut result)
        .and(&slope)
        .and(&guide)
        .for_each(|result, slope, guide| *result += slope * guide);
    Ok(result)
}

/// Mean over the cube of (2 `radius` + 1) voxels about each voxel, cut at the border.
fn box_mean_3d(mut volume: Array3<f32>, radius: usize) -> Array3<f32> {
    for axis in 0..3 {
        let length = volume.len_of(Axis(axis));
        let mut prefix = vec![0f64; length + 1];
        for mut lane in volume.lanes_mut(Axis(axis)) {
            for (at, value) in lane.iter().enumerate() {
                prefix[at + 1] = prefix[at] + f64::from(*value);
            }
            for (at, value) in lane.iter_mut().enumerate() {
                let (from, to) = (at.saturating_sub(radius), (at + radius + 1).min(length));
                *value = ((prefix[to] - prefix[from]) / (to - from) as f64) as f32;
            }
        }
    }
    volume
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::guided_filter;
    use std::convert::Infallible;

    fn filter(guide: &Array3<f32>, input: &Array3<f32>, radius: usize, epsilon: f32) -> Array3<f32> {
        guided_filter_3d(guide.view(), input.view(), radius, epsilon, || Ok::<_, Infallible>(())).unwrap()
    }

    #[test]
    fn one_that_varies_in_a_plane_only_is_the_flat_filter() {
        let plane = |f: fn(usize, usize) -> f32| Array3::from_shape_fn((7, 20, 24), |(_, y, x)| f(y, x));
        let guide = plane(|y, x| if x > 11 { 1.0 } else { -1.0 } + 0.3 * ((y * 7 + x * 3) % 5) as f32 / 5.0);
        let input = plane(|y, x| ((y * 5 + x * 11) % 7) as f32 / 7.0);
        let filtered = filter(&guide, &input, 2, 0.1);
        let flat = guided_filter(guide.index_axis(Axis(0), 3), input.index_axis(Axis(0), 3), 2, 0.1);
        for (a, b) in filtered.index_axis(Axis(0), 3).iter().zip(&flat) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }

    #[test]
    fn edges_of_the_guide_are_kept_and_noise_is_not() {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let guide = Array3::from_shape_fn((10, 10, 20), |(_, _, x)| if x < 10 { -1.0 } else { 1.0 });
        let truth = guide.mapv(|v: f32| 0.5 + 0.4 * v);
        let input = truth.mapv(|v| v + 0.4 * noise());
        let filtered = filter(&guide, &input, 2, 1e-3);
        let error = |map: &Array3<f32>| map.iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        assert!(
            error(&filtered) < 0.06 * error(&input),
            "{} of {}",
            error(&filtered),
            error(&input)
        );
        assert_eq!(filter(&guide, &input, 0, 0.1), input);
    }
}
