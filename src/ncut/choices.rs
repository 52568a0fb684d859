//! The words of the settings: presets, methods, stopping rules, sweeps.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::{Error, Result};

/// Which published method the settings follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Recursive NCut on A = P P^T with the MAN-C rule on NCut: "Unsupervised Segmentation by Diffusing, Walking and
    /// Cutting" (WACV 2026), its best settings: with Stable Diffusion a square of 512 pixels, ten of fifty steps of
    /// DDIM inversion, one denoising pass.
    #[default]
    WalkAndCut,
    /// The same on the clean latent at the same timestep: one pass instead of eleven, any aspect. The paper's run
    /// without inversion has the same mIoU (its Table 7).
    WalkAndCutClean,
    /// The same paper's random-walk variant: NCut on P itself, fixed threshold 0.3.
    RandomWalk,
    /// The same paper's power walk: P^3 P^3T, MAN-C against the scaled minimum cut, all four resolutions.
    PowerWalkMincut,
    /// DiffSeg (CVPR 2024): attention maps merged by their divergence.
    #[serde(rename = "diffseg")]
    DiffSeg,
    /// DiffCut (NeurIPS 2024): recursive NCut on cosines of one layer's output, with the settings of Stable Diffusion
    /// 1.4.
    #[serde(rename = "diffcut")]
    DiffCut,
    /// TokenCut (CVPR 2022) on keys of the U-Net instead of DINO's: one object.
    #[serde(rename = "tokencut")]
    TokenCut,
    /// MaskCut (CutLER, CVPR 2023) on keys of the U-Net: up to three objects.
    #[serde(rename = "maskcut")]
    MaskCut,
    /// EmerDiff (ICLR 2024): k-means on query vectors, and every pixel to the cluster that moves it most in modulated
    /// denoising: two denoisings of 15 steps for each cluster. Needs Stable Diffusion.
    #[serde(rename = "emerdiff")]
    EmerDiff,
    /// The first step of EmerDiff alone, enlarged as it is: k-means on query vectors.
    #[serde(rename = "emerdiff_kmeans")]
    EmerDiffKmeans,
}

impl Preset {
    /// Every preset and its name.
    pub const ALL: [(&'static str, Self); 10] = [
        ("walk_and_cut", Self::WalkAndCut),
        ("walk_and_cut_clean", Self::WalkAndCutClean),
        ("random_walk", Self::RandomWalk),
        ("power_walk_mincut", Self::PowerWalkMincut),
        ("diffseg", Self::DiffSeg),
        ("diffcut", Self::DiffCut),
        ("tokencut", Self::TokenCut),
        ("maskcut", Self::MaskCut),
        ("emerdiff", Self::EmerDiff),
        ("emerdiff_kmeans", Self::EmerDiffKmeans),
    ];

    /// The names alone.
    pub(super) const NAMES: [&'static str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let mut index = 0;
        while index < names.len() {
            names[index] = Self::ALL[index].0;
            index += 1;
        }
        names
    };

    /// The preset of that name; "" is the default. Errors: an unknown name.
    pub fn from_name(name: &str) -> Result<Self> {
        if name.is_empty() {
            return Ok(Self::default());
        }
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, preset)| *preset).ok_or_else(|| {
            let allowed = format!("must be {}", Self::NAMES.join(", "));
            Error::argument("preset", format!("\"{name}\""), &allowed)
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, preset)| *preset == self)
            .map_or("", |(name, _)| name)
    }
}

/// How tokens are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Recursive NCut on a power of the walk P.
    Walk,
    /// Attention maps merged by their divergence.
    Merge,
    /// Recursive NCut on ((cosine - min) / (max - min))^exponent of the features.
    FeatureCut,
    /// One object: the connected part of the cut of thresholded cosines that holds the most outstanding token.
    TokenCut,
    /// Up to `masks` objects, one after the other.
    MaskCut,
    /// k-means on the features.
    KMeans,
    /// The same at first; then each pixel is of the cluster that moves it most in modulated denoising.
    Modulate,
}

impl Method {
    /// Whether it divides attention itself, not features of a layer.
    pub(super) fn takes_attention(self) -> bool {
        matches!(self, Self::Walk | Self::Merge)
    }

    /// Whether it gives objects before a background instead of parts of the whole.
    pub(super) fn gives_objects(self) -> bool {
        matches!(self, Self::TokenCut | Self::MaskCut)
    }
}

/// When the best bipartition of a segment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoppingRule {
    /// NCut below a fixed threshold.
    Fixed,
    /// NCut below the segment's mean edge: MAN-C with NCut.
    MancNcut,
    /// The scaled minimum cut below the segment's mean edge: MAN-C with the scaled minimum cut, that of the
    /// bipartition.
    MancMincut,
    /// The same with the least weight that ties one node to the others.
    MancMinDegree,
}

/// Which thresholds along an eigenvector are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SweepRule {
    /// All splits.
    All,
    /// `sweep_steps` values from 0.99 min to 0.99 max (DiffCut).
    Linspace,
    /// The mean of the vector (TokenCut, MaskCut).
    Mean,
    /// Zero.
    Zero,
}
