//! The words that settings of a slab are chosen from.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named set of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// What measures best with the built-in model.
    Default,
    /// The papers' way with the built-in model: leading eigenvectors of its attention, with one sign and one scale for
    /// all tiles.
    Spectral,
    /// What the authors' released code does (docs/papers.md lists how it differs from the text). Splits by CellPose.
    #[serde(rename = "cvpr2026_code")]
    Cvpr2026Code,
    /// What the CVPR 2026 paper says and, where it says nothing, what its code does. Splits by CellPose.
    #[serde(rename = "cvpr2026_paper")]
    Cvpr2026Paper,
}

impl Preset {
    /// Names of the presets, the default first.
    pub const NAMES: &'static [&'static str] = &["default", "spectral", "cvpr2026_code", "cvpr2026_paper"];

    /// The preset of that name; an unknown name is the default, as is the empty one.
    pub fn of_name(name: &str) -> Self {
        match name {
            "spectral" => Self::Spectral,
            "cvpr2026_code" => Self::Cvpr2026Code,
            "cvpr2026_paper" => Self::Cvpr2026Paper,
            _ => Self::Default,
        }
    }
}

/// How a slice is cut into the squares that the U-Net sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tiling {
    /// The paper's: the slice is resized to two tiles by two and cut into quadrants, without overlap.
    Quadrants,
    /// One pass over the whole slice, padded to the U-Net's granularity.
    Whole,
    /// Tiles at the slice's own sampling that overlap by `tile_overlap`, blended without seams.
    Overlapping,
}

/// Which solver finds the eigenvectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SolverKind {
    /// The published recipe: a small network trained by Adam.
    Adam,
    /// The same objective solved directly as a symmetric eigenproblem.
    Krylov,
}

/// How the timestep of a U-Net pass is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimestepRule {
    /// From the signal-to-noise ratio for matched models; else uniform up to 68 nm / voxel size (released code: 50 at
    /// 1.348 nm).
    Auto,
    /// The one in `timestep`.
    Fixed,
    /// Uniform on 0..=`timestep`, a fresh draw for every pass.
    UpTo,
}

/// Which map of structure is thresholded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CanvasRule {
    /// What the model itself says each voxel is. Models that predict no structures take "denoised" instead.
    Structures,
    /// The paper's diversity-driven greedy merge of eigenvectors, as the group `aggregate` says.
    Greedy,
    /// The model's one-step denoised image; no eigenvectors are computed. Models with an autoencoder, whose denoised
    /// latent is no image, take "greedy" instead.
    Denoised,
    /// The denoised image mixed with its projection on the eigenvectors, whose share is `eigenvector_weight`.
    Mixed,
}

/// How foreground is told from background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdRule {
    /// The papers' local threshold, slice by slice.
    Adaptive,
    /// Otsu's threshold.
    Otsu,
    /// The threshold of the largest expected Dice, for scores that are likelihoods. The canvases "greedy", which are
    /// none, take "adaptive" instead; denoised images, "otsu".
    ExpectedDice,
    /// Parts above `threshold_low` that somewhere exceed `threshold_high`.
    Hysteresis,
}

/// How foreground is split into membranes and molecules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitRule {
    /// What the model says each foreground voxel is, and where it sees the centres of molecules. Where the canvas is
    /// not the model's structures, as "shape3d".
    Structures,
    /// Slice by slice: components that pass the released code's circularity test are molecules. Stands in for
    /// "cellpose" where no CellPose network is at hand.
    Circularity,
    /// On 3D components, by size in nm and shape.
    Shape3d,
    /// Slice by slice: the instances of the CellPose network in `cellpose_weights` are molecules, as the group
    /// `cellpose` says.
    #[serde(rename = "cellpose")]
    CellPose,
    /// No split: all foreground is membrane, and there are no molecules.
    None,
}
