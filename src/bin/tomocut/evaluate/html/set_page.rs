//! The page of a set of tomograms.
use std::fmt::Write;
use std::path::Path;

use super::document;
use super::text::{escape, file_name, settings};
use crate::evaluate::set::{figure_cells, summary, title, SetFigure, SetReport};

pub fn set_page(table: &Path, report: &SetReport) -> String {
    let mut body = settings(&[
        ("table", Some(file_name(table))),
        ("seed of the resamples", Some(report.seed.to_string())),
        (
            "program",
            Some(format!("tomocut evaluate {}", env!("CARGO_PKG_VERSION"))),
        ),
    ]);
    let _ = writeln!(body, "<p>{}.</p>", escape(&summary(report)));
    let mut group = "";
    for figure in &report.figures {
        if figure.group != group {
            group = figure.group;
            let _ = writeln!(body, "<h2>{}</h2>", escape(group));
        }
        body += &figure_table(report, figure);
    }
    for warning in &report.warnings {
        let _ = writeln!(body, "<p class=\"notes\">{}</p>", escape(warning));
    }
    document("Evaluation of a set of tomograms", &body)
}

/// Tomograms below each other, methods side by side.
fn figure_table(report: &SetReport, figure: &SetFigure) -> String {
    let mut html = format!("<table>\n<thead><tr><th>{}</th>", escape(&title(figure)));
    for method in &report.methods {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(method));
    }
    html += "</tr></thead>\n<tbody>\n";
    for (label, values) in figure_cells(report, figure) {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escape(&label));
        for value in values {
            let _ = write!(html, "<td>{}</td>", escape(&value));
        }
        html += "</tr>\n";
    }
    html + "</tbody>\n</table>\n"
}
