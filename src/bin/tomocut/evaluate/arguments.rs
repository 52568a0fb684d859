//! The command line of `tomocut evaluate`.
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::ArgAction;
use tomocut::metrics::LabelSet;

use crate::evaluate::segments::{SegmentArguments, MATCHES};
use crate::exit::Failure;

/// Least intersection over union of two matching boxes: the slab paper's rule (Uddin et al. 2026).
const BOX_IOU: f64 = 0.3;

/// Scores a slab, pictures, a set of tomograms or images in segments against known truth.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    override_usage = "tomocut evaluate [--labels FILE --truth-labels FILE] [--points FILE \
                            --truth-points FILE --diameter-nm D]\n       \
                            tomocut evaluate --truth-masks DIR --scores DIR [--images DIR] [OPTIONS]\n       \
                            tomocut evaluate --table FILE [--csv FILE] [OPTIONS]\n       \
                            tomocut evaluate --segments DIR --truth DIR [--match global|per-image|merged] [OPTIONS]",
    disable_help_flag = true
)]
pub struct Arguments {
    #[command(flatten)]
    pub slab: SlabArguments,
    #[command(flatten)]
    pub sets: SetArguments,
    #[command(flatten)]
    pub pictures: PictureArguments,
    #[command(flatten)]
    pub output: Output,
}

/// What is to be scored.
pub enum Task<'a> {
    /// Labels, scores or points of a slab.
    Slab,
    /// Scores of single pictures.
    Images(ImageArguments),
    /// A table of tomograms and methods.
    Set(&'a Path),
    /// Segments of images.
    Segments(SegmentArguments<'a>),
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Of a slab")]
pub struct SlabArguments {
    /// Labels: 0 background, 1 membrane, 2 molecule, 3 filament
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// How much a voxel looks like structure
    #[arg(long, value_name = "FILE")]
    pub score: Option<PathBuf>,
    /// How much it looks like membrane; --molecule-score: like molecule
    #[arg(long, value_name = "FILE")]
    pub membrane_score: Option<PathBuf>,
    /// How much it looks like molecule
    #[arg(long, value_name = "FILE", hide = true)]
    pub molecule_score: Option<PathBuf>,
    /// Positions of molecules, in any format of tomocut picks
    #[arg(long, value_name = "FILE")]
    pub points: Option<PathBuf>,
    /// The tomogram, for voxel size and floors; its name: --tomogram-name
    #[arg(long, value_name = "FILE")]
    pub tomogram: Option<PathBuf>,
    /// The tomogram's name in files of points [default: its file's]
    #[arg(long, value_name = "NAME", hide = true)]
    pub tomogram_name: Option<String>,
    /// True labels of the slab or the tomogram; all above 0 is foreground
    #[arg(long, value_name = "FILE")]
    pub truth_labels: Option<PathBuf>,
    /// CSV label,class: membrane, particle, filament or another
    #[arg(long, value_name = "FILE")]
    pub label_table: Option<PathBuf>,
    /// True labels that are membrane; --molecule-labels, --filament-labels
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub membrane_labels: Option<Vec<i64>>,
    /// True labels that are molecules
    #[arg(long, value_name = "A,B", value_delimiter = ',', hide = true)]
    pub molecule_labels: Option<Vec<i64>>,
    /// True labels that are filaments
    #[arg(long, value_name = "A,B", value_delimiter = ',', hide = true)]
    pub filament_labels: Option<Vec<i64>>,
    /// True x,y,z in voxels from 0; of some labels: --truth-point-label A,B
    #[arg(long, value_name = "FILE")]
    pub truth_points: Option<PathBuf>,
    /// Only true positions with these labels
    #[arg(long = "truth-point-label", value_name = "A,B", value_delimiter = ',', hide = true)]
    pub truth_point_labels: Option<Vec<i64>>,
    /// Edge of a voxel in nm, where the files are wrong or silent
    #[arg(long, value_name = "X", value_parser = length)]
    pub voxel_nm: Option<f64>,
    /// Structures are brighter than their surroundings
    #[arg(long)]
    pub bright: bool,
    /// Diameter of the molecules
    #[arg(long, value_name = "D", value_parser = length)]
    pub diameter_nm: Option<f64>,
    /// Largest distance of a hit [default: half the diameter]
    #[arg(long, value_name = "R", value_parser = length, conflicts_with = "match_voxels")]
    match_nm: Option<f64>,
    /// The same in voxels; not in the help, which has no line to spare
    #[arg(long, value_name = "R", value_parser = length, hide = true)]
    match_voxels: Option<f64>,
    /// Least overlap of cubes of the diameter (slab paper)
    #[arg(long, value_name = "T", value_parser = overlap, default_value_t = BOX_IOU)]
    pub box_iou: f64,
    /// Also count the A and the B best picks alone
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = count, action = ArgAction::Append)]
    pub at_picks: Vec<usize>,
    /// Slices to score, where no volume of labels tells them
    #[arg(long, value_name = "A:B", value_parser = crate::ranges::slices)]
    pub z: Option<Range<usize>>,
}

/// Largest distance of a hit.
#[derive(Clone, Copy, Debug)]
pub enum Reach {
    Nanometres(f64),
    Voxels(f64),
}

