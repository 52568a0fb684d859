//! Grey levels as CellPose was trained on them.
use ndarray::{Array2, ArrayView2};

use crate::image::percentiles;

/// Percentiles that become 0 and 1.
const RANGE: [f64; 2] = [1.0, 99.0];

/// Least distance of the two percentiles, in grey levels: a flatter image becomes 0.
const LEAST_CONTRAST: f32 = 1e-3;

/// The image with its 1st percentile at 0 and its 99th at 1, unclipped (cellpose's `normalize99`).
///
/// An image whose percentiles lie within 1e-3 becomes 0 as in cellpose: among others, a mask of which less than 1 % is
/// set.
pub fn normalise(image: ArrayView2<f32>) -> Array2<f32> {
    let Some(&[low, high]) = percentiles(image, &RANGE).as_deref() else {
        return Array2::zeros(image.dim());
    };
    if high - low > LEAST_CONTRAST {
        image.mapv(|v| (v - low) / (high - low))
    } else {
        Array2::zeros(image.dim())
    }
}
