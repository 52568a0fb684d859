//! What a way from a slab to its labels is made of.
use crate::runtime::{Job, Result};

use super::cell::{CellRun, TileRun};
use super::context::{PreparedSlab, SlabContext};
use super::decision::Decision;

/// One way, from the tiles of a slab to its labels. Each has its own kind of map.
pub trait Line: Sync {
    /// What one tile gives.
    type TileMap: Send;
    /// What one slice of the slab gives.
    type SliceMap;

    /// Whether the maps need the eigenvectors of the tiles' attention.
    fn needs_eigenvectors(&self) -> bool;

    /// The map of a tile that went through the model.
    fn tile_map(&self, context: &SlabContext, run: &TileRun) -> Result<Self::TileMap>;

    /// Whether a tile's map says nothing.
    fn is_empty(&self, _: &Self::TileMap) -> bool {
        false
    }

    /// The maps of a cell's tiles, in order, as one map of each of the slab's slices in the cell.
    fn slice_maps(&self, cell: &CellRun, tiles: Vec<Self::TileMap>) -> Result<Vec<Self::SliceMap>>;

    /// Labels, score and points from the maps of all slices, in order of z.
    fn decide(&self, slab: &PreparedSlab, slices: Vec<Self::SliceMap>, job: &Job) -> Result<Decision>;
}
