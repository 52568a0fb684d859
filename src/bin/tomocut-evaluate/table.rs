//! The report as text.
use std::fmt::Write;

use crate::scores::{Counts, Figure, Report};

/// One line per figure: its name, its value, the floor's.
pub fn render(report: &Report) -> String {
    let mut text = format!(
        "slices {}:{}\n{:<28}{:>9}{:>9}\n",
        report.z[0], report.z[1], "", "tomocut", "floor"
    );
    if let Some(voxels) = &report.voxels {
        let mut figure = |name: &str, figure: &Figure| line(&mut text, name, figure.value, figure.floor);
        figure("foreground Dice", &voxels.foreground_dice);
        if let Some(membrane) = &voxels.membrane_dice {
            figure("membrane Dice", membrane);
        }
        if let Some(molecule) = &voxels.molecule_dice {
            figure("molecule Dice", molecule);
        }
        figure("score AUC", &voxels.score_auc);
        line(&mut text, "foreground IoU", Some(voxels.foreground_iou), None);
        line(
            &mut text,
            "foreground Dice, slice mean",
            Some(voxels.foreground_slice_dice),
            None,
        );
        let (predicted, real) = (100.0 * voxels.predicted_fraction, 100.0 * voxels.true_fraction);
        let _ = writeln!(
            text,
            "foreground is {predicted:.1} % of the voxels, {real:.1} % in truth"
        );
    }
    if let Some(points) = &report.points {
        let floor = |pick: fn(&Counts) -> f64, counts: &Option<Counts>| counts.as_ref().map(pick);
        let title = format!("all {} picks: precision", points.predictions);
        line(
            &mut text,
            &title,
            Some(points.prediction.precision),
            floor(|c| c.precision, &points.floor),
        );
        line(
            &mut text,
            "  recall",
            Some(points.prediction.recall),
            floor(|c| c.recall, &points.floor),
        );
        line(
            &mut text,
            "  F1",
            Some(points.prediction.f1),
            floor(|c| c.f1, &points.floor),
        );
        let best = &points.prediction_at_truths;
        let title = format!("best {}: F1", points.truths);
        line(
            &mut text,
            &title,
            Some(best.f1),
            floor(|c| c.f1, &points.floor_at_truths),
        );
        let _ = writeln!(
            text,
            "{} true molecules, a hit is within {:.1} nm",
            points.truths, points.match_nm
        );
    }
    text
}

fn line(text: &mut String, name: &str, value: Option<f64>, floor: Option<f64>) {
    let show = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.3}"));
    let _ = writeln!(text, "{name:<28}{:>9}{:>9}", show(value), show(floor));
}
