//! Foreground into membranes and molecules.
mod cellpose;
mod shape3d;

pub use cellpose::{CellPoseInput, CellPosePerSlice};
pub use shape3d::Shape3d;

use std::f64::consts::PI;

use ndarray::{s, Array3, ArrayView2, ArrayView3, Axis};

use crate::image::{circularity, label_2d, perimeter, Connectivity};
use crate::runtime::{Error, Job, Result};

/// Label of membrane voxels.
pub const MEMBRANE: i8 = 1;

/// Label of molecule voxels.
pub const MOLECULE: i8 = 2;

/// Label of filament voxels; only models that know filaments give it.
pub const FILAMENT: i8 = 3;

/// One molecule: a disc of one slice, or a body across slices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// Number of the object, from 1; per slice where the splitter works slice by slice.
    pub label: u32,
    /// Centre of mass (z, y, x), in voxels of the slab.
    pub centroid: [f64; 3],
    /// Pixels of the slice, or voxels of the body.
    pub size: usize,
    /// Diameter of the disc or ball of that size (of the in-plane outline where the slab cuts the body), in nm.
    pub diameter_nm: f64,
    /// Mean score over the object, or 1 without scores.
    pub score: f64,
}

/// What a splitter found.
#[derive(Clone, Debug)]
pub struct Split {
    /// 0 ground, [`MEMBRANE`], [`MOLECULE`]; the shape of the foreground.
    pub labels: Array3<i8>,
    /// The molecules, in order of z, row, column.
    pub objects: Vec<Object>,
}

/// Tells molecules from membranes. Networks that know molecules take this place as well as rules of shape.
pub trait Splitter {
    /// Splits `foreground` (z, y, x), whose voxels are `voxel_nm` wide; `score` (same shape) weighs the objects.
    ///
    /// Errors: shapes that differ, a voxel size that is not positive, cancel.
    fn split(
        &self,
        foreground: ArrayView3<bool>,
        score: Option<ArrayView3<f32>>,
        voxel_nm: f64,
        job: &Job,
    ) -> Result<Split>;
}

/// The released code's rule on each slice by itself: 8-connected components whose circularity, by scikit-image's
/// perimeter, reaches 0.95 are molecules, all other foreground is membrane.
///
/// That estimator exceeds 1 for specks and falls below 0.95 for discs of radius 5 and from 7 pixels up, so the rule is
/// mostly a cut on size and means something on the papers' 512-pixel quadrants only (at 1.3 nm).
#[derive(Clone, Debug, PartialEq)]
pub struct ShapePerSlice {
    /// Least circularity.
    pub circularity: f64,
    /// Bounds on the diameter of the disc of equal area, in nm; `None` as released.
    pub diameter_nm: Option<(f64, f64)>,
}

impl Default for ShapePerSlice {
    fn default() -> Self {
        Self {
            circularity: 0.95,
            diameter_nm: None,
        }
    }
}

impl Splitter for ShapePerSlice {
    fn split(
        &self,
        foreground: ArrayView3<bool>,
        score: Option<ArrayView3<f32>>,
        voxel_nm: f64,
        job: &Job,
    ) -> Result<Split> {
        check(&foreground, score.as_ref(), voxel_nm)?;
        let mut labels = foreground.mapv(|v| if v { MEMBRANE } else { 0 });
        let mut objects = Vec::new();
        for (z, slice) in foreground.axis_iter(Axis(0)).enumerate() {
            job.check()?;
            let parts = label_2d(slice, Connectivity::Full);
            let bodies = slice_bodies(parts.labels.view(), parts.areas.len(), z, score.as_ref());
            let mut accepted = vec![false; parts.areas.len() + 1];
            for (label, body) in (1_u32..).zip(&bodies) {
                let ([_, top, left], [_, bottom, right]) = (body.low, body.high);
                let outline = parts.labels.slice(s![top..=bottom, left..=right]).mapv(|l| l == label);
                let diameter_nm = disc_diameter(body.size) * voxel_nm;
                let fits = self
                    .diameter_nm
                    .is_none_or(|(low, high)| (low..=high).contains(&diameter_nm));
                if fits && circularity(body.size, perimeter(outline.view())) >= self.circularity {
                    accepted[label as usize] = true;
                    objects.push(body.object(label, diameter_nm));
                }
            }
            let mut out = labels.index_axis_mut(Axis(0), z);
            out.zip_mut_with(&parts.labels, |out, &label| {
                if accepted[label as usize] {
                    *out = MOLECULE;
                }
            });
        }
        Ok(Split { labels, objects })
    }
}

/// Moments of parts 1..=`count` of slice `z`, in order of their numbers.
fn slice_bodies(parts: ArrayView2<u32>, count: usize, z: usize, score: Option<&ArrayView3<f32>>) -> Vec<Body> {
    let mut bodies = vec![Body::default(); count];
    for ((y, x), &label) in parts.indexed_iter().filter(|(_, &label)| label > 0) {
        let value = score.map_or(1.0, |score| score[[z, y, x]]);
        bodies[label as usize - 1].add([z, y, x], value);
    }
    bodies
}

/// Diameter of the disc of `pixels` pixels.
fn disc_diameter(pixels: usize) -> f64 {
    2.0 * (pixels as f64 / PI).sqrt()
}

fn check(foreground: &ArrayView3<bool>, score: Option<&ArrayView3<f32>>, voxel_nm: f64) -> Result<()> {
    if let Some(score) = score.filter(|score| score.dim() != foreground.dim()) {
        let allowed = format!("must be that of the foreground, {:?}", foreground.dim());
        return Err(Error::argument("score shape", format!("{:?}", score.dim()), &allowed));
    }
    if voxel_nm.is_normal() && voxel_nm > 0.0 {
        Ok(())
    } else {
        Err(Error::argument("voxel_nm", voxel_nm, "must be positive"))
    }
}

/// Moments and bounds of a set of voxels.
#[derive(Clone, Copy, Debug, Default)]
struct Body {
    size: usize,
    sum: [f64; 3],
    /// zz, yy, xx, zy, zx, yx. Coordinates stay below 2^16 here, so doubles hold the sums of squares.
    squares: [f64; 6],
    low: [usize; 3],
    high: [usize; 3],
    score: f64,
}

impl Body {
    fn of(voxels: impl Iterator<Item = [usize; 3]>) -> Self {
        let mut body = Self::default();
        voxels.for_each(|voxel| body.add(voxel, 1.0));
        body
    }

    fn add(&mut self, voxel: [usize; 3], score: f32) {
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

    fn centroid(&self) -> [f64; 3] {
        self.sum.map(|sum| sum / self.size.max(1) as f64)
    }

    fn object(&self, label: u32, diameter_nm: f64) -> Object {
        Object {
            label,
            centroid: self.centroid(),
            size: self.size,
            diameter_nm,
            score: self.score / self.size.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests;
