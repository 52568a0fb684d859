//! Settings of a segmentation by cuts, and the presets named by their papers.
use crate::diffusion::LatentMode;
use crate::runtime::{Error, Result};
use crate::spectral::cut::{Adjacency, Criterion, CutOptions, MinCut, Sweep};

use super::diffseg::DiffSegOptions;
use super::pamr::PamrOptions;

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

/// What is done with attention or features.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Recursive NCut on the walk P.
    Walk {
        /// k in P^k, 1..=64.
        power: u32,
        /// From P^k to edge weights.
        adjacency: Adjacency,
    },
    /// Attention maps merged by their divergence.
    Merge(DiffSegOptions),
    /// Recursive NCut on ((cosine - min) / (max - min))^exponent of the features.
    FeatureCut {
        /// DiffCut's alpha, 0.1..=100.
        exponent: f64,
    },
    /// One object: the connected part of the cut of thresholded cosines that holds the most outstanding token.
    TokenCut {
        /// Cosines above this are edges of weight 1, others of 1e-5; -1..=1.
        tau: f64,
    },
    /// Up to `masks` objects, one after the other.
    MaskCut {
        /// As for TokenCut.
        tau: f64,
        /// 1..=64.
        masks: usize,
    },
    /// k-means on the features.
    KMeans {
        /// Number of clusters, 1..=4096.
        clusters: usize,
    },
}

/// Which segmentations are wanted beside the main one, out of the same run.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Hierarchy {
    /// None.
    #[default]
    None,
    /// One per threshold: on NCut where the method cuts, on the divergence for DiffSeg.
    Thresholds(Vec<f64>),
    /// One per number of segments.
    Counts(Vec<usize>),
}

/// Settings of [`super::segment_image`] and its kin. [`NcutOptions::new`] gives those of a preset.
#[derive(Clone, Debug)]
pub struct NcutOptions {
    /// Whose settings these were to begin with.
    pub preset: Preset,
    /// What is done.
    pub method: Method,
    /// Where and when a cut stops.
    pub cut: CutOptions,
    /// How the image enters the U-Net; None: matched for a model made so (the built-in one), else the preset's.
    pub latent_mode: Option<LatentMode>,
    /// Timestep of the pass, 0..=999; None: from the signal-to-noise ratio in the matched mode, else the preset's.
    pub timestep: Option<i64>,
    /// U-Net passes of DDIM inversion, 1..=1000; fewer where the timestep is smaller.
    pub inversion_steps: i64,
    /// Signal variance over noise variance per pixel of the resized image, 1e-4..=1e4, for the matched mode; None: estimated.
    pub snr: Option<f64>,
    /// Seed of added noise and of k-means.
    pub seed: u64,
    /// Structures are brighter than their surroundings: grey levels are turned round. For tomograms.
    pub bright: bool,
    /// The image is resized so that its finest attention grid has the tokens of a square of this side, 8..=256.
    pub tokens: usize,
    /// Resize to a square, as the papers do, instead of keeping the aspect.
    pub square: bool,
    /// Read all self-attention layers, not only those of the middle and the decoder.
    pub all_layers: bool,
    /// Levels of the U-Net whose attention is aggregated, 0 the finest (64x64 at 512 pixels in Stable Diffusion).
    pub levels: Vec<usize>,
    /// Factor on the logits of the attention before the softmax, 0.1..=100: above 1 tokens attend to fewer others.
    pub sharpness: f64,
    /// Layer of the features, in execution order; None: the preset's.
    pub layer: Option<usize>,
    /// Refinement of the labels along the image's edges.
    pub pamr: Option<PamrOptions>,
    /// Further segmentations.
    pub hierarchy: Hierarchy,
    /// Leading eigenvectors of the graph to return, 0..=64.
    pub eigenvectors: usize,
    /// Segments of neighbouring slices may be one only where their intersection over union is at least this, 0..=1.
    pub min_overlap: f64,
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
            sharpness: 1.0,
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

