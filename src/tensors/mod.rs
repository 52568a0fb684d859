//! Arrays to tensors and back, and arithmetic on fallible tensors that reads like the formula.
//!
//! libtorch owns the memory of its tensors and `ndarray` that of its arrays, so every crossing is one copy. It happens where a stage
//! begins or ends (a slice enters the network, a map leaves it), never between two operations on tensors.

mod adam;

pub use adam::{AdamForm, AdamRule, AdamStep, AdamUpdate};
