//! The page of a run: what was done, how well the network learnt, and pictures of every tomogram. One HTML file beside
//! a folder of pictures, without scripts; nothing is fetched from elsewhere.

mod tomograms;
mod training;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::journal::Journal;
use super::member::{Member, Note};
use super::state::TrainingState;
use crate::page::{bytes, duration, escape, names_and_values, table};
use crate::runtime::{write_whole, Result};
use crate::slab::overlay::{FILAMENT_COLOUR, MEMBRANE_COLOUR, MOLECULE_COLOUR};
use crate::volume::{class_name, FILAMENT, MEMBRANE, MOLECULE};

/// The page within the folder of the results.
pub(super) fn page_file(out: &Path) -> PathBuf {
    out.join("report.html")
}

/// Writes the page of what is known so far.
pub(super) fn write(members: &[Member], journal: &Journal, notes: &[Note]) -> Result<()> {
    let html = page(members, journal, notes);
    let path = page_file(journal.out());
    write_whole(&path, html.as_bytes())
}

fn page(members: &[Member], journal: &Journal, notes: &[Note]) -> String {
    let folder = journal.out().file_name().unwrap_or(journal.out().as_os_str());
    let title = escape(&format!("tomocut: {}", folder.to_string_lossy()));
    let style = include_str!("style.css");
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    html += &summary(members, journal);
    html += &notes_list(notes);
    html += &training::section(journal);
    html += &tomograms::sections(members, journal);
    html += &costs(journal);
    html += "<h2>Settings</h2>\n<details><summary>All of them</summary>\n";
    let mut settings = Vec::new();
    flatten("", &journal.state.settings, &mut settings);
    html += &names_and_values(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    html + "</details>\n</body>\n</html>\n"
}

fn summary(members: &[Member], journal: &Journal) -> String {
    let state = &journal.state;
    let predicted = members
        .iter()
        .filter(|m| state.predictions.contains_key(&m.name))
        .count();
    let mut rows = vec![
        ("tomograms predicted", format!("{predicted} of {}", members.len())),
        ("slabs labelled", state.slabs.len().to_string()),
        ("training", progress(&state.training)),
    ];
    if state
        .settings
        .get("molecules")
        .is_some_and(|settings| !settings.is_null())
    {
        rows.push(("training of the molecules' network", progress(&state.molecules)));
    }
    rows.push(("time", duration(state.seconds.values().sum())));
    rows.push(("tomocut", env!("CARGO_PKG_VERSION").to_owned()));
    let keys = [
        (MEMBRANE_COLOUR, MEMBRANE),
        (MOLECULE_COLOUR, MOLECULE),
        (FILAMENT_COLOUR, FILAMENT),
    ];
    let mut html = names_and_values(rows.iter().map(|(name, value)| (*name, value.as_str())));
    html += "<p>";
    for ([r, g, b], label) in keys {
        let name = class_name(label).unwrap_or_default();
        let _ = write!(
            html,
            "<span class=\"key\"><i style=\"background:rgb({r},{g},{b})\"></i>{name}</span> "
        );
    }
    html + "</p>\n"
}

/// How far a training is.
fn progress(training: &TrainingState) -> String {
    match (training.finished, &training.failure, training.steps) {
        (true, _, steps) => format!("{steps} steps"),
        (false, Some(failure), _) => format!("none: {failure}"),
        (false, None, 0) => "not begun".to_owned(),
        (false, None, steps) => format!("under way, {steps} steps done"),
    }
}

fn notes_list(notes: &[Note]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let mut html = String::from("<h2>What went wrong</h2>\n<ul class=\"notes\">\n");
    for note in notes {
        let (name, text) = (escape(&note.tomogram), escape(&note.text));
        let _ = writeln!(html, "<li><b>{name}</b>: {text}</li>");
    }
    html + "</ul>\n"
}

fn costs(journal: &Journal) -> String {
    let state = &journal.state;
    let mut rows: Vec<Vec<String>> = state
        .seconds
        .iter()
        .map(|(part, seconds)| vec![part.clone(), duration(*seconds)])
        .collect();
    rows.push(vec!["most memory of the process".to_owned(), bytes(state.peak_bytes)]);
    format!("<h2>Time and memory</h2>\n{}", table(&["", ""], &rows))
}

/// Members of `value` by their names with dots; lists and plain values as text.
fn flatten(prefix: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{name}"), value, rows);
            }
        }
        plain => rows.push((prefix.to_owned(), plain.to_string())),
    }
}
