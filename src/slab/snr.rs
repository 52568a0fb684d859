//! Signal-to-noise ratio of a tomogram from its own slices.
use ndarray::Array3;

/// Bounds of the estimate: what matched models are trained on.
const SNR_RANGE: (f64, f64) = (0.03, 2.0);

/// Signal variance over noise variance per voxel, estimated from a slab (z, y, x), clamped to 0.03..=2.
///
/// Uses the structure function along y, the tilt axis of a single-axis series, where reconstruction noise is white: the
/// half mean squared difference of neighbours at distance one is the noise variance plus what the signal changes over one voxel, which the
/// differences at distances two and three extrapolate away (signal differences grow with the square of a small distance).
pub fn estimate_snr(slices: &Array3<f32>) -> f64 {
    let (_, rows, _) = slices.dim();
    let (low, high) = SNR_RANGE;
    if rows < 8 {
        return (low * high).sqrt();
    }
    let total = {
        let mean = slices.iter().map(|v| f64::from(*v)).sum::<f64>() / slices.len() as f64;
        slices.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / slices.len() as f64
    };
    let structure = |distance: usize| {
        let (mut sum, mut count) = (0.0, 0usize);
        for slice in slices.outer_iter() {
            for y in 0..rows - distance {
                for (a, b) in slice.row(y).iter().zip(slice.row(y + distance)) {
                    sum += f64::from(a - b).powi(2);
                }
                count += slice.ncols();
            }
        }
        0.5 * sum / count.max(1) as f64
    };
    // gamma(d) = noise + c d^2 for small d: from d = 1 and 2, noise = (4 gamma(1) - gamma(2)) / 3.
    let noise = ((4.0 * structure(1) - structure(2)) / 3.0).max(1e-12);
    ((total - noise) / noise).clamp(low, high)
}