    /// Refuses settings out of their documented ranges. What the cut itself needs is checked there.
    pub fn validate(&self) -> Result<()> {
        let bad =
            |name: &str, value: &dyn ToString, allowed: &str| Err(Error::argument(name, value.to_string(), allowed));
        if self.timestep.is_some_and(|t| !(0..=999).contains(&t)) {
            return bad("timestep", &self.timestep.unwrap_or(0), "must be 0..=999");
        }
        if !(1..=1000).contains(&self.inversion_steps) {
            return bad("inversion_steps", &self.inversion_steps, "must be 1..=1000");
        }
        if let Some(snr) = self.snr.filter(|snr| !(1e-4..=1e4).contains(snr)) {
            return bad("snr", &snr, "must be 1e-4..=1e4");
        }
        if !(8..=256).contains(&self.tokens) {
            return bad("tokens", &self.tokens, "must be 8..=256");
        }
        if self.levels.is_empty() {
            return bad("levels", &"empty", "must name at least one level");
        }
        if !(0.1..=100.0).contains(&self.sharpness) {
            return bad("sharpness", &self.sharpness, "must be 0.1..=100");
        }
        if self.eigenvectors > 64 {
            return bad("eigenvectors", &self.eigenvectors, "must be 0..=64");
        }
        if !(0.0..=1.0).contains(&self.min_overlap) {
            return bad("min_overlap", &self.min_overlap, "must be 0..=1");
        }
        if let Some(pamr) = &self.pamr {
            pamr.validate()?;
        }
        self.validate_method()?;
        self.validate_hierarchy()
    }

    fn validate_method(&self) -> Result<()> {
        let bad =
            |name: &str, value: &dyn ToString, allowed: &str| Err(Error::argument(name, value.to_string(), allowed));
        match &self.method {
            Method::Walk { power, .. } if !(1..=64).contains(power) => bad("walk_power", power, "must be 1..=64"),
            Method::Merge(options) => options.validate(),
            Method::FeatureCut { exponent } if !(0.1..=100.0).contains(exponent) => {
                bad("exponent", exponent, "must be 0.1..=100")
            }
            Method::TokenCut { tau } | Method::MaskCut { tau, .. } if !(-1.0..=1.0).contains(tau) => {
                bad("tau", tau, "must be -1..=1")
            }
            Method::MaskCut { masks, .. } if !(1..=64).contains(masks) => bad("masks", masks, "must be 1..=64"),
            Method::KMeans { clusters } if !(1..=4096).contains(clusters) => {
                bad("clusters", clusters, "must be 1..=4096")
            }
            _ => Ok(()),
        }
    }

    fn validate_hierarchy(&self) -> Result<()> {
        let refuse = |why: &str| {
            Err(Error::Unsupported(format!(
                "hierarchy of {}: {why}",
                self.preset.name()
            )))
        };
        match (&self.hierarchy, &self.method) {
            (Hierarchy::None, _) => Ok(()),
            (Hierarchy::Thresholds(list), _) if list.iter().any(|t| !(t.is_finite() && *t > 0.0)) => Err(
                Error::argument("thresholds", format!("{list:?}"), "must all be positive"),
            ),
            (Hierarchy::Counts(list), _) if list.iter().any(|k| !(1..=4096).contains(k)) => {
                Err(Error::argument("counts", format!("{list:?}"), "must all be 1..=4096"))
            }
            (_, Method::TokenCut { .. } | Method::MaskCut { .. }) => refuse("it finds objects, not parts of parts"),
            (Hierarchy::Counts(_), Method::Merge(_)) => refuse("maps merge by thresholds, not to a number"),
            (Hierarchy::Thresholds(_), Method::KMeans { .. }) => refuse("k-means takes numbers of clusters"),
            _ => Ok(()),
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

    #[test]
    fn each_setting_is_checked() {
        let refused = |preset: Preset, change: fn(&mut NcutOptions), part: &str| {
            let mut options = NcutOptions::new(preset);
            change(&mut options);
            let text = options.validate().unwrap_err().to_string();
            assert!(text.contains(part), "{text}");
        };
        refused(Preset::WalkAndCut, |o| o.timestep = Some(1000), "0..=999");
        refused(Preset::WalkAndCut, |o| o.levels.clear(), "levels");
        refused(Preset::WalkAndCut, |o| o.tokens = 4, "tokens is 4");
        refused(Preset::WalkAndCut, |o| o.snr = Some(f64::NAN), "snr is NaN");
        refused(
            Preset::WalkAndCut,
            |o| o.method = Method::KMeans { clusters: 0 },
            "clusters is 0",
        );
        refused(Preset::MaskCut, |o| o.hierarchy = Hierarchy::Counts(vec![2]), "objects");
        refused(
            Preset::DiffSeg,
            |o| o.hierarchy = Hierarchy::Counts(vec![2]),
            "thresholds",
        );
        refused(
            Preset::EmerDiffKmeans,
            |o| o.hierarchy = Hierarchy::Thresholds(vec![0.1]),
            "numbers",
        );
        refused(
            Preset::RandomWalk,
            |o| o.hierarchy = Hierarchy::Thresholds(vec![-0.1]),
            "positive",
        );
        refused(
            Preset::RandomWalk,
            |o| o.hierarchy = Hierarchy::Counts(vec![0]),
            "1..=4096",
        );
    }
}
