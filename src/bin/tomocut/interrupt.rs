//! Ctrl-C: the first one cancels the work cleanly, a second one ends the program at once.
use std::sync::OnceLock;

use tomocut::runtime::CancelToken;

static CANCEL: OnceLock<CancelToken> = OnceLock::new();

extern "C" fn on_signal(_: libc::c_int) {
    if let Some(cancel) = CANCEL.get() {
        cancel.request();
    }
}

/// The token that SIGINT and SIGTERM raise from now on.
pub fn cancel_at_ctrl_c() -> CancelToken {
    let cancel = CANCEL.get_or_init(CancelToken::default).clone();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: a zeroed sigaction is a valid one; its handler only loads and stores atomics, which is
        // async-signal-safe.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESETHAND | libc::SA_RESTART;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
    cancel
}
