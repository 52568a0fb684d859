//! Scores the segmentation of a slab, or of single pictures, against known truth, beside what trivial methods reach
//! on the same slices: a table, JSON, and a page with curves and pictures.
mod arguments;
mod classes;
mod help;
mod html;
mod images;
mod inputs;
mod pictures;
mod points;
mod report;
mod slab;
mod table;
mod voxels;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use arguments::{Arguments, JsonTarget, Task};
use tomocut::volume::write_atomically;
use tomocut::{Error, Result};

fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{}", help::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("tomocut-evaluate: {error}; --help lists the options");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tomocut-evaluate: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What one task gives: for the terminal, for JSON and for the page.
struct Answer {
    table: String,
    json: String,
    page: Option<String>,
}

fn run(arguments: &Arguments) -> Result<()> {
    let output = &arguments.output;
    let answer = match &arguments.task {
        Task::Slab(a) => {
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
            }
        }
    };
    if let (Some(path), Some(page)) = (&output.html, &answer.page) {
        write(path, page)?;
    }
    match &output.json {
        Some(JsonTarget::StandardOutput) => print(&answer.json),
        Some(JsonTarget::File(path)) => {
            write(path, &answer.json)?;
            print(&answer.table)
        }
        None => print(&answer.table),
    }
}

fn json(report: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(report).map_err(|e| Error::Internal(format!("JSON: {e}")))?;
    Ok(text + "\n")
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_atomically(path, |file| {
        file.write_all(text.as_bytes())
            .map_err(|e| Error::io("writing", path, e))
    })
}

fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Error::io("writing", Path::new("standard output"), e))
}
