//! Which volume is in which place of a rolling pool.

/// Number of the volume that slot `slot` of `slots` holds at `step`: every `refresh` steps (0: never) the next slot
/// moves on to a volume that was not there before. It depends on nothing else, so that a resumed run sees the same.
pub(super) fn occupant(slot: u64, slots: u64, refresh: u64, step: u64) -> u64 {
    let renewals = step.checked_div(refresh).unwrap_or(0);
    // Slot s has been renewed once for every renewal number s, s + slots, ... below `renewals`.
    let times = if renewals > slot {
        (renewals - slot - 1) / slots + 1
    } else {
        0
    };
    slot + times * slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_renewed_in_turn() {
        let at = |step| [0, 1, 2].map(|slot| occupant(slot, 3, 10, step));
        assert_eq!(at(9), [0, 1, 2]);
        assert_eq!(at(10), [3, 1, 2]);
        assert_eq!(at(39), [3, 4, 5]);
        assert_eq!(at(40), [6, 4, 5]);
        assert_eq!(occupant(2, 3, 0, 1000), 2);
    }
}
