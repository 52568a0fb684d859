//! The page of single pictures.
use std::fmt::Write;

use tomocut::Result;

use super::text::{escape, file_name, pair, settings, table};
use super::{charts, document, panels};
use crate::evaluate::arguments::ImageArguments;
use crate::evaluate::images::ImageScores;
use crate::evaluate::table::image_sections;

/// Rows of a column of the table of pictures.
const ROWS: usize = 16;

const CAPTION: &str = "<p><b>Table 1.</b> Area under the ROC curve (AUC): probability that a random pixel of the mask \
    scores above a random other one, per picture. The floor is a line filter, the larger eigenvalue of the Hessian \
    after the one of three Gaussian blurs whose mean is best. Bold: the better of both.</p>\n";

pub fn image_page(a: &ImageArguments, scores: &ImageScores) -> Result<String> {
    let report = &scores.report;
    let above = a
        .mask_above
        .map_or("half of the 8-bit range, or 0 in MRC files".into(), |v| v.to_string());
    let filter = report
        .mean_auc
        .floor_sigma
        .map(|sigma| format!("Gaussian of {sigma} pixels"));
    let mut body = settings(&[
        ("true masks", Some(file_name(&a.masks))),
        ("scores", Some(file_name(&a.scores))),
        ("pictures", a.images.as_deref().map(file_name)),
        ("a mask is true above", Some(above)),
        (
            "contrast",
            Some(
                if a.bright {
                    "structures bright"
                } else {
                    "structures dark"
                }
                .into(),
            ),
        ),
        ("line filter", filter),
        (
            "program",
            Some(format!("tomocut evaluate {}", env!("CARGO_PKG_VERSION"))),
        ),
    ]);
    body += "<h2>Figures</h2>\n";
    body += CAPTION;
    let sections = image_sections(report);
    let titled: Vec<_> = sections
        .iter()
        .map(|section| (section.title.as_str(), section))
        .collect();
    body += &table(&titled);
    let mut shapes = String::new();
    if let Some(table) = &report.calibration {
        shapes += &charts::reliability("Score", table);
    }
    shapes += &charts::over_floor(&report.pictures).unwrap_or_default();
    if !shapes.is_empty() {
        let _ = write!(
            body,
            "<figure>\n<div class=\"charts\">\n{shapes}</div>\n<figcaption><b>Figure 1.</b> Reliability of the score \
             over the pixels of all pictures (Guo et al. 2017, 15 bins of equal width), and the AUC of every picture \
             over that of the line filter.</figcaption>\n</figure>\n"
        );
    }
    if !scores.shown.is_empty() {
        let _ = write!(
            body,
            "<h2>Pictures</h2>\n<figure>\n{}<figcaption><b>Figure 2.</b> Evenly spaced in the order of their names; \
             the first row is at the top; grey levels between the 0.5th and the 99.5th \
             percentile.</figcaption>\n</figure>\n",
            panels::picture_panels(&scores.shown)?
        );
    }
    body += "<h2>Every picture</h2>\n<div class=\"pictures\">\n";
    for rows in report.pictures.chunks(ROWS) {
        body += "<table>\n<thead><tr>";
        body += "<th scope=\"col\">picture</th><th scope=\"col\">AUC</th><th scope=\"col\">floor</th>";
        body += "</tr></thead>\n<tbody>\n";
        for picture in rows {
            let (name, figures) = (escape(&picture.name), pair(picture.auc, picture.floor));
            let _ = writeln!(body, "<tr><th scope=\"row\">{name}</th>{figures}</tr>");
        }
        body += "</tbody>\n</table>\n";
    }
    body += "</div>\n";
    Ok(document(&format!("Evaluation of {} pictures", report.pairs), &body))
}
