//! A trained network over a whole tomogram: probabilities, labels, and files that survive a kill.
//!
//! `plan` cuts the volume into cores, each with the window that the network must see for it, small enough for the
//! memory that is allowed (`budget`), on the data's voxels and the network's ([`crate::networks::Axis`]); `slices`
//! reads ahead and keeps the slices that the windows need; `tile` runs the network on one window; `store` writes
//! finished tiles into the output and notes them in a journal; `run` ties them together. Ranks share the plan: each
//! takes its part, whoever finishes last puts the output in place.
//!
//! `in_memory` gives the probabilities of a few slices to who goes on with them. `pictures` are predicted without a
//! plan, each in one window. `stability` compares answers of a network that draws them.
//!
//! `also` writes labels and molecules into what others keep. `labels` are cut out of the finished probabilities;
//! `after` the network: molecules and membranes out of the volumes, slice by slice. `closing` fills the holes of
//! membranes, `objects` are what of a mask hangs together. Picks out of maps, their suppression and exclusion are in
//! [`crate::picks`].

mod after;
mod also;
mod budget;
mod closing;
mod identity;
mod in_memory;
mod labels;
mod lpips;
mod membrane_options;
mod objects;
mod options;
mod outputs;
mod picking_options;
mod pictures;
mod plan;
mod run;
mod slices;
mod stability;
mod store;
mod tile;
mod volumes;

pub use after::{
    after_network, find_picks, write_membranes, AfterNetwork, AfterResults, MapSource, MembraneFiles, ProbabilityMap,
};
pub use closing::{close_membranes, ClosingOptions};
pub use identity::{check_other_source, finished_files, identity, Inputs};
pub use in_memory::predict_slices;
pub use lpips::Lpips;
pub use membrane_options::{MembraneFile, MembraneOptions};
pub use objects::{object_picks, objects, ObjectRules};
pub use options::{Output, PredictOptions, ProbabilityType, VolumeFormat};
pub use picking_options::{PickMethod, PickingOptions};
pub use pictures::{picture_mask, picture_side, predict_picture, predict_pictures, PictureAnswer, PicturesReport};
pub use plan::{Plan, Tile};
pub use run::{predict, predict_inputs, PredictReport};
pub use stability::{mask_dice, stability, Stability};
