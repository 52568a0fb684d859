//! Cancel tokens: a flag that any thread or signal handler raises.
use super::guard::guard;
use super::handle::{free, shared, NewHandle, Opaque};
use super::status::tomocut_status;
use crate::runtime::CancelToken;
use crate::Result;

/// A request to stop, shared by the host and the calls it was given to (in their options). One token may serve many
/// calls, one after another or at once; it must outlive them.
pub struct tomocut_cancel {
    _opaque: [u8; 0],
}

impl Opaque for tomocut_cancel {
    type Value = CancelToken;
    const TAG: [u8; 8] = *b"tmccancl";
    const NAME: &'static str = "cancel";
}

/// The token behind `handle`; a token that is never raised for NULL.
///
/// # Safety
/// `handle` is NULL or a live token.
pub(super) unsafe fn token_or_none(handle: *const tomocut_cancel) -> Result<CancelToken> {
    if handle.is_null() {
        return Ok(CancelToken::default());
    }
    // SAFETY: passed on.
    Ok(CancelToken::clone(&*unsafe { shared(handle) }?))
}

/// Creates a cancel token.
#[no_mangle]
pub unsafe extern "C" fn tomocut_cancel_create(out: *mut *mut tomocut_cancel) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let out = unsafe { NewHandle::at(out) }?;
        out.set(CancelToken::default());
        Ok(())
    })
}

/// Asks every call that was given this token to stop. They answer TOMOCUT_E_CANCELLED, within 100 ms on the built-in
/// model's work, and leave nothing half-written. The request stays until tomocut_cancel_reset.
///
/// @param cancel The token; NULL is ignored.
#[no_mangle]
pub unsafe extern "C" fn tomocut_cancel_request(cancel: *const tomocut_cancel) {
    // No guard here: catching and thread-local text are not async-signal-safe. Nothing below allocates or panics.
    // SAFETY: as documented for C.
    if let Some(token) = unsafe { super::handle::peek(cancel) } {
        token.request();
    }
}

/// Takes a request back, so that the token can serve another call.
///
/// @param cancel The token.
#[no_mangle]
pub unsafe extern "C" fn tomocut_cancel_reset(cancel: *const tomocut_cancel) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        unsafe { shared(cancel) }?.reset();
        Ok(())
    })
}

/// Frees a token. No call that was given it may still run, and no signal handler may still reach it.
///
/// @param cancel The token; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_cancel_free(cancel: *mut tomocut_cancel) {
    // SAFETY: as documented for C.
    super::guard::guard_anywhere(|| unsafe { free(cancel) });
}
