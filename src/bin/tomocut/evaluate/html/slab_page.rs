//! The page of a slab.
use std::fmt::Write;

use tomocut::Result;

use super::text::{file_name, settings, table};
use super::{charts, document, panels};
use crate::evaluate::arguments::SlabArguments;
use crate::evaluate::images::evenly_spaced;
use crate::evaluate::report::SlabReport;
use crate::evaluate::slab::SlabScores;
use crate::evaluate::table::{point_sections, voxel_section};

const CAPTION: &str = "<p><b>Table 1.</b> Agreement with the truth. The floor is what works without learning on the \
    same slices and knows more than a user does: for voxels the best of three Gaussian blurs, thresholded at the true \
    number of voxels; for picks as many Laplacian-of-Gaussian peaks as there are picks, the best-scored first, and for \
    the average precision ten times as many peaks as truths. Bold: the better of both.</p>\n";

const NOTES: &str = "<p class=\"notes\"><b>Measures.</b> Dice = 2|P ∩ T| / (|P| + |T|) and \
    IoU = |P ∩ T| / |P ∪ T| over the voxels of all slices. \
    AUC: probability that a random voxel of the class scores above a random other one. \
    Calibration error: mean distance of the score from the share of positives over 15 bins of equal width, weighted by \
    their voxels (Guo et al. 2017); a constant score can have none, so read it beside the AUC. Picks are matched to \
    truths one to one in the order of their score, each to the nearest free truth within reach, or to the one whose \
    box it shares most with; a second pick on the same truth is wrong. Average precision: the area under the \
    precision-recall curve as a sum of steps, with the truths that no pick finds in it.</p>\n";

/// The page; `shown` slices, evenly spaced, are pictured.
pub fn slab_page(a: &SlabArguments, scores: &SlabScores, shown: usize) -> Result<String> {
    let report = &scores.report;
    let subject = [&a.tomogram, &a.labels, &a.points].into_iter().flatten().next();
    let subject = subject.map_or_else(String::new, |path| file_name(path));
    let mut body = heading(a, scores);
    body += "<h2>Figures</h2>\n";
    body += CAPTION;
    body += &tables(report);

    let mut shapes = String::new();
    let mut described = Vec::new();
    if let Some(voxels) = &report.voxels {
        let tables = [
            ("Structure score", &voxels.score_calibration),
            ("Membrane score", &voxels.membrane_score_calibration),
            ("Molecule score", &voxels.molecule_score_calibration),
        ];
        for (title, reliability) in tables {
            if let Some(reliability) = reliability {
                shapes += &charts::reliability(title, reliability);
            }
        }
        if !shapes.is_empty() {
            described.push(
                "Reliability: share of positives in bins of the score (bars; dots at the mean score of each bin). A \
                 score that is a probability lies on the dashed line.",
            );
        }
    }
    if let (Some(points), Some(evidence)) = (&report.points, &scores.points) {
        shapes += &charts::precision_recall(points, &evidence.rankings);
        described.push("Picks: precision over recall as the threshold of the score falls (AP: average precision).");
    }
    if !shapes.is_empty() {
        let text = described.join(" ");
        let _ = write!(
            body,
            "<figure>\n<div class=\"charts\">\n{shapes}</div>\n\
             <figcaption><b>Figure 1.</b> {text}</figcaption>\n</figure>\n"
        );
    }

    let slices: Vec<usize> = evenly_spaced(scores.inputs.slices.len(), shown)
        .iter()
        .map(|k| scores.inputs.slices.start + k)
        .collect();
    let pictures = panels::slab_panels(scores, &slices)?;
    if !pictures.is_empty() && !slices.is_empty() {
        let _ = write!(
            body,
            "<h2>Slices</h2>\n<figure>\n{pictures}<figcaption><b>Figure 2.</b> Evenly spaced slices, y = 0 at the top; \
             grey levels between the 0.5th and the 99.5th percentile. {}. Circles have the diameter of the molecules \
             and are drawn where the ball reaches the slice.</figcaption>\n</figure>\n",
            panels::slab_key(scores)
        );
    }
    body += NOTES;
    Ok(document(&format!("Evaluation of {subject}"), &body))
}

/// Voxels, and beside them the picks by either rule.
fn tables(report: &SlabReport) -> String {
    let voxels = report.voxels.as_ref().map(voxel_section);
    let points = report.points.as_ref().map(point_sections);
    let mut html = String::from("<div class=\"tables\">\n");
    if let Some(voxels) = &voxels {
        html += &table(&[("voxels", voxels)]);
    }
    if let Some((distance, boxes)) = &points {
        let mut sections = vec![("picks, by distance", distance)];
        sections.extend(boxes.as_ref().map(|section| ("picks, by box overlap", section)));
        html += &table(&sections);
    }
    html + "</div>\n"
}

/// What was compared, and how.
fn heading(a: &SlabArguments, scores: &SlabScores) -> String {
    let report = &scores.report;
    let [first, end] = report.z;
    let name = |path: &Option<std::path::PathBuf>| path.as_deref().map(file_name);
    let list = |labels: &[i64]| {
        let all: Vec<String> = labels.iter().map(i64::to_string).collect();
        (!all.is_empty()).then(|| all.join(", "))
    };
    let shape = scores
        .inputs
        .shape()
        .map(|[_, ny, nx]| format!(", {nx} × {ny} voxels each"));
    let points = report.points.as_ref();
    let counts = points.map(|p| format!("{} true, {} picked", p.truths, p.predictions));
    let reach = points.map(|p| match p.match_nm {
        Some(nm) => format!("{nm:.2} nm = {:.2} voxels", p.match_voxels),
        None => format!("{:.2} voxels", p.match_voxels),
    });
    let boxes = points.and_then(|p| p.by_box.as_ref());
    settings(&[
        ("tomogram", name(&a.tomogram)),
        (
            "slices",
            Some(format!("{first} to {}{}", end - 1, shape.unwrap_or_default())),
        ),
        (
            "voxel size",
            Some(report.voxel_nm.map_or("unknown".into(), |nm| format!("{nm:.4} nm"))),
        ),
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
        ("labels", name(&a.labels)),
        ("structure score", name(&a.score)),
        ("membrane score", name(&a.membrane_score)),
        ("molecule score", name(&a.molecule_score)),
        ("picks", name(&a.points)),
        ("true labels", name(&a.truth_labels)),
        ("membrane labels", list(&scores.classes.membrane)),
        ("molecule labels", list(&scores.classes.molecule)),
        ("filament labels", list(&scores.classes.filament)),
        ("labels left out of these", list(&scores.classes.unclear)),
        ("true positions", name(&a.truth_points)),
        ("with labels", a.truth_point_labels.as_deref().and_then(list)),
        ("molecules", counts),
        ("diameter", a.diameter_nm.map(|nm| format!("{nm} nm"))),
        ("reach of a hit", reach),
        (
            "overlap of boxes",
            boxes.map(|b| format!("at least {} of the union, side {:.2} voxels", b.iou, b.side_voxels)),
        ),
        (
            "program",
            Some(format!("tomocut evaluate {}", env!("CARGO_PKG_VERSION"))),
        ),
    ])
}
