//! One cell of slices through the model: tiles, attention, eigenvectors.
use ndarray::{Array2, Array3};
use tch::Tensor;

use crate::diffusion::Extraction;
use crate::runtime::{Error, Job, Result, Stage};
use crate::spectral::Eigenvectors;
use crate::tensors::to_array;

use super::choices::Tiling;
use super::context::SlabContext;
use super::solver::eigen_solver;
use super::stack::SlabStack;
use super::tile_attention::TileAttention;
use super::tiles::TilePlan;

/// The U-Net halves its grid three times.
const GRANULARITY_CELLS: usize = 8;

/// A cell of slices cut into tiles, ready to run.
pub struct CellRun<'a> {
    context: &'a SlabContext<'a>,
    stack: &'a SlabStack,
    plan: TilePlan,
    /// First slice of the cell, in slices of the tomogram.
    z: usize,
}

/// Everything that one tile gave, whatever is made of it.
pub struct TileRun {
    /// The encoded tile.
    pub latent: Tensor,
    /// Timestep of the last pass.
    pub timestep: i64,
    /// Last pass.
    pub extraction: Extraction,
    /// Eigenvectors of the attention of all passes, where they were asked for.
    pub eigenvectors: Option<Eigenvectors>,
}

impl<'a> CellRun<'a> {
    /// Prepares the cell that starts at slice number `z` (of the whole tomogram) for the model.
    pub fn new(context: &'a SlabContext<'a>, stack: &'a SlabStack, z: usize) -> Result<Self> {
        let options = context.options;
        let pixels = context.model.config().pixels_per_token() as usize;
        let shape = context.slice_shape;
        let tile = options.tile_cells * pixels;
        let plan = match options.tiling {
            Tiling::Quadrants => TilePlan::quadrants(shape, tile)?,
            Tiling::Whole => TilePlan::whole(shape, GRANULARITY_CELLS * pixels)?,
            Tiling::Overlapping => TilePlan::overlapping(shape, tile, options.tile_overlap)?,
        };
        Ok(Self {
            context,
            stack,
            plan,
            z,
        })
    }

    /// What the slices share with their slab.
    pub fn context(&self) -> &SlabContext<'a> {
        self.context
    }

    /// First slice of the cell, in slices of the tomogram.
    pub fn z(&self) -> usize {
        self.z
    }

    /// Where the tiles lie.
    pub fn plan(&self) -> &TilePlan {
        &self.plan
    }

    /// Number of tiles.
    pub fn tiles(&self) -> usize {
        self.plan.len()
    }

    /// Slices of the slab that the cell is about.
    pub fn slices(&self) -> usize {
        self.stack.covered(self.z)
    }

    /// One map of a slice from those of its tiles, in order.
    pub fn blend<'m>(&self, tiles: impl Iterator<Item = &'m Array2<f32>>) -> Result<Array2<f32>> {
        self.plan.blend(&tiles.cloned().collect::<Vec<_>>())
    }

    /// The pixels of tile `index` in all slices that the model sees; slices beyond the tomogram are 0.
    pub fn pixels(&self, index: usize) -> Result<Array3<f32>> {
        self.plan.crop_seen(&self.stack.seen(self.z), index)
    }

    /// The attention of tile `index`, ready to be drawn (`tapped`) or just passed through.
    pub fn attention(&self, index: usize, tapped: bool, job: &Job) -> Result<TileAttention<'a>> {
        let pixels = self.pixels(index)?;
        TileAttention::new(self.context, pixels.view(), self.stream(index), tapped, job)
    }

    /// Number of tile `index` among all tiles of the tomogram: each has its own random numbers.
    fn stream(&self, index: usize) -> u64 {
        ((self.z as u64) << 16) | index as u64
    }

    /// Runs tile `index` through encoder, U-Net and, `with_eigenvectors`, their solver.
    pub fn run_tile(&self, index: usize, with_eigenvectors: bool, job: &Job) -> Result<TileRun> {
        let mut attention = self.attention(index, with_eigenvectors, job)?;
        let eigenvectors = if with_eigenvectors {
            let solver = eigen_solver(self.context.options, attention.layers(), self.stream(index));
            let grid = attention.grid()?;
            Some(solver.solve(&mut attention, grid, job)?)
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
        Ok(TileRun {
            latent,
            timestep,
            extraction,
            eigenvectors,
        })
    }
}

impl TileRun {
    /// The eigenvectors as maps of attention cells, leading first.
    pub fn eigenvector_maps(&self) -> Result<Vec<Array2<f32>>> {
        let solved = self.eigenvectors.as_ref();
        let solved = solved.ok_or_else(|| Error::Internal("the tile has no eigenvectors".into()))?;
        (0..solved.vectors.size().first().copied().unwrap_or(0))
            .map(|c| to_array(&solved.vectors.f_get(c)?))
            .collect()
    }
}
