//! A Rust library that knows nothing of the engine: its own standard library, its own panics.
use std::collections::BTreeMap;
use std::panic::catch_unwind;

/// Counts of the bytes' values as one number, by way of a panic that is caught and a thread.
#[no_mangle]
pub extern "C" fn other_digest(bytes: *const u8, length: usize) -> u64 {
    // SAFETY: the host's array.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, length) }.to_vec();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = catch_unwind(|| panic!("of the other library")).is_err();
    let digest = std::thread::spawn(move || {
        let mut counts = BTreeMap::new();
        for byte in bytes {
            *counts.entry(byte).or_insert(0_u64) += 1;
        }
        counts.iter().fold(7_u64, |sum, (byte, count)| sum.wrapping_mul(31).wrapping_add(u64::from(*byte) * count))
    });
    digest.join().unwrap_or(0) + u64::from(caught)
}
