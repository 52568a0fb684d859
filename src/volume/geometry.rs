//! Where the voxels of a volume lie.
use std::ops::Range;

use crate::{Error, Result};

/// Extent, sampling and place of a volume. Every triple is in (z, y, x) order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Geometry {
    /// Number of voxels.
    pub shape: [usize; 3],
    /// Edge lengths of a voxel in Angstrom; 0 where the file does not tell.
    pub voxel_angstrom: [f64; 3],
    /// Position of the centre of voxel (0, 0, 0) in Angstrom, in the sense of MRC-2014's ORIGIN.
    pub origin_angstrom: [f64; 3],
    /// Index of voxel (0, 0, 0) in the volume that this one was cut from (NZSTART, NYSTART, NXSTART).
    pub start: [i32; 3],
    /// The text labels of the file, oldest first.
    pub labels: Vec<String>,
}

impl Geometry {
    /// A volume of `shape` (z, y, x) with cubic voxels of `voxel_angstrom` (0: unknown) at the origin.
    pub fn new(shape: [usize; 3], voxel_angstrom: f64) -> Self {
        Self {
            shape,
            voxel_angstrom: [voxel_angstrom; 3],
            ..Self::default()
        }
    }

    /// The geometry of the slices `z` of this volume: the origin moves by whole voxels and `start` by as many, so that
    /// the sub-volume overlays its parent in programs that use either.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where `z` is empty or leaves the volume, or where `start` would overflow.
    pub fn slab(&self, z: Range<usize>) -> Result<Self> {
        self.check_slices(&z)?;
        let mut slab = self.clone();
        slab.shape[0] = z.end - z.start;
        slab.origin_angstrom[0] += z.start as f64 * self.voxel_angstrom[0];
        slab.start[0] = i32::try_from(z.start)
            .ok()
            .and_then(|first| self.start[0].checked_add(first))
            .ok_or_else(|| Error::argument("z", z.start, "must keep NZSTART within 32 bits"))?;
        Ok(slab)
    }

    /// Fails unless `z` is a non-empty range of this volume's slices.
    pub(crate) fn check_slices(&self, z: &Range<usize>) -> Result<()> {
        if z.start < z.end && z.end <= self.shape[0] {
            return Ok(());
        }
        let allowed = format!("must be a non-empty range within 0:{}", self.shape[0]);
        Err(Error::argument("z", format!("{}:{}", z.start, z.end), &allowed))
    }

    /// Number of voxels.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where the number does not fit a `usize`.
    pub fn voxels(&self) -> Result<usize> {
        let [nz, ny, nx] = self.shape;
        nz.checked_mul(ny)
            .and_then(|plane| plane.checked_mul(nx))
            .ok_or_else(|| Error::OutOfMemory(format!("{nz} x {ny} x {nx} voxels cannot be addressed")))
    }

    /// Mean edge length of a voxel in nanometres, or `None` where any edge is unknown.
    pub fn voxel_nm(&self) -> Option<f64> {
        let known = self.voxel_angstrom.iter().all(|edge| edge.is_finite() && *edge > 0.0);
        known.then(|| self.voxel_angstrom.iter().sum::<f64>() / 30.0)
    }

    /// The position of voxel coordinates (z, y, x) in Angstrom from the corner voxel's centre (ORIGIN not added).
    pub fn angstrom(&self, voxel: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|axis| voxel[axis] * self.voxel_angstrom[axis])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slab_keeps_its_place() {
        let mut whole = Geometry::new([128, 64, 32], 10.0);
        whole.origin_angstrom = [5.0, 6.0, 7.0];
        whole.start = [3, 0, 0];
        let slab = whole.slab(40..60).unwrap();
        assert_eq!(slab.shape, [20, 64, 32]);
        assert_eq!(slab.origin_angstrom, [405.0, 6.0, 7.0]);
        assert_eq!(slab.start, [43, 0, 0]);
    }

    #[test]
    fn wrong_ranges_are_named() {
        let whole = Geometry::new([128, 64, 32], 10.0);
        #[allow(clippy::reversed_empty_ranges)]
        for z in [5..5, 9..3, 100..129, usize::MAX - 1..usize::MAX] {
            let text = whole.slab(z).unwrap_err().to_string();
            assert!(text.contains("within 0:128"), "{text}");
        }
    }
}
