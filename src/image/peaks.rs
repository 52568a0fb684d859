//! Local maxima of volumes.
use ndarray::ArrayView3;

/// Voxels (z, y, x) of `volume` that no neighbour of the 26 exceeds and that exceed `above`, highest first; of a
/// plateau, its first voxel in scan order, and among equals the scan order.
pub fn local_maxima(volume: ArrayView3<f32>, above: f32) -> Vec<([usize; 3], f32)> {
    let (nz, ny, nx) = volume.dim();
    let mut peaks = Vec::new();
    for ((z, y, x), &value) in volume.indexed_iter().filter(|(_, &value)| value > above) {
        let span = |at: usize, n: usize| at.saturating_sub(1)..(at + 2).min(n);
        let beaten = span(z, nz).any(|k| {
            span(y, ny).any(|j| {
                span(x, nx).any(|i| {
                    let other = volume[[k, j, i]];
                    other > value || (other == value && (k, j, i) < (z, y, x))
                })
            })
        });
        if !beaten {
            peaks.push(([z, y, x], value));
        }
    }
    peaks.sort_by(|a, b| b.1.total_cmp(&a.1));
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn peaks_come_highest_first_and_plateaus_once() {
        let mut volume = Array3::<f32>::zeros((5, 6, 7));
        volume[[1, 1, 1]] = 2.0;
        volume[[1, 1, 2]] = 2.0;
        volume[[3, 4, 5]] = 3.0;
        volume[[0, 5, 0]] = 0.5;
        let peaks = local_maxima(volume.view(), 0.6);
        assert_eq!(peaks, [([3, 4, 5], 3.0), ([1, 1, 1], 2.0)]);
        assert_eq!(local_maxima(volume.view(), 0.1).len(), 3);
    }
}
