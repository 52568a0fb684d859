//! Presets, each named by the paper whose settings it has, and combinations that are refused.
use crate::runtime::{Error, Result};
use crate::settings::{finite, Settings};
use crate::spectral::cut::{Adjacency, CutOptions};

use super::choices::{Method, Preset, StoppingRule, SweepRule};
use super::diffseg::DiffSegOptions;
use super::options::{Hierarchy, NcutOptions};
use super::pamr::PamrOptions;

impl NcutOptions {
    /// The settings of `preset`, each from its paper or, where that is silent, its code; every one of them can be
    /// changed.
    pub fn new(preset: Preset) -> Self {
        let (cut, merge, pamr) = (CutOptions::default(), DiffSegOptions::default(), PamrOptions::default());
        let base = Self {
            preset,
            method: Method::Walk,
            segments: None,
            criterion: StoppingRule::MancNcut,
            threshold: None,
            thresholds: Vec::new(),
            counts: Vec::new(),
            bright: false,
            black: None,
            white: None,
            working_tokens: 64,
            square: None,
            latent_mode: None,
            timestep: None,
            inversion_steps: 10,
            snr: None,
            seed: 42,
            levels: vec![0, 1, 2],
            all_layers: false,
            layer: None,
            walk_power: 1,
            adjacency: Adjacency::Dot,
            sweep: SweepRule::All,
            sweep_steps: 100,
            min_nodes: cut.min_nodes,
            max_segments: cut.max_segments,
            max_depth: None,
            tolerance: cut.tolerance,
            max_iterations: cut.max_iterations,
            eigenvectors: 0,
            exponent: 10.0,
            tau: 0.2,
            masks: 3,
            clusters: 30,
            anchors: merge.anchors,
            rounds: merge.rounds,
            modulation_timestep: 281,
            modulation_strength: 10.0,
            modulation_steps: 50,
            modulation_layer: None,
            modulation_sigma: 2.0,
            refine: merge.refine,
            pamr: false,
            pamr_side: pamr.side,
            pamr_iterations: pamr.iterations,
            pamr_dilations: pamr.dilations,
            min_overlap: 0.1,
        };
        match preset {
            Preset::WalkAndCut | Preset::WalkAndCutClean => base,
            Preset::RandomWalk => Self {
                adjacency: Adjacency::Walk,
                criterion: StoppingRule::Fixed,
                ..base
            },
            Preset::PowerWalkMincut => Self {
                walk_power: 3,
                criterion: StoppingRule::MancMincut,
                levels: vec![0, 1, 2, 3],
                ..base
            },
            Preset::DiffSeg => Self {
                method: Method::Merge,
                criterion: StoppingRule::Fixed,
                all_layers: true,
                levels: vec![0, 1, 2, 3],
                ..base
            },
            Preset::DiffCut => Self {
                method: Method::FeatureCut,
                criterion: StoppingRule::Fixed,
                sweep: SweepRule::Linspace,
                // 1024 pixels: the features' own grid is 32x32.
                working_tokens: 128,
                ..base
            },
            Preset::TokenCut => Self {
                method: Method::TokenCut,
                working_tokens: 128,
                ..base
            },
            Preset::MaskCut => Self {
                method: Method::MaskCut,
                working_tokens: 128,
                ..base
            },
            Preset::EmerDiff => Self {
                method: Method::Modulate,
                ..base
            },
            Preset::EmerDiffKmeans => Self {
                method: Method::KMeans,
                ..base
            },
        }
    }

    /// Whether cutting stops by the preset's own rule.
    pub(super) fn stops_as_published(&self) -> bool {
        self.threshold.is_none() && self.criterion == Self::new(self.preset).criterion
    }

    fn check_hierarchy(&self) -> Result<()> {
        if let Some(index) = self.thresholds.iter().position(|threshold| *threshold <= 0.0) {
            let name = format!("thresholds[{index}]");
            return Err(Error::argument(&name, self.thresholds[index], "must be above 0"));
        }
        if !self.thresholds.is_empty() && !self.counts.is_empty() {
            return Err(Error::argument(
                "counts",
                "given beside thresholds",
                "must be the only list",
            ));
        }
        let refuse = |why: &str| {
            let text = format!("hierarchy of {}: {why}", self.preset.name());
            Err(Error::Unsupported(text))
        };
        match self.hierarchy() {
            Hierarchy::None => Ok(()),
            _ if self.method == Method::Modulate => refuse("modulated denoising is of one number of clusters"),
            _ if self.method.gives_objects() => refuse("it finds objects, not parts of parts"),
            Hierarchy::Thresholds(_) if self.method == Method::KMeans => refuse("k-means takes numbers of clusters"),
            _ => Ok(()),
        }
    }
}

impl Default for NcutOptions {
    fn default() -> Self {
        Self::new(Preset::default())
    }
}

