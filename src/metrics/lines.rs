//! What a line filter reaches on single slices: the floor of membrane scores.
use ndarray::{Array2, ArrayView2};

use crate::image::{gaussian_f32, reflect};

/// Standard deviations in pixels that the floor of a set of slices chooses from.
pub const LINE_SIGMAS: [f64; 3] = [1.0, 2.0, 3.0];

/// How much every pixel of `image` (row, column) looks like a line: the larger eigenvalue of the Hessian after a
/// Gaussian blur of `sigma` pixels, for `dark` lines; of the negated image for bright ones. Higher is more likely a
/// line; no units.
///
/// Second differences with mirrored borders stand for the derivatives. It is the ridge measure of Lindeberg (1998)
/// without normalisation, and the core of the vesselness filters.
pub fn line_strength(image: ArrayView2<f32>, sigma: f64, dark: bool) -> Array2<f32> {
    let sign = if dark { 1.0 } else { -1.0 };
    let blurred = gaussian_f32(image, sigma).mapv(|v| sign * f64::from(v));
    let (rows, cols) = blurred.dim();
    Array2::from_shape_fn((rows, cols), |(r, c)| {
        let at = |dr: isize, dc: isize| blurred[[reflect(r as isize + dr, rows), reflect(c as isize + dc, cols)]];
        let down = at(-1, 0) - 2.0 * at(0, 0) + at(1, 0);
        let across = at(0, -1) - 2.0 * at(0, 0) + at(0, 1);
        let mixed = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4.0;
        (0.5 * (down + across) + (0.5 * (down - across)).hypot(mixed)) as f32
    })
}
