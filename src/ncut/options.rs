//! Settings of a segmentation by cuts, and the form in which each stage takes them.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diffusion::LatentMode;
use crate::spectral::cut::{Adjacency, Criterion, CutOptions, MinCut, Sweep};

use super::choices::{Method, Preset, StoppingRule, SweepRule};
use super::diffseg::DiffSegOptions;
use super::pamr::PamrOptions;

/// Segments of a model of matched noise unless something else is asked for.
///
/// Such a model attends much more evenly than Stable Diffusion, for which the papers' thresholds were tuned: every NCut
/// lies above 0.9 there, and the rules would return the image in one piece.
pub const BUILTIN_SEGMENTS: usize = 8;

/// The best fixed threshold of the walk-and-cut paper on A = P P^T.
const WALK_AND_CUT_THRESHOLD: f64 = 0.4;

/// Segmentation of images, slabs and matrices by cuts of attention or features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NcutOptions {
    /// The paper whose settings the others begin from. It also gives the latent mode and timestep of a model not made
    /// for matched noise.
    pub preset: Preset,
    /// How tokens are divided.
    pub method: Method,
    /// Number of segments, the best cuts first, or fewer where there are no more; 0: by the stopping rule. DiffSeg,
    /// which merges by a threshold, searches for one that leaves this many, or the next larger number it can leave;
    /// k-means takes it for its clusters. Null: by the stopping rule; but 8 where attention of a model of matched noise
    /// is cut by the preset's own rule, because such attention is too even for the papers' thresholds.
    #[schemars(range(max = 4096))]
    pub segments: Option<usize>,
    /// When a cut is made, where no threshold is given.
    pub criterion: StoppingRule,
    /// NCut below which a cut is made, at most 2; for "merge", divergence in nats below which maps are merged. Given,
    /// it takes the place of the criterion. Null: for "fixed" 0.3 with random_walk, 0.2 with diffcut, else 0.4; for
    /// "merge" 1.1 (DiffSeg's on COCO-Stuff; 0.9 on Cityscapes).
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub threshold: Option<f64>,
    /// Further segmentations of the same run, one for each of these values of `threshold`.
    #[schemars(length(max = 256), inner(range(min = 0.0)))]
    pub thresholds: Vec<f64>,
    /// Further segmentations of the same run, one for each of these numbers of segments. Not beside `thresholds`.
    #[schemars(length(max = 256), inner(range(min = 1, max = 4096)))]
    pub counts: Vec<usize>,
    /// Structures are brighter than their surroundings: grey levels are inverted. For tomograms.
    pub bright: bool,
    /// Value of black in an image; null, with `white` null: 0 and 255 for bytes, else the outer half percents of the
    /// pixels.
    pub black: Option<f64>,
    /// Value of white in an image.
    pub white: Option<f64>,
    /// The image is resized so that its finest attention grid has the tokens of a square of this side; 64 is 512 pixels
    /// in Stable Diffusion.
    #[schemars(range(min = 8, max = 256))]
    pub working_tokens: usize,
    /// Resize to a square instead of keeping the aspect; null: as the preset's paper does, but not for a model of
    /// matched noise.
    pub square: Option<bool>,
    /// How an image enters the U-Net; null: matched for a model made so (the built-in one), else the preset's.
    pub latent_mode: Option<LatentMode>,
    /// Timestep of the pass; null: from the signal-to-noise ratio in the matched mode, else the preset's.
    #[schemars(range(min = 0, max = 999))]
    pub timestep: Option<i64>,
    /// U-Net passes of DDIM inversion, in equal strides up to the timestep: 10 up to 181 are the first 10 of 50 steps
    /// of 1000. Fewer where the timestep is smaller.
    #[schemars(range(min = 1, max = 1000))]
    pub inversion_steps: i64,
    /// Variance of the signal over variance of the noise, per pixel of the resized image, for the matched mode; null:
    /// estimated.
    #[schemars(range(min = 1e-4, max = 1e4))]
    pub snr: Option<f64>,
    /// Seed of added noise, of k-means and of modulated denoising.
    pub seed: u64,
    /// Levels of the U-Net whose attention is aggregated, 0 the finest (64x64 at 512 pixels in Stable Diffusion).
    #[schemars(length(min = 1, max = 32), inner(range(max = 31)))]
    pub levels: Vec<usize>,
    /// Read all self-attention layers, not only those of the middle and the decoder.
    pub all_layers: bool,
    /// Layer of the features, in execution order from 0; null: the method's own.
    pub layer: Option<usize>,
    /// Power of the walk.
    #[schemars(range(min = 1, max = 64))]
    pub walk_power: u32,
    /// From the power of the walk to edge weights.
    pub adjacency: Adjacency,
    /// Thresholds tried along an eigenvector.
    pub sweep: SweepRule,
    /// Number of thresholds of the sweep "linspace".
    #[schemars(range(min = 1))]
    pub sweep_steps: usize,
    /// Segments of fewer tokens are not cut.
    #[schemars(range(min = 2))]
    pub min_nodes: usize,
    /// Number of segments at which a stopping rule ends. Cheap cuts are made first.
    #[schemars(range(min = 1))]
    pub max_segments: usize,
    /// Cuts between the whole and a segment, at most; null: no limit.
    pub max_depth: Option<usize>,
    /// Residual to which eigenvectors are computed; products are float32.
    #[schemars(range(min = 1e-6), extend("exclusiveMaximum" = 1))]
    pub tolerance: f64,
    /// Products of matrix and vector for one eigenvector, after which the best vector so far is taken, with a warning.
    #[schemars(range(min = 1))]
    pub max_iterations: usize,
    /// Leading eigenvectors of the graph to keep.
    #[schemars(range(max = 64))]
    pub eigenvectors: usize,
    /// Exponent of the cosines for "feature_cut": DiffCut's alpha.
    #[schemars(range(min = 0.1, max = 100.0))]
    pub exponent: f64,
    /// Cosine above which an edge weighs 1 instead of 1e-5, for "token_cut" and "mask_cut".
    #[schemars(range(min = -1.0, max = 1.0))]
    pub tau: f64,
    /// Objects of "mask_cut".
    #[schemars(range(min = 1, max = 64))]
    pub masks: usize,
    /// Clusters of "k_means" and "modulate" where `segments` names no number.
    #[schemars(range(min = 1, max = 4096))]
    pub clusters: usize,
    /// Anchors of "merge" along each axis of the grid: DiffSeg's M.
    #[schemars(range(min = 1, max = 64))]
    pub anchors: usize,
    /// Rounds of "merge": the first around the anchors, the others among the merged maps.
    #[schemars(range(min = 1, max = 64))]
    pub rounds: usize,
    /// Timestep from which "modulate" denoises and at which it pushes tokens: EmerDiff's t_m.
    #[schemars(range(min = 1, max = 999))]
    pub modulation_timestep: i64,
    /// What "modulate" adds at the tokens of a cluster, and subtracts: EmerDiff's lambda.
    #[schemars(range(max = 1e6), extend("exclusiveMinimum" = 0))]
    pub modulation_strength: f64,
    /// Steps of a whole denoising, of which "modulate" makes those from its timestep on.
    #[schemars(range(min = 1, max = 1000))]
    pub modulation_steps: i64,
    /// Layer whose attention to the text "modulate" pushes, in execution order from 0; null: the last of the block of
    /// the features.
    pub modulation_layer: Option<usize>,
    /// Standard deviation of the Gaussian filter on the differences of images, in pixels of the image as the model
    /// sees it.
    #[schemars(range(min = 0.1, max = 100.0))]
    pub modulation_sigma: f64,
    /// Refine merged maps by k-means over all maps, as DiffSeg's demo does and its benchmark does not.
    pub refine: bool,
    /// Labels follow the image's edges by pixel-adaptive refinement.
    pub pamr: bool,
    /// Side of the square whose area the refinement's working image has.
    #[schemars(range(min = 8, max = 4096))]
    pub pamr_side: usize,
    /// Rounds of the refinement.
    #[schemars(range(min = 1, max = 1000))]
    pub pamr_iterations: usize,
    /// Distances of the neighbours that the refinement compares.
    #[schemars(length(min = 1, max = 256), inner(range(min = 1, max = 256)))]
    pub pamr_dilations: Vec<i64>,
    /// Segments of neighbouring slices may be one only where their intersection over union is at least this.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_overlap: f64,
}

