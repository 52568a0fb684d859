//! The result of a segmentation.
use ndarray::{Array2, Array3};
use serde::Serialize;

use super::options::NcutOptions;
use super::tree::TreeNode;

/// An image, a matrix or a slab in segments.
#[derive(Clone, Debug)]
pub struct Segmentation {
    /// Segment of every pixel, (slices, rows, columns) at the input's own resolution; one slice for images and
    /// matrices. Numbers below `segments.len()`; in a slab they mean the same in every slice.
    pub labels: Array3<u32>,
    /// The segments by number.
    pub segments: Vec<Segment>,
    /// Mean feature of every segment, (segments, D): of the rows of the walk, of the affinity or of the features; in a
    /// slab, over the passes that show it, weighted by its tokens there.
    pub features: Array2<f32>,
    /// One per pass through the model, each about one or more neighbouring slices.
    pub cells: Vec<Cell>,
    /// Further segmentations of the same input.
    pub levels: Vec<Level>,
    /// Sizes, and how the passes were made.
    pub report: NcutReport,
    /// The settings that made it, the number of segments settled.
    pub settings: NcutOptions,
}

/// One segment of all slices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Segment {
    /// Pixels labelled with it.
    pub pixels: u64,
    /// First slice that shows it, of the whole tomogram, and the slice after the last one.
    pub z: [usize; 2],
}

/// One pass: its grid of tokens, cut into a tree.
#[derive(Clone, Debug)]
pub struct Cell {
    /// First slice that it is about, of the whole tomogram, and the slice after the last one; 0 and 1 for images.
    pub z: [usize; 2],
    /// Rows and columns of tokens.
    pub grid: [usize; 2],
    /// The segments of this pass, the whole first; leaves name the segment.
    pub tree: Vec<TreeNode>,
    /// Leading eigenvectors of the graph, (vectors, tokens), where settings ask for them.
    pub eigenvectors: Option<Array2<f32>>,
}

/// A segmentation of the hierarchy.
#[derive(Clone, Debug)]
pub struct Level {
    /// The threshold or the number of segments in the settings.
    pub at: f64,
    /// As [`Segmentation::labels`], with numbers of its own.
    pub labels: Array3<u32>,
    /// Number of segments.
    pub segments: usize,
}

/// Sizes of a segmentation and how its passes were made, for hosts and JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NcutReport {
    /// Preset the settings came from.
    pub preset: &'static str,
    /// Name of the model; null where the host gave a matrix.
    pub model: Option<String>,
    /// How images entered the U-Net: "clean", "noised", "inverted" or "matched".
    pub latent_mode: Option<&'static str>,
    /// Timestep of the passes.
    pub timestep: Option<i64>,
    /// Signal-to-noise ratio given or estimated, in the matched mode.
    pub snr: Option<f64>,
    /// Rows and columns that images were resized to.
    pub working_shape: Option<[usize; 2]>,
    /// Rows and columns of tokens.
    pub grid: [usize; 2],
    /// Number of segments.
    pub segments: usize,
    /// Shape of the labels: slices, rows, columns.
    pub shape: [usize; 3],
    /// Length of a segment's mean feature.
    pub dim: usize,
    /// Passes, each with a tree of its own.
    pub cells: usize,
    /// Eigenvectors kept for each pass.
    pub eigenvectors: usize,
    /// Further segmentations.
    pub levels: usize,
    /// Cuts whose eigenvector did not reach the tolerance.
    pub unconverged: usize,
    /// Seconds of each stage.
    pub seconds: Vec<(String, f64)>,
}
