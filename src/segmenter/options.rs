//! Every setting of a segmentation network's training.
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CurveOptions, LossName, LossTerms, NetworkChoice, OptimiserName, PointLabels, Preset, ScheduleName, Start,
    ValidationSplit,
};
use crate::networks::{Conditioning, ModelDescription, NetworkConfig};
use crate::runtime::{Error, Result};
use crate::settings::within;
use crate::train::{AdamWOptions, AugmentOptions, SgdOptions};

/// What stands for the built-in diffusion model in `pretrained`.
const BUILTIN: &str = "builtin";

/// Settings of a training. Same settings, seed and data, same weights on one machine's CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmenterOptions {
    /// What every default is taken from. Not given: `adapt` for weights that are trained already, the preset of the
    /// network's name, else `default`. A paper's begins with random weights and its own network, unless start or
    /// network say otherwise.
    pub preset: Preset,
    /// The model file to start from: its network and weights. null: the network that is compiled into the library,
    /// unless network, scratch or a paper's preset say otherwise.
    pub start: Option<String>,
    /// Whether to begin with random weights, without a start.
    pub scratch: bool,
    /// The network to begin with at random weights: `sdseg` or `sdseg-small`, which stand for the presets of these
    /// names, or an object, such as the member "model" of a predictor's information: `{"network": "compact",
    /// "in_channels": 1, "widths": [32, 96], "blocks_down": [1, 3], "blocks_up": [1], "outputs": ["membrane",
    /// "molecule", "centre"]}`. An output is the name of a label, "background" or "centre" (how near the centre of a
    /// point is). null: the start's or the preset's.
    pub network: Option<NetworkChoice>,
    /// SDSeg: the safetensors of a latent diffusion model whose weights it begins with, as far as they fit, or
    /// `builtin`: the built-in diffusion model's. The log says how much was taken. null: random weights.
    pub pretrained: Option<String>,
    /// SDSeg: a file with the autoencoder of that model, where pretrained does not hold it.
    pub first_stage: Option<String>,
    /// SDSeg, an ablation: how the U-Net sees the image. null: the network's own.
    pub conditioning: Option<Conditioning>,
    /// SDSeg, an ablation: whether the error of the latent counts beside that of the noise.
    pub latent_loss: bool,
    /// SDSeg: whether the drawn mask has a loss of its own, Dice plus cross-entropy of its pixels. null: the network's
    /// own, which is yes in `sdseg-small` and no in `sdseg`.
    pub mask_loss: Option<bool>,
    /// SDSeg, an ablation: whether the vision encoder stays as it begins.
    pub frozen_encoder: bool,

    /// Edge of the tomograms' voxels in nm, where their own is wrong or unknown. A network that does not say which
    /// voxels it is for is then for those of the first tomogram. null: their own.
    #[schemars(range(min = 0.01, max = 100))]
    pub voxel_nm: Option<f64>,
    /// Whether structures are brighter than their surroundings in the tomograms.
    pub bright: bool,
    /// Whether tomograms of other voxels than the network's are brought to its voxel size; a network that has none
    /// takes the first tomogram's.
    pub rescale: bool,
    /// Rows and columns that a new network of slices sees every slice resized to (linearly), in training and later, as
    /// the slab paper's sees 1024, 1024; null: the slices' own.
    #[schemars(inner(range(min = 16, max = 8192)))]
    pub slice_side: Option<[usize; 2]>,
    /// How labels of molecules are drawn about the points, in the place of those of the labels, so that points alone
    /// are enough to learn from; null: they are not.
    pub point_labels: Option<PointLabels>,

    /// Steps of a training or, where there are rounds of self-training, of each round.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub steps: u64,
    /// Epochs of it in the place of steps: an epoch has as many windows as there are points that labels are drawn
    /// about, slices to learn from (of a network of slices) or, else, windows that the labelled slices fill. Steps that
    /// are given count instead. null: steps.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub epochs: Option<u64>,
    /// Seed of weights and windows.
    pub seed: u64,
    /// Extents (z, y, x) of a window in voxels, multiples of the network's divisor, 8 to 512 each (of a network of
    /// slices z is 1, y and x are up to 2048). null: the paper's, else what suits the network: 32, 80, 80 or a little
    /// more (of slices 1, 256, 256).
    pub window: Option<[usize; 3]>,
    /// Windows per step.
    #[schemars(range(min = 1, max = 256))]
    pub batch: usize,
    /// Share of the windows of labelled volumes that lie around a labelled voxel: most of a cell is ground.
    #[schemars(range(min = 0, max = 1))]
    pub foreground: f64,
    /// Largest distance in voxels, along each axis, of the middle of such a window from the voxel or the point; null:
    /// anywhere that it lies within the window.
    #[schemars(range(max = 256))]
    pub window_shift: Option<usize>,
    /// Whether convolutions of the forward pass are computed in bfloat16 on a GPU; weights, losses and the optimiser
    /// stay in float32. Ignored on CPU.
    pub mixed_precision: bool,

    /// The loss.
    pub loss: LossName,
    /// Share of a label that cross-entropy spreads evenly over the classes: for labels that are wrong now and then.
    #[schemars(range(min = 0, max = 0.999))]
    pub label_smoothing: f64,
    /// Numbers of the loss; null: those of the loss named.
    pub loss_terms: LossTerms,

    /// The optimiser.
    pub optimiser: OptimiserName,
    /// Full learning rate. null: the optimiser's own, below.
    #[schemars(range(min = 1e-9, max = 1))]
    pub rate: Option<f64>,
    /// Numbers of `adamw`.
    pub adamw: AdamWOptions,
    /// Numbers of `sgd`.
    pub sgd: SgdOptions,
    /// Numbers of `nesterov`.
    pub nesterov: SgdOptions,
    /// How the learning rate goes.
    pub schedule: ScheduleName,
    /// Numbers of the schedules.
    pub curve: CurveOptions,
    /// Steps of linear warm-up of the schedule `cosine`.
    #[schemars(range(max = 10_000_000))]
    pub warm_up: u64,
    /// Share of the steps, at the end, in which the learning rate of the schedule `cosine` falls along a half cosine to
    /// 2 %.
    #[schemars(range(min = 0, max = 1))]
    pub cool_down: f64,
    /// Largest global norm of the gradient.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub clip: f64,
    /// Decay of the weights' moving average, which is what is exported; min(decay, (1 + n) / (10 + n)) after n steps.
    #[schemars(range(min = 0, max = 1))]
    pub ema_decay: f64,
    /// A loss of more than so many times the mean of the last 25 moves nothing, and ten of them in a row end the run; 2
    /// or more, or 0: every loss counts.
    #[schemars(range(min = 0, max = 1e6))]
    pub spike: f64,

    /// Whether windows are mirrored, turned, scaled and changed in contrast.
    pub augment: bool,
    /// What windows are varied by.
    pub augmentation: AugmentOptions,
    /// Levels of the masks of pictures that are something: a level or LOW-HIGH, of one channel with R=, G= or B= before
    /// it, such as "G=255" or "0-128"; null: masks are black and white.
    pub mask_level: Option<String>,

    /// Share of every labelled volume that is not learnt from but scored with; no voxel is in both parts.
    #[schemars(range(min = 0, max = 0.5))]
    pub validation_share: f64,
    /// Which share that is: a region at one of the volume's faces, or shuffled slices.
    pub validation_split: ValidationSplit,
    /// Steps between validations; 0: only the last step. The last step is always scored. Takes place where something is
    /// held out.
    #[schemars(range(max = 10_000_000))]
    pub validation_every: u64,
    /// Windows of a validation, the same every time.
    #[schemars(range(min = 1, max = 10_000))]
    pub validation_windows: usize,
    /// A round ends after so many validations without a better score; 0: it does not.
    #[schemars(range(max = 1_000_000))]
    pub patience: u64,
    /// Whether the weights of the best score are the result, not those of the last step.
    pub keep_best: bool,

    /// Rounds of self-training after the first training, each of as many steps: the network labels what it is sure of,
    /// and learns from that too. On pseudo-labels it repeats its own mistakes as readily as it mends theirs, so rounds
    /// are to be asked for.
    #[schemars(range(max = 20))]
    pub rounds: u32,
    /// Rounds: from this probability on the network is sure that a voxel is something.
    #[schemars(range(min = 0.5, max = 1))]
    pub sure: f64,
    /// Rounds: up to this probability it is sure that a voxel is not something. Not used with a softmax.
    #[schemars(range(min = 0, max = 0.5))]
    pub sure_not: f64,
    /// Rounds: share of the network's own labels beside those that were given.
    #[schemars(range(min = 0, max = 1))]
    pub teacher_share: f64,
}

