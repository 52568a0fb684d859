//! How wide dark lines are.
use ndarray::{Array2, ArrayView2, ArrayView3};

use super::gaussian::gaussian_f32;

/// Standard deviations tried, in pixels: half-octaves of half-octaves from the narrowest line that pixels can hold.
const NARROWEST: f64 = 0.7;
const STEPS_PER_OCTAVE: f64 = 4.0;
const STEPS: usize = 15;

/// Exponent of Lindeberg's normalised ridge strength: with it the strongest response to a line of Gaussian profile lies
/// at the profile's own standard deviation (Lindeberg 1998, "Edge detection and ridge detection with automatic scale
/// selection", gamma = 3/4).
const NORMALISATION: f64 = 1.5;

/// Standard deviation in pixels of the profile of dark lines, where the mask `on` (z, y, x) says that lines are; slice
/// by slice. What `off` covers tells how strongly noise answers at each width and is taken from it.
///
/// The principal curvature of the blurred slices is averaged over both masks at every width; the width of the largest
/// difference is the answer, between widths by a parabola. None where a mask is empty, where no width stands out (the
/// largest difference is at an end of the widths tried), and where curvature says that there is no dark line.
pub fn dark_line_width(slices: ArrayView3<f32>, on: ArrayView3<bool>, off: ArrayView3<bool>) -> Option<f64> {
    let width = |step: f64| NARROWEST * 2f64.powf(step / STEPS_PER_OCTAVE);
    let strengths: Vec<f64> = (0..STEPS)
        .map(|step| {
            let sigma = width(step as f64);
            let (mut lines, mut ground) = (Mean::default(), Mean::default());
            for ((slice, on), off) in slices.outer_iter().zip(on.outer_iter()).zip(off.outer_iter()) {
                let curvature = largest_curvature(gaussian_f32(slice, sigma).view());
                lines.add(&curvature, on);
                ground.add(&curvature, off);
            }
            Some(sigma.powf(NORMALISATION) * (lines.value()? - ground.value()?))
        })
        .collect::<Option<_>>()?;
    let best = (0..STEPS).max_by(|&a, &b| strengths[a].total_cmp(&strengths[b]))?;
    if best == 0 || best + 1 == STEPS || strengths[best].is_nan() || strengths[best] <= 0.0 {
        return None;
    }
    let (below, at, above) = (strengths[best - 1], strengths[best], strengths[best + 1]);
    let curve = below - 2.0 * at + above;
    let offset = if curve < 0.0 {
        0.5 * (below - above) / curve
    } else {
        0.0
    };
    Some(width(best as f64 + offset))
}

/// The larger eigenvalue of the matrix of second differences: across a dark line it is large and positive.
fn largest_curvature(image: ArrayView2<f32>) -> Array2<f32> {
    let (rows, cols) = image.dim();
    Array2::from_shape_fn((rows, cols), |(row, col)| {
        let (up, down) = (row.saturating_sub(1), (row + 1).min(rows - 1));
        let (left, right) = (col.saturating_sub(1), (col + 1).min(cols - 1));
        let yy = image[[up, col]] - 2.0 * image[[row, col]] + image[[down, col]];
        let xx = image[[row, left]] - 2.0 * image[[row, col]] + image[[row, right]];
        let xy = 0.25 * (image[[down, right]] - image[[down, left]] - image[[up, right]] + image[[up, left]]);
        0.5 * (xx + yy) + (0.25 * (xx - yy).powi(2) + xy * xy).sqrt()
    })
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, values: &Array2<f32>, mask: ArrayView2<bool>) {
        for (value, _) in values.iter().zip(mask).filter(|(_, inside)| **inside) {
            self.sum += f64::from(*value);
            self.count += 1;
        }
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::runtime::Generator;

    /// Dark rings whose profile is a Gaussian of `sigma` pixels, in noise; and where they are.
    fn rings(sigma: f64, noise: f64) -> (Array3<f32>, Array3<bool>) {
        let mut generator = Generator::new(7, 0);
        let from_ring = |y: usize, x: usize| ((y as f64 - 80.0).hypot(x as f64 - 80.0) - 50.0).abs();
        let slices = Array3::from_shape_fn((2, 160, 160), |(_, y, x)| {
            let line = (-0.5 * (from_ring(y, x) / sigma).powi(2)).exp();
            (noise * generator.normal() - line) as f32
        });
        (
            slices,
            Array3::from_shape_fn((2, 160, 160), |(_, y, x)| from_ring(y, x) < 1.0),
        )
    }

    #[test]
    fn the_width_of_a_ring_is_read_with_and_without_noise() {
        for sigma in [1.2, 2.0, 3.5] {
            for noise in [0.0, 0.5] {
                let (slices, on) = rings(sigma, noise);
                let width = dark_line_width(slices.view(), on.view(), on.mapv(|v| !v).view()).unwrap();
                // The ring is bent, and curvature is a difference over two pixels; noise bends less along a line than
                // beside it, which hides the narrowest widths.
                let allowed = if noise > 0.0 { 0.33 } else { 0.25 };
                assert!((width / sigma - 1.0).abs() < allowed, "{sigma} {noise}: {width}");
            }
        }
    }

    #[test]
    fn bright_lines_and_noise_have_no_width() {
        let (slices, on) = rings(2.0, 0.0);
        let off = on.mapv(|v| !v);
        // The flanks of a bright line are a dark line's, but not where the mask is.
        let bright = slices.mapv(|v| -v);
        let width = dark_line_width(bright.view(), on.view(), off.view());
        assert!(width.is_none_or(|width| width > 4.0), "{width:?}");
        let nowhere = Array3::from_elem(on.dim(), false);
        assert_eq!(dark_line_width(slices.view(), nowhere.view(), off.view()), None);
        assert_eq!(
            dark_line_width(
                Array3::zeros((1, 9, 9)).view(),
                on.slice(ndarray::s![..1, ..9, ..9]),
                off.slice(ndarray::s![..1, ..9, ..9])
            ),
            None
        );
    }
}
