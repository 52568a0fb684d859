//! The slab pipeline end to end: slices in, membrane mask, molecule points and a score volume out.
use std::ops::Range;

use ndarray::Array3;
use serde::Serialize;

use crate::diffusion::DiffusionModel;
use crate::picks::Pick;
use crate::runtime::{Job, Result};
use crate::settings::Settings;
use crate::volume::{Geometry, Tomogram, MEMBRANE, MOLECULE};

use super::cell::CellRun;
use super::choices::Preset;
use super::context::PreparedSlab;
use super::decision::Decision;
use super::line::Line;
use super::network_membranes::network_membranes;
use super::options::SlabOptions;
use super::stack::check_slices;
use super::structures::StructureMaps;
use super::tile_runs::run_tiles;
use super::voxel_match::{segment_matched, VoxelMatch};
use super::way::Way;

/// Share of the call that the segmentation network takes, where it is asked.
const NETWORK_SHARE: f64 = 0.1;
/// Share of the call after which the slices are done; the rest is z correction, split and points.
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
    /// Voxel edge that the model saw, in nm.
    pub model_voxel_nm: f64,
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

impl SlabReport {
    /// The shares of the structures in `labels`, and the number of points.
    pub(super) fn count_labels(&mut self, labels: &Array3<i8>, points: usize) {
        let share = |label: i8| labels.iter().filter(|l| **l == label).count() as f64 / labels.len() as f64;
        self.membrane_share = share(MEMBRANE);
        self.molecule_share = share(MOLECULE);
        self.points = points;
    }

    /// What is known before the first slice.
    fn new(slab: &PreparedSlab, z: &Range<usize>) -> Self {
        let context = &slab.context;
        Self {
            preset: context.options.preset,
            settings: context.options.clone(),
            model: context.model.config().name.clone(),
            z: [z.start, z.end],
            voxel_nm: context.voxel_nm,
            model_voxel_nm: context.voxel_nm,
            snr: context.snr.is_finite().then_some(context.snr),
            timesteps: format!("{:?}", context.timesteps),
            tiles_per_slice: 0,
            worst_residual: 0.0,
            empty_tiles: 0,
            membrane_share: 0.0,
            molecule_share: 0.0,
            points: 0,
            seconds: Vec::new(),
        }
    }

    /// Adds what was decided, and the time that it took.
    fn count(&mut self, decision: &Decision, job: &Job) {
        self.count_labels(&decision.labels, decision.points.len());
        self.seconds = job
            .stage_times()
            .into_iter()
            .map(|(stage, time)| (stage.name().to_owned(), time.as_secs_f64()))
            .collect();
    }
}

/// Segments the slices `z` of `tomogram`.
///
/// Errors: settings out of range, unreadable or constant slices, cancel, out of memory, device failures. Memory beyond
/// the model's own need: about 16 bytes per voxel of the slab plus one N x N affinity of a tile.
pub fn segment(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: Range<usize>,
    options: &SlabOptions,
    job: &Job,
) -> Result<SlabSegmentation> {
    options.validate()?;
    options.check_files()?;
    let tomogram = &tomogram.with_voxel_nm(options.voxel_nm, job)?;
    check_slices(&z, tomogram.geometry().shape[0])?;
    match VoxelMatch::of(model, tomogram, &z, options, job)? {
        Some(matched) => segment_matched(model, tomogram, z, &matched, options, job),
        None => segment_as_sampled(model, tomogram, z, options, job),
    }
}

/// [`segment`] at the tomogram's own voxels, with settings and slices that are checked.
pub(super) fn segment_as_sampled(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: Range<usize>,
    options: &SlabOptions,
    job: &Job,
) -> Result<SlabSegmentation> {
    let geometry = tomogram.geometry();
    let way = Way::choose(model, options);
    let margin = way.margin(model);
    let seen = z.start.saturating_sub(margin)..(z.end + margin).min(geometry.shape[0]);
    let mut slab = PreparedSlab::read(model, tomogram, seen.clone(), options, job)?;
    let mut begin = 0.0;
    if options.network_membranes && matches!(way, Way::Structures(_)) {
        begin = NETWORK_SHARE;
        job.set_span(0.0..begin);
        slab.network_membrane = network_membranes(tomogram, seen.clone(), options.bright, model.device(), job)?;
    }
    let mut report = SlabReport::new(&slab, &z);
    let decision = match &way {
        Way::Structures(line) => follow(line, &slab, begin, &mut report, job)?,
        Way::Denoised(line) => follow(line, &slab, begin, &mut report, job)?,
        Way::Paper(line) => follow(line, &slab, begin, &mut report, job)?,
    };
    let mut decision = decision.within(&seen, &z);
    if let Some(best) = options.n_points {
        decision.points.truncate(best);
    }
    report.count(&decision, job);
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

/// Goes one way: all tiles of all cells, then the decision; `begin`: the share of the call that is done before.
fn follow<L: Line>(line: &L, slab: &PreparedSlab, begin: f64, report: &mut SlabReport, job: &Job) -> Result<Decision> {
    let PreparedSlab { context, stack, .. } = slab;
    let cells: Vec<CellRun> = stack
        .cell_starts()
        .map(|z| CellRun::new(context, stack, z))
        .collect::<Result<_>>()?;
    report.tiles_per_slice = cells.first().map_or(0, CellRun::tiles);
    let mut slices = Vec::new();
    job.set_span(begin..SLICES_SHARE);
    run_tiles(line, context, &cells, job, |cell, maps| {
        report.worst_residual = report.worst_residual.max(maps.residual);
        report.empty_tiles += maps.tiles.iter().filter(|map| line.is_empty(map)).count();
        slices.extend(line.slice_maps(cell, maps.tiles)?);
        Ok(())
    })?;
    job.set_span(SLICES_SHARE..1.0);
    line.decide(slab, slices, job)
}
