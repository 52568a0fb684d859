//! OME-Zarr beside MRC: a tomogram as a folder of compressed chunks at several resolutions.
//!
//! Read are OME-Zarr 0.4 (zarr 2) and 0.5 (zarr 3), and zarr arrays without OME metadata
//! (<https://ngff.openmicroscopy.org/0.4/>, <https://ngff.openmicroscopy.org/0.5/>). Written is 0.4: what reads 0.5
//! reads 0.4 too (napari, ome-zarr-py), but copick, which stays below version 3 of zarr-python, reads only that.
//!
//! `node` finds arrays and attributes in a folder, `metadata` reads them as other writers leave them, `multiscale`
//! knows what the OME metadata mean, `read` takes slices out of an array, `chunks` says which of its chunks are
//! missing, `write` makes a folder of resolutions in a `version`, `reduce` halves a resolution, `label_image` puts
//! labels into an image's own folder. Chunks and codecs are the `zarrs` crate's.

mod blocks;
mod chunks;
#[cfg(test)]
mod foreign_tests;
mod label_image;
mod metadata;
mod multiscale;
mod node;
mod read;
mod reduce;
#[cfg(test)]
mod tests;
mod version;
mod write;

pub use blocks::write_blocks_as_zarr;
pub use label_image::{label_image_path, write_label_image};
pub(super) use node::is_zarr;
pub(super) use read::{open, OpenZarr};
pub use reduce::{Reduction, ZarrVoxel};
pub use write::{write_zarr, ReadBox, ZarrContent};