impl SlabArguments {
    /// Largest distance of a hit, where one is given.
    pub fn reach(&self) -> Option<Reach> {
        let voxels = || self.match_voxels.map(Reach::Voxels);
        self.match_nm.map(Reach::Nanometres).or_else(voxels)
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Of sets of tomograms and of images in segments (docs/evaluation.md)")]
pub struct SetArguments {
    /// CSV with a row for each tomogram and method: files and their truth
    #[arg(long, value_name = "FILE", conflicts_with_all = ["segments", "masks", "labels", "points"])]
    table: Option<PathBuf>,
    /// Labels of images; --classes coco-stuff-27, cityscapes-27 or ade20k-150
    #[arg(long, value_name = "DIR", requires = "true_segments", conflicts_with_all = ["masks", "labels", "points"])]
    segments: Option<PathBuf>,
    /// Labelled images of the same names and sizes
    #[arg(
        id = "true_segments",
        long = "truth",
        value_name = "DIR",
        requires = "segments",
        hide = true
    )]
    truth: Option<PathBuf>,
    /// How segments get classes: one assignment for all images, one for each, or all that it has most pixels of
    #[arg(long = "match", value_name = "RULE", requires = "segments", hide = true, default_value = "per-image",
          value_parser = clap::builder::PossibleValuesParser::new(MATCHES.map(|(word, _)| word)))]
    rule: String,
    /// Classes of the truth: coco-stuff-27, cityscapes-27 or ade20k-150
    #[arg(long, value_name = "SET", requires = "segments", hide = true,
          value_parser = clap::builder::PossibleValuesParser::new(LabelSet::ALL.map(|(name, _)| name)))]
    classes: Option<String>,
    /// All figures of a table, or all classes of segments
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Of single pictures (.png, .tif, or .mrc of one slice), paired by name")]
pub struct PictureArguments {
    /// What is true in each picture: above 127, in .mrc above 0, or --mask-above V
    #[arg(long = "truth-masks", value_name = "DIR", requires = "scores")]
    masks: Option<PathBuf>,
    /// Scores of the same size
    #[arg(long, value_name = "DIR", requires = "masks")]
    scores: Option<PathBuf>,
    /// The pictures: what a line filter reaches on them is the floor
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// A pixel of a mask is true above V [default: 127, in .mrc 0]
    #[arg(long, value_name = "V", hide = true)]
    mask_above: Option<f32>,
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

#[derive(Debug, clap::Args)]
pub struct Output {
    /// JSON instead of the table, or into a file beside it
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// One page with figures, curves and pictures of 3 slices, or of --slices N
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Slices or pictures shown in that page
    #[arg(long = "slices", value_name = "N", default_value_t = 3, hide = true)]
    pub shown: usize,
    /// Print help
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl Arguments {
    /// What is to be scored. Fails where arguments do not go together.
    pub fn task(&self) -> Result<Task<'_>, Failure> {
        match self.sets.task() {
            Some(Task::Segments(_)) if self.output.html.is_some() => {
                return Err(Failure::usage(
                    "--html is for slabs, pictures and tables; --segments has --csv",
                ));
            }
            Some(task) => return Ok(task),
            None => {}
        }
        if self.sets.csv.is_some() {
            return Err(Failure::usage("--csv needs --table or --segments"));
        }
        let pictures = &self.pictures;
        if let (Some(masks), Some(scores)) = (&pictures.masks, &pictures.scores) {
            return Ok(Task::Images(ImageArguments {
                masks: masks.clone(),
                scores: scores.clone(),
                images: pictures.images.clone(),
                mask_above: pictures.mask_above,
                bright: self.slab.bright,
            }));
        }
        let a = &self.slab;
        let lacking = if a.labels.is_none() && a.points.is_none() {
            "neither --labels nor --points is given"
        } else if a.labels.is_some() && a.truth_labels.is_none() && a.points.is_none() {
            "--labels needs --truth-labels"
        } else if a.points.is_some() && a.truth_points.is_none() && a.labels.is_none() {
            "--points needs --truth-points"
        } else if a.truth_points.is_some() && a.diameter_nm.is_none() && a.reach().is_none() {
            "--truth-points needs --diameter-nm, --match-nm or --match-voxels"
        } else {
            return Ok(Task::Slab);
        };
        Err(Failure::usage(lacking))
    }
}

impl SetArguments {
    fn task(&self) -> Option<Task<'_>> {
        if let Some(table) = &self.table {
            return Some(Task::Set(table));
        }
        let rule = MATCHES.iter().find(|(word, _)| *word == self.rule)?.1;
        let set = |name: &String| {
            LabelSet::ALL
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, set)| *set)
        };
        Some(Task::Segments(SegmentArguments {
            segments: self.segments.as_deref()?,
            truth: self.truth.as_deref()?,
            rule,
            classes: self.classes.as_ref().and_then(set),
        }))
    }
}

fn count(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|n| *n > 0);
    number.ok_or_else(|| "must be numbers of picks, as in 55,165".to_owned())
}

fn length(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0);
    value.ok_or_else(|| "must be a positive number".to_owned())
}

fn overlap(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|v: &f64| *v > 0.0 && *v <= 1.0);
    value.ok_or_else(|| "must be above 0 and at most 1".to_owned())
}
