//! Image to segments: "Unsupervised Segmentation by Diffusing, Walking and Cutting" (WACV 2026) and the methods it is
//! compared with.
//!
//! An image, or a slice with its neighbours (`input`), passes the U-Net once (`pass`). Its self-attention becomes one
//! random walk over tokens (`aggregate`), or one layer gives features; `partition` divides the tokens by the method of
//! the settings (recursive NCut of [`crate::spectral::cut`], or `diffseg`, `objects`, `kmeans`); `assign` takes the
//! segments to pixels (`modulate` by denoising) and
//! `pamr` to the image's edges; `link` keeps the numbers of segments from slice to slice. `pipeline` runs all this;
//! `options` holds the settings, `presets` those of each paper.
//!
//! Where a published program differs from its paper or has a defect, the function that replaces it says so: divergences
//! in single precision ([`diffseg::AttentionMaps::merge`]); tokens whose weight happens to be exactly zero stay in
//! DiffCut's recursion, and its label map numbers segments by smallest token instead of by sums of masks.

pub mod aggregate;
pub mod assign;
pub mod diffseg;
pub mod kmeans;
pub mod link;
pub mod objects;
pub mod pamr;

mod assembly;
mod choices;
#[cfg(test)]
mod fixtures;
mod input;
mod modulate;
mod options;
mod overlay;
mod partition;
mod pass;
mod pipeline;
mod presets;
mod segmentation;
mod source;
mod tree;
mod write;

pub use choices::{Method, Preset, StoppingRule, SweepRule};
pub use diffseg::DiffSegOptions;
pub use input::ImageInput;
pub use options::{NcutOptions, BUILTIN_SEGMENTS};
pub use overlay::segment_colour;
pub use pamr::PamrOptions;
pub use pipeline::{segment_image, segment_matrix, segment_slices};
pub use segmentation::{Cell, Level, NcutReport, Segment, Segmentation};
pub use source::MatrixInput;
pub use tree::TreeNode;
pub use write::{tree_of, write_segmentation, LabelFormat, Subject, TreeFile};
