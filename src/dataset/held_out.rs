//! Slices of a slab that are learnt from, and those that are held out.
use std::ops::Range;

/// The slices of a slab that are learnt from and those that are held out: `share` of them, at the end.
pub(super) fn divided(z: &Range<usize>, share: f64) -> (Range<usize>, Range<usize>) {
    // At least one slice is learnt from.
    let held = ((z.len() as f64 * share).round() as usize).min(z.len().saturating_sub(1));
    (z.start..z.end - held, z.end - held..z.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_held_out_at_the_end() {
        assert_eq!(divided(&(40..60), 0.2), (40..56, 56..60));
        assert_eq!(divided(&(3..4), 0.5), (3..4, 4..4));
        assert_eq!(divided(&(0..10), 0.0), (0..10, 10..10));
    }
}
