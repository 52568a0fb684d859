//! The slab pipeline end to end: slices in, membrane mask, molecule points and a score volume out.
use std::ops::Range;

use ndarray::{Array3, Axis};
use serde::Serialize;

use crate::diffusion::DiffusionModel;
use crate::picks::Pick;
use crate::runtime::{Job, MemoryReuse, Result, Stage};
use crate::settings::Settings;
use crate::volume::{Geometry, Tomogram};

use super::canvas::SliceCanvas;
use super::cell::CellRun;
use super::choices::{CanvasRule, Preset};
use super::context::SlabContext;
use super::decide::decide;
use super::options::SlabOptions;
use super::stack::{check_slices, SlabStack};
use super::structures::StructureMaps;

/// Share of the call that the slices take; the rest is z correction, split and points.
const SLICES_SHARE: f64 = 0.95;

/// What [`segment`] found.
#[derive(Clone, Debug)]
pub struct SlabSegmentation {
    /// Geometry of the slab: shape (z, y, x), start and origin set so that it overlays the tomogram.
    pub geometry: Geometry,
    /// The slices, half open, of the tomogram.
    pub z: Range<usize>,
    /// 0 background, 1 membrane, 2 molecule, 3 filament.
    pub labels: Array3<i8>,
    /// How much of a structure each voxel is, 0..=1.
    pub score: Array3<f32>,
    /// Likelihood of each structure, where the canvas is the model's structures.
    pub structures: Option<StructureMaps>,
    /// Molecules, in voxels of the whole tomogram.
    pub points: Vec<Pick>,
    /// What was done.
    pub report: SlabReport,
}

/// What a segmentation did, for logs and `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct SlabReport {
    /// Preset the settings came from.
    pub preset: Preset,
    /// All settings.
    pub settings: SlabOptions,
    /// Name of the model.
    pub model: String,
    /// First and last-plus-one slice.
    pub z: [usize; 2],
    /// Voxel edge in nm.
    pub voxel_nm: f64,
    /// Signal-to-noise ratio used (matched models), or null.
    pub snr: Option<f64>,
    /// Timestep rule after resolution.
    pub timesteps: String,
    /// U-Net tiles of each slice, or of each group of slices that the model takes in one pass.
    pub tiles_per_slice: usize,
    /// Largest relative residual of the eigenvectors (0 for the Adam solver).
    pub worst_residual: f64,
    /// Tiles without a canvas (no eigenvector passed the contour test).
    pub empty_tiles: usize,
    /// Share of the slab that is membrane, 0..=1.
    pub membrane_share: f64,
    /// Share of the slab that is molecule, 0..=1.
    pub molecule_share: f64,
    /// Number of points.
    pub points: usize,
    /// Seconds of each stage.
    pub seconds: Vec<(String, f64)>,
}

/// The slab and, where the model says itself what is structure, one cell of slices more on either side: a molecule whose centre lies
/// beyond the slab is then seen to.
fn with_margin(model: &DiffusionModel, z: &Range<usize>, options: &SlabOptions, depth: usize) -> Range<usize> {
    if options.canvas != CanvasRule::Structures || model.config().structures.is_empty() {
        return z.clone();
    }
    let margin = model.cells().slices as usize;
    z.start.saturating_sub(margin)..(z.end + margin).min(depth)
}

/// Segments the slices `z` of `tomogram`.
///
/// Errors: settings out of range, unreadable or constant slices, cancel, out of memory, device failures. Memory beyond the model's own need: about
/// 16 bytes per voxel of the slab plus one N x N affinity of a tile.
pub fn segment(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: Range<usize>,
    options: &SlabOptions,
    job: &Job,
) -> Result<SlabSegmentation> {
    let geometry = tomogram.geometry();
    options.validate()?;
    options.check_files()?;
    check_slices(&z, geometry.shape[0])?;
    job.enter(Stage::Read)?;
    let seen_z = with_margin(model, &z, options, geometry.shape[0]);
    let seen = SlabOptions {
        // The best of the slab are taken once those of the margin are gone.
        n_points: options.n_points.map(|_| usize::MAX),
        ..options.clone()
    };
    let stack = SlabStack::read(tomogram, seen_z.clone(), model.cells())?;
    job.check()?;
    let context = SlabContext::new(model, geometry, &stack, &seen, job)?;

    let depth = z.len();
    let mut canvases: Vec<SliceCanvas> = Vec::with_capacity(seen_z.len());
    let mut report = SlabReport {
        preset: options.preset,
        settings: options.clone(),
        model: model.config().name.clone(),
        z: [z.start, z.end],
        voxel_nm: context.voxel_nm,
        snr: context.snr.is_finite().then_some(context.snr),
        timesteps: format!("{:?}", context.timesteps),
        tiles_per_slice: 0,
        worst_residual: 0.0,
        empty_tiles: 0,
        membrane_share: 0.0,
        molecule_share: 0.0,
        points: 0,
        seconds: Vec::new(),
    };
    let cells = stack.cell_starts();
    let share = SLICES_SHARE / cells.len() as f64;
    let kept = MemoryReuse::start();
    for (index, start) in cells.enumerate() {
        let run = CellRun::new(&context, &stack, start, job)?;
        report.tiles_per_slice = run.tiles();
        let mut tiles = Vec::with_capacity(run.tiles());
        for tile in 0..run.tiles() {
            let step = share / run.tiles() as f64;
            let start = index as f64 * share + tile as f64 * step;
            job.set_span(start..start + step);
            let done = run.run_tile(tile, false, job)?;
            if let Some(found) = &done.eigenvectors {
                report.worst_residual = report.worst_residual.max(found.residual);
            }
            report.empty_tiles += usize::from(done.is_empty);
            tiles.push(done.map);
            job.advance(1.0)?;
        }
        canvases.extend(run.join(tiles)?);
    }
    drop(kept);
    job.set_span(SLICES_SHARE..1.0);
    let mut decision = decide(&context, &stack, canvases, job)?.within(&seen_z, &z);
    decision.points.truncate(options.n_points.unwrap_or(usize::MAX));

    let voxels = decision.labels.len() as f64;
    let share = |label: i8| decision.labels.iter().filter(|l| **l == label).count() as f64 / voxels;
    report.membrane_share = share(super::MEMBRANE);
    report.molecule_share = share(super::MOLECULE);
    report.points = decision.points.len();
    report.seconds = job
        .stage_times()
        .into_iter()
        .map(|(stage, time)| (stage.name().to_owned(), time.as_secs_f64()))
        .collect();
    debug_assert_eq!(decision.labels.len_of(Axis(0)), depth);
    Ok(SlabSegmentation {
        geometry: geometry.slab(z.clone())?,
        z,
        labels: decision.labels,
        score: decision.score,
        structures: decision.structures,
        points: decision.points,
        report,
    })
}
