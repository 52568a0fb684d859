//! How good a segmentation or a list of picks is, and what trivial methods reach on the same data.
//!
//! Volumes are (z, y, x). Nothing here knows files: positions and scores come as plain slices.

mod assignment;
mod bootstrap;
mod calibration;
mod floor;
mod label_set;
mod lines;
mod matching;
mod overlap;
mod pick_ranking;
mod ranking;
mod segments;
mod surface;

pub use assignment::best_assignment;
pub use bootstrap::Bootstrap;
pub use calibration::{Calibration, CalibrationBin};
pub use floor::{blob_peaks, BlurFloor, FloorScore, Peak};
pub use label_set::LabelSet;
pub use lines::{line_strength, LINE_SIGMAS};
pub use matching::{Detection, MatchRule, PointMatch};
pub use overlap::{counted_pairs, mean_slice_dice, Overlap};
pub use pick_ranking::{CurvePoint, PickRanking};
pub use ranking::auc;
pub use segments::{ClassCount, MeanScores, SegmentFigures, SegmentMatch, SegmentScores};
pub use surface::SurfaceDistances;
