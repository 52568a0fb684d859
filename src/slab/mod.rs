//! (being written)
pub mod aggregate;
pub mod binarise;
pub mod enhance;
pub mod overlay;
pub mod points;
mod seams;
pub mod split;
pub mod tiles;
pub mod zcorrect;
