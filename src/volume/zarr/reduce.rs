//! Half the resolution: blocks of 2 x 2 x 2 voxels become one.
use half::f16;
use zarrs::array::ElementOwned;

/// Value of a block of voxels at the next coarser resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean: for densities and probabilities.
    Mean,
    /// The value that most of them have, of equals the largest: for labels, which stay labels; thin structures win over
    /// background.
    Mode,
}

impl Reduction {
    /// Its name in the metadata.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Mode => "mode",
        }
    }
}

/// Types that volumes are written in.
pub trait ZarrVoxel: ElementOwned + Copy + Default + PartialOrd {
    /// Its names in zarr 2, little endian, and in zarr 3.
    const DTYPE: [&'static str; 2];

    /// The mean of `voxels`, at least one, rounded to the nearest.
    fn mean(voxels: &[Self]) -> Self;
}

impl ZarrVoxel for u8 {
    const DTYPE: [&'static str; 2] = ["|u1", "uint8"];

    fn mean(voxels: &[Self]) -> Self {
        let sum: usize = voxels.iter().map(|v| usize::from(*v)).sum();
        ((sum + voxels.len() / 2) / voxels.len().max(1)) as u8
    }
}

impl ZarrVoxel for f16 {
    const DTYPE: [&'static str; 2] = ["<f2", "float16"];

    fn mean(voxels: &[Self]) -> Self {
        let sum: f32 = voxels.iter().map(|v| v.to_f32()).sum();
        f16::from_f32(sum / voxels.len().max(1) as f32)
    }
}

impl ZarrVoxel for f32 {
    const DTYPE: [&'static str; 2] = ["<f4", "float32"];

    fn mean(voxels: &[Self]) -> Self {
        (voxels.iter().map(|v| f64::from(*v)).sum::<f64>() / voxels.len().max(1) as f64) as f32
    }
}

/// Halves `voxels` of extents `from` (z, y, x) along the axes whose `factor` is 2. A last block that is cut short
/// counts what it has.
pub(super) fn halve<T: ZarrVoxel>(voxels: &[T], from: [usize; 3], factor: [usize; 3], reduction: Reduction) -> Vec<T> {
    let to: [usize; 3] = std::array::from_fn(|axis| from[axis].div_ceil(factor[axis]));
    let mut halved = Vec::with_capacity(to.iter().product());
    let mut block = Vec::with_capacity(8);
    let span = |axis: usize, at: usize| at * factor[axis]..((at + 1) * factor[axis]).min(from[axis]);
    for z in 0..to[0] {
        for y in 0..to[1] {
            for x in 0..to[2] {
                block.clear();
                for k in span(0, z) {
                    for j in span(1, y) {
                        let row = (k * from[1] + j) * from[2];
                        let along = span(2, x);
                        block.extend_from_slice(&voxels[row + along.start..row + along.end]);
                    }
                }
                halved.push(match reduction {
                    Reduction::Mean => T::mean(&block),
                    Reduction::Mode => mode(&block),
                });
            }
        }
    }
    halved
}

/// The most frequent value, of equals the largest.
fn mode<T: ZarrVoxel>(block: &[T]) -> T {
    let mut best = (0, T::default());
    for value in block {
        let count = block.iter().filter(|other| *other == value).count();
        if count > best.0 || (count == best.0 && *value > best.1) {
            best = (count, *value);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_labels_and_means_are_exact() {
        assert_eq!(mode(&[0u8, 0, 0, 0, 0, 0, 0, 3]), 0);
        assert_eq!(mode(&[0u8, 0, 0, 0, 3, 3, 3, 3]), 3);
        assert_eq!(mode(&[0u8, 0, 0, 2, 2, 3, 3, 3]), 3);
        assert_eq!(mode(&[1u8, 1, 1, 2, 2, 3, 3, 0]), 1);
        assert_eq!(u8::mean(&[0, 1]), 1);
        assert_eq!(u8::mean(&[255; 8]), 255);
        assert_eq!(f16::mean(&[f16::from_f32(0.25), f16::from_f32(0.75)]).to_f32(), 0.5);
        assert_eq!(f32::mean(&[1.0, 2.0, 6.0]), 3.0);
    }

    #[test]
    fn odd_extents_keep_their_last_voxels() {
        let voxels: Vec<f32> = (0..9).map(|v| v as f32).collect();
        // One slice of 3 x 3; the slice itself is not halved.
        assert_eq!(
            halve(&voxels, [1, 3, 3], [1, 2, 2], Reduction::Mean),
            [2.0, 3.5, 6.5, 8.0]
        );
        assert_eq!(
            halve(&voxels, [3, 3, 1], [2, 2, 1], Reduction::Mean),
            [2.0, 3.5, 6.5, 8.0]
        );
    }
}
