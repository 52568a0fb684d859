//! Sizes, centres and bounds of sets of voxels.
use std::f64::consts::PI;

use ndarray::{ArrayView2, ArrayView3};

use super::splitter::Object;

/// Moments and bounds of a set of voxels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Body {
    pub size: usize,
    pub sum: [f64; 3],
    /// zz, yy, xx, zy, zx, yx. Coordinates stay below 2^16 here, so doubles hold the sums of squares.
    pub squares: [f64; 6],
    pub low: [usize; 3],
    pub high: [usize; 3],
    pub score: f64,
}

impl Body {
    pub fn of(voxels: impl Iterator<Item = [usize; 3]>) -> Self {
        let mut body = Self::default();
        voxels.for_each(|voxel| body.add(voxel, 1.0));
        body
    }

    pub fn add(&mut self, voxel: [usize; 3], score: f32) {
        let [z, y, x] = voxel.map(|v| v as f64);
        if self.size == 0 {
            (self.low, self.high) = (voxel, voxel);
        }
        for (axis, v) in voxel.into_iter().enumerate() {
            self.low[axis] = self.low[axis].min(v);
            self.high[axis] = self.high[axis].max(v);
        }
        self.size += 1;
        for (sum, v) in self.sum.iter_mut().zip([z, y, x]) {
            *sum += v;
        }
        for (sum, v) in self.squares.iter_mut().zip([z * z, y * y, x * x, z * y, z * x, y * x]) {
            *sum += v;
        }
        self.score += f64::from(score);
    }

    pub fn centroid(&self) -> [f64; 3] {
        self.sum.map(|sum| sum / self.size.max(1) as f64)
    }

    pub fn object(&self, label: u32, diameter_nm: f64) -> Object {
        Object {
            label,
            centroid: self.centroid(),
            size: self.size,
            diameter_nm,
            score: self.score / self.size.max(1) as f64,
        }
    }
}

/// Moments of parts 1..=`count` of slice `z`, in order of their numbers.
pub(super) fn slice_bodies(
    parts: ArrayView2<u32>,
    count: usize,
    z: usize,
    score: Option<&ArrayView3<f32>>,
) -> Vec<Body> {
    let mut bodies = vec![Body::default(); count];
    for ((y, x), &label) in parts.indexed_iter().filter(|(_, &label)| label > 0) {
        let value = score.map_or(1.0, |score| score[[z, y, x]]);
        bodies[label as usize - 1].add([z, y, x], value);
    }
    bodies
}

/// Diameter of the disc of `pixels` pixels.
pub(super) fn disc_diameter(pixels: usize) -> f64 {
    2.0 * (pixels as f64 / PI).sqrt()
}
