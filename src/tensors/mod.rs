//! Arrays to tensors and back, arithmetic on fallible tensors that reads like the formula, and Adam's step.
//!
//! libtorch owns the memory of its tensors and `ndarray` that of its arrays, so every crossing is one copy. It happens
//! where a stage begins or ends (a slice enters the network, a map leaves it), never between two operations on tensors.

mod adam;
mod arrays;
mod term;

pub use adam::{AdamForm, AdamRule, AdamStep, AdamUpdate};
pub use arrays::{copy_to_slice, from_array, from_slice, to_array, to_vec};
pub use term::{term, Term};
