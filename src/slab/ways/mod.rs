//! The three ways from a slab to its labels, one file each.
mod denoised;
mod paper;
mod structures;

pub use denoised::Denoised;
pub use paper::Paper;
pub use structures::Structures;
