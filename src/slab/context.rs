//! What all slices of a slab share: voxel size, grey scale, signal-to-noise ratio, timesteps.
use ndarray::{Array2, Array3, ArrayView2};

use crate::diffusion::{DiffusionModel, LatentDraw, LatentEncoder, LatentMode};
use crate::image::enhance;
use crate::runtime::{Generator, Job, Result};
use crate::volume::{grey_scale, Geometry, CLIP_SIGMA};

use super::choices::{CanvasRule, TimestepRule};
use super::features::{latent_mode, resolve_timesteps, tile_tensor, Timesteps, FALLBACK_VOXEL_NM};
use super::options::SlabOptions;
use super::stack::SlabStack;
use super::tiles::TilePlan;

/// Tiles in which the signal-to-noise ratio is sought: with six the estimate varies by about a fifth on the simulated cells.
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
    /// Canvas rule, after models without a denoised image have fallen back to the paper's.
    pub canvas: CanvasRule,
    /// Rows and columns of a slice.
    pub slice_shape: (usize, usize),
    mean: f32,
    deviation: f32,
}

impl<'a> SlabContext<'a> {
    /// Resolves `options` for the slab `stack` of a tomogram with `geometry`; warns about doubtful voxel sizes.
    pub fn new(
        model: &'a DiffusionModel,
        geometry: &Geometry,
        stack: &SlabStack,
        options: &'a SlabOptions,
        job: &Job,
    ) -> Result<Self> {
        let voxel_nm = resolve_voxel(model, geometry, options, job);
        let (mean, deviation) = grey_scale(stack.slab())?;
        let mode = latent_mode(model, options);
        let mut context = Self {
            model,
            options,
            voxel_nm,
            snr: options.snr.unwrap_or(f64::NAN),
            // Final once the signal-to-noise ratio is known.
            timesteps: Timesteps::Around(0),
            mode,
            canvas: canvas_rule(model, options.canvas),
            slice_shape: (geometry.shape[1], geometry.shape[2]),
            mean,
            deviation,
        };
        if mode == LatentMode::Matched && options.snr.is_none() && options.timestep_rule == TimestepRule::Auto {
            context.snr = context.estimate_snr(stack, job)?;
        }
        context.timesteps = resolve_timesteps(model, options, voxel_nm, context.snr);
        Ok(context)
    }

    /// What the model sees of the cell starting at slice `z`, (slices seen, rows, columns); slices beyond the tomogram are 0.
    pub fn prepare_cell(&self, stack: &SlabStack, z: usize) -> Array3<f32> {
        let seen = stack.seen(z);
        let (rows, cols) = self.slice_shape;
        let mut cell = Array3::zeros((seen.len(), rows, cols));
        for (mut target, slice) in cell.outer_iter_mut().zip(seen) {
            if let Some(slice) = slice {
                target.assign(&self.prepare_slice(slice));
            }
        }
        cell
    }

    /// The signal-to-noise ratio that the model finds in tiles spread over the slab.
    fn estimate_snr(&self, stack: &SlabStack, job: &Job) -> Result<f64> {
        let side = self.options.tile_cells * self.model.config().pixels_per_token() as usize;
        let plan = TilePlan::overlapping(self.slice_shape, side, 0.0)?;
        let starts: Vec<usize> = stack.cell_starts().collect();
        let mut latents = Vec::with_capacity(SNR_TILES);
        for sample in 0..SNR_TILES {
            // Tiles in order, depths in turn, so that a corner is not always the same depth.
            let depth = (2 * (sample % SNR_DEPTHS) + 1) * starts.len() / (2 * SNR_DEPTHS);
            let cell = self.prepare_cell(stack, starts[depth]);
            let tile = plan.crop_stack(cell.view(), (2 * sample + 1) * plan.len() / (2 * SNR_TILES))?;
            let image = tile_tensor(tile.view(), self.model.device())?;
            // Space-to-depth draws nothing; the generator only fills the signature.
            latents.push(
                self.model
                    .encode(&image, LatentDraw::Mean, &mut Generator::new(0, 0), job)?,
            );
        }
        self.model.estimate_snr(&latents, job)
    }

    /// The tomogram's own density of a value in a matched model's grey scale.
    pub fn density(&self, value: f32) -> f32 {
        let sign = if self.options.bright { -1.0 } else { 1.0 };
        sign * value * self.deviation + self.mean
    }

    /// A slice in the grey scale that the model's encoder wants: enhanced 0..=1 for an autoencoder, zero mean and unit
    /// variance for a matched model (structures dark in both).
    pub fn prepare_slice(&self, slice: ArrayView2<f32>) -> Array2<f32> {
        let sign = if self.options.bright { -1.0 } else { 1.0 };
        match self.model.encoder() {
            LatentEncoder::SpaceToDepth(_) => {
                slice.mapv(|v| (sign * (v - self.mean) / self.deviation).clamp(-CLIP_SIGMA, CLIP_SIGMA))
            }
            LatentEncoder::Vae(_) => {
                let dark = slice.mapv(|v| sign * v);
                enhance(dark.view(), &self.options.enhance).mapv(|v| f32::from(v) / 255.0)
            }
        }
    }
}

/// Header or host voxel size in nm, with a warning where it is unknown or outside what the model was trained for.
fn resolve_voxel(model: &DiffusionModel, geometry: &Geometry, options: &SlabOptions, job: &Job) -> f64 {
    let header = geometry.voxel_angstrom[2] / 10.0;
    let voxel_nm = match options.voxel_nm {
        Some(voxel) => {
            if header > 0.0 && (voxel / header - 1.0).abs() > 0.01 {
                job.logger().warn(
                    "slab",
                    &format!("voxel size given as {voxel} nm, the file says {header} nm; the given one is used"),
                );
            }
            voxel
        }
        None if header > 0.0 => header,
        None => {
            job.logger().warn(
                "slab",
                &format!("the file has no voxel size; {FALLBACK_VOXEL_NM} nm is assumed, give voxel_nm"),
            );
            FALLBACK_VOXEL_NM
        }
    };
    if let Some([low, high]) = model.config().voxel_nm {
        if voxel_nm < low || voxel_nm > high {
            job.logger().warn(
                "slab",
                &format!("voxel size of the data is {voxel_nm} nm, the model was trained on {low} to {high} nm"),
            );
        }
    }
    voxel_nm
}

/// The canvas that this model can give: structures where it predicts them, else the denoised image, else, with an autoencoder in
/// between, the paper's.
fn canvas_rule(model: &DiffusionModel, asked: CanvasRule) -> CanvasRule {
    let has_structures = !model.config().structures.is_empty();
    match (asked, model.encoder()) {
        (_, LatentEncoder::Vae(_)) => CanvasRule::Greedy,
        (CanvasRule::Structures, _) if !has_structures => CanvasRule::Denoised,
        (rule, _) => rule,
    }
}