impl Default for SegmenterOptions {
    fn default() -> Self {
        Self {
            preset: Preset::Default,
            start: None,
            scratch: false,
            network: None,
            pretrained: None,
            first_stage: None,
            conditioning: None,
            latent_loss: true,
            mask_loss: None,
            frozen_encoder: false,
            voxel_nm: None,
            bright: false,
            rescale: true,
            slice_side: None,
            point_labels: None,
            steps: 2000,
            epochs: None,
            seed: 1,
            window: None,
            batch: 2,
            foreground: 0.67,
            window_shift: None,
            mixed_precision: false,
            loss: LossName::default(),
            label_smoothing: 0.0,
            loss_terms: LossTerms::default(),
            optimiser: OptimiserName::default(),
            rate: None,
            adamw: AdamWOptions {
                rate: 1e-3,
                ..AdamWOptions::default()
            },
            sgd: SgdOptions::default(),
            nesterov: SgdOptions::nesterov(),
            schedule: ScheduleName::default(),
            curve: CurveOptions::default(),
            warm_up: 60,
            cool_down: 0.3,
            clip: 1.0,
            ema_decay: 0.998,
            spike: 0.0,
            augment: true,
            augmentation: AugmentOptions::default(),
            mask_level: None,
            validation_share: 0.0,
            validation_split: ValidationSplit::default(),
            validation_every: 200,
            validation_windows: 16,
            patience: 0,
            keep_best: true,
            rounds: 0,
            sure: 0.9,
            sure_not: 0.1,
            teacher_share: 0.5,
        }
    }
}

