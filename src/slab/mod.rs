//! (being written)
pub mod aggregate;
pub mod binarise;
pub mod enhance;
mod seams;
pub mod split;
pub mod tiles;
pub mod zcorrect;
