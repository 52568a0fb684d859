//! What a splitter is given and what it answers.
use ndarray::{Array3, ArrayView3};

use crate::runtime::{Error, Job, Result};

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
    /// 0 ground, `MEMBRANE`, `MOLECULE`; the shape of the foreground.
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

/// Refuses what no splitter takes.
pub(super) fn check(foreground: &ArrayView3<bool>, score: Option<&ArrayView3<f32>>, voxel_nm: f64) -> Result<()> {
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
