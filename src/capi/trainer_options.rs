//! The trainer's options as C sees them, and their translation.
use std::ffi::{c_char, c_void};

use serde_json::Value;

use super::cancel::tomocut_cancel;
use super::given::Given;
use super::guard::guard_anywhere;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use super::strings::optional_text;
use crate::segmenter::SegmenterOptions;
use crate::{Error, Result};

/// Options of a trainer. Fill with tomocut_trainer_options_init, then change what differs; zero and NULL mean the
/// default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_trainer_options {
    /// sizeof(tomocut_trainer_options) of the caller's header.
    pub struct_size: usize,
    /// What every other default is taken from: "default", "adapt", or a paper's training: "slab-paper", "membrain-seg",
    /// "deepetpicker", "deepict", "sdseg", "sdseg-small". NULL: "adapt" for weights that are trained already, else
    /// "default".
    pub preset: *const c_char,
    /// The model file to start from, one that tomocut_predictor_open opens: its network and weights; NULL: those of the
    /// network that is compiled into the library, unless network, scratch or a paper's preset say otherwise.
    pub start: *const c_char,
    /// A network to start from random weights: "sdseg", "sdseg-small", or one JSON object, such as the member "model"
    /// of tomocut_predictor_info. NULL: the start's or the preset's.
    pub network: *const c_char,
    /// Any other setting by name, one JSON object of the family "train" (docs/settings.md). NULL: none.
    pub settings: *const c_char,
    /// Steps of a training or, where there are rounds of self-training, of each round; 0: the preset's, 300 or 2000.
    pub steps: u64,
    /// Seed of weights and windows; 0: 1.
    pub seed: u64,
    /// Edge of the tomograms' voxels in nm, where their own is wrong or unknown; 0: their own.
    pub voxel_nm: f64,
    /// 1: structures are brighter than their surroundings in the tomograms; 0: darker.
    pub bright: i32,
    /// 1: random weights, without a start; 0: not.
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

/// Sets all options to their defaults; size is sizeof(tomocut_trainer_options), as the caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_options_init(
    options: *mut tomocut_trainer_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Sets all options to their defaults; size is sizeof(tomocut_train_options), as the caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_train_options_init(
    options: *mut tomocut_train_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// What the options give, by the settings' names.
///
/// # Safety
/// `options` is as documented for C.
pub(super) unsafe fn given(options: &tomocut_trainer_options) -> Result<Given> {
    // SAFETY: passed on.
    let mut given = unsafe { Given::text(options.settings) }?;
    // SAFETY: passed on.
    unsafe {
        given.word("preset", options.preset)?;
        given.word("start", options.start)?;
    }
    // SAFETY: passed on.
    if let Some(network) = unsafe { optional_text(options.network, "network") }? {
        given.set("network", network_of(network)?)?;
    }
    given.count("steps", options.steps)?;
    given.count("seed", options.seed)?;
    given.number("voxel_nm", options.voxel_nm)?;
    given.flag("bright", options.bright)?;
    given.flag("scratch", options.scratch)?;
    Ok(given)
}

/// The settings that the options give.
///
/// # Safety
/// `options` is as documented for C.
pub(super) unsafe fn translate(options: &tomocut_trainer_options) -> Result<SegmenterOptions> {
    // SAFETY: passed on.
    unsafe { given(options) }?.resolve()
}

/// A name, or the JSON object of a description.
fn network_of(text: &str) -> Result<Value> {
    if !text.trim_start().starts_with('{') {
        return Ok(text.into());
    }
    serde_json::from_str(text).map_err(|error| {
        let allowed = format!("must be a name or one JSON object: {error}");
        Error::argument("network", format!("\"{text}\""), &allowed)
    })
}
