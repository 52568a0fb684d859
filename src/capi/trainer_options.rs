//! The trainer's options as C sees them, and their translation.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::guard::guard_anywhere;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::slab_options::{flag, given, one_of, switch, to_usize, tomocut_switch};
use super::status::tomocut_status;
use super::strings::{optional_text, path};
use crate::train::{AugmentOptions, LabelledTrainingOptions, LossKind, LossOptions, SegmenterOptions, Start};
use crate::{Error, Result};

/// Options of a trainer. Fill with tomocut_trainer_options_init, then change what differs; zero and NULL mean the default.
/// All strings are read during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_trainer_options {
    /// sizeof(tomocut_trainer_options) of the caller's header.
    pub struct_size: usize,
    /// The model file to start from, one that tomocut_predictor_open opens: its network and weights; NULL: those of the
    /// network that is compiled into the library, unless network_json or scratch say otherwise.
    pub start: *const c_char,
    /// A network to start from random weights, as one JSON object, such as the member "model" of tomocut_predictor_info: {"network":
    /// "compact", "in_channels": 1, "widths": [32, 64, 96], "blocks_down": [1, 1, 2], "blocks_up": [1, 1], "outputs":
    /// ["membrane", "molecule", "centre"]}; NULL: the network of the start. An output is the name of a label, "background" or "centre" (how near the
    /// centre of a point is).
    pub network_json: *const c_char,
    /// "dice-cross-entropy", "dice", "focal", or a paper's: "slab-paper", "membrain", "picker"; NULL: "dice-cross-entropy".
    pub loss: *const c_char,
    /// Steps of the whole training, 1 to 10^7; 0: 2000. The learning rate falls in the last third.
    pub steps: u64,
    /// Seed of weights and windows; 0 stands for 1.
    pub seed: u64,
    /// Extents z y x of a window in voxels, multiples of the network's divisor, 8 to 512 each (z of a network of slices 1);
    /// all zero: 48, 64, 64 or a little more (of slices 256, 256).
    pub window: [u64; 3],
    /// Learning rate, above 0 to 1; 0: 0.001.
    pub rate: f64,
    /// Share of windows that lie around a labelled voxel, above 0 to 1; 0: 0.67.
    pub foreground: f64,
    /// Share of a label that cross-entropy spreads over the classes, 0 to 0.999: for labels that are wrong now and then.
    pub label_smoothing: f64,
    /// Edge of the tomograms' voxels in nm, 0.01 to 100, where their own is wrong or unknown; 0: their own. The model says
    /// that it is for the voxels of the first tomogram.
    pub voxel_nm: f64,
    /// Windows per step, 1 to 256; 0: 2.
    pub batch: u32,
    /// 1: structures are brighter than their surroundings in the tomograms; 0: darker.
    pub bright: i32,
    /// Whether windows are mirrored, turned, scaled and changed in contrast, TOMOCUT_SWITCH_*; by default on.
    pub augment: tomocut_switch,
    /// 1: random weights of the network that is compiled into the library, without a start; 0: not.
    pub scratch: i32,
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
    let mut settings = SegmenterOptions::default();
    // SAFETY: passed on.
    let (network, loss) = unsafe {
        (
            optional_text(options.network_json, "network_json")?,
            optional_text(options.loss, "loss")?,
        )
    };
    if let Some(json) = network {
        if !options.start.is_null() {
            let allowed = "must be NULL where start is given: the network is then the start's";
            return Err(Error::argument("network_json", format!("\"{json}\""), allowed));
        }
        settings.description = serde_json::from_str(json)
            .map_err(|error| Error::argument("network_json", format!("\"{json}\""), &format!("but {error}")))?;
    }
    let focal = LossOptions {
        kind: LossKind::Focal {
            gamma: 2.0,
            alpha: None,
        },
        ..LossOptions::default()
    };
    let dice = LossOptions {
        kind: LossKind::Dice,
        ..LossOptions::default()
    };
    let losses = [
        ("dice-cross-entropy", LossOptions::default()),
        ("dice", dice),
        ("focal", focal),
        ("slab-paper", LossOptions::slab_paper()),
        ("membrain", LossOptions::membrain()),
        ("picker", LossOptions::picker()),
    ];
    if let Some(loss) = loss {
        settings.loss = one_of("loss", loss, &losses)?;
    }
    settings.loss.label_smoothing = options.label_smoothing;
    let [z, y, x] = options.window;
    settings.window = [to_usize("window", z)?, to_usize("window", y)?, to_usize("window", x)?];
    if !switch("augment", options.augment, true)? {
        settings.augment = AugmentOptions::none();
    }
    for (target, value) in [
        (&mut settings.schedule.steps, options.steps),
        (&mut settings.seed, options.seed),
    ] {
        if value != 0 {
            *target = value;
        }
    }
    if options.batch != 0 {
        settings.batch = options.batch as usize;
    }
    for (target, value) in [
        (&mut settings.schedule.adamw.rate, options.rate),
        (&mut settings.foreground, options.foreground),
    ] {
        if value != 0.0 {
            *target = value;
        }
    }
    Ok(LabelledTrainingOptions {
        settings,
        start: match (options.start.is_null(), network.is_some() || scratch) {
            (true, true) => Start::Random,
            (true, false) => Start::Builtin,
            // SAFETY: passed on.
            (false, _) => Start::File(unsafe { path(options.start, "start") }?),
        },
        voxel_nm: given(options.voxel_nm),
        bright: flag("bright", options.bright)?,
    })
}
