//! Foreground into membranes and molecules: what a splitter is, and the four of them.
mod body;
mod cellpose;
mod shape3d;
mod shape_per_slice;
mod splitter;
mod unsplit;

pub use cellpose::{CellPoseInput, CellPosePerSlice, CellPoseRule};
pub use shape3d::Shape3d;
pub use shape_per_slice::ShapePerSlice;
pub use splitter::{Object, Split, Splitter};
pub use unsplit::Unsplit;

#[cfg(test)]
mod tests;
