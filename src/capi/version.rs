//! The version, in the header and in the library.
use std::ffi::c_char;

use super::guard::guard_anywhere;
use super::strings::put_text;
use crate::runtime::runtime_report;

/// Decimal digits to a number, at compile time.
const fn number(text: &str) -> u32 {
    let digits = text.as_bytes();
    let (mut value, mut i) = (0, 0);
    while i < digits.len() {
        value = value * 10 + (digits[i] - b'0') as u32;
        i += 1;
    }
    value
}

/// What the header's TOMOCUT_VERSION says, which `cargo xtask header` fills in from Cargo.toml too.
const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
    + number(env!("CARGO_PKG_VERSION_MINOR")) * 1000
    + number(env!("CARGO_PKG_VERSION_PATCH"));

/// Version of the library that is loaded, in the numbering of TOMOCUT_VERSION. A host that differs in MAJOR, or before
/// 1.0 in MINOR, was compiled against another ABI and should stop.
#[no_mangle]
pub extern "C" fn tomocut_version() -> u32 {
    NUMBER
}

/// Which file provides what the library leans on: BLAS, LAPACK, OpenMP, libstdc++, the CUDA runtime, libtorch; one
/// line each. The first thing to look at when the library is slow inside a host: a host's own BLAS before libtorch's
/// costs a factor of 30 (cure: load the library with RTLD_LOCAL | RTLD_DEEPBIND).
///
/// @param buffer   Receives NUL-terminated UTF-8, or NULL to ask for the size.
/// @param capacity Bytes in buffer.
/// @param needed   Receives the bytes needed, NUL included; may be NULL when buffer is given.
#[no_mangle]
pub unsafe extern "C" fn tomocut_runtime_report(
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> super::tomocut_status {
    guard_anywhere(|| {
        // SAFETY: as documented for C.
        unsafe { put_text(&runtime_report(), buffer, capacity, needed) }
    })
}
