//! The attention of one slice, for hosts that cut it themselves.
use crate::diffusion::{AttentionTap, DiffusionModel};
use crate::runtime::{Error, Job, Result};
use crate::volume::Tomogram;

use super::one_slice::with_cell;
use super::options::SlabOptions;

/// What one U-Net pass over one tile of a slice gave.
pub struct TileFeatures {
    /// Q and K of the layers that the options name, in execution order.
    pub taps: Vec<AttentionTap>,
    /// Timestep of the pass.
    pub timestep: i64,
}

/// Sends every tile of slice `z` through the U-Net once, as [`super::segment`] would for a slab of this slice alone.
///
/// Errors: as [`super::segment`].
pub fn slice_features(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: usize,
    options: &SlabOptions,
    job: &Job,
) -> Result<Vec<TileFeatures>> {
    with_cell(model, tomogram, z, options, job, |run| {
        let mut tiles = Vec::with_capacity(run.tiles());
        for index in 0..run.tiles() {
            let mut attention = run.attention(index, true, job)?;
            attention.pass(job)?;
            let (timestep, extraction) = attention
                .into_last()
                .ok_or_else(|| Error::Internal("a pass left no attention".into()))?;
            let taps = extraction.taps;
            tiles.push(TileFeatures { taps, timestep });
            job.advance((index + 1) as f64 / run.tiles() as f64)?;
        }
        Ok(tiles)
    })
}
