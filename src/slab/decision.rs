//! What a way says of a slab.
use std::ops::Range;

use ndarray::{s, Array2, Array3, ArrayView2, Axis};

use crate::picks::Pick;
use crate::runtime::{Error, Result};

use super::structures::StructureMaps;

/// Labels, score and points of the slices looked at; points in voxels of these slices.
pub struct Decision {
    /// 0 background, 1 membrane, 2 molecule, 3 filament.
    pub labels: Array3<i8>,
    /// How much of a structure each voxel is, 0..=1.
    pub score: Array3<f32>,
    /// Molecules.
    pub points: Vec<Pick>,
    /// What the model says of each structure, where the way is that.
    pub structures: Option<StructureMaps>,
}

impl Decision {
    /// The part of it within the slices `slab` of the slices `seen`, points in voxels of the tomogram; a point belongs
    /// where its centre is.
    pub fn within(mut self, seen: &Range<usize>, slab: &Range<usize>) -> Self {
        for point in &mut self.points {
            point.position[0] += seen.start as f64;
        }
        if seen == slab {
            return self;
        }
        let (first, end) = (slab.start - seen.start, slab.end - seen.start);
        let cut = |map: Array3<f32>| map.slice(s![first..end, .., ..]).to_owned();
        self.labels = self.labels.slice(s![first..end, .., ..]).to_owned();
        self.score = cut(self.score);
        self.structures = self.structures.map(|maps| StructureMaps {
            membrane: cut(maps.membrane),
            molecule: cut(maps.molecule),
            filament: cut(maps.filament),
            centre: cut(maps.centre),
        });
        let inside = |z: f64| z >= slab.start as f64 - 0.5 && z < slab.end as f64 - 0.5;
        self.points.retain(|point| inside(point.position[0]));
        self
    }
}

/// Slices stacked along z.
pub fn volume<T: Copy>(slices: &[Array2<T>]) -> Result<Array3<T>> {
    let views: Vec<ArrayView2<T>> = slices.iter().map(Array2::view).collect();
    ndarray::stack(Axis(0), &views).map_err(|error| Error::Internal(format!("stacking slices: {error}")))
}
