//! Blocks of a user's tomograms with the noise that the model finds in them.
use ndarray::{s, Array3};
use tch::{Kind, Tensor};

use super::CELLS;
use crate::diffusion::{depth_to_space, space_to_depth, DiffusionModel};
use crate::runtime::{Error, Generator, Job, Result, Stage};
use crate::tensors::from_array;
use crate::volume::{grey_scale, Tomogram, CLIP_SIGMA};

/// Side, in voxels, of the tiles that are denoised, and what is dropped along each of their edges.
const TILE: i64 = 96;
const MARGIN: i64 = 16;

/// A block of a tomogram, and a sample of its noise.
pub(super) struct OwnBlock {
    /// Densities, (z, y, x): zero mean and unit variance over the tomogram, structures dark.
    pub observed: Tensor,
    /// What the model takes for noise there, (z, y, x), zero mean, unit variance.
    pub noise: Tensor,
    /// Timestep at which the tomogram's noise is the model's.
    pub timestep: i64,
}

/// Where blocks are cut and what is known about the data.
pub(super) struct BlockRules {
    /// Extents (z, y, x) of a block at most; smaller tomograms give smaller blocks.
    pub shape: [usize; 3],
    /// Blocks of each tomogram.
    pub count: usize,
    /// Structures are brighter than their surroundings.
    pub bright: bool,
    /// Signal-to-noise ratio, where it is known.
    pub snr: Option<f64>,
}

impl OwnBlock {
    /// Cuts random blocks out of `tomogram`. Errors: slices that cannot be read or are constant, a tomogram smaller
    /// than a tile, cancel.
    pub fn cut(
        model: &DiffusionModel,
        tomogram: &Tomogram,
        rules: &BlockRules,
        gen: &mut Generator,
        job: &Job,
    ) -> Result<Vec<Self>> {
        let whole = tomogram.geometry().shape;
        let least = [CELLS.slices_seen() as usize, TILE as usize, TILE as usize];
        if (0..3).any(|axis| whole[axis] < least[axis]) {
            return Err(Error::argument(
                &format!("shape of {}", tomogram.name()),
                format!("{whole:?}"),
                &format!("must be at least {least:?} (z, y, x) to adapt to"),
            ));
        }
        let shape = [0, 1, 2].map(|axis| rules.shape[axis].min(whole[axis]).max(least[axis]));
        let mut blocks = Vec::with_capacity(rules.count);
        for _ in 0..rules.count {
            job.enter(Stage::Read)?;
            let start = [0, 1, 2].map(|axis| gen.integer(0, (whole[axis] - shape[axis]) as i64) as usize);
            let slices = tomogram.read_slices(start[0]..start[0] + shape[0])?;
            let (mean, deviation) = grey_scale(slices.view())?;
            let sign = if rules.bright { -1.0 } else { 1.0 };
            let cut = slices
                .slice(s![.., start[1]..start[1] + shape[1], start[2]..start[2] + shape[2]])
                .mapv(|v| (sign * (v - mean) / deviation).clamp(-CLIP_SIGMA, CLIP_SIGMA));
            drop(slices);
            blocks.push(Self::of(model, &cut, rules.snr, job)?);
        }
        Ok(blocks)
    }

    fn of(model: &DiffusionModel, block: &Array3<f32>, snr: Option<f64>, job: &Job) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let observed = from_array(block.view())?.f_to_device(model.device())?;
        let snr = match snr {
            Some(snr) => snr,
            None => model.estimate_snr(&latents_of(&observed)?, job)?,
        };
        let timestep = model.schedule().timestep_for_snr(snr);
        let noise = noise_of(model, &observed, timestep, job)?;
        Ok(Self {
            observed,
            noise,
            timestep,
        })
    }
}

/// Tiles of a block as the model sees them: two opposite corners at a third and two thirds of the depth.
fn latents_of(observed: &Tensor) -> Result<Vec<Tensor>> {
    let (depth, height, width) = observed.size3()?;
    let seen = CELLS.slices_seen();
    let mut latents = Vec::with_capacity(4);
    for third in [1, 2] {
        let slices = observed.f_narrow(0, (depth - seen) * third / 3, seen)?;
        for (top, left) in [(0, 0), (height - TILE, width - TILE)] {
            let part = slices.f_narrow(1, top, TILE)?.f_narrow(2, left, TILE)?;
            latents.push(space_to_depth(&part.f_unsqueeze(0)?, CELLS.factor)?);
        }
    }
    Ok(latents)
}

/// The model's estimate of the noise of a whole block, tile by tile, brought to zero mean and unit variance.
///
/// The estimate is the conditional mean, a little smoother than the noise itself; standardised, it has its spectrum to
/// within the signal's share.
fn noise_of(model: &DiffusionModel, observed: &Tensor, timestep: i64, job: &Job) -> Result<Tensor> {
    let (depth, height, width) = observed.size3()?;
    let context = CELLS.context * CELLS.slices;
    let padded = observed.f_constant_pad_nd([0, 0, 0, 0, context, context + CELLS.slices])?;
    let noise = observed.f_zeros_like()?;
    let inner = TILE - 2 * MARGIN;
    for z in (0..depth).step_by(CELLS.slices as usize) {
        let seen = padded.f_narrow(0, z, CELLS.slices_seen())?;
        let covered = CELLS.slices.min(depth - z);
        for top in (0..height).step_by(inner as usize) {
            for left in (0..width).step_by(inner as usize) {
                job.check()?;
                let row = (top - MARGIN).clamp(0, height - TILE);
                let col = (left - MARGIN).clamp(0, width - TILE);
                let tile = seen.f_narrow(1, row, TILE)?.f_narrow(2, col, TILE)?;
                let latent = space_to_depth(&tile.f_unsqueeze(0)?, CELLS.factor)?;
                let pass = model.extract(&latent, timestep, None, &[], job)?;
                let clean = depth_to_space(&pass.output, CELLS.factor)?.f_squeeze_dim(0)?;
                let (rows, cols) = (inner.min(height - top), inner.min(width - left));
                let clean =
                    clean
                        .f_narrow(0, 0, covered)?
                        .f_narrow(1, top - row, rows)?
                        .f_narrow(2, left - col, cols)?;
                let mut target = noise
                    .f_narrow(0, z, covered)?
                    .f_narrow(1, top, rows)?
                    .f_narrow(2, left, cols)?;
                target.f_copy_(&clean)?;
            }
        }
    }
    let centred = noise.f_sub(&noise.f_mean(Kind::Float)?)?;
    let deviation = centred.f_square()?.f_mean(Kind::Float)?.f_sqrt()?.f_clamp_min(1e-12)?;
    Ok(centred.f_div(&deviation)?)
}
