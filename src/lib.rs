//! tomocut: label-free segmentation of cryo-electron tomograms, as an engine for embedding.
//!
//! The self-attention of a diffusion U-Net is cut spectrally into structures; a slab of a tomogram becomes a
//! membrane mask and molecule positions. Hosts use the C ABI in `capi` (`include/tomocut.h`); the Rust modules
//! below are its implementation, in layers: `dataset` stands on `slab`, `segmenter` and `predict`, these stand on
//! `diffusion`, `networks`, `spectral`, `picks`, `metrics` and `phantom`, which stand on `volume`, `image`, `page`,
//! `weights`, `tensors`, `settings` and `runtime`. Volumes are (z, y, x) everywhere, x fastest.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod image;
pub mod page;
pub mod runtime;
pub mod settings;
pub mod tensors;
pub mod volume;
pub mod weights;

pub mod diffusion;
pub mod metrics;
pub mod networks;
pub mod phantom;
pub mod picks;
pub mod spectral;

pub mod denoiser;
pub mod ncut;
pub mod predict;
pub mod segmenter;
pub mod slab;
pub mod train;

pub mod dataset;

pub mod families;

pub mod capi;

pub use runtime::{Error, Result};
