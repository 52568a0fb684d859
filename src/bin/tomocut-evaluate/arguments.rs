//! The command line.
use std::ops::Range;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::help::BOX_IOU;

/// What is to be scored, and where the answer goes.
#[derive(Debug)]
pub struct Arguments {
    pub task: Task,
    pub output: Output,
}

#[derive(Debug)]
pub enum Task {
    /// Labels, scores or points of a slab.
    Slab(Box<SlabArguments>),
    /// Scores of single pictures.
    Images(ImageArguments),
}

#[derive(Debug, Default)]
pub struct SlabArguments {
    pub labels: Option<PathBuf>,
    pub score: Option<PathBuf>,
    pub membrane_score: Option<PathBuf>,
    pub molecule_score: Option<PathBuf>,
    pub points: Option<PathBuf>,
    pub tomogram: Option<PathBuf>,
    pub truth_labels: Option<PathBuf>,
    pub label_table: Option<PathBuf>,
    pub membrane_labels: Option<Vec<i64>>,
    pub molecule_labels: Option<Vec<i64>>,
    pub filament_labels: Option<Vec<i64>>,
    pub truth_points: Option<PathBuf>,
    pub truth_point_labels: Option<Vec<i64>>,
    pub bright: bool,
    pub diameter_nm: Option<f64>,
    pub reach: Option<Reach>,
    /// Least overlap of two boxes that match.
    pub box_iou: f64,
    pub at_picks: Vec<usize>,
    pub z: Option<Range<usize>>,
}

/// Largest distance of a hit.
#[derive(Clone, Copy, Debug)]
pub enum Reach {
    Nanometres(f64),
    Voxels(f64),
}

#[derive(Debug)]
pub struct ImageArguments {
    pub masks: PathBuf,
    pub scores: PathBuf,
    /// The pictures that were scored, for the floor.
    pub images: Option<PathBuf>,
    /// A pixel of a mask above this is true; none: by the kind of file.
    pub mask_above: Option<f32>,
    pub bright: bool,
}

#[derive(Debug)]
pub struct Output {
    pub json: Option<JsonTarget>,
    pub html: Option<PathBuf>,
    /// Slices or pictures shown in the page.
    pub shown: usize,
}

#[derive(Debug)]
pub enum JsonTarget {
    StandardOutput,
    File(PathBuf),
}

/// `None` where help is asked for.
pub fn parse() -> Result<Option<Arguments>, lexopt::Error> {
    parse_from(lexopt::Parser::from_env())
}

fn parse_from(mut parser: lexopt::Parser) -> Result<Option<Arguments>, lexopt::Error> {
    let mut slab = SlabArguments {
        box_iou: BOX_IOU,
        ..SlabArguments::default()
    };
    let (mut masks, mut scores, mut images, mut mask_above) = (None, None, None, None);
    let mut output = Output {
        json: None,
        html: None,
        shown: 3,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("labels") => slab.labels = Some(parser.value()?.into()),
            Long("score") => slab.score = Some(parser.value()?.into()),
            Long("membrane-score") => slab.membrane_score = Some(parser.value()?.into()),
            Long("molecule-score") => slab.molecule_score = Some(parser.value()?.into()),
            Long("points") => slab.points = Some(parser.value()?.into()),
            Long("tomogram") => slab.tomogram = Some(parser.value()?.into()),
            Long("truth-labels") => slab.truth_labels = Some(parser.value()?.into()),
            Long("label-table") => slab.label_table = Some(parser.value()?.into()),
            Long("truth-points") => slab.truth_points = Some(parser.value()?.into()),
            Long("membrane-labels") => slab.membrane_labels = Some(parser.value()?.parse_with(list)?),
            Long("molecule-labels") => slab.molecule_labels = Some(parser.value()?.parse_with(list)?),
            Long("filament-labels") => slab.filament_labels = Some(parser.value()?.parse_with(list)?),
            Long("truth-point-label") => slab.truth_point_labels = Some(parser.value()?.parse_with(list)?),
            Long("bright") => slab.bright = true,
            Long("diameter-nm") => slab.diameter_nm = Some(parser.value()?.parse_with(length)?),
            Long(name @ ("match-nm" | "match-voxels")) => {
                if slab.reach.is_some() {
                    return Err("of --match-nm and --match-voxels only one may be given, once".into());
                }
                let unit = match name {
                    "match-nm" => Reach::Nanometres,
                    _ => Reach::Voxels,
                };
                slab.reach = Some(unit(parser.value()?.parse_with(length)?));
            }
            Long("box-iou") => slab.box_iou = parser.value()?.parse_with(overlap)?,
            Long("at-picks") => slab.at_picks = parser.value()?.parse_with(counts)?,
            Long("z") => slab.z = Some(parser.value()?.parse_with(range)?),
            Long("truth-masks") => masks = Some(parser.value()?.into()),
            Long("scores") => scores = Some(parser.value()?.into()),
            Long("images") => images = Some(parser.value()?.into()),
            Long("mask-above") => mask_above = Some(parser.value()?.parse()?),
            Long("json") => {
                output.json = Some(match parser.optional_value() {
                    Some(file) if file != "-" => JsonTarget::File(file.into()),
                    _ => JsonTarget::StandardOutput,
                })
            }
            Long("html") => output.html = Some(parser.value()?.into()),
            Long("slices") => output.shown = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    let task = match (masks, scores) {
        (Some(masks), Some(scores)) => Task::Images(ImageArguments {
            masks,
            scores,
            images,
            mask_above,
            bright: slab.bright,
        }),
        (None, None) => Task::Slab(Box::new(slab)),
        (Some(_), None) => return Err("--truth-masks needs --scores".into()),
        (None, Some(_)) => return Err("--scores needs --truth-masks".into()),
    };
    check(&task)?;
    Ok(Some(Arguments { task, output }))
}

fn check(task: &Task) -> Result<(), lexopt::Error> {
    let Task::Slab(a) = task else { return Ok(()) };
    if a.labels.is_none() && a.points.is_none() {
        return Err("neither --labels nor --points is given".into());
    }
    if a.labels.is_some() && a.truth_labels.is_none() && a.points.is_none() {
        return Err("--labels needs --truth-labels".into());
    }
    if a.points.is_some() && a.truth_points.is_none() && a.labels.is_none() {
        return Err("--points needs --truth-points".into());
    }
    if a.truth_points.is_some() && a.diameter_nm.is_none() && a.reach.is_none() {
        return Err("--truth-points needs --diameter-nm, --match-nm or --match-voxels".into());
    }
    Ok(())
}

fn list(text: &str) -> Result<Vec<i64>, std::num::ParseIntError> {
    text.split(',').map(|item| item.trim().parse()).collect()
}

fn counts(text: &str) -> Result<Vec<usize>, String> {
    let number = |item: &str| item.trim().parse().ok().filter(|n| *n > 0);
    let all: Option<Vec<usize>> = text.split(',').map(number).collect();
    all.ok_or_else(|| "must be numbers of picks, as in 55,165".to_owned())
}

fn length(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0);
    value.ok_or_else(|| "must be a positive number".to_owned())
}

fn overlap(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|v: &f64| *v > 0.0 && *v <= 1.0);
    value.ok_or_else(|| "must be above 0 and at most 1".to_owned())
}

fn range(text: &str) -> Result<Range<usize>, String> {
    let parse = || {
        let (a, b) = text.split_once(':')?;
        Some(a.parse().ok()?..b.parse().ok()?)
    };
    parse().ok_or_else(|| "must be A:B".to_owned())
}
