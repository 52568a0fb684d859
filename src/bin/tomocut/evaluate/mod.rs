//! Scores the segmentation of a slab, or of single pictures, against known truth, beside what trivial methods reach
//! on the same slices: a table, JSON, and a page with curves and pictures. Scores sets of tomograms by several methods,
//! and images in segments.
mod arguments;
mod classes;
mod html;
mod images;
mod inputs;
mod pictures;
mod points;
mod report;
mod segments;
mod set;
mod slab;
mod table;
mod voxels;

use std::path::Path;

use tomocut::runtime::write_whole;
use tomocut::{Error, Result};

use crate::exit::{Failure, OrExit};
use crate::output;
pub use arguments::Arguments;
use arguments::Task;

/// What one task gives: for the terminal, for JSON and for the page.
struct Answer {
    table: String,
    json: String,
    page: Option<String>,
    csv: Option<String>,
}

pub fn run(arguments: &Arguments) -> std::result::Result<(), Failure> {
    let answer = answer(arguments, &arguments.task()?).or_exit_of_work()?;
    let output = &arguments.output;
    if let (Some(path), Some(csv)) = (&arguments.sets.csv, &answer.csv) {
        write(path, csv).or_exit_of_work()?;
    }
    if let (Some(path), Some(page)) = (&output.html, &answer.page) {
        write(path, page).or_exit_of_work()?;
    }
    match output.json.as_deref() {
        Some(path) if path == Path::new("-") => output::print(&answer.json),
        Some(path) => {
            write(path, &answer.json).or_exit_of_work()?;
            output::print(&answer.table)
        }
        None => output::print(&answer.table),
    }
}

fn answer(arguments: &Arguments, task: &Task) -> Result<Answer> {
    let output = &arguments.output;
    Ok(match task {
        Task::Slab => {
            let a = &arguments.slab;
            let scores = slab::evaluate(a)?;
            let [first, end] = scores.report.z;
            let truths = scores.report.points.as_ref().map(|p| p.truths);
            Answer {
                table: table::render(
                    &format!("slices {first}:{end}"),
                    &table::slab_sections(&scores.report),
                    &truths.map_or_else(String::new, |truths| format!("{truths} true molecules")),
                ),
                json: json(&scores.report)?,
                page: match output.html {
                    Some(_) => Some(html::slab_page(a, &scores, output.shown)?),
                    None => None,
                },
                csv: None,
            }
        }
        Task::Images(a) => {
            let scores = images::evaluate(a, output.shown)?;
            Answer {
                table: table::render("", &table::image_sections(&scores.report), ""),
                json: json(&scores.report)?,
                page: match output.html {
                    Some(_) => Some(html::image_page(a, &scores)?),
                    None => None,
                },
                csv: None,
            }
        }
        Task::Set(table) => {
            let report = set::evaluate(table, &arguments.slab)?;
            Answer {
                table: set::text(&report),
                json: json(&report)?,
                page: output.html.as_ref().map(|_| html::set_page(table, &report)),
                csv: Some(set::csv(&report)),
            }
        }
        Task::Segments(a) => {
            let report = segments::evaluate(a)?;
            Answer {
                table: segments::text(&report),
                json: json(&report)?,
                page: None,
                csv: Some(segments::csv(&report)),
            }
        }
    })
}

fn json(report: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(report).map_err(|e| Error::Internal(format!("JSON: {e}")))?;
    Ok(text + "\n")
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_whole(path, text.as_bytes())
}
