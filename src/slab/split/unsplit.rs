//! No split.
use ndarray::ArrayView3;

use super::splitter::{check, Split, Splitter};
use crate::runtime::{Job, Result};
use crate::volume::MEMBRANE;

/// Foreground stays one class, membrane, without molecules: what the slab paper's pipeline gives without its split.
pub struct Unsplit;

impl Splitter for Unsplit {
    fn split(
        &self,
        foreground: ArrayView3<bool>,
        score: Option<ArrayView3<f32>>,
        voxel_nm: f64,
        job: &Job,
    ) -> Result<Split> {
        check(&foreground, score.as_ref(), voxel_nm)?;
        job.check()?;
        Ok(Split {
            labels: foreground.mapv(|inside| if inside { MEMBRANE } else { 0 }),
            objects: Vec::new(),
        })
    }
}
