//! Options of a prediction as C sees them, and their translation.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::given::Given;
use super::guard::guard_anywhere;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use crate::predict::PredictOptions;
use crate::Result;

/// Options of a prediction. Fill with tomocut_predict_options_init, then change what differs; zero and NULL mean the
/// default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_predict_options {
    /// sizeof(tomocut_predict_options) of the caller's header.
    pub struct_size: usize,
    /// Edge of a voxel in nm, 0.01 to 100, where the tomogram's own is wrong or unknown.
    pub voxel_nm: f64,
    /// Bytes that slices and tiles may take, beside the network and libtorch; 0: 1 GiB.
    pub memory: u64,
    /// Number of this process, 0 to size - 1, where several share one prediction.
    pub rank: u64,
    /// Number of processes; 0: 1. The one that finishes last puts the files in place.
    pub size: u64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
    /// Settings of the family "predict", one JSON object (docs/settings.md): {"outputs": ["labels"], "bright": true,
    /// "picking": {}, "membranes": {"gap_nm": 6}}. NULL: the defaults; neither picks nor membranes.
    pub settings: *const c_char,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_predict_options {
    const NAME: &'static str = "tomocut_predict_options";
}

/// Sets all options to their defaults; size is sizeof(tomocut_predict_options), as the caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predict_options_init(
    options: *mut tomocut_predict_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// # Safety
/// The pointers in `options` are as documented for C.
pub(super) unsafe fn translate(options: &tomocut_predict_options) -> Result<PredictOptions> {
    // SAFETY: passed on.
    let mut given = unsafe { Given::text(options.settings) }?;
    given.number("voxel_nm", options.voxel_nm)?;
    given.count("memory", options.memory)?;
    given.count("rank", options.rank)?;
    given.count("size", options.size)?;
    given.resolve()
}
