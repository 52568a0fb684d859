//! The trainer's options as C sees them, and their translation.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::diffusion_options::diffusion;
use super::guard::guard_anywhere;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::slab_options::{flag, given, one_of, switch, to_usize, tomocut_switch};
use super::status::tomocut_status;
use super::strings::{optional_text, path};
use crate::segmenter::{LabelledTrainingOptions, SegmenterOptions, Start};
use crate::train::{AugmentOptions, LossKind, LossOptions, RateCurve, SgdOptions, TrainingSchedule};
use crate::{Error, Result};

/// Networks that are known by name: the presets of these names.
const SDSEG: [&str; 2] = ["sdseg", "sdseg-small"];

/// Options of a trainer. Fill with tomocut_trainer_options_init, then change what differs; zero and NULL mean the default.
/// All strings are read during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_trainer_options {
    /// sizeof(tomocut_trainer_options) of the caller's header.
    pub struct_size: usize,
    /// The model file to start from, one that tomocut_predictor_open opens: its network and weights; NULL: those of the
    /// network that is compiled into the library, unless network_json, scratch or a paper's preset say otherwise.
    pub start: *const c_char,
    /// A network to start from random weights, as one JSON object, such as the member "model" of tomocut_predictor_info:
    /// {"network": "compact", "in_channels": 1, "widths": [32, 64, 96], "blocks_down": [1, 1, 2], "blocks_up": [1, 1],
    /// "outputs": ["membrane", "molecule", "centre"]}; NULL: the network of the start or of the preset. An output is the name of a
    /// label, "background" or "centre" (how near the centre of a point is). Or a name: "sdseg" or "sdseg-small" stand for the
    /// presets of these names.
    pub network_json: *const c_char,
    /// "dice-cross-entropy", "dice", "focal", or a paper's: "slab-paper", "membrain", "picker", "deepict"; NULL: the preset's, by
    /// default "dice-cross-entropy".
    pub loss: *const c_char,
    /// Steps of a training or, where there are rounds of self-training, of each round, 1 to 10^7; 0: the preset's, 300 or 2000.
    pub steps: u64,
    /// Seed of weights and windows; 0 stands for 1.
    pub seed: u64,
    /// Extents z y x of a window in voxels, multiples of the network's divisor, 8 to 512 each (z of a network of slices 1);
    /// all zero: the preset's, without one what suits the network: 32, 80, 80 or a little more (of slices 256, 256).
    pub window: [u64; 3],
    /// Learning rate, above 0 to 1; 0: the optimiser's or the preset's, 0.0005 or 0.001.
    pub rate: f64,
    /// Share of windows that lie around a labelled voxel, above 0 to 1; 0: the preset's, by default 0.67.
    pub foreground: f64,
    /// Share of a label that cross-entropy spreads over the classes, 0 to 0.999: for labels that are wrong now and then.
    pub label_smoothing: f64,
    /// Edge of the tomograms' voxels in nm, 0.01 to 100, where their own is wrong or unknown; 0: their own. A network that
    /// does not say which voxels it is for is then for those of the first tomogram.
    pub voxel_nm: f64,
    /// Windows per step, 1 to 256; 0: the preset's, by default 2.
    pub batch: u32,
    /// 1: structures are brighter than their surroundings in the tomograms; 0: darker.
    pub bright: i32,
    /// Whether windows are mirrored, turned, scaled and changed in contrast, TOMOCUT_SWITCH_*; by default on.
    pub augment: tomocut_switch,
    /// 1: random weights, without a start; 0: not.
    pub scratch: i32,
    /// What every default above and below is taken from: "default", "adapt", or a paper's training as far as it can be had here,
    /// "slab-paper" (2D U-Net, SGD), "membrain-seg" (DynUNet, Nesterov), "deepetpicker" (residual U-Net, one cycle), "deepict"
    /// (Adam, plateau; the network is the compact one), "sdseg" (latent diffusion of masks, 413 million weights) or "sdseg-small"
    /// (the same at 4 million): network, window, batch, steps, optimiser, schedule, loss,
    /// augmentation and validation. Where start or network_json is given the network and the window are not the preset's;
    /// otherwise a paper's starts from random weights. NULL: "adapt" (300 steps at half the rate) for weights that are trained
    /// already, else "default" (AdamW, 2000 steps).
    pub preset: *const c_char,
    /// "adamw", "sgd" (momentum 0.9) or "nesterov" (SGD with Nesterov's momentum 0.99), each with its own usual rate; NULL: the
    /// preset's, by default "adamw".
    pub optimiser: *const c_char,
    /// How the learning rate goes: "cosine" (warm-up, then half a cosine over the last third), "step" (a tenth after each third
    /// of the steps), "poly" ((1 - step / steps)^0.9), "one-cycle", "plateau" (a tenth after 10 validations without a better
    /// score); NULL: the preset's, by default "cosine".
    pub schedule: *const c_char,
    /// Share of every slab that is not learnt from but scored with, up to 0.5: a part at one face, no voxel is in both; 0: the
    /// preset's (by default none; a fifth in the papers'); below 0: none.
    pub validation_share: f64,
    /// Steps between validations; 0: the preset's, by default 200. Takes place where something is held out.
    pub validation_every: u64,
    /// A round ends after so many validations without a better score; 0: it does not.
    pub patience: u64,
    /// Rounds of self-training: from this probability on the network is sure that a voxel is something, 0.5 to 1; 0: 0.9.
    pub sure: f64,
    /// Up to this probability it is sure that a voxel is not something, above 0 to 0.5; 0: 0.1.
    pub sure_not: f64,
    /// Share of its own labels beside those that were given, above 0 to 1; 0: 0.5.
    pub teacher_share: f64,
    /// Rounds of self-training after the first training, up to 20, each of as many steps: the network labels what it is sure of,
    /// and learns from that too. 0: none.
    pub rounds: u32,
    /// Whether tomograms of other voxels than the network's are brought to its voxel size, TOMOCUT_SWITCH_*; by default on. A
    /// network without a voxel size takes that of the first tomogram.
    pub rescale: tomocut_switch,
    /// Whether convolutions are computed in bfloat16 on a GPU, TOMOCUT_SWITCH_*; by default as the preset's: on in
    /// "membrain-seg". A CPU takes no notice.
    pub mixed_precision: tomocut_switch,
    /// SDSeg: whether the drawn mask has a loss of its own, Dice plus cross-entropy of its pixels, TOMOCUT_SWITCH_*; by default as the
    /// network's: on in "sdseg-small", off in "sdseg".
    pub mask_loss: tomocut_switch,
    /// SDSeg: the safetensors of a latent diffusion model whose weights it begins with, as far as they fit (an input convolution for
    /// fewer channels is widened by zeros, the vision encoder begins as the autoencoder's encoder), or "builtin": the built-in
    /// diffusion model's. The log says how much was taken. NULL: random weights.
    pub pretrained: *const c_char,
    /// SDSeg: a file with the autoencoder of that model, where pretrained does not hold it; NULL: none.
    pub first_stage: *const c_char,
    /// SDSeg, an ablation: how the U-Net sees the image, "concatenation" or "cross-attention"; NULL: the network's, by default
    /// "concatenation".
    pub conditioning: *const c_char,
    /// SDSeg, an ablation: whether the error of the latent counts beside that of the noise, TOMOCUT_SWITCH_*; by default on.
    pub latent_loss: tomocut_switch,
    /// SDSeg, an ablation: 1: the vision encoder stays as it begins; 0: it is trained.
    pub frozen_encoder: i32,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_trainer_options {
    const NAME: &'static str = "tomocut_trainer_options";
}

