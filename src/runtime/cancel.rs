//! A flag that any thread or signal handler may raise.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Shared cancel request; clones are the same flag. Raising it is async-signal-safe.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks every job that holds this token to stop at its next check.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Lowers the flag, so that the token can serve another job.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether a stop has been asked for.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
