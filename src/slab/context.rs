//! What all slices of a slab share: voxel size, grey scale, signal-to-noise ratio, timesteps.
use std::ops::Range;

use ndarray::Array3;

use crate::diffusion::{DiffusionModel, LatentDraw, LatentMode};
use crate::runtime::{Generator, Job, Result, Stage};
use crate::volume::{warn_of_contrast, Geometry, Tomogram};

use super::choices::TimestepRule;
use super::grey::GreyScale;
use super::options::SlabOptions;
use super::stack::{RawStack, SlabStack};
use super::tile_tensor::tile_tensor;
use super::tiles::TilePlan;
use super::timesteps::{latent_mode, resolve_timesteps, Timesteps};
use super::voxel::{voxel_nm, warn_outside_training};

/// Tiles in which the signal-to-noise ratio is sought: with six the estimate varies by about a fifth on the simulated
/// cells.
const SNR_TILES: usize = 6;
/// Depths of the slab that they are taken from.
const SNR_DEPTHS: usize = 3;

/// Settings resolved against one model and one slab.
pub struct SlabContext<'a> {
    /// The model.
    pub model: &'a DiffusionModel,
    /// The host's settings.
    pub options: &'a SlabOptions,
    /// Voxel edge in nm.
    pub voxel_nm: f64,
    /// Signal-to-noise ratio given or estimated; NaN where the model does not need it.
    pub snr: f64,
    /// Timesteps of the passes.
    pub timesteps: Timesteps,
    /// How slices enter the U-Net.
    pub mode: LatentMode,
    /// Rows and columns of a slice.
    pub slice_shape: (usize, usize),
    /// Grey scale of every slice.
    pub scale: GreyScale,
}

/// A slab that was read and scaled, and what its slices share.
pub struct PreparedSlab<'a> {
    /// What the slices share.
    pub context: SlabContext<'a>,
    /// The slices.
    pub stack: SlabStack,
    /// Likelihood of membrane that the segmentation network gives, where it is asked.
    pub network_membrane: Option<Array3<f32>>,
}

impl<'a> PreparedSlab<'a> {
    /// Reads the slices `z` of `tomogram` and resolves `options` for them; warns about doubtful voxel sizes.
    pub fn read(
        model: &'a DiffusionModel,
        tomogram: &Tomogram,
        z: Range<usize>,
        options: &'a SlabOptions,
        job: &Job,
    ) -> Result<Self> {
        job.enter(Stage::Read)?;
        let raw = RawStack::read(tomogram, z, model.cells())?;
        job.check()?;
        if let Some(voxel_nm) = tomogram.geometry().voxel_nm() {
            warn_of_contrast(raw.slab(), voxel_nm, options.bright, job)?;
        }
        let scale = GreyScale::of(model, raw.slab(), options)?;
        let stack = raw.scaled(&scale, job)?;
        let context = SlabContext::new(model, tomogram.geometry(), scale, &stack, options, job)?;
        Ok(Self {
            context,
            stack,
            network_membrane: None,
        })
    }
}

impl<'a> SlabContext<'a> {
    fn new(
        model: &'a DiffusionModel,
        geometry: &Geometry,
        scale: GreyScale,
        stack: &SlabStack,
        options: &'a SlabOptions,
        job: &Job,
    ) -> Result<Self> {
        let voxel_nm = voxel_nm(geometry, options.voxel_nm, job);
        warn_outside_training(model, voxel_nm, job);
        let mode = latent_mode(model, options);
        let slice_shape = (geometry.shape[1], geometry.shape[2]);
        let snr = match options.snr {
            Some(snr) => snr,
            None if mode == LatentMode::Matched && options.timestep_rule == TimestepRule::Auto => {
                estimate_snr(model, options, slice_shape, stack, job)?
            }
            None => f64::NAN,
        };
        Ok(Self {
            model,
            options,
            voxel_nm,
            snr,
            timesteps: resolve_timesteps(model, options, voxel_nm, snr),
            mode,
            slice_shape,
            scale,
        })
    }
}

/// The signal-to-noise ratio that the model finds in tiles spread over the slab.
fn estimate_snr(
    model: &DiffusionModel,
    options: &SlabOptions,
    slice_shape: (usize, usize),
    stack: &SlabStack,
    job: &Job,
) -> Result<f64> {
    let side = options.tile_cells * model.config().pixels_per_token() as usize;
    let plan = TilePlan::overlapping(slice_shape, side, 0.0)?;
    let starts: Vec<usize> = stack.cell_starts().collect();
    let mut latents = Vec::with_capacity(SNR_TILES);
    for sample in 0..SNR_TILES {
        // Tiles in order, depths in turn, so that a corner is not always the same depth.
        let depth = (2 * (sample % SNR_DEPTHS) + 1) * starts.len() / (2 * SNR_DEPTHS);
        let seen = stack.seen(starts[depth]);
        let tile = plan.crop_seen(&seen, (2 * sample + 1) * plan.len() / (2 * SNR_TILES))?;
        let image = tile_tensor(tile.view(), model.device())?;
        // Space-to-depth draws nothing; the generator only fills the signature.
        latents.push(model.encode(&image, LatentDraw::Mean, &mut Generator::new(0, 0), job)?);
    }
    model.estimate_snr(&latents, job)
}
