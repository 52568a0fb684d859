//! The report of a set for the terminal and as CSV.
use std::fmt::Write;

use super::report::{MethodFigure, SetFigure, SetReport};

/// The row of all tomograms.
const OVERALL: &str = "overall";

/// The row of the differences to the first method, in CSV.
const DIFFERENCE: &str = "difference";

pub fn text(report: &SetReport) -> String {
    let names = report.tomograms.iter().map(String::as_str);
    let titles = report.figures.iter().map(title);
    let names = names.chain(report.methods.first().map(String::as_str));
    let lengths = names
        .map(|name| name.chars().count() + 4)
        .chain(titles.map(|title| title.len()));
    let first = lengths.max().unwrap_or(0) + 4;
    let widths: Vec<usize> = report.methods.iter().map(|m| m.chars().count().max(26) + 2).collect();
    let mut text = summary(report) + "\n";
    let mut group = "";
    for figure in &report.figures {
        if figure.group != group {
            group = figure.group;
            let _ = write!(text, "\n{group:<first$}");
            for (method, width) in report.methods.iter().zip(&widths) {
                let _ = write!(text, "{method:>width$}");
            }
            text.push('\n');
        }
        let _ = writeln!(text, "  {}", title(figure));
        for (label, values) in figure_cells(report, figure) {
            let _ = write!(text, "{:<first$}", format!("    {label}"));
            for (value, width) in values.iter().zip(&widths) {
                let _ = write!(text, "{value:>width$}");
            }
            text.push('\n');
        }
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

/// How many, and what the intervals are.
pub fn summary(report: &SetReport) -> String {
    let (tomograms, methods) = (report.tomograms.len(), report.methods.len());
    let percent = 100.0 * report.confidence;
    let resamples = report.resamples;
    format!(
        "tomograms: {tomograms}, methods: {methods}; overall with {percent:.0} % intervals of {resamples} bootstrap \
         resamples of the tomograms"
    )
}

pub fn title(figure: &SetFigure) -> String {
    match figure.unit {
        "" => figure.name.to_owned(),
        unit => format!("{} ({unit})", figure.name),
    }
}

/// Rows of a figure: a tomogram, "overall" or the difference to the first method, and the text of every method.
pub fn figure_cells(report: &SetReport, figure: &SetFigure) -> Vec<(String, Vec<String>)> {
    let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let ranged = |value: Option<f64>, low: Option<f64>, high: Option<f64>| match (low, high) {
        (Some(low), Some(high)) => format!("{} [{low:.3}, {high:.3}]", show(value)),
        _ => show(value),
    };
    let overall = |method: &MethodFigure| ranged(method.overall, method.low, method.high);
    let difference = |method: &MethodFigure| match &method.difference {
        Some(d) => ranged(Some(d.value), d.low, d.high),
        None => "-".to_owned(),
    };
    let of_tomogram = |(n, name): (usize, &String)| {
        let values = figure.methods.iter().map(|method| show(method.by_tomogram[n]));
        (name.clone(), values.collect())
    };
    let mut rows: Vec<(String, Vec<String>)> = report.tomograms.iter().enumerate().map(of_tomogram).collect();
    rows.push((OVERALL.to_owned(), figure.methods.iter().map(overall).collect()));
    if let [first, _, ..] = &report.methods[..] {
        let row = figure.methods.iter().map(difference).collect();
        rows.push((format!("less {first}"), row));
    }
    rows
}

/// A line for each figure, tomogram and method; those of all tomograms, and of the difference to the first method,
/// have an interval and a number of tomograms.
pub fn csv(report: &SetReport) -> String {
    let mut text = String::from("group,figure,unit,tomogram,method,value,low,high,tomograms\n");
    let show = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for figure in &report.figures {
        let (group, name, unit) = (quoted(figure.group), quoted(figure.name), figure.unit);
        for (method, of) in report.methods.iter().zip(&figure.methods) {
            let method = quoted(method);
            for (tomogram, value) in report.tomograms.iter().zip(&of.by_tomogram) {
                let (tomogram, value) = (quoted(tomogram), show(*value));
                let _ = writeln!(text, "{group},{name},{unit},{tomogram},{method},{value},,,");
            }
            let (value, low, high, count) = (show(of.overall), show(of.low), show(of.high), of.count);
            let _ = writeln!(
                text,
                "{group},{name},{unit},{OVERALL},{method},{value},{low},{high},{count}"
            );
            if let Some(d) = &of.difference {
                let (value, low, high, count) = (d.value, show(d.low), show(d.high), d.count);
                let _ = writeln!(
                    text,
                    "{group},{name},{unit},{DIFFERENCE},{method},{value},{low},{high},{count}"
                );
            }
        }
    }
    text
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
