//! A data set from its tomograms to networks and their results: slabs are labelled by the diffusion model, a network
//! learns from the labels, or one for membranes and one for molecules, and segments every tomogram whole.
//!
//! The parts of a run, one file each, in the order that `run` calls them: `choice` (which slabs), `labels` (the slabs
//! segmented), `training` of each `network`, `prediction` with what is seen of each tomogram (`agreement`, `truth`,
//! `pictures`), and `report`, the page. `recipe` has the settings that names stand for, `truth_table` reads a table of
//! truths. `journal` keeps the `state` of the run and its `identity`, so that one that was stopped, even by a kill,
//! goes on. A tomogram that fails stops none of the others.

mod agreement;
mod choice;
mod failure;
mod groups;
mod held_out;
mod identity;
mod journal;
mod labels;
mod member;
mod network;
mod network_labels;
mod network_options;
mod options;
mod pictures;
mod prediction;
mod recipe;
mod report;
mod run;
mod state;
mod training;
mod truth;
mod truth_table;

pub use network_options::MoleculeNetwork;
pub use options::{DataSetOptions, DataSetTomogram};
pub use recipe::Recipe;
pub use run::{run_data_set, DataSetReport, NetworkReport, TomogramOutcome};
