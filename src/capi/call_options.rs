//! What a call takes that needs nothing but settings, progress and a way to stop.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::engine::Engine;
use super::given::Given;
use super::guard::guard_anywhere;
use super::progress::{job, tomocut_progress_fn};
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use crate::runtime::Job;
use crate::Result;

/// Options of a call. Fill with tomocut_call_options_init, then change what differs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_call_options {
    /// sizeof(tomocut_call_options) of the caller's header.
    pub struct_size: usize,
    /// Settings by name, one JSON object; the function says of which family (docs/settings.md). NULL: the defaults.
    pub settings: *const c_char,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_call_options {
    const NAME: &'static str = "tomocut_call_options";
}

/// Sets all options to their defaults; size is sizeof(tomocut_call_options), as the caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_call_options_init(options: *mut tomocut_call_options, size: usize) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Settings and job of a call; NULL stands for all defaults.
///
/// # Safety
/// `options` is as documented for C.
pub(super) unsafe fn call(engine: &Engine, options: *const tomocut_call_options) -> Result<(Given, Job<'static>)> {
    // SAFETY: passed on.
    unsafe {
        let options = sized::read_or_default(options)?;
        let job = job(
            &engine.logger,
            options.cancel,
            options.progress,
            options.progress_user_data,
        )?;
        Ok((Given::text(options.settings)?, job))
    }
}
