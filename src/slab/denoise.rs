//! The matched model's one-step clean image of a whole tomogram.
use ndarray::ArrayView2;
use serde::Serialize;

use crate::diffusion::{DiffusionModel, LatentEncoder, LatentMode};
use crate::runtime::{Error, Job, Result, Stage};
use crate::volume::Tomogram;

use super::canvas::SliceCanvas;
use super::cell::CellRun;
use super::context::SlabContext;
use super::features::Timesteps;
use super::options::{CanvasRule, SlabOptions};
use super::stack::SlabStack;

/// Slices held at once, beside their neighbours.
const CHUNK: usize = 16;

/// What [`denoise`] did.
#[derive(Clone, Debug, Serialize)]
pub struct DenoiseReport {
    /// Name of the model.
    pub model: String,
    /// First and last-plus-one slice.
    pub z: [usize; 2],
    /// Signal variance over noise variance per voxel, given or estimated.
    pub snr: f64,
    /// Timestep at which the tomogram's noise is the model's.
    pub timestep: i64,
}

/// Denoises the slices `options.z` of `tomogram` and hands them to `put` one by one: number in the tomogram, and densities.
///
/// A matched model takes a slice of unit variance as x_t = sqrt(abar) x0 + sqrt(1 - abar) eps; what comes out is the signal's part,
/// sqrt(abar) x0, back in the tomogram's own grey scale. Grey scale and signal-to-noise ratio are those of the middle slices,
/// the same for all, so that slices do not flicker. Memory: about `CHUNK` slices and their neighbours, whatever the tomogram's depth.
///
/// Errors: as [`super::segment`]; [`Error::Unsupported`] for models that are not made for matched noise; whatever `put` fails with.
pub fn denoise(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    options: &SlabOptions,
    job: &Job,
    put: &mut dyn FnMut(usize, ArrayView2<f32>) -> Result<()>,
) -> Result<DenoiseReport> {
    let options = SlabOptions {
        canvas: CanvasRule::Denoised(0.0),
        ..options.clone()
    };
    options.validate(tomogram.geometry().shape[0])?;
    let matched = options.latent_mode.unwrap_or(model.config().latent_mode) == LatentMode::Matched;
    if !matched || !matches!(model.encoder(), LatentEncoder::SpaceToDepth(_)) {
        return Err(Error::Unsupported(format!(
            "model \"{}\" is not made for matched noise, so one step of it denoises nothing",
            model.config().name
        )));
    }
    job.enter(Stage::Read)?;
    let chunk = CHUNK.next_multiple_of(model.cells().slices as usize);
    let (first, end) = (options.z.start, options.z.end);
    let middle = first + (end - first).saturating_sub(chunk) / 2;
    let stack = SlabStack::read(tomogram, middle..(middle + chunk).min(end), model.cells())?;
    let context = SlabContext::new(model, tomogram.geometry(), &stack, &options, job)?;
    drop(stack);
    let Timesteps::Around(timestep) = context.timesteps else {
        return Err(Error::argument(
            "timestep rule",
            "uniform draws",
            "must be automatic or fixed: the tomogram has one noise level",
        ));
    };
    let abar = model.schedule().alpha_cumprod(timestep)?;
    for start in (first..end).step_by(chunk) {
        let slab = start..(start + chunk).min(end);
        job.enter(Stage::Read)?;
        let stack = SlabStack::read(tomogram, slab, model.cells())?;
        for z in stack.cell_starts() {
            job.set_span((z - first) as f64 / (end - first) as f64..1.0);
            let run = CellRun::new(&context, &stack, z, job)?;
            let tiles = (0..run.tiles())
                .map(|tile| Ok(run.run_tile(tile, false, job)?.map))
                .collect::<Result<Vec<_>>>()?;
            for (offset, canvas) in run.join(tiles)?.into_iter().enumerate() {
                let SliceCanvas::Score(score) = canvas else {
                    return Err(Error::Internal("a denoised slice is no score map".into()));
                };
                let slice = score.mapv(|v| context.density(-v * abar.sqrt() as f32));
                put(z + offset, slice.view())?;
            }
        }
    }
    Ok(DenoiseReport {
        model: model.config().name.clone(),
        z: [first, end],
        snr: abar / (1.0 - abar),
        timestep,
    })
}