impl SegmenterOptions {
    /// Refuses settings that do not fit each other.
    pub(super) fn check_together(&self) -> Result<()> {
        if let Some(start) = &self.start {
            if self.scratch {
                return Err(Error::argument("scratch", true, "must be false where start is given"));
            }
            if self.network.is_some() {
                let allowed = "must be null where start is given: the network is then the start's";
                return Err(Error::argument(
                    "network",
                    format!("given beside start \"{start}\""),
                    allowed,
                ));
            }
        }
        if matches!(&self.network, Some(NetworkChoice::Named(preset)) if *preset != self.preset) {
            let allowed = "must be an object where another preset is given";
            return Err(Error::argument("network", "a name", allowed));
        }
        if self.spike != 0.0 {
            within("spike", self.spike, 2.0..=1e6)?;
        }
        self.point_labels.map_or(Ok(()), |drawn| drawn.check_odd())?;
        let is_new = self.weights() != Start::Builtin && self.start.is_none();
        if self.slice_side.is_some() && !(is_new && self.own_network().network.dimensions() == 2) {
            let allowed = "must be null where the network is not a new one of slices";
            return Err(Error::argument("slice_side", "given", allowed));
        }
        self.check_diffusion()
    }

    /// Refuses what concerns SDSeg alone where the network is another.
    fn check_diffusion(&self) -> Result<()> {
        if matches!(self.own_network().network, NetworkConfig::SdSeg(_)) {
            return Ok(());
        }
        for (name, given) in [
            ("pretrained", self.pretrained.is_some()),
            ("first_stage", self.first_stage.is_some()),
            ("conditioning", self.conditioning.is_some()),
            ("frozen_encoder", self.frozen_encoder),
            ("latent_loss", !self.latent_loss),
            ("mask_loss", self.mask_loss == Some(true)),
        ] {
            if given {
                let allowed = "must be left alone where the network is not SDSeg";
                return Err(Error::argument(name, "given", allowed));
            }
        }
        Ok(())
    }

    /// The network that is given or the preset's, as it stands there.
    fn own_network(&self) -> ModelDescription {
        match &self.network {
            Some(network) => network.description(),
            None => self.preset.network(),
        }
    }

    /// The network that is given or the preset's, with the ablations; that of a start takes its place.
    pub fn description(&self) -> ModelDescription {
        let mut description = self.own_network();
        description.slice_side = self.slice_side.or(description.slice_side);
        if let NetworkConfig::SdSeg(config) = &mut description.network {
            if let Some(conditioning) = self.conditioning {
                **config = config.as_ref().clone().conditioned(conditioning);
            }
            config.frozen_encoder |= self.frozen_encoder;
            if !self.latent_loss {
                config.latent_loss = 0.0;
            }
            match self.mask_loss {
                Some(masked) if masked != (config.mask_loss > 0.0) => config.mask_loss = f64::from(u8::from(masked)),
                _ => {}
            }
        }
        description
    }

    /// What the training begins with.
    pub fn weights(&self) -> Start {
        if let Some(file) = &self.start {
            return Start::File(PathBuf::from(file));
        }
        // A paper's preset names a network that nobody has trained yet.
        if self.network.is_none() && !self.scratch && !self.preset.is_of_a_paper() {
            return Start::Builtin;
        }
        if self.pretrained.as_deref() == Some(BUILTIN) {
            return Start::BuiltinDiffusion;
        }
        let files: Vec<PathBuf> = [&self.pretrained, &self.first_stage]
            .into_iter()
            .flatten()
            .map(PathBuf::from)
            .collect();
        match files.is_empty() {
            true => Start::Random,
            false => Start::LatentDiffusion(files),
        }
    }

    /// The window that is a whole slice, or the paper's where the network is the paper's own.
    pub(super) fn preset_window(&self) -> Option<[usize; 3]> {
        let other = self.start.is_some() || matches!(self.network, Some(NetworkChoice::Described(_)));
        let whole = self.slice_side.map(|[rows, cols]| [1, rows, cols]);
        whole.or(self.preset.window().filter(|_| !other))
    }
}
