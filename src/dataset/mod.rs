//! A data set from its tomograms to a network and its results: slabs are labelled by the diffusion model, a network
//! learns from the labels, and segments every tomogram whole.
//!
//! The parts of a run, one file each, in the order that `run` calls them: `choice` (which slabs), `labels` (the slabs
//! segmented), `training`, `prediction` with what is seen of each tomogram (`agreement`, `truth`, `pictures`), and
//! `report`, the page. `journal` keeps the `state` of the run, so that one that was stopped, even by a kill, goes on. A
//! tomogram that fails stops none of the others.

mod agreement;
mod choice;
mod failure;
mod groups;
mod held_out;
mod journal;
mod labels;
mod member;
mod network_labels;
mod options;
mod pictures;
mod prediction;
mod report;
mod run;
mod state;
mod training;
mod truth;

pub use options::{DataSetOptions, DataSetTomogram};
pub use run::{run_data_set, DataSetReport, TomogramOutcome};
