//! Numbers that need no file: a hash of a name. tests/oracle/hashed.py has the same.

/// Float32 numbers in -1..1: FNV-1a of the name starts a splitmix64 stream, of which the upper 24 bits are used.
pub fn uniform(name: &str, count: usize) -> Vec<f32> {
    let start = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    (1..=count as u64)
        .map(|i| {
            let mut z = start.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            (z >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        })
        .collect()
}
