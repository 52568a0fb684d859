//! Status codes, and the text of a thread's last error.
use std::cell::RefCell;
use std::ffi::{c_char, CStr, CString};

use crate::Error;

/// What a call answers: TOMOCUT_OK (0), or one of the negative codes below. The numbers never change; later versions
/// may add codes, so treat every negative number as a failure.
pub type tomocut_status = i32;

/// The call did what it says.
pub const TOMOCUT_OK: tomocut_status = 0;
/// An argument is NULL or outside its range; the text names it, its value and what is allowed.
pub const TOMOCUT_E_INVALID_ARGUMENT: tomocut_status = -1;
/// The host asked to stop, by tomocut_cancel_request or by the answer of its progress callback.
pub const TOMOCUT_E_CANCELLED: tomocut_status = -2;
/// Not enough memory on the host or on the device.
pub const TOMOCUT_E_OUT_OF_MEMORY: tomocut_status = -3;
/// The device is absent, busy or failing.
pub const TOMOCUT_E_DEVICE: tomocut_status = -4;
/// The operating system refused to read or write a file.
pub const TOMOCUT_E_IO: tomocut_status = -5;
/// A file or buffer does not contain what it should.
pub const TOMOCUT_E_FORMAT: tomocut_status = -6;
/// A valid request that this build or this model cannot serve.
pub const TOMOCUT_E_UNSUPPORTED: tomocut_status = -7;
/// Versions of a file, of this header or of the library do not fit.
pub const TOMOCUT_E_VERSION: tomocut_status = -8;
/// The handle is in use by another call, or poisoned, or this process is a fork of the one that made the engine.
pub const TOMOCUT_E_STATE: tomocut_status = -9;
/// A defect of the library, never of the host. Where it was caught in full flight, every handle given to that call is
/// poisoned: only its _free function works from then on, everything else answers TOMOCUT_E_STATE.
pub const TOMOCUT_E_INTERNAL: tomocut_status = -128;

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// Text of this thread's last failure: NUL-terminated UTF-8, empty before the first failure, never NULL. It belongs to
/// the library and is valid until this thread's next tomocut call. Calls that succeed leave it as it is.
#[no_mangle]
pub extern "C" fn tomocut_last_error() -> *const c_char {
    // A thread that is ending has lost its text already.
    LAST_ERROR
        .try_with(|text| text.try_borrow().map_or(c"".as_ptr(), |text| text.as_ptr()))
        .unwrap_or(c"".as_ptr())
}

/// Lower-case name of a status, such as "cancelled"; "unknown" for a number that is none.
///
/// @param status What a call answered.
#[no_mangle]
pub extern "C" fn tomocut_status_name(status: tomocut_status) -> *const c_char {
    let name: &'static CStr = match status {
        TOMOCUT_OK => c"ok",
        TOMOCUT_E_INVALID_ARGUMENT => c"invalid argument",
        TOMOCUT_E_CANCELLED => c"cancelled",
        TOMOCUT_E_OUT_OF_MEMORY => c"out of memory",
        TOMOCUT_E_DEVICE => c"device",
        TOMOCUT_E_IO => c"io",
        TOMOCUT_E_FORMAT => c"format",
        TOMOCUT_E_UNSUPPORTED => c"unsupported",
        TOMOCUT_E_VERSION => c"version",
        TOMOCUT_E_STATE => c"state",
        TOMOCUT_E_INTERNAL => c"internal",
        _ => c"unknown",
    };
    name.as_ptr()
}

/// The status that stands for `error`.
pub(super) fn status_of(error: &Error) -> tomocut_status {
    match error {
        Error::InvalidArgument { .. } => TOMOCUT_E_INVALID_ARGUMENT,
        Error::Cancelled { .. } => TOMOCUT_E_CANCELLED,
        Error::OutOfMemory(_) => TOMOCUT_E_OUT_OF_MEMORY,
        Error::Device(_) => TOMOCUT_E_DEVICE,
        Error::Io { .. } => TOMOCUT_E_IO,
        Error::Format { .. } => TOMOCUT_E_FORMAT,
        Error::Unsupported(_) => TOMOCUT_E_UNSUPPORTED,
        Error::Version(_) => TOMOCUT_E_VERSION,
        Error::State(_) => TOMOCUT_E_STATE,
        Error::Internal(_) => TOMOCUT_E_INTERNAL,
    }
}

/// Keeps `text` as this thread's last error and answers `status`.
pub(super) fn fail(status: tomocut_status, text: &str) -> tomocut_status {
    let text = c_text(text);
    // Neither a thread that is ending nor a host that re-enters may lose its status over the text.
    let _ = LAST_ERROR.try_with(|last| last.try_borrow_mut().map(|mut last| *last = text));
    status
}

/// `text` for C: NULs inside it, which C would take for its end, become U+FFFD.
pub(super) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}
