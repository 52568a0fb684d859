//! One cell of slices through the model: tiles, attention, eigenvectors, and one map per tile.
use ndarray::{Array2, Array3};
use tch::Tensor;

use crate::diffusion::{DiffusionModel, Extraction};
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::Settings;
use crate::spectral::{Adam, EigenSolver, Eigenvectors, Krylov};
use crate::volume::Tomogram;

use crate::image::resize_linear_f32;

use super::aggregate::aggregate;
use super::canvas::{denoised_score, SliceCanvas, TileMap};
use super::choices::{CanvasRule, SolverKind, Tiling};
use super::context::SlabContext;
use super::features::{denoised_tile, structure_tile, tensor_to_image, tile_tensor, TileAttention};
use super::options::SlabOptions;
use super::stack::{check_slices, SlabStack};
use super::tiles::TilePlan;

/// The U-Net halves its grid three times.
const GRANULARITY_CELLS: usize = 8;

/// A cell of slices cut into tiles, ready to run.
pub struct CellRun<'a> {
    context: &'a SlabContext<'a>,
    /// (slices seen, rows, columns).
    seen: Array3<f32>,
    plan: TilePlan,
    z: usize,
    /// Slices of the slab that the cell is about.
    slices: usize,
}

/// Everything that one tile gave.
pub struct TileRun {
    /// The tile as the encoder saw it, [1, slices seen, rows, cols].
    pub image: Tensor,
    /// The encoded tile.
    pub latent: Tensor,
    /// Timestep of the last pass.
    pub timestep: i64,
    /// Last pass.
    pub extraction: Extraction,
    /// Eigenvectors of the attention of all passes, where the canvas needs them or the caller asked for them.
    pub eigenvectors: Option<Eigenvectors>,
    /// No eigenvector passed the paper's contour test: the map is empty.
    pub is_empty: bool,
    /// The tile's share of the canvas.
    pub map: TileMap,
}

/// Prepares slice `z` of `tomogram` as a slab of its own and hands it to `work`. Errors: as [`super::segment`].
pub(super) fn with_cell<T>(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: usize,
    options: &SlabOptions,
    job: &Job,
    work: impl FnOnce(&CellRun) -> Result<T>,
) -> Result<T> {
    let slab = z..z.saturating_add(1);
    options.validate()?;
    options.check_files()?;
    check_slices(&slab, tomogram.geometry().shape[0])?;
    job.enter(Stage::Read)?;
    let stack = SlabStack::read(tomogram, slab, model.cells())?;
    let context = SlabContext::new(model, tomogram.geometry(), &stack, options, job)?;
    work(&CellRun::new(&context, &stack, z, job)?)
}

