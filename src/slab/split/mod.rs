//! Foreground into membranes and molecules: what a splitter is, and the three of them.
mod body;
mod cellpose;
mod shape3d;
mod shape_per_slice;
mod splitter;

pub use cellpose::{CellPoseInput, CellPosePerSlice};
pub use shape3d::Shape3d;
pub use shape_per_slice::ShapePerSlice;
pub use splitter::{Object, Split, Splitter};

#[cfg(test)]
mod tests;
