//! Every setting of the slab pipeline, in the order of its stages, and the presets that fill them.
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::diffusion::{LatentDraw, LatentMode};
use crate::image::EnhanceOptions;
use crate::networks::cpnet::CellPose;
use crate::runtime::{Error, Result};

use super::aggregate::AggregateOptions;
use super::binarise::Binarisation;

/// A named set of settings. The names are part of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Preset {
    /// What measures best with what ships; the reason of each choice stands in `SlabOptions::new`.
    Default,
    /// What the authors' released code does (no CLAHE, no z correction, no morphology).
    Cvpr2026Code,
    /// What the CVPR 2026 paper says (CLAHE, z correction, closing).
    Cvpr2026Paper,
}

impl Preset {
    /// All presets with their names.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("default", Self::Default),
        ("cvpr2026_code", Self::Cvpr2026Code),
        ("cvpr2026_paper", Self::Cvpr2026Paper),
    ];

    /// The preset called `name`; the empty name is the default.
    pub fn from_name(name: &str) -> Result<Self> {
        if name.is_empty() {
            return Ok(Self::Default);
        }
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, preset)| *preset)
            .ok_or_else(|| {
                Error::argument(
                    "preset",
                    format!("\"{name}\""),
                    "must be default, cvpr2026_code or cvpr2026_paper",
                )
            })
    }

    /// The preset's name.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, preset)| *preset == self)
            .map_or("default", |(name, _)| name)
    }
}

/// How a slice is cut into the squares that the U-Net sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Tiling {
    /// The paper's: resize the slice to two tiles by two and cut it into quadrants, without overlap.
    Quadrants,
    /// One pass over the whole slice, padded to the U-Net's granularity.
    Whole,
    /// Tiles at the slice's own sampling that overlap by this share of a tile (0.0..=0.75), blended without seams.
    Overlapping(f64),
}

/// Which solver finds the eigenvectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SolverKind {
    /// The published recipe: a small network trained by Adam (2,001 iterations).
    Adam,
    /// The same objective solved directly as a symmetric eigenproblem.
    Krylov,
}

/// How the timestep of a U-Net pass is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TimestepRule {
    /// From the signal-to-noise ratio for matched models; else uniform up to 68 nm / voxel size (released code: 50 at 1.348 nm).
    Auto,
    /// This timestep, 0..=999.
    Fixed(i64),
    /// Uniform on 0..=this, a fresh draw for every pass.
    UniformUpTo(i64),
}

/// Where the diffusion noise comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum NoiseSource {
    /// Normal draws from the slab's seed.
    Seeded,
    /// No noise at all.
    None,
    /// A safetensors file with one float32 tensor `noise` of the latent's shape.
    File(PathBuf),
}

/// How eigenvectors become one canvas per tile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum CanvasRule {
    /// What the model itself says each voxel is (see [`crate::diffusion::Structure`]). Models that predict no structures take
    /// [`CanvasRule::Denoised`] instead.
    Structures,
    /// The paper's diversity-driven greedy merge (spec of section 5), at 64x64 cells and upsampled.
    Greedy(AggregateOptions),
    /// The model's one-step denoised image, mixed with what the eigenvectors see of it (this weight, 0..=1; at 0 no
    /// eigenvectors are computed); see [`super::canvas::denoised_score`]. Models with an autoencoder, whose denoised
    /// latent is no image, take [`CanvasRule::Greedy`] instead.
    Denoised(f32),
}

/// How foreground is split into membranes and molecules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SplitRule {
    /// What the model says each foreground voxel is, and where it sees the centres of molecules. Where the canvas is not the model's
    /// structures, as [`SplitRule::Shape3d`].
    Structures,
    /// Slice by slice with the released code's circularity test.
    CircularityPerSlice,
    /// On 3D components, by size in nm and shape.
    Shape3d,
    /// Slice by slice: the instances of a CellPose network are molecules ([`SlabOptions::cellpose_weights`]).
    CellPose,
}

