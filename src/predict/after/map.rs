//! A map of probabilities, and which part of which tomogram it is.
use std::ops::Range;

use ndarray::Array3;

use crate::runtime::{Error, Result};
use crate::volume::{Geometry, Tomogram};

/// Bytes of a voxel while slices are worked on: as they are read, as they are scaled, and what is made of them.
const BYTES: usize = 16;

/// Probabilities of one output of a network.
#[derive(Clone, Copy)]
pub struct ProbabilityMap<'a> {
    /// The volume, wherever its slices come from.
    pub volume: &'a Tomogram,
    /// What of the volume's numbers is a probability of 1: 1, or 255 where it is stored in bytes.
    pub certain: f32,
    /// The tomogram: its extents, and its voxel size.
    pub whole: &'a Geometry,
    /// Voxel (z, y, x) of the tomogram that the map's first one is.
    pub first: [usize; 3],
    /// Name of the tomogram, as in rlnTomoName; files are named after it.
    pub name: &'a str,
}

impl<'a> ProbabilityMap<'a> {
    /// A map of 0..=1 of a whole tomogram, with the map's own voxel size.
    pub fn of(volume: &'a Tomogram) -> Self {
        Self {
            volume,
            certain: 1.0,
            whole: volume.geometry(),
            first: [0; 3],
            name: volume.name(),
        }
    }

    /// Extents (z, y, x).
    pub fn shape(&self) -> [usize; 3] {
        self.volume.geometry().shape
    }

    /// Edges of a voxel (z, y, x) in nm.
    ///
    /// Errors: they are unknown, and `what` needs them.
    pub fn voxel_nm(&self, purpose: &str) -> Result<[f64; 3]> {
        match self.whole.voxel_nm() {
            Some(_) => Ok(self.whole.voxel_angstrom.map(|edge| edge / 10.0)),
            None => Err(Error::argument(
                "voxel_nm",
                "unknown",
                &format!("must be given for {purpose}: lengths are in nm"),
            )),
        }
    }

    /// Probabilities of the slices `z`.
    pub fn slices(&self, z: Range<usize>) -> Result<Array3<f32>> {
        let mut slices = self.volume.read_slices(z)?;
        if self.certain != 1.0 {
            slices.mapv_inplace(|v| v / self.certain);
        }
        Ok(slices)
    }

    /// The slices in order, in ranges so short that a quarter of `memory` bytes holds them.
    pub fn chunks(&self, memory: u64) -> Vec<Range<usize>> {
        let [nz, ny, nx] = self.shape();
        let slice = (ny * nx * BYTES) as u64;
        let depth = (memory / 4 / slice.max(1)).clamp(1, 16) as usize;
        (0..nz).step_by(depth).map(|z| z..(z + depth).min(nz)).collect()
    }
}
