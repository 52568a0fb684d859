//! The figures in the order of reading, for the terminal and for the page.
use std::fmt::Write;

use crate::evaluate::report::{Counts, Figure, ImageReport, Matched, Points, SlabReport, Voxels};

/// Figures that belong together.
pub struct Section {
    pub title: String,
    pub lines: Vec<Line>,
}

/// A figure, its floor where there is one, and what it is in a few words.
pub struct Line {
    pub name: String,
    pub value: Option<f64>,
    pub floor: Option<f64>,
}

impl Section {
    fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lines: Vec::new(),
        }
    }

    fn line(&mut self, name: impl Into<String>, value: Option<f64>, floor: Option<f64>) {
        if value.is_some() || floor.is_some() {
            self.lines.push(Line {
                name: name.into(),
                value,
                floor,
            });
        }
    }

    fn figure(&mut self, name: &str, figure: Option<&Figure>) {
        if let Some(figure) = figure {
            self.line(name, figure.value, figure.floor);
        }
    }

    fn share(&mut self, name: impl Into<String>, of: fn(&Counts) -> f64, value: &Counts, floor: Option<&Counts>) {
        self.line(name, Some(of(value)), floor.map(of));
    }
}

pub fn slab_sections(report: &SlabReport) -> Vec<Section> {
    let mut sections = Vec::new();
    sections.extend(report.voxels.as_ref().map(voxel_section));
    if let Some(points) = &report.points {
        let (distance, boxes) = point_sections(points);
        sections.push(distance);
        sections.extend(boxes);
    }
    sections
}

/// Picks by distance and, where the diameter is known, by overlap of boxes; the lines of both have the same names.
pub fn point_sections(points: &Points) -> (Section, Option<Section>) {
    let boxes = points.by_box.as_ref().map(|by_box| {
        let (iou, side) = (by_box.iou, by_box.side_voxels);
        let title = format!("Picks, a hit shares {iou} of the union of cubes of {side:.1} voxels");
        match_section(title, points, &by_box.matched)
    });
    (
        match_section(distance_title(points), points, &points.by_distance),
        boxes,
    )
}

pub fn voxel_section(voxels: &Voxels) -> Section {
    let mut section = Section::new("Voxels");
    section.figure("foreground Dice", Some(&voxels.foreground_dice));
    section.figure("foreground IoU", Some(&voxels.foreground_iou));
    section.line("foreground Dice, slice mean", Some(voxels.foreground_slice_dice), None);
    section.figure("membrane Dice", voxels.membrane_dice.as_ref());
    section.figure("membrane IoU", voxels.membrane_iou.as_ref());
    section.figure("molecule Dice", voxels.molecule_dice.as_ref());
    section.figure("molecule IoU", voxels.molecule_iou.as_ref());
    section.figure("filament Dice", voxels.filament_dice.as_ref());
    section.figure("filament IoU", voxels.filament_iou.as_ref());
    section.figure("score AUC", Some(&voxels.score_auc));
    let error = voxels.score_calibration.as_ref().map(|c| c.error);
    section.line("score calibration error", error, None);
    section.figure("membrane score AUC", voxels.membrane_score_auc.as_ref());
    let error = voxels.membrane_score_calibration.as_ref().map(|c| c.error);
    section.line("membrane calibration error", error, None);
    section.figure("molecule score AUC", voxels.molecule_score_auc.as_ref());
    let error = voxels.molecule_score_calibration.as_ref().map(|c| c.error);
    section.line("molecule calibration error", error, None);
    section.line("predicted foreground", Some(voxels.predicted_fraction), None);
    section.line("true foreground", Some(voxels.true_fraction), None);
    section
}

fn distance_title(points: &Points) -> String {
    let reach = points.match_voxels;
    match points.match_nm {
        Some(nm) => format!("Picks, a hit is within {nm:.1} nm ({reach:.1} voxels)"),
        None => format!("Picks, a hit is within {reach:.1} voxels"),
    }
}

fn match_section(title: String, points: &Points, matched: &Matched) -> Section {
    let mut section = Section::new(title);
    let (all, floor) = (&matched.prediction, matched.floor.as_ref());
    let count = points.predictions;
    section.share(format!("all {count}: precision"), |c| c.precision, all, floor);
    section.share(format!("all {count}: recall"), |c| c.recall, all, floor);
    section.share(format!("all {count}: F1"), |c| c.f1, all, floor);
    let title = format!("best {}: F1", points.truths);
    section.share(
        title,
        |c| c.f1,
        &matched.prediction_at_truths,
        matched.floor_at_truths.as_ref(),
    );
    for at in &matched.at_picks {
        let (count, floor) = (at.picks, at.floor.as_ref());
        section.share(format!("best {count}: recall"), |c| c.recall, &at.prediction, floor);
        section.share(
            format!("best {count}: precision"),
            |c| c.precision,
            &at.prediction,
            floor,
        );
    }
    section.figure("average precision", Some(&matched.average_precision));
    section
}

pub fn image_sections(report: &ImageReport) -> Vec<Section> {
    let mut section = Section::new(format!("{} pictures", report.pairs));
    section.figure("mean AUC", Some(&report.mean_auc));
    let areas = || report.pictures.iter().filter_map(|p| p.auc);
    let floors = || report.pictures.iter().filter_map(|p| p.floor);
    section.line("lowest AUC", areas().reduce(f64::min), floors().reduce(f64::min));
    section.line("highest AUC", areas().reduce(f64::max), floors().reduce(f64::max));
    section.figure("mean Dice", Some(&report.mean_dice));
    section.figure("mean IoU", Some(&report.mean_iou));
    section.figure("Dice of all pixels", Some(&report.dice_of_all));
    section.line("calibration error", report.calibration.as_ref().map(|c| c.error), None);
    vec![section]
}

/// One line per figure: its name, its value, the floor's.
pub fn render(first: &str, sections: &[Section], last: &str) -> String {
    let mut text = format!("{first:<30}{:>9}{:>9}\n", "tomocut", "floor");
    let show = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.3}"));
    for section in sections {
        let _ = writeln!(text, "{}", section.title);
        for line in &section.lines {
            let (value, floor) = (show(line.value), show(line.floor));
            let _ = writeln!(text, "  {:<28}{value:>9}{floor:>9}", line.name);
        }
    }
    if !last.is_empty() {
        let _ = writeln!(text, "{last}");
    }
    text
}