/// Which segmentations are made beside the main one, out of the same run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hierarchy<'a> {
    /// None.
    None,
    /// One per threshold: on NCut where the method cuts, on the divergence where it merges.
    Thresholds(&'a [f64]),
    /// One per number of segments.
    Counts(&'a [usize]),
}

impl NcutOptions {
    /// How the graph is cut.
    pub(super) fn cut(&self) -> CutOptions {
        let fixed = self.threshold.unwrap_or(match self.preset {
            Preset::RandomWalk => 0.3,
            Preset::DiffCut => 0.2,
            _ => WALK_AND_CUT_THRESHOLD,
        });
        CutOptions {
            criterion: match self.criterion {
                _ if self.threshold.is_some() => Criterion::Fixed(fixed),
                StoppingRule::Fixed => Criterion::Fixed(fixed),
                StoppingRule::MancNcut => Criterion::MancNcut,
                StoppingRule::MancMincut => Criterion::MancMinCut(MinCut::Bipartition),
                StoppingRule::MancMinDegree => Criterion::MancMinCut(MinCut::MinDegree),
            },
            sweep: match self.sweep {
                SweepRule::All => Sweep::All,
                SweepRule::Linspace => Sweep::Linspace(self.sweep_steps),
                SweepRule::Mean => Sweep::Mean,
                SweepRule::Zero => Sweep::Zero,
            },
            min_nodes: self.min_nodes,
            max_segments: self.max_segments,
            max_depth: self.max_depth.unwrap_or(usize::MAX),
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
        }
    }

    /// How attention maps are merged.
    pub(super) fn merge(&self) -> DiffSegOptions {
        let default = DiffSegOptions::default();
        DiffSegOptions {
            threshold: self.threshold.unwrap_or(default.threshold),
            anchors: self.anchors,
            rounds: self.rounds,
            refine: self.refine,
        }
    }

    /// How labels are refined along the image's edges, if they are.
    pub(super) fn refinement(&self) -> Option<PamrOptions> {
        self.pamr.then(|| PamrOptions {
            side: self.pamr_side,
            iterations: self.pamr_iterations,
            dilations: self.pamr_dilations.clone(),
        })
    }

    /// The number of segments asked for; None: by the stopping rule.
    pub(super) fn exact_segments(&self) -> Option<usize> {
        self.segments.filter(|count| *count > 0)
    }

    /// The further segmentations.
    pub(super) fn hierarchy(&self) -> Hierarchy<'_> {
        match (&self.thresholds[..], &self.counts[..]) {
            ([], []) => Hierarchy::None,
            ([], counts) => Hierarchy::Counts(counts),
            (thresholds, _) => Hierarchy::Thresholds(thresholds),
        }
    }

    /// The threshold or the number of segments of each further segmentation.
    pub(super) fn levels_at(&self) -> Vec<f64> {
        let counts = self.counts.iter().map(|&count| count as f64);
        self.thresholds.iter().copied().chain(counts).collect()
    }

    /// The values of black and white in an image, where they are given.
    pub fn grey_range(&self) -> Option<[f32; 2]> {
        Some([self.black? as f32, self.white? as f32])
    }

    /// How an image enters a U-Net that was not made for matched noise.
    pub(super) fn published_mode(&self) -> LatentMode {
        match self.preset {
            Preset::WalkAndCut | Preset::RandomWalk | Preset::PowerWalkMincut => LatentMode::Inverted,
            Preset::WalkAndCutClean | Preset::DiffSeg => LatentMode::Clean,
            // TokenCut and MaskCut never saw a U-Net: DiffCut's pass, whose features serve the same purpose.
            Preset::DiffCut | Preset::TokenCut | Preset::MaskCut => LatentMode::Noised,
            // The latent of DDPM inversion has noise of its own at every timestep.
            Preset::EmerDiff | Preset::EmerDiffKmeans => LatentMode::Noised,
        }
    }

    /// Whether the paper resizes to a square. TokenCut keeps the aspect, and so does the cheap run of walk-and-cut.
    pub(super) fn published_square(&self) -> bool {
        !matches!(self.preset, Preset::WalkAndCutClean | Preset::TokenCut)
    }

    /// The timestep of that pass.
    pub(super) fn published_timestep(&self) -> i64 {
        match self.preset {
            Preset::WalkAndCut | Preset::WalkAndCutClean | Preset::RandomWalk | Preset::PowerWalkMincut => 181,
            Preset::DiffSeg => 300,
            Preset::DiffCut | Preset::TokenCut | Preset::MaskCut => 50,
            Preset::EmerDiff | Preset::EmerDiffKmeans => 1,
        }
    }
}
