//! A set of tomograms, segmented by one or more methods, against truth: a table of files in, figures with confidence
//! intervals out.
mod figures;
mod masks;
mod points;
mod render;
mod report;
mod rows;
mod score;

use std::path::Path;

use tomocut::metrics::Bootstrap;
use tomocut::runtime::Job;
use tomocut::Result;

use crate::evaluate::arguments::SlabArguments;

pub use render::{csv, figure_cells, summary, text, title};
pub use report::{SetFigure, SetReport};

/// Scores every row of the table `path`.
pub fn evaluate(path: &Path, a: &SlabArguments) -> Result<SetReport> {
    let job = Job::quiet();
    let rows = rows::read(path)?;
    let scores = score::score_all(path, &rows, a, &job)?;
    Ok(report::of(&scores, &Bootstrap::default()))
}
