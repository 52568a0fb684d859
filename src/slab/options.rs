//! Every setting of the slab pipeline, in the order of its stages, and the presets that fill them.
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diffusion::{LatentDraw, LatentMode};
use crate::image::EnhanceOptions;
use crate::networks::cpnet::{CellPose, CONVERT};
use crate::runtime::{Error, Result};
use crate::settings::{finite, Settings};

use super::adam_options::AdamOptions;
use super::aggregate::AggregateOptions;
use super::binarise::Binarisation;
use super::choices::{CanvasRule, Preset, SolverKind, SplitRule, ThresholdRule, Tiling, TimestepRule};
use super::split::CellPoseRule;
use super::zcorrect::ZConsistency;

/// How a slab is segmented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlabOptions {
    /// The preset these settings were made from.
    pub preset: Preset,
    /// Voxel edge in nm; null: the file's.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub voxel_nm: Option<f64>,
    /// Smallest and largest voxel edge, in nm, that the model is shown: slices of other voxels are brought to the
    /// nearer of the two, coarse ones to half their size at most, and the answer back; a voxel size that nobody gives
    /// is read from the membranes. Null: as they are.
    #[schemars(inner(range(min = 0.05, max = 20.0)))]
    pub working_voxel_nm: Option<[f64; 2]>,
    /// Whether structures are brighter than their surroundings; usually they are darker, as IMOD and AreTomo leave
    /// them.
    pub bright: bool,
    /// Seed of every random draw.
    pub seed: u64,
    /// U-Net passes whose attention is summed.
    #[schemars(range(min = 1, max = 64))]
    pub noise_draws: usize,
    /// How the timestep of a pass is chosen.
    pub timestep_rule: TimestepRule,
    /// The timestep, where `timestep_rule` is "fixed", or the largest, where it is "up_to".
    #[schemars(range(min = 0, max = 999))]
    pub timestep: Option<i64>,
    /// How a slice enters the U-Net; null: as the model was trained.
    pub latent_mode: Option<LatentMode>,
    /// Mean or sample of the autoencoder's posterior.
    pub latent_draw: LatentDraw,
    /// Whether the noised mode adds no noise.
    pub no_noise: bool,
    /// A safetensors file with one float32 tensor "noise" of the latent's shape, in place of noise from the seed.
    pub noise_file: Option<PathBuf>,
    /// Signal variance over noise variance per voxel, for matched models; null: estimated from the data.
    #[schemars(range(min = 1e-4, max = 1e4))]
    pub snr: Option<f64>,
    /// Self-attention layers used, by their place in the network; empty: all.
    #[schemars(length(max = 16), inner(range(max = 15)))]
    pub layers: Vec<usize>,
    /// How slices are cut.
    pub tiling: Tiling,
    /// Share of a tile that overlaps its neighbour, where `tiling` is "overlapping".
    #[schemars(range(min = 0.0, max = 0.75))]
    pub tile_overlap: f64,
    /// Edge of a tile in attention cells, a multiple of 8; the paper's latent has 64.
    #[schemars(range(min = 16, max = 256))]
    pub tile_cells: usize,
    /// Eigenvector solver.
    pub solver: SolverKind,
    /// Eigenvectors of each tile.
    #[schemars(range(min = 2, max = 64))]
    pub n_eigenvectors: usize,
    /// Iterations of the Adam solver; at least `adam.accumulate`.
    #[schemars(range(min = 1, max = 100_000))]
    pub adam_iterations: usize,
    /// How the Adam solver draws attention and steps.
    pub adam: AdamOptions,
    /// Contrast enhancement before an autoencoder. Matched models take the raw slice.
    pub enhance: EnhanceOptions,
    /// Which map of structure is thresholded.
    pub canvas: CanvasRule,
    /// Share of the eigenvectors' projection in the canvas "mixed".
    #[schemars(range(min = 0.0, max = 1.0))]
    pub eigenvector_weight: f64,
    /// How the canvas "greedy" merges eigenvectors.
    pub aggregate: AggregateOptions,
    /// The paper's consistency step across z, for the canvas "greedy".
    pub z_correction: bool,
    /// When `z_correction` takes a canvas for an outlier, and how it smooths.
    pub z_consistency: ZConsistency,
    /// Whether a slice keeps its labels only where each of its quadrants has a canvas, as in the released code; the
    /// molecules of its other quadrants stay points. For the tiling "quadrants" and the canvas "greedy".
    pub whole_masks: bool,
    /// Standard deviation, in nm, of the 3D Gaussian over the scores of the canvases "denoised" and "mixed" before the
    /// threshold (at least 0.75 voxel); 0: none. Structure maps are smooth already.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub score_smoothing_nm: f64,
    /// Whether structure maps are refined by the densities (a guided filter in 3D).
    pub refine: bool,
    /// Whether a membrane's likelihood is the mean of the model's and of the built-in segmentation network's, for the
    /// canvas "structures", where the tomogram has as many slices as that network looks to either side.
    pub network_membranes: bool,
    /// How foreground is told from background.
    pub binarisation: ThresholdRule,
    /// Score that all foreground exceeds; for "hysteresis" only.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold_low: f64,
    /// Score that every part of the foreground exceeds somewhere; for "hysteresis" only.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold_high: f64,
    /// Steps of closing (4-connected cross) on the membranes of each slice, after the split.
    #[schemars(range(max = 64))]
    pub closing_steps: usize,
    /// Steps of dilation (4-connected cross) on the membranes of each slice, after the closing.
    #[schemars(range(max = 64))]
    pub dilation_steps: usize,
    /// How membranes are told from molecules.
    pub split: SplitRule,
    /// Smallest diameter of a molecule, in nm.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub molecule_min_nm: f64,
    /// Largest diameter of a molecule, in nm.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub molecule_max_nm: f64,
    /// Whether detections of neighbouring slices become one point.
    pub link_z: bool,
    /// The best so many molecules; null: as many as promise the best F1 (split "structures"), or all.
    #[schemars(range(min = 1))]
    pub n_points: Option<usize>,
    /// Weights of the CellPose network of the split "cellpose", a safetensors file. CellPose's own files are refused
    /// with a text that says how to convert them.
    pub cellpose_weights: Option<PathBuf>,
    /// Which of CellPose's instances are molecules.
    pub cellpose: CellPoseRule,
    /// Diameter of the molecules looked for, in nm, where they are of one kind: what CellPose looks for, and the only
    /// size that the split "structures" seeks. Null: sizes about the geometric mean of the molecule diameters accepted.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub diameter_nm: Option<f64>,
}

