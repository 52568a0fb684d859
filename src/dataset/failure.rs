//! Which errors stop a whole run.
use std::path::Path;

use crate::runtime::Error;

/// Whether an error stops a whole run that writes to `out`: what one tomogram cannot be blamed for.
pub(super) fn stops(error: &Error, out: &Path) -> bool {
    match error {
        Error::Cancelled { .. } | Error::Device(_) | Error::State(_) => true,
        Error::Io { action, path, .. } => !matches!(*action, "reading" | "opening") && path.starts_with(out),
        _ => false,
    }
}
