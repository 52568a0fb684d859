//! The figures of a set: each of one tomogram, of all, or of a resample.
use tomocut::metrics::Detection;

use super::masks::MaskScores;
use super::score::Scores;

/// A figure of the report.
pub struct Figure {
    pub group: &'static str,
    pub name: &'static str,
    pub unit: &'static str,
    /// Of one or more tomograms together; a tomogram may come several times.
    pub value: fn(&[&Scores]) -> Option<f64>,
}

/// In the order of the report.
pub const FIGURES: [Figure; 14] = [
    figure("membranes", SLICE_DICE, "", |all| slice_dice(masks(all, membranes))),
    figure("membranes", VOXEL_DICE, "", |all| voxel_dice(masks(all, membranes))),
    figure("membranes", HAUSDORFF, "nm", |all| hausdorff(masks(all, membranes))),
    figure("membranes", SURFACE, "nm", |all| surface(masks(all, membranes))),
    figure("foreground", SLICE_DICE, "", |all| slice_dice(masks(all, foreground))),
    figure("foreground", VOXEL_DICE, "", |all| voxel_dice(masks(all, foreground))),
    figure("foreground", HAUSDORFF, "nm", |all| hausdorff(masks(all, foreground))),
    figure("foreground", SURFACE, "nm", |all| surface(masks(all, foreground))),
    figure("points by box", "precision", "", |all| {
        by_box(all).map(|d| d.precision())
    }),
    figure("points by box", "recall", "", |all| by_box(all).map(|d| d.recall())),
    figure("points by box", "F1", "", |all| by_box(all).map(|d| d.f1())),
    figure("points by distance", "precision", "", |all| {
        by_distance(all).map(|d| d.precision())
    }),
    figure("points by distance", "recall", "", |all| {
        by_distance(all).map(|d| d.recall())
    }),
    figure("points by distance", "F1", "", |all| by_distance(all).map(|d| d.f1())),
];

const SLICE_DICE: &str = "Dice, mean of slices";
const VOXEL_DICE: &str = "Dice of all voxels";
const HAUSDORFF: &str = "HD95";
const SURFACE: &str = "average surface distance";

const fn figure(
    group: &'static str,
    name: &'static str,
    unit: &'static str,
    value: fn(&[&Scores]) -> Option<f64>,
) -> Figure {
    Figure {
        group,
        name,
        unit,
        value,
    }
}

fn membranes(scores: &Scores) -> Option<&MaskScores> {
    scores.membranes.as_ref()
}

fn foreground(scores: &Scores) -> Option<&MaskScores> {
    scores.foreground.as_ref()
}

fn masks<'a>(all: &[&'a Scores], of: fn(&Scores) -> Option<&MaskScores>) -> Vec<&'a MaskScores> {
    all.iter().filter_map(|scores| of(scores)).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// Mean over the slices of all tomograms, as the slab paper's scripts take it.
fn slice_dice(masks: Vec<&MaskScores>) -> Option<f64> {
    mean(masks.iter().flat_map(|mask| mask.slice_dice.iter().copied()))
}

/// Of the voxels of all tomograms together.
fn voxel_dice(masks: Vec<&MaskScores>) -> Option<f64> {
    let sum = masks.iter().map(|mask| mask.overlap).reduce(|a, b| a + b)?;
    Some(sum.dice())
}

/// Mean over the tomograms in which both masks have a surface.
fn hausdorff(masks: Vec<&MaskScores>) -> Option<f64> {
    mean(masks.iter().filter_map(|mask| Some(mask.surfaces?.hausdorff_95)))
}

fn surface(masks: Vec<&MaskScores>) -> Option<f64> {
    mean(masks.iter().filter_map(|mask| Some(mask.surfaces?.average)))
}

/// Picks of all tomograms together.
fn by_box(all: &[&Scores]) -> Option<Detection> {
    all.iter()
        .filter_map(|scores| Some(scores.points?.by_box))
        .reduce(|a, b| a + b)
}

fn by_distance(all: &[&Scores]) -> Option<Detection> {
    all.iter()
        .filter_map(|scores| Some(scores.points?.by_distance))
        .reduce(|a, b| a + b)
}