impl Settings for SlabOptions {
    const FAMILY: &'static str = "slab";
    const PRESETS: &'static [&'static str] = Preset::NAMES;

    fn of_preset(preset: &str) -> Self {
        Self::new(Preset::of_name(preset))
    }

    fn validate_together(&self) -> Result<()> {
        finite("voxel_nm", self.voxel_nm)?;
        finite("snr", self.snr)?;
        finite("diameter_nm", self.diameter_nm)?;
        if let Some([low, high]) = self.working_voxel_nm {
            if !(low > 0.0 && low <= high && high.is_finite()) {
                let allowed = "must be the smallest and the largest, both positive";
                return Err(Error::argument("working_voxel_nm", format!("[{low}, {high}]"), allowed));
            }
        }
        let refused = |name: &str, value: String, allowed: &str| Err(Error::argument(name, value, allowed));
        if !self.tile_cells.is_multiple_of(8) {
            return refused("tile_cells", self.tile_cells.to_string(), "must be a multiple of 8");
        }
        if self.molecule_max_nm < self.molecule_min_nm {
            let allowed = format!("must be at least molecule_min_nm, {}", self.molecule_min_nm);
            return refused("molecule_max_nm", self.molecule_max_nm.to_string(), &allowed);
        }
        if self.no_noise && self.noise_file.is_some() {
            return refused("no_noise", "true".into(), "must be false where noise_file is given");
        }
        match (self.timestep_rule, self.timestep) {
            (TimestepRule::Auto, Some(timestep)) => {
                let allowed = "must not be given where timestep_rule is auto";
                return refused("timestep", timestep.to_string(), allowed);
            }
            (TimestepRule::Fixed | TimestepRule::UpTo, None) => {
                let allowed = "must be 0..=999 where timestep_rule is fixed or up_to";
                return refused("timestep", "not given".into(), allowed);
            }
            _ => {}
        }
        if self.binarisation == ThresholdRule::Hysteresis && self.threshold_low > self.threshold_high {
            let allowed = format!("must be at most threshold_high, {}", self.threshold_high);
            return refused("threshold_low", self.threshold_low.to_string(), &allowed);
        }
        if self.solver == SolverKind::Adam && self.adam_iterations < self.adam.accumulate {
            let allowed = format!("must be at least adam.accumulate, {}", self.adam.accumulate);
            return refused("adam_iterations", self.adam_iterations.to_string(), &allowed);
        }
        if let (SplitRule::CellPose, Some(pixels), Some(nm)) =
            (self.split, self.cellpose.diameter_pixels, self.diameter_nm)
        {
            let allowed = format!("must be null where cellpose.diameter_pixels is given, {pixels}");
            return refused("diameter_nm", nm.to_string(), &allowed);
        }
        Ok(())
    }
}

