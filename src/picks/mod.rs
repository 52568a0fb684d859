//! Molecule positions, their de-duplication, and the coordinate files of other programs.

mod pick;

pub use pick::{Pick, PickSet};
