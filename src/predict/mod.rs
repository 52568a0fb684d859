//! A trained network over a whole tomogram: probabilities, labels, and files that survive a kill.
//!
//! `plan` cuts the volume into cores, each with the window that the network must see for it, small enough for the memory that is
//! allowed (`budget`); `grid` maps between the data's voxels and the network's; `slices` reads ahead and keeps the slices that
//! the windows need; `tile` runs the network on one window; `store` writes finished tiles into the output and notes them in a
//! journal; `run` ties them together. Ranks share the plan: each takes its part, whoever finishes last puts the output in place.

mod budget;
mod grid;
mod options;
mod plan;
mod run;
mod slices;
mod store;
mod tile;

pub use options::{Output, PredictOptions, ProbabilityType, Rank};
pub use plan::{Plan, Tile};
pub use run::{predict, PredictReport};
