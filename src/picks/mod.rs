//! Molecule positions: out of maps, their de-duplication and exclusion, and the coordinate files of other programs.
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
//! | `.json` (copick) | v * a |
//! | `info.json` (EMAN2) | v - (n / 2, rounded down), with a as `apix_unbin`; without a voxel size v |

mod coords;
mod copick;
mod csv;
mod csv_columns;
mod csv_lines;
mod dynamo;
mod eman2;
mod exclude;
mod fields;
mod format;
mod imod;
mod imod_place;
mod names;
mod peaks;
mod pick;
mod place;
mod slices;
mod star;
mod star_pixels;
mod star_tables;

pub use csv::{read_labelled_csv, read_labelled_csv_of, LabelledPick};
pub use csv_lines::read_csv_rows;
pub use exclude::Exclusion;
pub use format::PickFormat;
pub use names::{is_name, tomogram_name, written_name};
pub use peaks::{mean_pooling_nms, peaks, PeakOptions};
pub use pick::{Pick, PickSet};
pub use place::{check_inside, is_inside};
pub use slices::PeakSlices;
