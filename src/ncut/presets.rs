//! Presets, each named by the paper whose settings it has.
use crate::diffusion::LatentMode;
use crate::runtime::{Error, Result};
use crate::spectral::cut::{Adjacency, Criterion, CutOptions, MinCut, Sweep};

use super::diffseg::DiffSegOptions;
use super::options::{Hierarchy, Method, NcutOptions, SegmentCount};

/// Which published method the settings follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Recursive NCut on A = P P^T with the MAN-C rule on NCut: "Unsupervised Segmentation by Diffusing, Walking and
    /// Cutting" (WACV 2026), its best settings.
    #[default]
    WalkAndCut,
    /// The same paper's random-walk variant: NCut on P itself, fixed threshold 0.3.
    RandomWalk,
    /// The same paper's power walk: P^3 P^3T, MAN-C against the scaled minimum cut, all four resolutions.
    PowerWalkMincut,
    /// DiffSeg (CVPR 2024): attention maps merged by their divergence.
    DiffSeg,
    /// DiffCut (NeurIPS 2024): recursive NCut on cosines of one layer's output, with the settings of Stable Diffusion 1.4.
    DiffCut,
    /// TokenCut (CVPR 2022) on keys of the U-Net instead of DINO's: one object.
    TokenCut,
    /// MaskCut (CutLER, CVPR 2023) on keys of the U-Net: up to three objects.
    MaskCut,
    /// The first step of EmerDiff (ICLR 2024): k-means on query vectors. Its second step, modulated denoising, is not here:
    /// it costs 61 partial denoisings per image.
    EmerDiffKmeans,
}

impl Preset {
    /// Every preset and its name.
    pub const ALL: [(&'static str, Self); 8] = [
        ("walk_and_cut", Self::WalkAndCut),
        ("random_walk", Self::RandomWalk),
        ("power_walk_mincut", Self::PowerWalkMincut),
        ("diffseg", Self::DiffSeg),
        ("diffcut", Self::DiffCut),
        ("tokencut", Self::TokenCut),
        ("maskcut", Self::MaskCut),
        ("emerdiff_kmeans", Self::EmerDiffKmeans),
    ];

    /// The preset of that name; "" is the default. Errors: an unknown name.
    pub fn from_name(name: &str) -> Result<Self> {
        if name.is_empty() {
            return Ok(Self::default());
        }
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, preset)| *preset).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
            Error::argument(
                "preset",
                format!("\"{name}\""),
                &format!("must be {}", names.join(", ")),
            )
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

impl NcutOptions {
    /// The settings of `preset`, each from its paper or, where that is silent, its code; every one of them can be changed.
    pub fn new(preset: Preset) -> Self {
        let fixed = |threshold: f64, sweep: Sweep| CutOptions {
            criterion: Criterion::Fixed(threshold),
            sweep,
            ..CutOptions::default()
        };
        let walk = |adjacency| Method::Walk { power: 1, adjacency };
        let base = Self {
            preset,
            method: walk(Adjacency::Dot),
            cut: CutOptions {
                criterion: Criterion::MancNcut,
                ..CutOptions::default()
            },
            segments: SegmentCount::Auto,
            latent_mode: None,
            timestep: None,
            inversion_steps: 10,
            snr: None,
            seed: 42,
            bright: false,
            tokens: 64,
            square: false,
            all_layers: false,
            levels: vec![0, 1, 2],
            layer: None,
            pamr: None,
            hierarchy: Hierarchy::None,
            eigenvectors: 0,
            min_overlap: 0.1,
        };
        match preset {
            Preset::WalkAndCut => base,
            Preset::RandomWalk => Self {
                method: walk(Adjacency::Walk),
                cut: fixed(0.3, Sweep::All),
                ..base
            },
            Preset::PowerWalkMincut => Self {
                method: Method::Walk {
                    power: 3,
                    adjacency: Adjacency::Dot,
                },
                cut: CutOptions {
                    criterion: Criterion::MancMinCut(MinCut::Bipartition),
                    ..CutOptions::default()
                },
                levels: vec![0, 1, 2, 3],
                ..base
            },
            Preset::DiffSeg => Self {
                method: Method::Merge(DiffSegOptions::default()),
                all_layers: true,
                levels: vec![0, 1, 2, 3],
                ..base
            },
            Preset::DiffCut => Self {
                method: Method::FeatureCut { exponent: 10.0 },
                cut: fixed(0.2, Sweep::Linspace(100)),
                // 1024 pixels: the features' own grid is 32x32.
                tokens: 128,
                ..base
            },
            Preset::TokenCut => Self {
                method: Method::TokenCut { tau: 0.2 },
                tokens: 128,
                ..base
            },
            Preset::MaskCut => Self {
                method: Method::MaskCut { tau: 0.2, masks: 3 },
                tokens: 128,
                ..base
            },
            Preset::EmerDiffKmeans => Self {
                method: Method::KMeans { clusters: 30 },
                ..base
            },
        }
    }

    /// How an image enters a U-Net that was not made for matched noise, and at which timestep.
    pub fn published_pass(&self) -> (LatentMode, i64) {
        match self.preset {
            Preset::WalkAndCut | Preset::RandomWalk | Preset::PowerWalkMincut => (LatentMode::Clean, 181),
            Preset::DiffSeg => (LatentMode::Clean, 300),
            // TokenCut and MaskCut never saw a U-Net: DiffCut's pass, whose features serve the same purpose.
            Preset::DiffCut | Preset::TokenCut | Preset::MaskCut => (LatentMode::Noised, 50),
            Preset::EmerDiffKmeans => (LatentMode::Clean, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_names_and_valid_settings() {
        for (name, preset) in Preset::ALL {
            assert_eq!((Preset::from_name(name).unwrap(), preset.name()), (preset, name));
            NcutOptions::new(preset).validate().unwrap();
        }
        assert_eq!(Preset::from_name("").unwrap(), Preset::WalkAndCut);
        let text = Preset::from_name("ncut").unwrap_err().to_string();
        assert!(text.contains("\"ncut\"") && text.contains("diffseg"), "{text}");
    }
}