/// All settings of [`super::segment`].
#[derive(Clone, Debug, Serialize)]
pub struct SlabOptions {
    /// The preset these settings were made from.
    pub preset: Preset,
    /// Slices of the tomogram, half open.
    pub z: Range<usize>,
    /// Voxel edge in nm; overrides the header.
    pub voxel_nm: Option<f64>,
    /// Structures are brighter than their surroundings (default: darker, as IMOD and AreTomo leave them).
    pub bright: bool,
    /// Seed of every random draw.
    pub seed: u64,
    /// Passes whose attention is summed, 1..=64.
    pub noise_draws: usize,
    /// Timestep of the passes.
    pub timestep: TimestepRule,
    /// How a slice enters the U-Net; None: as the model was trained.
    pub latent_mode: Option<LatentMode>,
    /// Mean or sample of the autoencoder's posterior.
    pub latent_draw: LatentDraw,
    /// Noise of the noised mode.
    pub noise: NoiseSource,
    /// Signal variance over noise variance per voxel, for matched models; None: estimated from the data.
    pub snr: Option<f64>,
    /// Self-attention layers used, 0..=15; empty: all.
    pub layers: Vec<usize>,
    /// How slices are cut.
    pub tiling: Tiling,
    /// Edge of a tile in attention cells, a multiple of 8 in 16..=256; the paper's latent has 64.
    pub tile_cells: usize,
    /// Eigenvector solver.
    pub solver: SolverKind,
    /// Eigenvectors per tile, 2..=64.
    pub n_eigenvectors: usize,
    /// Iterations of the Adam solver, 1..=100000.
    pub adam_iterations: usize,
    /// Contrast enhancement before an autoencoder (not used by matched models, which want the raw slice).
    pub enhance: EnhanceOptions,
    /// Eigenvectors to canvas.
    pub canvas: CanvasRule,
    /// The paper's z-consistency step.
    pub z_correction: bool,
    /// Standard deviation, in nm, of the 3D Gaussian over the score volume of [`CanvasRule::Denoised`] before thresholding (at
    /// least 0.75 voxel); 0: none. Structure maps are smooth already.
    pub score_smoothing_nm: f64,
    /// Whether structure maps are refined by the densities, see `refine`.
    pub refine: bool,
    /// Canvas to foreground.
    pub binarisation: Binarisation,
    /// Steps of closing and of dilation (4-connected cross) on the foreground of each slice.
    pub mend: (usize, usize),
    /// Membranes from molecules.
    pub split: SplitRule,
    /// Molecule diameters accepted, in nm.
    pub molecule_nm: (f64, f64),
    /// Detections of neighbouring slices become one point.
    pub link_z: bool,
    /// The best so many molecules of [`SplitRule::Structures`]; None: as many as promise the best F1.
    pub n_points: Option<usize>,
    /// Weights of the CellPose network, as [`crate::networks::cpnet::CellPose::open`] reads them; [`SplitRule::CellPose`] only.
    pub cellpose_weights: Option<PathBuf>,
    /// Diameter of the molecules looked for, in nm, where they are of one kind: what CellPose looks for, and the only size that
    /// [`SplitRule::Structures`] seeks. `None`: sizes about the geometric mean of the molecule diameters accepted.
    pub diameter_nm: Option<f64>,
}

impl SlabOptions {
    /// The settings of `preset` for slices `z`.
    pub fn new(preset: Preset, z: Range<usize>) -> Self {
        let paper = Self {
            preset,
            z,
            voxel_nm: None,
            bright: false,
            seed: 1,
            noise_draws: 1,
            timestep: TimestepRule::Auto,
            latent_mode: None,
            latent_draw: LatentDraw::Sample,
            noise: NoiseSource::Seeded,
            snr: None,
            layers: Vec::new(),
            tiling: Tiling::Quadrants,
            tile_cells: 64,
            solver: SolverKind::Adam,
            n_eigenvectors: 12,
            adam_iterations: 2000,
            enhance: EnhanceOptions::default(),
            canvas: CanvasRule::Greedy(AggregateOptions::default()),
            z_correction: true,
            score_smoothing_nm: 0.0,
            refine: false,
            binarisation: Binarisation::default(),
            mend: (0, 0),
            split: SplitRule::CircularityPerSlice,
            molecule_nm: (8.0, 45.0),
            link_z: false,
            n_points: None,
            cellpose_weights: None,
            diameter_nm: None,
        };
        match preset {
            Preset::Cvpr2026Code => Self {
                enhance: EnhanceOptions::released_code(),
                z_correction: false,
                ..paper
            },
            Preset::Cvpr2026Paper => Self { mend: (2, 1), ..paper },
            // Each choice is the one that measured best with the built-in model on simulated tomograms of other makers
            // (docs/measured/quality.md has the result of all of them together).
            Preset::Default => Self {
                solver: SolverKind::Krylov,
                latent_draw: LatentDraw::Mean,
                // No seams, and no resampling of the slice to a fixed size.
                tiling: Tiling::Overlapping(0.25),
                // Attention costs the square of it: a fifth faster than 64, and no worse with the built-in model.
                tile_cells: 48,
                // What the model learnt about structures beats its denoised image and the eigenvectors of its attention (models/README.md).
                canvas: CanvasRule::Structures,
                refine: true,
                binarisation: Binarisation::ExpectedDice,
                // Smoothing along z does what the correction is for.
                z_correction: false,
                split: SplitRule::Structures,
                link_z: true,
                ..paper
            },
        }
    }

