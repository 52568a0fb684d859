//! How good a segmentation or a list of picks is, and what trivial methods reach on the same data.
//!
//! Volumes are (z, y, x). Nothing here knows files: positions and scores come as plain slices.

mod floor;
mod matching;
mod overlap;
mod ranking;

pub use floor::{blob_peaks, BlurFloor, FloorScore, Peak};
pub use matching::{Detection, MatchRule, PointMatch};
pub use overlap::{mean_slice_dice, Overlap};
pub use ranking::auc;
