//! Exact Euclidean distance transform: lower envelopes of parabolas, one axis after the other (Felzenszwalb and
//! Huttenlocher 2012).
use ndarray::{Array2, Array3, ArrayView2, ArrayView3};

use crate::runtime::Result;

/// Distance in pixels from each pixel to the nearest true pixel (0 there); infinite where no pixel is true.
pub fn distance_2d(target: ArrayView2<bool>) -> Array2<f64> {
    let (rows, cols) = target.dim();
    let mut field = Array2::from_shape_fn((rows, cols), |at| start(target[at]));
    if let Some(field) = field.as_slice_mut() {
        // Never stopped, hence never an error.
        let _ = squared_distance([1, rows, cols], field, || Ok(()));
    }
    field.mapv(|squared| f64::from(squared).sqrt())
}

/// Distance in voxels from each voxel of a (z, y, x) volume to the nearest true voxel; infinite where none is true.
///
/// `check` is asked every few lines and stops the work by its error: a slab takes longer than a cancel may.
pub fn distance_3d(target: ArrayView3<bool>, check: impl Fn() -> Result<()>) -> Result<Array3<f32>> {
    let (depth, rows, cols) = target.dim();
    let mut field = Array3::from_shape_fn((depth, rows, cols), |at| start(target[at]));
    if let Some(field) = field.as_slice_mut() {
        squared_distance([depth, rows, cols], field, check)?;
    }
    field.mapv_inplace(f32::sqrt);
    Ok(field)
}

fn start(target: bool) -> f32 {
    if target {
        0.0
    } else {
        f32::INFINITY
    }
}

/// In place. Squared distances are whole numbers, exact in float32 up to 4096 pixels; it halves the memory of volumes.
fn squared_distance(shape: [usize; 3], field: &mut [f32], check: impl Fn() -> Result<()>) -> Result<()> {
    let strides = [shape[1] * shape[2], shape[2], 1];
    for axis in (0..3).rev().filter(|&axis| shape[axis] > 1) {
        let (length, stride) = (shape[axis], strides[axis]);
        let mut line = vec![0.0; length];
        let mut envelope = Envelope::default();
        for block in field.chunks_exact_mut((length * stride).max(1)) {
            for offset in 0..stride {
                if offset % 64 == 0 {
                    check()?;
                }
                for (value, from) in line.iter_mut().zip(block[offset..].iter().step_by(stride)) {
                    *value = f64::from(*from);
                }
                // Most lines of a sparse volume are ground throughout.
                if line.iter().all(|v| *v == 0.0) {
                    continue;
                }
                envelope.transform(&mut line);
                for (value, to) in line.iter().zip(block[offset..].iter_mut().step_by(stride)) {
                    *to = *value as f32;
                }
            }
        }
    }
    Ok(())
}

/// The parabolas of one line that are lowest somewhere: where each starts to be, its apex and its height.
#[derive(Default)]
struct Envelope(Vec<(f64, f64, f64)>);

impl Envelope {
    /// Replaces f by `min over q of f(q) + (p - q)^2`.
    fn transform(&mut self, line: &mut [f64]) {
        self.0.clear();
        for (q, &height) in line.iter().enumerate().filter(|(_, height)| height.is_finite()) {
            let q = q as f64;
            let mut start = f64::NEG_INFINITY;
            while let Some(&(from, apex, other)) = self.0.last() {
                start = ((height + q * q) - (other + apex * apex)) / (2.0 * (q - apex));
                if start > from {
                    break;
                }
                self.0.pop();
                start = f64::NEG_INFINITY;
            }
            self.0.push((start, q, height));
        }
        let mut current = 0;
        for (p, value) in line.iter_mut().enumerate() {
            let p = p as f64;
            while self.0.get(current + 1).is_some_and(|next| next.0 < p) {
                current += 1;
            }
            if let Some(&(_, apex, height)) = self.0.get(current) {
                *value = height + (p - apex) * (p - apex);
            }
        }
    }
}
