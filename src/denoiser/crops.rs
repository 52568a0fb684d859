//! Crops of volumes, mirrored at random.
use tch::Tensor;

use crate::runtime::{Error, Generator, Result};

/// Where a crop lies and how it is mirrored.
pub(super) struct Place {
    start: [i64; 3],
    extent: [i64; 3],
    flips: [bool; 3],
}

impl Place {
    /// A random crop of `extent` voxels (z, y, x) in a volume of `shape`. Errors: a volume that is too small.
    pub fn random((depth, height, width): (i64, i64, i64), extent: [i64; 3], gen: &mut Generator) -> Result<Self> {
        let [slices, rows, cols] = extent;
        if depth < slices || height < rows || width < cols {
            let extents = format!("{depth}x{height}x{width}");
            let allowed = format!("must be at least {slices}x{rows}x{cols}");
            return Err(Error::argument("volume", extents, &allowed));
        }
        Ok(Self {
            start: [
                gen.integer(0, depth - slices),
                gen.integer(0, height - rows),
                gen.integer(0, width - cols),
            ],
            extent,
            flips: [gen.chance(0.5), gen.chance(0.5), gen.chance(0.5)],
        })
    }

    /// The crop of `volume` [.., z, y, x].
    pub fn cut(&self, volume: &Tensor) -> Result<Tensor> {
        let first = volume.dim() as i64 - 3;
        let mut part = volume.shallow_clone();
        for axis in 0..3 {
            part = part.f_narrow(first + axis as i64, self.start[axis], self.extent[axis])?;
        }
        let flips: Vec<i64> = (0..3).filter(|a| self.flips[*a as usize]).map(|a| first + a).collect();
        Ok(if flips.is_empty() { part } else { part.f_flip(&flips)? })
    }
}
