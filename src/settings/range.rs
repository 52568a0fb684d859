//! The one check of a value against a range.
use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::runtime::{Error, Result};

/// Refuses a value outside `range`, and NaN, which is in no range; `name` is the setting's or argument's.
pub fn within<T: PartialOrd + Display>(name: &str, value: T, range: RangeInclusive<T>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::argument(
        name,
        value,
        &format!("must be {}..={}", range.start(), range.end()),
    ))
}

/// Refuses NaN and infinity in an optional number, which JSON would write as null: "not given".
pub fn finite(name: &str, value: Option<f64>) -> Result<()> {
    match value {
        Some(number) if !number.is_finite() => Err(Error::argument(name, number, "must be a finite number")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_belong_to_the_range_and_nan_does_not() {
        assert!(within("snr", 1.0, 1.0..=2.0).is_ok() && within("snr", 2.0, 1.0..=2.0).is_ok());
        assert!(within("snr", f64::NAN, 1.0..=2.0).is_err());
        let text = within("batch", 0, 1..=256).unwrap_err().to_string();
        assert_eq!(text, "batch is 0, must be 1..=256");
    }
}
