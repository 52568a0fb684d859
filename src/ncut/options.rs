//! Settings of a segmentation by cuts.
use crate::diffusion::LatentMode;
use crate::runtime::{Error, Result};
use crate::spectral::cut::{Adjacency, CutOptions};

use super::diffseg::DiffSegOptions;
use super::pamr::PamrOptions;
use super::presets::Preset;

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

/// How many segments a method that cuts or merges attention makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentCount {
    /// What the stopping rule gives; but [`BUILTIN_SEGMENTS`] with a model of matched noise. Such a model attends much more
    /// evenly than Stable Diffusion, for which the papers' thresholds were tuned: every NCut lies above 0.9 there, and the
    /// rules would return the image in one piece.
    #[default]
    Auto,
    /// What the stopping rule gives.
    Rule,
    /// This many, 1..=4096: the best cuts first, or fewer where there are no more. DiffSeg, which merges by a threshold,
    /// looks for one that leaves this many, or the next larger number it can leave; k-means takes it for its clusters.
    Exactly(usize),
}

/// Segments that models of matched noise give unless told otherwise.
pub const BUILTIN_SEGMENTS: usize = 8;

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
    /// How many segments recursive cuts and merges make.
    pub segments: SegmentCount,
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
        if let SegmentCount::Exactly(count) = self.segments {
            if !(1..=4096).contains(&count) {
                return bad("segments", &count, "must be 1..=4096");
            }
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
        if let (SegmentCount::Exactly(_), Method::TokenCut { .. } | Method::MaskCut { .. }) =
            (self.segments, &self.method)
        {
            let text = format!("segments of {}: it finds objects, however many", self.preset.name());
            return Err(Error::Unsupported(text));
        }
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
            (Hierarchy::Thresholds(_), Method::KMeans { .. }) => refuse("k-means takes numbers of clusters"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            |o| o.segments = SegmentCount::Exactly(0),
            "segments is 0",
        );
        refused(Preset::TokenCut, |o| o.segments = SegmentCount::Exactly(3), "objects");
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
