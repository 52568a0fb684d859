//! One section for each tomogram: pictures and figures.
use std::fmt::Write;

use super::super::journal::Journal;
use super::super::member::Member;
use super::super::state::{PointScore, PredictedTomogram};
use super::training::percent;
use crate::page::{duration, escape, names_and_values, table};

pub(super) fn sections(members: &[Member], journal: &Journal) -> String {
    let state = &journal.state;
    let mut html = String::new();
    if state.predictions.is_empty() {
        return html;
    }
    html += "<h2>Tomograms</h2>\n";
    html += &overview(members, journal);
    for member in members {
        if let Some(seen) = state.predictions.get(&member.name) {
            let _ = writeln!(html, "<h3 id=\"{0}\">{0}</h3>", escape(&member.name));
            html += &section(seen);
        }
    }
    html
}

/// One row for each tomogram, whether or not it has results.
fn overview(members: &[Member], journal: &Journal) -> String {
    let predictions = &journal.state.predictions;
    let classes: Vec<&str> = predictions.values().next().map_or_else(Vec::new, |seen| {
        seen.shares.iter().map(|(class, _)| class.as_str()).collect()
    });
    let mut head = vec!["tomogram"];
    head.extend(&classes);
    head.extend(["molecules", "time"]);
    let rows: Vec<Vec<String>> = members
        .iter()
        .map(|member| {
            let mut row = vec![member.name.clone()];
            match predictions.get(&member.name) {
                Some(seen) => {
                    row.extend(seen.shares.iter().map(|(_, share)| percent(*share)));
                    row.push(seen.points.map_or_else(String::new, |n| n.to_string()));
                    row.push(duration(seen.seconds));
                }
                None => row.push("no result".to_owned()),
            }
            row.resize(head.len(), String::new());
            row
        })
        .collect();
    table(&head, &rows)
}

fn section(seen: &PredictedTomogram) -> String {
    let [z, y, x] = seen.shape;
    let mut rows = vec![
        ("voxels, z y x".to_owned(), format!("{z} x {y} x {x}")),
        (
            "voxel".to_owned(),
            seen.voxel_nm
                .map_or("unknown".to_owned(), |edge| format!("{edge:.3} nm")),
        ),
        (
            "speed".to_owned(),
            format!("{:.2} million voxels/s", seen.voxels_per_second / 1e6),
        ),
        ("files".to_owned(), seen.files.join(", ")),
    ];
    if let Some(points) = seen.points {
        rows.push(("molecules".to_owned(), points.to_string()));
    }
    let mut html = names_and_values(rows.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    html += "<div class=\"pictures\">\n";
    for (file, caption) in &seen.pictures {
        let (file, caption) = (escape(&link(file)), escape(caption));
        let _ = writeln!(
            html,
            "<figure><a href=\"{file}\"><img src=\"{file}\" alt=\"{caption}\" loading=\"lazy\"></a>\
             <figcaption>{caption}</figcaption></figure>"
        );
    }
    html += "</div>\n";
    let number = |value: f64| format!("{value:.3}");
    if !seen.agreement.is_empty() {
        let rows: Vec<Vec<String>> = seen
            .agreement
            .iter()
            .map(|row| {
                let held_out = row.held_out.map_or_else(String::new, number);
                vec![row.slab.clone(), row.class.clone(), number(row.learnt), held_out]
            })
            .collect();
        html += "<p>Dice of the network's labels with the slab's:</p>\n";
        html += &table(&["slab", "class", "slices learnt from", "slices held out"], &rows);
    }
    if !seen.truth.is_empty() {
        let rows: Vec<Vec<String>> = seen
            .truth
            .iter()
            .map(|row| {
                vec![
                    row.class.clone(),
                    number(row.dice),
                    number(row.per_slice),
                    number(row.middle),
                    number(row.floor),
                ]
            })
            .collect();
        html += "<p>Dice with the truth; the floor is the best of three blurs, thresholded at the true share of \
                 voxels:</p>\n";
        html += &table(
            &[
                "class",
                "whole tomogram",
                "mean of its slices (empty in both: 1)",
                "middle slices",
                "floor, middle slices",
            ],
            &rows,
        );
    }
    if !seen.true_points.is_empty() {
        html += "<p>Molecules against the true ones, one to one:</p>\n";
        html += &points(&seen.true_points);
    }
    html
}

/// A row for each rule by which a pick is right.
fn points(scores: &[PointScore]) -> String {
    let number = |value: f64| format!("{value:.3}");
    let row = |row: &PointScore| {
        vec![
            row.rule.clone(),
            number(row.precision),
            number(row.recall),
            number(row.f1),
            row.found.to_string(),
            row.wrong.to_string(),
            row.missed.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = scores.iter().map(row).collect();
    table(
        &[
            "a pick is right where",
            "precision",
            "recall",
            "F1",
            "found",
            "wrong",
            "missed",
        ],
        &rows,
    )
}

/// A relative path as a link: bytes that mean something in a URL are written as %XX.
fn link(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => out.push(byte as char),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn links_hold_any_name() {
        assert_eq!(link("report/a b#1_z5.png"), "report/a%20b%231_z5.png");
    }
}
