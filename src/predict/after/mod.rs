//! After the network: molecules and membranes out of volumes of probabilities, slice by slice.
//!
//! `map` reads a volume and knows its place in the tomogram; `picking` finds molecules in it and leaves out those near
//! borders and carbon; `membranes` makes a mask, closes its gaps and numbers its objects, with `mask_file` for what
//! need not be in memory; `files` does all that was asked for with the volumes of a prediction.

mod files;
mod map;
mod mask_file;
mod membranes;
mod picking;

pub use files::{after_network, AfterNetwork, AfterResults, MapSource};
pub use map::ProbabilityMap;
pub use membranes::{write_membranes, MembraneFiles};
pub use picking::find_picks;
