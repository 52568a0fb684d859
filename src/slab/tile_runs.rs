//! All tiles of some cells through the model, several at a time.
use crate::diffusion::LatentEncoder;
use crate::runtime::{in_order, worker_count, Job, Result};

use super::cell::CellRun;
use super::context::SlabContext;
use super::line::Line;

/// Maps of the U-Net's finest level that a pass holds at once, skip connections and the next layer's output included.
const MAPS: u64 = 64;

/// Images of an autoencoder's width that encoding holds at once, and that width.
const IMAGES: u64 = 6;
const IMAGE_CHANNELS: u64 = 128;

/// What a cell's tiles gave.
pub struct CellMaps<M> {
    /// One map of each tile, in order.
    pub tiles: Vec<M>,
    /// Largest relative residual of their eigenvectors, 0 where there are none.
    pub residual: f64,
}

/// Runs every tile of `cells` through the model and hands the maps of each cell to `take`, on this thread and in order.
/// Tiles are computed side by side as [`in_order`] says; progress runs through the span of `job`.
pub fn run_tiles<L: Line>(
    line: &L,
    context: &SlabContext,
    cells: &[CellRun],
    job: &Job,
    mut take: impl FnMut(&CellRun, CellMaps<L::TileMap>) -> Result<()>,
) -> Result<()> {
    let Some(tiles) = cells.first().map(CellRun::tiles) else {
        return Ok(());
    };
    let count = cells.len() * tiles;
    let workers = worker_count(count, context.model.device(), tile_bytes(context, &cells[0]));
    let mut remaining = cells.iter();
    let mut maps = Vec::with_capacity(tiles);
    let mut worst: f64 = 0.0;
    let run = |index: usize, job: &Job| {
        let run = cells[index / tiles].run_tile(index % tiles, line.needs_eigenvectors(), job)?;
        let residual = run.eigenvectors.as_ref().map_or(0.0, |solved| solved.residual);
        Ok((line.tile_map(context, &run)?, residual))
    };
    in_order(count, workers, job, run, |(map, residual)| {
        maps.push(map);
        worst = worst.max(residual);
        if maps.len() < tiles {
            return Ok(());
        }
        let Some(cell) = remaining.next() else { return Ok(()) };
        let tiles = std::mem::replace(&mut maps, Vec::with_capacity(tiles));
        let residual = std::mem::take(&mut worst);
        take(cell, CellMaps { tiles, residual })
    })
}

/// About the memory that one tile of `cell` takes: activations of the U-Net, an affinity of all its tokens for the
/// eigenvectors, and where there is an autoencoder its widest layers. A bound for sharing memory, not a measurement.
fn tile_bytes(context: &SlabContext, cell: &CellRun) -> u64 {
    let config = context.model.config();
    let (rows, cols) = cell.plan().tile_shape();
    let pixels = rows as u64 * cols as u64;
    let token = config.pixels_per_token().max(1) as u64;
    let tokens = pixels / (token * token);
    let channels = config.unet.block_out_channels.first().copied().unwrap_or(1).max(1) as u64;
    let images = match context.model.encoder() {
        LatentEncoder::Vae(_) => IMAGES * IMAGE_CHANNELS * pixels,
        LatentEncoder::SpaceToDepth(_) => 0,
    };
    4 * (MAPS * channels * tokens + 2 * tokens * tokens + images)
}
