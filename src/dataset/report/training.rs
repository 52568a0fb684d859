//! The slabs that were labelled, and how the network learnt from them.
use super::super::journal::Journal;
use super::super::state::{LabelledSlab, ScoresAt, TrainingState};
use crate::page::{duration, table, Chart, Line};

/// Colours of lines that are told apart in every form of colour blindness.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

pub(super) fn section(journal: &Journal) -> String {
    let state = &journal.state;
    let mut html = String::new();
    if !state.slabs.is_empty() {
        html += "<h2>Slabs labelled by the diffusion model</h2>\n";
        html += &slabs(&state.slabs, [&state.training, &state.molecules]);
    }
    for (title, state) in [
        ("Training", &state.training),
        ("Training of the molecules' network", &state.molecules),
    ] {
        if state.steps > 0 {
            html += &format!("<h2>{title}</h2>\n{}", training(state));
        }
    }
    html
}

fn slabs(slabs: &[LabelledSlab], trainings: [&TrainingState; 2]) -> String {
    let head = [
        "tomogram",
        "slices",
        "structure",
        "membrane",
        "molecule",
        "molecules",
        "time",
        "learnt from",
    ];
    let rows: Vec<Vec<String>> = slabs
        .iter()
        .map(|slab| {
            let begun = trainings.iter().any(|training| !training.slabs.is_empty());
            let learnt = match (
                begun,
                trainings.iter().any(|training| training.slabs.contains(&slab.stem)),
            ) {
                (false, _) => "not yet",
                (_, true) => "yes",
                (_, false) => "no",
            };
            vec![
                slab.slab.tomogram.clone(),
                format!("{}:{}", slab.slab.z.start, slab.slab.z.end),
                slab.slab
                    .score
                    .map_or("given".to_owned(), |score| format!("{score:.3}")),
                percent(slab.membrane_share),
                percent(slab.molecule_share),
                slab.points.to_string(),
                duration(slab.seconds),
                learnt.to_owned(),
            ]
        })
        .collect();
    table(&head, &rows)
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn training(training: &TrainingState) -> String {
    let mut html = String::from("<div class=\"charts\">\n");
    let end = training.steps as f64;
    let losses: Vec<(f64, f64)> = training
        .losses
        .iter()
        .map(|record| (record.step as f64, f64::from(record.loss)))
        .collect();
    let highest = losses.iter().map(|(_, loss)| *loss).fold(0.0, f64::max);
    if !losses.is_empty() {
        let chart = Chart {
            title: "Loss, mean of 25 steps",
            x: "step",
            x_range: (0.0, end),
            y_range: (0.0, highest.max(1e-6)),
        };
        html += &chart.svg(&[Line {
            name: "loss",
            colour: COLOURS[0],
            points: &losses,
        }]);
    }
    let names: Vec<&str> = training.scores.first().map_or_else(Vec::new, |first| {
        first.outputs.iter().map(|o| o.output.as_str()).collect()
    });
    let curves: Vec<Vec<(f64, f64)>> = (0..names.len())
        .map(|index| {
            let at = |scores: &ScoresAt| {
                let dice = scores.outputs.get(index).map_or(f64::NAN, |output| output.dice);
                (scores.step as f64, dice)
            };
            training.scores.iter().map(at).collect()
        })
        .collect();
    let lines: Vec<Line> = names
        .iter()
        .zip(&curves)
        .zip(COLOURS.iter().cycle())
        .map(|((name, points), colour)| Line { name, colour, points })
        .collect();
    let slices = if training.held_out {
        "slices held out"
    } else {
        "slices learnt from (none are held out)"
    };
    if !lines.is_empty() {
        let title = match training.held_out {
            true => "Dice on windows of slices held out",
            false => "Dice on windows of slices learnt from",
        };
        let chart = Chart {
            title,
            x: "step",
            x_range: (0.0, end),
            y_range: (0.0, 1.0),
        };
        html += &chart.svg(&lines);
    }
    html += "</div>\n";
    if let Some(last) = training.scores.last() {
        let rows: Vec<Vec<String>> = last
            .outputs
            .iter()
            .map(|output| {
                let number = |value: f64| format!("{value:.3}");
                vec![
                    output.output.clone(),
                    number(output.dice),
                    number(output.mean_probability),
                    number(output.mean_truth),
                ]
            })
            .collect();
        html += &format!("<p>After step {}, {slices}:</p>\n", last.step);
        html += &table(&["output", "Dice", "mean probability", "mean label"], &rows);
    }
    html += "<p class=\"small\">Slices held out lie beside slices learnt from and share structures with them: \
             these figures say how far the network learnt the labels, not how true the labels are.</p>\n";
    html
}
