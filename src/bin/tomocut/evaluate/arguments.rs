//! The command line of `tomocut evaluate`.
use std::ops::Range;
use std::path::PathBuf;

use clap::ArgAction;

use crate::exit::Failure;

/// Least intersection over union of two matching boxes: the slab paper's rule (Uddin et al. 2026).
const BOX_IOU: f64 = 0.3;

/// Scores a segmented slab, or single pictures, against known truth, beside what trivial methods reach.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    override_usage = "tomocut evaluate --labels FILE --truth-labels FILE [OPTIONS]\n       \
                            tomocut evaluate --points FILE --truth-points FILE --diameter-nm D [OPTIONS]\n       \
                            tomocut evaluate --truth-masks DIR --scores DIR [--images DIR] [OPTIONS]"
)]
pub struct Arguments {
    #[command(flatten)]
    pub slab: SlabArguments,
    #[command(flatten)]
    pub pictures: PictureArguments,
    #[command(flatten)]
    pub output: Output,
}

/// What is to be scored.
pub enum Task {
    /// Labels, scores or points of a slab.
    Slab,
    /// Scores of single pictures.
    Images(ImageArguments),
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
    /// How much it looks like membrane
    #[arg(long, value_name = "FILE")]
    pub membrane_score: Option<PathBuf>,
    /// How much it looks like molecule
    #[arg(long, value_name = "FILE")]
    pub molecule_score: Option<PathBuf>,
    /// Positions of molecules, in any format of tomocut picks
    #[arg(long, value_name = "FILE")]
    pub points: Option<PathBuf>,
    /// The tomogram: gives the voxel size and the floors
    #[arg(long, value_name = "FILE")]
    pub tomogram: Option<PathBuf>,
    /// The tomogram's name in files of points [default: its file's]
    #[arg(long, value_name = "NAME")]
    pub tomogram_name: Option<String>,
    /// True labels of the slab or the tomogram; all above 0 is foreground
    #[arg(long, value_name = "FILE")]
    pub truth_labels: Option<PathBuf>,
    /// CSV label,class: membrane, particle, filament or another
    #[arg(long, value_name = "FILE")]
    pub label_table: Option<PathBuf>,
    /// True labels that are membrane, instead of a table
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub membrane_labels: Option<Vec<i64>>,
    /// True labels that are molecules
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub molecule_labels: Option<Vec<i64>>,
    /// True labels that are filaments
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub filament_labels: Option<Vec<i64>>,
    /// True positions: x,y,z or x_vox,y_vox,z_vox in voxels from 0
    #[arg(long, value_name = "FILE")]
    pub truth_points: Option<PathBuf>,
    /// Only true positions with these labels
    #[arg(long = "truth-point-label", value_name = "A,B", value_delimiter = ',')]
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
#[command(next_help_heading = "Of single pictures (.png, .tif, or .mrc of one slice), paired by name")]
pub struct PictureArguments {
    /// What is true in each picture
    #[arg(long = "truth-masks", value_name = "DIR", requires = "scores")]
    masks: Option<PathBuf>,
    /// Scores of the same size
    #[arg(long, value_name = "DIR", requires = "masks")]
    scores: Option<PathBuf>,
    /// The pictures: what a line filter reaches on them is the floor
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// A pixel of a mask is true above V [default: 127, in .mrc 0]
    #[arg(long, value_name = "V")]
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
    /// One page with figures, curves and pictures of slices
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Slices or pictures shown in that page
    #[arg(long = "slices", value_name = "N", default_value_t = 3)]
    pub shown: usize,
}

impl Arguments {
    /// What is to be scored. Fails where arguments do not go together.
    pub fn task(&self) -> Result<Task, Failure> {
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
