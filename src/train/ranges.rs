//! Ranges of numbers.
use crate::runtime::{Error, Result};

/// Refuses the first of (name, value, lowest, highest) that is out of its range or not a number.
pub(crate) fn check_ranges(ranges: &[(&str, f64, f64, f64)]) -> Result<()> {
    for (name, value, low, high) in ranges {
        if !(low..=high).contains(&value) {
            return Err(Error::argument(name, value, &format!("must be {low}..={high}")));
        }
    }
    Ok(())
}
