//! Plain numbers of C: extents, ranges of slices, flags.
use std::ops::Range;

use crate::{Error, Result};

/// The slices from `first` up to `end`.
pub(super) fn slices(first: u64, end: u64) -> Result<Range<usize>> {
    Ok(to_usize("z_first", first)?..to_usize("z_end", end)?)
}

/// A length or ratio, where the host gave one.
pub(super) fn given(value: f64) -> Option<f64> {
    (value != 0.0).then_some(value)
}

pub(super) fn to_usize(name: &str, value: u64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::argument(name, value, "must fit a size_t"))
}

pub(super) fn flag(name: &str, value: i32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::argument(name, other, "must be 0 or 1")),
    }
}
