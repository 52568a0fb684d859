//! The attention of one slice, for hosts that cut it themselves.
use crate::diffusion::{AttentionTap, DiffusionModel};
use crate::runtime::{Error, Job, Result, Stage};
use crate::volume::Tomogram;

use super::context::{slice_of, SlabContext};
use super::options::SlabOptions;
use super::slice::SliceRun;

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
    let options = SlabOptions {
        z: z..z.saturating_add(1),
        ..options.clone()
    };
    options.validate(tomogram.geometry().shape[0])?;
    job.enter(Stage::Read)?;
    let slices = tomogram.read_slices(options.z.clone())?;
    let context = SlabContext::new(model, tomogram.geometry(), &slices, &options, job)?;
    let run = SliceRun::new(&context, slice_of(&slices, 0), z, job)?;
    let mut tiles = Vec::with_capacity(run.tiles());
    for index in 0..run.tiles() {
        let (_, mut attention) = run.tile_attention(index, true, job)?;
        attention.pass(job)?;
        let (timestep, extraction) = attention
            .into_last()
            .ok_or_else(|| Error::Internal("a pass left no attention".into()))?;
        let taps = extraction.taps;
        tiles.push(TileFeatures { taps, timestep });
        job.advance((index + 1) as f64 / run.tiles() as f64)?;
    }
    Ok(tiles)
}
