//! The C ABI: checks arguments, calls the floors below, converts the answer. It computes nothing.
//!
//! Every export is one `guard::guard`: a panic becomes a status, an [`crate::Error`] a status and a text. The doc
//! comments of exported items are written for C readers: cbindgen copies them into `include/tomocut.h`.
//!
//! Safety of all exports: pointers are NULL (answered with a status where the function needs one) or point to what
//! their C documentation says; handles are tagged, so that a wrong or freed handle is refused while its memory can
//! still be read, but a C caller can always break the rules of C.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

// In the order of the header.
mod status;
mod version;

mod cancel;
mod engine;
mod progress;

mod call_options;
mod report;

mod tomogram;
mod volume;

mod suggestion;

mod model;

mod slab;
mod slab_files;
mod slab_options;

mod ncut_options;

mod ncut;
mod ncut_results;

mod ncut_files;

mod adapt;
mod attention;
mod denoise;
mod host_attention;
mod phantom;

mod picks;

mod pictures;
mod predict_options;
mod predictor;

mod trainer;
mod trainer_options;
mod training_labels;
mod training_pairs;

mod dataset;
mod dataset_options;

// What the exports are made of.
mod given;
mod guard;
mod handle;
mod numbers;
mod sized;
mod slice_call;
mod strings;

#[cfg(test)]
mod tests;

pub use adapt::*;
pub use attention::*;
pub use call_options::*;
pub use cancel::*;
pub use dataset::*;
pub use dataset_options::*;
pub use denoise::*;
pub use engine::*;
pub use host_attention::*;
pub use model::*;
pub use ncut::*;
pub use ncut_files::*;
pub use ncut_options::*;
pub use ncut_results::*;
pub use phantom::*;
pub use picks::*;
pub use pictures::*;
pub use predict_options::*;
pub use predictor::*;
pub use progress::*;
pub use report::*;
pub use slab::*;
pub use slab_files::*;
pub use slab_options::*;
pub use status::*;
pub use suggestion::*;
pub use tomogram::*;
pub use trainer::*;
pub use trainer_options::*;
pub use training_labels::*;
pub use training_pairs::*;
pub use version::*;
pub use volume::*;
