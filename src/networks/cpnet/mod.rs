//! CellPose (Stringer et al. 2021; Pachitariu and Stringer 2022): an image into instances.
//!
//! The network [`Cpnet`] (models `cyto`, `cyto2`, `cyto3`, `nuclei` and what was trained from them) gives every pixel a
//! flow towards the middle of its cell and a cell probability; pixels that flow to the same place are one cell. Stages,
//! one file each, in the order an image passes them: `normalise`, `tiles` (the image through the `network`), `flow`
//! (pixels follow the flows), `seeds` (where they gather), `quality` (flows that a cell of that shape would have),
//! `finish` (holes, sizes, numbers); `model` runs them. The numbers follow cellpose 3.1; no code of it is used.

mod finish;
mod flow;
mod model;
mod network;
mod normalise;
mod options;
mod quality;
mod seeds;
mod tiles;

pub use model::{instances, CellPose, Flows, CONVERT};
pub use network::{cpnet_tensor_shapes, Cpnet, CpnetConfig, CpnetOutput};
pub use normalise::normalise;
pub use options::{CellPoseOptions, DynamicsCode};