impl SlabOptions {
    /// The settings of `preset`.
    pub fn new(preset: Preset) -> Self {
        let paper = Self {
            preset,
            voxel_nm: None,
            working_voxel_nm: None,
            bright: false,
            seed: 1,
            noise_draws: 1,
            timestep_rule: TimestepRule::Auto,
            timestep: None,
            latent_mode: None,
            latent_draw: LatentDraw::Sample,
            no_noise: false,
            noise_file: None,
            snr: None,
            layers: Vec::new(),
            tiling: Tiling::Quadrants,
            tile_overlap: 0.25,
            tile_cells: 64,
            solver: SolverKind::Adam,
            n_eigenvectors: 12,
            adam_iterations: 2000,
            adam: AdamOptions::default(),
            enhance: EnhanceOptions::default(),
            canvas: CanvasRule::Greedy,
            eigenvector_weight: 0.5,
            aggregate: AggregateOptions::default(),
            z_correction: true,
            z_consistency: ZConsistency::default(),
            whole_masks: true,
            score_smoothing_nm: 0.0,
            refine: false,
            network_membranes: false,
            binarisation: ThresholdRule::Adaptive,
            threshold_low: 0.0,
            threshold_high: 0.0,
            closing_steps: 0,
            dilation_steps: 0,
            split: SplitRule::CellPose,
            molecule_min_nm: 8.0,
            molecule_max_nm: 45.0,
            link_z: false,
            n_points: None,
            cellpose_weights: None,
            cellpose: CellPoseRule::released_code(),
            diameter_nm: None,
        };
        match preset {
            Preset::Cvpr2026Code => Self {
                enhance: EnhanceOptions::released_code(),
                // Its file names never match (docs/papers.md): the step does nothing.
                z_correction: false,
                ..paper
            },
            Preset::Cvpr2026Paper => Self {
                adam: AdamOptions::paper(),
                aggregate: AggregateOptions::paper(),
                z_consistency: ZConsistency::paper(),
                closing_steps: 2,
                dilation_steps: 1,
                cellpose: CellPoseRule {
                    foreground_share: CellPoseRule::default().foreground_share,
                    ..CellPoseRule::released_code()
                },
                ..paper
            },
            // Each choice is the one that measured best with the built-in model on simulated tomograms of other makers
            // (docs/measured/quality.md has the result of all of them together).
            Preset::Default => Self {
                // Of a lamella at 3.1 nm more ribosomes are picked at half of that; what was sampled at 1 nm is seen
                // best there (models/README.md).
                working_voxel_nm: Some([0.8, 2.0]),
                solver: SolverKind::Krylov,
                latent_draw: LatentDraw::Mean,
                // No seams, and no resampling of the slice to a fixed size.
                tiling: Tiling::Overlapping,
                // Attention costs the square of it: a fifth faster than 64, and no worse with the built-in model.
                tile_cells: 48,
                // What the model learnt about structures beats its denoised image and the eigenvectors of its attention
                // (models/README.md).
                canvas: CanvasRule::Structures,
                refine: true,
                // Two networks err in different places: membrane Dice rises by 0.05 (models/README.md).
                network_membranes: true,
                binarisation: ThresholdRule::ExpectedDice,
                whole_masks: false,
                split: SplitRule::Structures,
                cellpose: CellPoseRule::default(),
                link_z: true,
                ..paper
            },
            Preset::Spectral => Self {
                preset,
                // Asked, in the built-in model's training, to keep a token's attention within its class
                // (models/README.md); the others see tiles and gradients too.
                layers: vec![11, 12, 14, 15],
                canvas: CanvasRule::Mixed,
                eigenvector_weight: 1.0,
                // The ground, and what tells membranes and molecules from it; the fourth brings nothing.
                n_eigenvectors: 3,
                score_smoothing_nm: 1.5,
                binarisation: ThresholdRule::Otsu,
                split: SplitRule::Shape3d,
                refine: false,
                network_membranes: false,
                ..Self::new(Preset::Default)
            },
        }
    }

    /// Refuses a CellPose file that is missing or cannot be used: that should not show after hours of attention.
    pub fn check_files(&self) -> Result<()> {
        match self.split {
            SplitRule::CellPose => CellPose::check(self.cellpose_path()?),
            _ => Ok(()),
        }
    }

    /// The rule of the threshold with its numbers.
    pub(super) fn binarisation(&self) -> Binarisation {
        match self.binarisation {
            ThresholdRule::Adaptive => Binarisation::Adaptive,
            ThresholdRule::Otsu => Binarisation::Otsu,
            ThresholdRule::ExpectedDice => Binarisation::ExpectedDice,
            ThresholdRule::Hysteresis => Binarisation::Hysteresis {
                low: self.threshold_low as f32,
                high: self.threshold_high as f32,
            },
        }
    }

    /// Whether the attention of the network's layer number `layer` is used.
    pub(super) fn uses_layer(&self, layer: usize) -> bool {
        self.layers.is_empty() || self.layers.contains(&layer)
    }

    /// The CellPose weights, which the split "cellpose" cannot do without.
    pub(super) fn cellpose_path(&self) -> Result<&Path> {
        self.cellpose_weights.as_deref().ok_or_else(|| {
            let allowed = format!(
                "must be the safetensors file of a CellPose network where the split is \"cellpose\"; make one of \
                 cellpose's own file once with: {CONVERT}; or ask for the stand-in that needs none, the split \
                 \"circularity\""
            );
            Error::argument("cellpose_weights", "not given", &allowed)
        })
    }

    /// Diameter that CellPose looks for, in nm.
    pub(super) fn cellpose_nm(&self) -> f64 {
        self.diameter_nm
            .unwrap_or((self.molecule_min_nm * self.molecule_max_nm).sqrt())
    }
}
