//! Picks and numbers of the lines of coordinate files; errors name the line.
use super::Pick;
use crate::{Error, Result};

/// A pick at (x, y, z) without a diameter, or an error that names the line.
pub(super) fn pick_at(xyz: [f64; 3], score: f64, line: usize, source: &str) -> Result<Pick> {
    let [x, y, z] = xyz;
    if xyz.iter().any(|v| !v.is_finite()) {
        return Err(Error::format(
            source,
            format!("line {line}: position ({x}, {y}, {z}) is not finite"),
        ));
    }
    Ok(Pick {
        position: [z, y, x],
        diameter_nm: 0.0,
        score,
    })
}

/// The number in `field`, or an error that names the line.
pub(super) fn number(field: &str, line: usize, source: &str) -> Result<f64> {
    let refused = || Error::format(source, format!("line {line}: {field:?} is not a number"));
    field.trim().parse().map_err(|_| refused())
}