    /// Checks every range, and the header of the CellPose weights where the split needs them. `depth` is the tomogram's number
    /// of slices.
    pub fn validate(&self, depth: usize) -> Result<()> {
        if self.z.start >= self.z.end || self.z.end > depth {
            return Err(Error::argument(
                "z",
                format!("{}:{}", self.z.start, self.z.end),
                &format!("must be a non-empty range within 0:{depth}"),
            ));
        }
        if let Some(voxel) = self.voxel_nm {
            in_range("voxel_nm", voxel, 0.01, 100.0)?;
        }
        if let Some(snr) = self.snr {
            in_range("snr", snr, 1e-4, 1e4)?;
        }
        in_range("noise_draws", self.noise_draws as f64, 1.0, 64.0)?;
        in_range("n_eigenvectors", self.n_eigenvectors as f64, 2.0, 64.0)?;
        in_range("tile_cells", self.tile_cells as f64, 16.0, 256.0)?;
        if !self.tile_cells.is_multiple_of(8) {
            return Err(Error::argument(
                "tile_cells",
                self.tile_cells,
                "must be a multiple of 8",
            ));
        }
        in_range("adam_iterations", self.adam_iterations as f64, 1.0, 100_000.0)?;
        in_range("score_smoothing_nm", self.score_smoothing_nm, 0.0, 100.0)?;
        if let CanvasRule::Denoised(weight) = self.canvas {
            in_range("eigenvector weight", f64::from(weight), 0.0, 1.0)?;
        }
        in_range("molecule_nm minimum", self.molecule_nm.0, 0.1, 1000.0)?;
        in_range("molecule_nm maximum", self.molecule_nm.1, self.molecule_nm.0, 1000.0)?;
        if let TimestepRule::Fixed(t) | TimestepRule::UniformUpTo(t) = self.timestep {
            in_range("timestep", t as f64, 0.0, 999.0)?;
        }
        if let Tiling::Overlapping(overlap) = self.tiling {
            in_range("overlap", overlap, 0.0, 0.75)?;
        }
        if let Some(layer) = self.layers.iter().find(|layer| **layer > 15) {
            return Err(Error::argument("layers", layer, "must be 0..=15"));
        }
        in_range("diameter_nm", self.cellpose_nm(), 0.1, 1000.0)?;
        if self.split == SplitRule::CellPose {
            // A wrong file should not show after hours of attention.
            CellPose::check(self.cellpose_path()?)?;
        }
        Ok(())
    }

    /// The CellPose weights, which [`SplitRule::CellPose`] cannot do without.
    pub(super) fn cellpose_path(&self) -> Result<&Path> {
        self.cellpose_weights.as_deref().ok_or_else(|| {
            let allowed = "must be the safetensors file of a CellPose network where the split is by CellPose";
            Error::argument("cellpose_weights", "not given", allowed)
        })
    }

    /// Diameter that CellPose looks for, in nm.
    pub(super) fn cellpose_nm(&self) -> f64 {
        let (low, high) = self.molecule_nm;
        self.diameter_nm.unwrap_or((low * high).sqrt())
    }
}

/// Refuses values outside `low..=high`, NaN included.
fn in_range(name: &str, value: f64, low: f64, high: f64) -> Result<()> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(Error::argument(name, value, &format!("must be {low}..={high}")))
    }
}