impl Settings for NcutOptions {
    const FAMILY: &'static str = "ncut";
    const PRESETS: &'static [&'static str] = &Preset::NAMES;

    fn of_preset(preset: &str) -> Self {
        Self::new(Preset::from_name(preset).unwrap_or_default())
    }

    fn validate_together(&self) -> Result<()> {
        let numbers = [
            ("threshold", self.threshold),
            ("black", self.black),
            ("white", self.white),
            ("snr", self.snr),
        ];
        numbers.into_iter().try_for_each(|(name, value)| finite(name, value))?;
        match (self.black, self.white) {
            (Some(_), None) => return Err(Error::argument("white", "null", "must be given beside black")),
            (None, Some(_)) => return Err(Error::argument("black", "null", "must be given beside white")),
            _ => {}
        }
        let name = self.preset.name();
        if self.method == Method::Merge && self.criterion != Self::new(self.preset).criterion {
            return Err(Error::Unsupported(format!(
                "criterion of {name}: it merges by threshold"
            )));
        }
        if self.method.gives_objects() && self.exact_segments().is_some() {
            let text = format!("segments of {name}: it finds objects, however many");
            return Err(Error::Unsupported(text));
        }
        self.check_hierarchy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::LatentMode;

    #[test]
    fn presets_have_names_and_valid_settings() {
        for (name, preset) in Preset::ALL {
            assert_eq!((Preset::from_name(name).unwrap(), preset.name()), (preset, name));
            assert_eq!(serde_json::to_value(preset).unwrap(), name);
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
        refused(Preset::WalkAndCut, |o| o.working_tokens = 4, "working_tokens is 4");
        refused(Preset::WalkAndCut, |o| o.snr = Some(f64::NAN), "snr is NaN");
        refused(Preset::WalkAndCut, |o| o.clusters = 0, "clusters is 0");
        refused(Preset::MaskCut, |o| o.counts = vec![2], "objects");
        refused(Preset::DiffSeg, |o| o.segments = Some(4097), "segments is 4097");
        refused(Preset::DiffSeg, |o| o.threshold = Some(f64::NAN), "threshold is NaN");
        refused(
            Preset::DiffSeg,
            |o| o.criterion = StoppingRule::MancNcut,
            "merges by threshold",
        );
        refused(Preset::TokenCut, |o| o.segments = Some(3), "objects");
        refused(Preset::EmerDiffKmeans, |o| o.thresholds = vec![0.1], "numbers");
        refused(Preset::EmerDiff, |o| o.counts = vec![4], "one number of clusters");
        refused(
            Preset::EmerDiff,
            |o| o.modulation_strength = 0.0,
            "modulation_strength is 0",
        );
        refused(
            Preset::EmerDiff,
            |o| o.modulation_timestep = 0,
            "modulation_timestep is 0",
        );
        refused(
            Preset::RandomWalk,
            |o| o.thresholds = vec![-0.1],
            "thresholds[0] is -0.1",
        );
        refused(
            Preset::RandomWalk,
            |o| o.thresholds = vec![0.1, 0.0],
            "thresholds[1] is 0",
        );
        refused(Preset::RandomWalk, |o| o.counts = vec![0], "1..=4096");
        refused(Preset::WalkAndCut, |o| o.white = Some(255.0), "black is null");
        refused(Preset::WalkAndCut, |o| o.pamr_side = 4, "pamr_side is 4");
        refused(Preset::WalkAndCut, |o| o.pamr_iterations = 0, "pamr_iterations is 0");
        refused(Preset::WalkAndCut, |o| o.pamr_dilations.clear(), "pamr_dilations");
        refused(
            Preset::WalkAndCut,
            |o| o.pamr_dilations.push(0),
            "pamr_dilations[4] is 0",
        );
    }

    #[test]
    fn passes_are_those_of_the_papers() {
        let pass = |preset| {
            let options = NcutOptions::new(preset);
            (
                options.published_mode(),
                options.published_timestep(),
                options.published_square(),
            )
        };
        // Walk-and-cut: 512 x 512, "10 out of 50" steps of DDIM inversion; at leading spacing the tenth is t = 181.
        for preset in [Preset::WalkAndCut, Preset::RandomWalk, Preset::PowerWalkMincut] {
            assert_eq!(pass(preset), (LatentMode::Inverted, 181, true));
            let options = NcutOptions::new(preset);
            assert_eq!((options.inversion_steps, options.working_tokens), (10, 64));
        }
        assert_eq!(pass(Preset::WalkAndCutClean), (LatentMode::Clean, 181, false));
        assert_eq!(pass(Preset::DiffSeg), (LatentMode::Clean, 300, true));
        assert_eq!(pass(Preset::DiffCut), (LatentMode::Noised, 50, true));
        assert_eq!(pass(Preset::EmerDiff), (LatentMode::Noised, 1, true));
    }

    #[test]
    fn a_threshold_takes_the_place_of_the_criterion() {
        use crate::spectral::cut::Criterion;
        let mut options = NcutOptions::new(Preset::WalkAndCut);
        assert_eq!(options.cut(), CutOptions::default());
        assert!(options.stops_as_published());
        options.threshold = Some(0.5);
        assert_eq!(options.cut().criterion, Criterion::Fixed(0.5));
        assert!(!options.stops_as_published());
        options.threshold = None;
        options.criterion = StoppingRule::Fixed;
        assert_eq!(options.cut().criterion, Criterion::Fixed(0.4));
        let published = |preset| NcutOptions::new(preset).cut().criterion;
        assert_eq!(published(Preset::RandomWalk), Criterion::Fixed(0.3));
        assert_eq!(published(Preset::DiffCut), Criterion::Fixed(0.2));
        assert_eq!(NcutOptions::new(Preset::DiffSeg).merge().threshold, 1.1);
    }
}
