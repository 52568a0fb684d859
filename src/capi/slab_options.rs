//! The slab's options as C sees them.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::given::Given;
use super::guard::guard_anywhere;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use crate::slab::SlabOptions;
use crate::Result;

/// Options of segmenting a slab. Fill with tomocut_slab_options_init, set z_first and z_end, then change what differs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_slab_options {
    /// sizeof(tomocut_slab_options) of the caller's header.
    pub struct_size: usize,
    /// First slice of the slab, counted from 0.
    pub z_first: u64,
    /// Slice after the last one; must be above z_first.
    pub z_end: u64,
    /// "default" (what measures best with the built-in model), "cvpr2026_code" (what the released code of the slab
    /// paper does), "cvpr2026_paper" (what the paper says) or "spectral" (eigenvectors of the built-in model's
    /// attention); NULL: "default". The papers' split by CellPose: settings cellpose_weights, or split "circularity" as
    /// a stand-in.
    pub preset: *const c_char,
    /// Edge of a voxel in nm, 0.01 to 100, where the tomogram's own is wrong or unknown; 0: the tomogram's own.
    pub voxel_nm: f64,
    /// 1: structures are brighter than their surroundings; 0: darker, as IMOD and AreTomo leave them.
    pub bright: i64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
    /// Any other setting of the family "slab" by name, one JSON object (docs/settings.md); NULL: none.
    pub settings: *const c_char,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_slab_options {
    const NAME: &'static str = "tomocut_slab_options";
}

/// Sets all options to their defaults; z_first and z_end remain to be set. size is sizeof(tomocut_slab_options), as the
/// caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_options_init(options: *mut tomocut_slab_options, size: usize) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// The settings that C asks for.
///
/// # Safety
/// The strings are as documented for C.
pub(super) unsafe fn translate(options: &tomocut_slab_options) -> Result<SlabOptions> {
    // SAFETY: passed on.
    let mut given = unsafe { Given::text(options.settings) }?;
    // SAFETY: passed on.
    unsafe { given.word("preset", options.preset) }?;
    given.number("voxel_nm", options.voxel_nm)?;
    given.flag("bright", options.bright)?;
    given.resolve()
}
