//! Limits of what the configurations of networks share.
use std::ops::RangeInclusive;

use crate::runtime::{Error, Result};

/// Refuses a list of channel numbers that is too long, too short, or has one that is out of 1..=4096.
pub(super) fn check_widths(name: &str, widths: &[i64], count: RangeInclusive<usize>) -> Result<()> {
    if count.contains(&widths.len()) && widths.iter().all(|width| (1..=4096).contains(width)) {
        return Ok(());
    }
    let allowed = format!("must be {} to {} numbers, each 1..=4096", count.start(), count.end());
    Err(Error::argument(name, format!("{widths:?}"), &allowed))
}

/// Refuses output names that are none, too many, empty or alike.
pub(super) fn check_names(names: &[String]) -> Result<()> {
    let alike = |(n, name): (usize, &String)| name.is_empty() || names[..n].contains(name);
    if (1..=256).contains(&names.len()) && !names.iter().enumerate().any(alike) {
        return Ok(());
    }
    Err(Error::argument(
        "outputs",
        format!("{names:?}"),
        "must be 1 to 256 different names",
    ))
}
