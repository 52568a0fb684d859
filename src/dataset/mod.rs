//! A data set from its tomograms to a network and its results: slabs are labelled by the diffusion model, a network learns from the
//! labels, and segments every tomogram whole.
//!
//! The parts of a run, one file each, in the order that `run` calls them: `choice` (which slabs), `labels` (the slabs segmented),
//! `training`, `prediction` with what is seen of each tomogram (`agreement`, `truth`, `pictures`), and `report`, the page. `journal`
//! holds what is done, so that a run that was stopped, even by a kill, goes on. A tomogram that fails stops none of the others.

mod agreement;
mod choice;
mod journal;
mod labels;
mod options;
mod pictures;
mod prediction;
mod report;
mod run;
mod training;
mod truth;

pub use options::{DataSetOptions, DataSetTomogram, DEFAULT_SLABS, DEFAULT_STEPS};
pub use run::{run_data_set, DataSetReport, TomogramOutcome};

use std::path::Path;

use crate::runtime::Error;

/// Whether an error stops a whole run that writes to `out`: what one tomogram cannot be blamed for.
fn stops(error: &Error, out: &Path) -> bool {
    match error {
        Error::Cancelled { .. } | Error::Device(_) | Error::State(_) => true,
        Error::Io { action, path, .. } => !matches!(*action, "reading" | "opening") && path.starts_with(out),
        _ => false,
    }
}
