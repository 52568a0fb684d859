//! Progress and cancel of one long call.
use std::ffi::{c_char, c_void, CStr};

use super::cancel::{token_or_none, tomocut_cancel};
use crate::runtime::{HostState, Job, Logger, Progress, Stage};
use crate::Result;

/// One progress report.
#[repr(C)]
pub struct tomocut_progress {
    /// Bytes of this struct in the library's version; fields beyond it do not exist.
    pub struct_size: usize,
    /// What is being done, static: "start", "read", "load", "enhance", "encode", "attention", "eigenvectors", "canvas",
    /// "z-correction", "binarise", "split", "points", "write", "simulate", "train", "predict" or "cut". Later versions
    /// may add words.
    pub stage_name: *const c_char,
    /// Share of the whole call that is done, 0 to 1; never falls within one call.
    pub fraction: f64,
    /// Loss of the last training step, or NaN.
    pub loss: f64,
    /// Latest validation score of a training, 0 to 1, or NaN.
    pub score: f64,
}

/// The host's progress callback, called on the thread of the call it reports on, at most every 50 ms.
///
/// It must not throw a C++ exception (the process is aborted; the callbacks of tomocut.hpp may), longjmp
/// (mexErrMsgIdAndTxt does), or pass the engine of the running call to another function. It may call
/// tomocut_cancel_request.
///
/// @param progress  The report; valid during the callback.
/// @param user_data What the options gave.
/// @return 0 to go on, anything else to cancel: the call answers TOMOCUT_E_CANCELLED.
pub type tomocut_progress_fn =
    Option<unsafe extern "C" fn(progress: *const tomocut_progress, user_data: *mut c_void) -> i32>;

/// The job of one call: the host's token, callback and log.
///
/// # Safety
/// `cancel` is NULL or a live token; `progress` keeps to its C documentation.
pub(super) unsafe fn job(
    logger: &Logger,
    cancel: *const tomocut_cancel,
    progress: tomocut_progress_fn,
    user_data: *mut c_void,
) -> Result<Job<'static>> {
    // SAFETY: passed on.
    let job = Job::new(unsafe { token_or_none(cancel) }?, logger.clone());
    let Some(callback) = progress else {
        return Ok(job);
    };
    let mut furthest = 0.0_f64;
    Ok(job.with_progress(move |report: &Progress| {
        furthest = furthest.max(report.fraction);
        let report = tomocut_progress {
            struct_size: size_of::<tomocut_progress>(),
            stage_name: name_of(report.stage).as_ptr(),
            fraction: furthest,
            loss: report.loss,
            score: report.score,
        };
        // SAFETY: the host vouches for its callback; the report outlives it.
        unsafe { callback(&report, user_data) == 0 }
    }))
}

/// Runs work of libtorch: the host's thread count, device and gradient mode are as before when it ends.
pub(super) fn compute<T>(n_threads: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let _host = HostState::enter(n_threads);
    let _no_grad = tch::no_grad_guard();
    work()
}

/// [`Stage::name`] for C.
pub(super) fn name_of(stage: Stage) -> &'static CStr {
    match stage {
        Stage::Start => c"start",
        Stage::Read => c"read",
        Stage::Load => c"load",
        Stage::Enhance => c"enhance",
        Stage::Encode => c"encode",
        Stage::Attention => c"attention",
        Stage::Eigenvectors => c"eigenvectors",
        Stage::Canvas => c"canvas",
        Stage::ZCorrection => c"z-correction",
        Stage::Binarise => c"binarise",
        Stage::Split => c"split",
        Stage::Points => c"points",
        Stage::Write => c"write",
        Stage::Simulate => c"simulate",
        Stage::Train => c"train",
        Stage::Predict => c"predict",
        Stage::Cut => c"cut",
    }
}
