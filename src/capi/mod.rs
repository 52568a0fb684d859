//! The C ABI: checks arguments, calls the floors below, converts the answer. It computes nothing.
//!
//! Every export is one [`guard::guard`]: a panic becomes a status, an [`crate::Error`] a status and a text. The doc
//! comments of exported items are written for C readers: cbindgen copies them into `include/tomocut.h`.
//!
//! Safety of all exports: pointers are NULL (answered with a status where the function needs one) or point to what
//! their C documentation says; handles are tagged, so that a wrong or freed handle is refused while its memory can
//! still be read, but a C caller can always break the rules of C.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

mod cancel;
mod engine;
mod guard;
mod handle;
mod progress;
mod sized;
mod status;
mod strings;
mod tomogram;
mod version;
mod volume;

#[cfg(test)]
mod tests;

pub use cancel::*;
pub use engine::*;
pub use progress::*;
pub use status::*;
pub use tomogram::*;
pub use version::*;
pub use volume::*;