impl<'a> CellRun<'a> {
    /// What the slice shares with its slab.
    pub fn context(&self) -> &SlabContext<'a> {
        self.context
    }

    /// Prepares the cell that starts at slice number `z` (of the whole tomogram) for the model.
    pub fn new(context: &'a SlabContext<'a>, stack: &SlabStack, z: usize, job: &Job) -> Result<Self> {
        job.enter(Stage::Enhance)?;
        let pixels = context.model.config().pixels_per_token() as usize;
        let shape = context.slice_shape;
        let tile = context.options.tile_cells * pixels;
        let plan = match context.options.tiling {
            Tiling::Quadrants => TilePlan::quadrants(shape, tile)?,
            Tiling::Whole => TilePlan::whole(shape, GRANULARITY_CELLS * pixels)?,
            Tiling::Overlapping => TilePlan::overlapping(shape, tile, context.options.tile_overlap)?,
        };
        Ok(Self {
            context,
            seen: context.prepare_cell(stack, z),
            plan,
            z,
            slices: stack.covered(z),
        })
    }

    /// Number of tiles.
    pub fn tiles(&self) -> usize {
        self.plan.len()
    }

    /// The tiles' maps, in order, as one map of each of the slab's slices in this cell. Quadrants of the paper stay apart until they
    /// are masks; overlapping canvases are brought to one tone first, scores share the model's scale already.
    pub fn join(&self, maps: Vec<TileMap>) -> Result<Vec<SliceCanvas>> {
        let mut canvases = Vec::new();
        let mut scores = Vec::new();
        let mut structures = Vec::new();
        for map in maps {
            match map {
                TileMap::Canvas(canvas) => canvases.push(canvas),
                TileMap::Score(slices) => scores.push(slices),
                TileMap::Structures(kinds) => structures.push(kinds),
            }
        }
        if let Some(kinds) = structures.first().map(Vec::len) {
            let slice = |s: usize| {
                let whole = (0..kinds).map(|k| self.blend(structures.iter().map(|tile| &tile[k][s])));
                Ok(SliceCanvas::Structures(whole.collect::<Result<_>>()?))
            };
            return (0..self.slices).map(slice).collect();
        }
        if !scores.is_empty() {
            let slice = |s: usize| Ok(SliceCanvas::Score(self.blend(scores.iter().map(|tile| &tile[s]))?));
            return (0..self.slices).map(slice).collect();
        }
        // The attention of a cell is that of all its slices.
        let canvas = if self.context.options.tiling == Tiling::Quadrants {
            SliceCanvas::Quadrants(canvases)
        } else {
            let tiles: Vec<Array2<f32>> = canvases
                .iter()
                .map(|canvas| resize_linear_f32(canvas.mapv(f32::from).view(), self.plan.tile_shape()))
                .collect();
            let whole = self.plan.blend(&self.plan.level(&tiles)?)?;
            SliceCanvas::Whole(whole.mapv(|v| v.round().clamp(0.0, 255.0) as u8))
        };
        Ok(vec![canvas; self.slices])
    }

    fn blend<'m>(&self, tiles: impl Iterator<Item = &'m Array2<f32>>) -> Result<Array2<f32>> {
        self.plan.blend(&tiles.cloned().collect::<Vec<_>>())
    }

    /// The pixels of tile `index`, and its attention, ready to be drawn (`tapped`) or just passed through.
    pub fn tile_attention(&self, index: usize, tapped: bool, job: &Job) -> Result<(Array3<f32>, TileAttention<'a>)> {
        let tile = self.plan.crop_stack(self.seen.view(), index)?;
        let attention = TileAttention::new(self.context, tile.view(), self.stream(index), tapped, job)?;
        Ok((tile, attention))
    }

    /// Number of tile `index` among all tiles of the tomogram: each has its own random numbers.
    fn stream(&self, index: usize) -> u64 {
        ((self.z as u64) << 16) | index as u64
    }

    /// Runs tile `index` through encoder, U-Net and, where the canvas needs them or `intermediates` are wanted, the
    /// eigenvector solver.
    pub fn run_tile(&self, index: usize, intermediates: bool, job: &Job) -> Result<TileRun> {
        let context = self.context;
        let weight = context.options.eigenvector_weight as f32;
        let spectral = match context.canvas {
            CanvasRule::Greedy => true,
            CanvasRule::Mixed => weight > 0.0,
            CanvasRule::Denoised | CanvasRule::Structures => false,
        };
        let (tile, mut attention) = self.tile_attention(index, spectral || intermediates, job)?;
        let grid = attention.grid()?;
        let eigenvectors = if spectral || intermediates {
            Some(self.solver(self.stream(index)).solve(&mut attention, grid, job)?)
        } else {
            attention.pass(job)?;
            job.advance(0.9)?;
            None
        };
        job.enter(Stage::Canvas)?;
        let latent = attention.latent().shallow_clone();
        let (timestep, extraction) = attention
            .into_last()
            .ok_or_else(|| Error::Internal("the solver drew no attention".into()))?;
        let maps = match (&eigenvectors, spectral) {
            (Some(found), true) => (0..found.vectors.size().first().copied().unwrap_or(0))
                .map(|c| tensor_to_image(&found.vectors.f_get(c)?))
                .collect::<Result<Vec<_>>>()?,
            _ => Vec::new(),
        };
        let rule = &context.options.aggregate;
        let (map, is_empty) = match context.canvas {
            CanvasRule::Greedy => match aggregate(&maps, rule)? {
                Some(canvas) => (TileMap::Canvas(canvas), false),
                // All bright: nothing is darker than its surroundings.
                None => {
                    let side = (grid.0 * rule.upscale, grid.1 * rule.upscale);
                    (TileMap::Canvas(Array2::from_elem(side, 255)), true)
                }
            },
            CanvasRule::Denoised | CanvasRule::Mixed => {
                let scores = denoised_tile(context.model, &extraction)?
                    .into_iter()
                    .map(|slice| denoised_score(slice, &maps, weight))
                    .collect::<Result<_>>()?;
                (TileMap::Score(scores), false)
            }
            CanvasRule::Structures => (TileMap::Structures(structure_tile(&extraction)?), false),
        };
        Ok(TileRun {
            image: tile_tensor(tile.view(), context.model.device())?,
            latent,
            timestep,
            extraction,
            eigenvectors,
            is_empty,
            map,
        })
    }

    fn solver(&self, stream: u64) -> Box<dyn EigenSolver> {
        let options = self.context.options;
        match options.solver {
            SolverKind::Adam => Box::new(Adam {
                n_vectors: options.n_eigenvectors,
                iterations: options.adam_iterations,
                seed: options.seed ^ stream,
                ..Adam::default()
            }),
            SolverKind::Krylov => Box::new(Krylov {
                n_vectors: options.n_eigenvectors,
                draws: options.noise_draws,
                ..Krylov::default()
            }),
        }
    }
}
