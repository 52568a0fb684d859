//! Sources of slices: a file, an array, the host's memory.
use std::ops::Range;

use ndarray::Array3;

use crate::{Error, Result};

/// Source of a tomogram's voxels. Implemented for files and arrays here, for the host's memory in `capi`.
pub trait SliceSource: Send + Sync {
    /// The slices `z` as an array of shape (z.end - z.start, ny, nx). `z` is a non-empty range of the tomogram's
    /// slices.
    fn read(&self, z: Range<usize>) -> Result<Array3<f32>>;

    /// Bytes that [`SliceSource::read`] takes at most beside its answer, kept ones included.
    fn reading_bytes(&self) -> u64 {
        0
    }
}

/// A zeroed buffer for `shape` voxels, or an error instead of an abort where there is no memory for it.
pub(super) fn allocate_slices(shape: [usize; 3]) -> Result<Vec<f32>> {
    let [nz, ny, nx] = shape;
    let refused = || Error::OutOfMemory(format!("{nz} x {ny} x {nx} voxels of float32"));
    let count = nz
        .checked_mul(ny)
        .and_then(|plane| plane.checked_mul(nx))
        .ok_or_else(refused)?;
    let mut slices = Vec::new();
    slices.try_reserve_exact(count).map_err(|_| refused())?;
    slices.resize(count, 0.0);
    Ok(slices)
}