/// Options of one call of tomocut_trainer_run. Fill with tomocut_train_options_init, then change what differs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_train_options {
    /// sizeof(tomocut_train_options) of the caller's header.
    pub struct_size: usize,
    /// The call ends once so many steps of the training are done, those of earlier calls counted; 0: all of them.
    pub until_step: u64,
    /// The call ends after so many minutes, with the step that is then under way; 0: it does not.
    pub minutes: f64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call, the loss included; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_train_options {
    const NAME: &'static str = "tomocut_train_options";
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_trainer_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_options_init(
    options: *mut tomocut_trainer_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_train_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_train_options_init(
    options: *mut tomocut_train_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// The options in the engine's words; ranges are checked there.
///
/// # Safety
/// `options` is as documented for C.
pub(super) unsafe fn translate(options: &tomocut_trainer_options) -> Result<LabelledTrainingOptions> {
    let scratch = flag("scratch", options.scratch)?;
    if scratch && !options.start.is_null() {
        return Err(Error::argument("scratch", 1, "must be 0 where start is given"));
    }
    // SAFETY: passed on.
    let [preset, network, loss, optimiser, schedule] = unsafe {
        [
            optional_text(options.preset, "preset")?,
            optional_text(options.network_json, "network_json")?,
            optional_text(options.loss, "loss")?,
            optional_text(options.optimiser, "optimiser")?,
            optional_text(options.schedule, "schedule")?,
        ]
    };
    // A network's name in the place of its description.
    let (preset, network) = match network {
        Some(name) if preset.is_none() && SDSEG.contains(&name) => (Some(name), None),
        other => (preset, other),
    };
    let is_of_a_paper = preset.is_some_and(SegmenterOptions::is_of_a_paper);
    let is_random = options.start.is_null() && (network.is_some() || scratch || is_of_a_paper);
    let mut settings = preset_named(preset.unwrap_or(if is_random { "default" } else { "adapt" }))?;
    if let Some(json) = network {
        if !options.start.is_null() {
            let allowed = "must be NULL where start is given: the network is then the start's";
            return Err(Error::argument("network_json", format!("\"{json}\""), allowed));
        }
        settings.description = serde_json::from_str(json)
            .map_err(|error| Error::argument("network_json", format!("\"{json}\""), &format!("but {error}")))?;
    }
    // SAFETY: passed on.
    let pretrained = unsafe { diffusion(&mut settings.description, options) }?;
    if let Some(loss) = loss {
        settings.loss = one_of("loss", loss, &losses())?;
    }
    if options.label_smoothing != 0.0 {
        settings.loss.label_smoothing = options.label_smoothing;
    }
    let [z, y, x] = options.window;
    let window = [to_usize("window", z)?, to_usize("window", y)?, to_usize("window", x)?];
    // What suits the network, unless both are the preset's.
    if window != [0; 3] || preset.is_none() || network.is_some() || !options.start.is_null() {
        settings.window = window;
    }
    if !switch("augment", options.augment, true)? {
        settings.augment = AugmentOptions::none();
    }
    settings.rescale = switch("rescale", options.rescale, settings.rescale)?;
    settings.mixed_precision = switch("mixed_precision", options.mixed_precision, settings.mixed_precision)?;
    move_weights(&mut settings.schedule, optimiser, schedule, options)?;
    score_and_repeat(&mut settings, options);
    if options.seed != 0 {
        settings.seed = options.seed;
    }
    if options.batch != 0 {
        settings.batch = options.batch as usize;
    }
    if options.foreground != 0.0 {
        settings.foreground = options.foreground;
    }
    Ok(LabelledTrainingOptions {
        settings,
        // A paper's preset names a network that nobody has trained yet.
        start: match (options.start.is_null(), is_random) {
            (true, true) => pretrained,
            (true, false) => Start::Builtin,
            // SAFETY: passed on.
            (false, _) => Start::File(unsafe { path(options.start, "start") }?),
        },
        voxel_nm: given(options.voxel_nm),
        bright: flag("bright", options.bright)?,
    })
}

fn preset_named(name: &str) -> Result<SegmenterOptions> {
    SegmenterOptions::preset(name).ok_or_else(|| {
        let allowed = format!("must be {}", SegmenterOptions::PRESETS.join(", "));
        Error::argument("preset", format!("\"{name}\""), &allowed)
    })
}

fn losses() -> [(&'static str, LossOptions); 7] {
    let focal = LossKind::Focal {
        gamma: 2.0,
        alpha: None,
    };
    let plain = |kind: LossKind| LossOptions {
        kind,
        ..LossOptions::default()
    };
    [
        ("dice-cross-entropy", LossOptions::default()),
        ("dice", plain(LossKind::Dice)),
        ("focal", plain(focal)),
        ("slab-paper", LossOptions::slab_paper()),
        ("membrain", LossOptions::membrain()),
        ("picker", LossOptions::picker()),
        ("deepict", LossOptions::deepict()),
    ]
}

/// Optimiser, rate, steps and schedule.
fn move_weights(
    target: &mut TrainingSchedule,
    optimiser: Option<&str>,
    schedule: Option<&str>,
    options: &tomocut_trainer_options,
) -> Result<()> {
    if let Some(name) = optimiser {
        let nesterov = SgdOptions {
            weight_decay: 3e-5,
            momentum: 0.99,
            nesterov: true,
            ..SgdOptions::default()
        };
        let known = [
            ("adamw", None),
            ("sgd", Some(SgdOptions::default())),
            ("nesterov", Some(nesterov)),
        ];
        target.sgd = one_of("optimiser", name, &known)?;
    }
    if options.rate != 0.0 {
        target.set_full_rate(options.rate);
    }
    if options.steps != 0 {
        target.steps = options.steps;
    }
    if let Some(name) = schedule {
        let step = RateCurve::Step {
            every: target.steps.div_ceil(3),
            factor: 0.1,
        };
        let one_cycle = RateCurve::OneCycle {
            warm_up: 0.1,
            start: 30.0,
            end: 100.0,
        };
        let plateau = RateCurve::Plateau {
            factor: 0.1,
            patience: 10,
        };
        let known = [
            ("cosine", RateCurve::Cosine),
            ("step", step),
            ("poly", RateCurve::Poly { power: 0.9, every: 1 }),
            ("one-cycle", one_cycle),
            ("plateau", plateau),
        ];
        target.curve = one_of("schedule", name, &known)?;
    }
    Ok(())
}

/// Validation and rounds of self-training.
fn score_and_repeat(settings: &mut SegmenterOptions, options: &tomocut_trainer_options) {
    let (validation, rounds) = (&mut settings.validation, &mut settings.self_training);
    if options.validation_share != 0.0 {
        // NaN stays, to be refused.
        validation.share = match options.validation_share < 0.0 {
            true => 0.0,
            false => options.validation_share,
        };
    }
    if options.validation_every != 0 {
        validation.every = options.validation_every;
    }
    if options.patience != 0 {
        validation.patience = options.patience;
    }
    rounds.rounds = options.rounds;
    for (target, value) in [
        (&mut rounds.sure, options.sure),
        (&mut rounds.sure_not, options.sure_not),
        (&mut rounds.share, options.teacher_share),
    ] {
        if value != 0.0 {
            *target = value;
        }
    }
}
