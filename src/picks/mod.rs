//! Molecule positions, their de-duplication, and the coordinate files of other programs.
//!
//! One position, written everywhere in the convention of the program that reads it. With v = (x, y, z) in voxels of the
//! whole tomogram, the centre of its first voxel being (0, 0, 0), n its extent and a the voxel size in Angstrom:
//!
//! | file | coordinates |
//! | --- | --- |
//! | `.csv` | v, then v * a |
//! | `.star` (RELION 5) | (v - n / 2) * a; without a voxel size v, as rlnCoordinateX/Y/Z |
//! | `.tbl` (Dynamo) | v + 1 |
//! | `.mod` (IMOD) | x + 0.5, y + 0.5, z |
//! | `.coords` (DeepETPicker) | v, rounded |

mod coords;
mod csv;
mod dynamo;
mod format;
mod imod;
mod pick;
mod star;

pub use csv::{read_labelled_csv, LabelledPick};
pub use format::PickFormat;
pub use pick::{Pick, PickSet};
