//! The matched model's one-step clean image of a whole tomogram.
use std::ops::Range;

use ndarray::ArrayView2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diffusion::{DiffusionModel, LatentEncoder, LatentMode};
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::Settings;
use crate::volume::Tomogram;

use super::cell::CellRun;
use super::choices::{Preset, Tiling, TimestepRule};
use super::context::PreparedSlab;
use super::line::Line;
use super::options::SlabOptions;
use super::stack::{check_slices, RawStack};
use super::tile_runs::run_tiles;
use super::timesteps::Timesteps;
use super::ways::Denoised;

/// Slices held at once, beside their neighbours.
const CHUNK: usize = 16;

/// How a tomogram is denoised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenoiseOptions {
    /// Voxel edge in nm; null: the file's.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub voxel_nm: Option<f64>,
    /// Whether structures are brighter than their surroundings; usually they are darker, as IMOD and AreTomo leave
    /// them.
    pub bright: bool,
    /// Signal variance over noise variance per voxel; null: estimated from the data.
    #[schemars(range(min = 1e-4, max = 1e4))]
    pub snr: Option<f64>,
    /// The timestep whose noise the tomogram is taken to have; null: the one of its signal-to-noise ratio.
    #[schemars(range(min = 0, max = 999))]
    pub timestep: Option<i64>,
    /// How slices are cut.
    pub tiling: Tiling,
    /// Share of a tile that overlaps its neighbour, where `tiling` is "overlapping".
    #[schemars(range(min = 0.0, max = 0.75))]
    pub tile_overlap: f64,
    /// Edge of a tile in attention cells, a multiple of 8.
    #[schemars(range(min = 16, max = 256))]
    pub tile_cells: usize,
}

impl Settings for DenoiseOptions {
    const FAMILY: &'static str = "denoise";

    fn of_preset(_: &str) -> Self {
        let slab = SlabOptions::new(Preset::Default);
        Self {
            voxel_nm: slab.voxel_nm,
            bright: slab.bright,
            snr: slab.snr,
            timestep: slab.timestep,
            tiling: slab.tiling,
            tile_overlap: slab.tile_overlap,
            tile_cells: slab.tile_cells,
        }
    }

    fn validate_together(&self) -> Result<()> {
        self.of_slab().validate_together()
    }
}

impl DenoiseOptions {
    /// The same for a slab.
    fn of_slab(&self) -> SlabOptions {
        SlabOptions {
            voxel_nm: self.voxel_nm,
            bright: self.bright,
            snr: self.snr,
            timestep_rule: match self.timestep {
                Some(_) => TimestepRule::Fixed,
                None => TimestepRule::Auto,
            },
            timestep: self.timestep,
            tiling: self.tiling,
            tile_overlap: self.tile_overlap,
            tile_cells: self.tile_cells,
            ..SlabOptions::new(Preset::Default)
        }
    }
}

/// What [`denoise`] did.
#[derive(Clone, Debug, Serialize)]
pub struct DenoiseReport {
    /// Name of the model.
    pub model: String,
    /// All settings.
    pub settings: DenoiseOptions,
    /// First and last-plus-one slice.
    pub z: [usize; 2],
    /// Signal variance over noise variance per voxel, given or estimated.
    pub snr: f64,
    /// Timestep at which the tomogram's noise is the model's.
    pub timestep: i64,
}

/// Denoises the slices `z` of `tomogram` and hands them to `put` one by one: number in the tomogram, and densities.
///
/// A matched model takes a slice of unit variance as x_t = sqrt(abar) x0 + sqrt(1 - abar) eps; what comes out is the
/// signal's part, sqrt(abar) x0, back in the tomogram's own grey scale. Grey scale and signal-to-noise ratio are those
/// of the middle slices, the same for all, so that slices do not flicker. Memory: about `CHUNK` slices and their
/// neighbours, whatever the tomogram's depth.
///
/// Errors: as [`super::segment`]; [`Error::Unsupported`] for models that are not made for matched noise; whatever `put`
/// fails with.
pub fn denoise(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: Range<usize>,
    options: &DenoiseOptions,
    job: &Job,
    put: &mut dyn FnMut(usize, ArrayView2<f32>) -> Result<()>,
) -> Result<DenoiseReport> {
    options.validate()?;
    check_slices(&z, tomogram.geometry().shape[0])?;
    let settings = options.of_slab();
    let matched = model.config().latent_mode == LatentMode::Matched;
    if !matched || !matches!(model.encoder(), LatentEncoder::SpaceToDepth(_)) {
        return Err(Error::Unsupported(format!(
            "model \"{}\" is not made for matched noise, so one step of it denoises nothing",
            model.config().name
        )));
    }
    let chunk = CHUNK.next_multiple_of(model.cells().slices as usize);
    let (first, end) = (z.start, z.end);
    let middle = first + (end - first).saturating_sub(chunk) / 2;
    let middle = middle..(middle + chunk).min(end);
    let context = PreparedSlab::read(model, tomogram, middle, &settings, job)?.context;
    let Timesteps::Around(timestep) = context.timesteps else {
        return Err(Error::Internal("a matched model draws no timesteps".into()));
    };
    let abar = model.schedule().alpha_cumprod(timestep)?;
    let line = Denoised {
        eigenvector_weight: 0.0,
    };
    for start in (first..end).step_by(chunk) {
        let slab = start..(start + chunk).min(end);
        job.enter(Stage::Read)?;
        let stack = RawStack::read(tomogram, slab, model.cells())?.scaled(&context.scale, job)?;
        let share = |z: usize| (z - first) as f64 / (end - first) as f64;
        job.set_span(share(start)..share((start + chunk).min(end)));
        let cells = stack
            .cell_starts()
            .map(|z| CellRun::new(&context, &stack, z))
            .collect::<Result<Vec<_>>>()?;
        run_tiles(&line, &context, &cells, job, |cell, maps| {
            for (offset, score) in line.slice_maps(cell, maps.tiles)?.into_iter().enumerate() {
                let slice = score.mapv(|v| context.scale.density(-v * abar.sqrt() as f32));
                put(cell.z() + offset, slice.view())?;
            }
            Ok(())
        })?;
    }
    Ok(DenoiseReport {
        model: model.config().name.clone(),
        settings: options.clone(),
        z: [first, end],
        snr: abar / (1.0 - abar),
        timestep,
    })
}
