//! Every setting of the slab pipeline, in the order of its stages.
use std::ops::Range;

use crate::diffusion::LatentMode;

/// How a slice is cut into the squares that the U-Net sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tiling {
    /// The paper's: resize the slice to two tiles by two and cut it into quadrants, without overlap.
    Quadrants,
    /// One pass over the whole slice, padded to the U-Net's granularity.
    Whole,
    /// Tiles at the slice's own sampling that overlap by this share of a tile (0.0..=0.75), blended without seams.
    Overlapping(f64),
}

/// Which solver finds the eigenvectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolverKind {
    /// The published recipe: a small network trained by Adam.
    Adam,
    /// The same objective solved directly as a symmetric eigenproblem.
    Krylov,
}

/// How the timestep of a U-Net pass is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimestepRule {
    /// The model's own default: from the estimated signal-to-noise ratio for matched models, otherwise
    /// the paper's uniform draw up to 68 nm / voxel size.
    Auto,
    /// This timestep, 0..=999.
    Fixed(i64),
    /// Uniform on 0..=this, a fresh draw for every pass.
    UniformUpTo(i64),
}

/// Where the diffusion noise comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum NoiseSource {
    /// Normal draws from the slab's seed.
    Seeded,
    /// No noise at all.
    None,
    /// A safetensors file with one float32 tensor `noise` of the latent's shape.
    File(std::path::PathBuf),
}
