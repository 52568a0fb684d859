//! What is reported; the field names are those of the JSON.
use serde::Serialize;
use tomocut::metrics::{Calibration, Detection, FloorScore};

#[derive(Debug, Serialize)]
pub struct SlabReport {
    /// First and one past the last slice of the tomogram that are scored.
    pub z: [usize; 2],
    /// Mean edge of a voxel in nm, where it is known.
    pub voxel_nm: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voxels: Option<Voxels>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
}

/// A figure and its floor.
#[derive(Debug, Default, Serialize)]
pub struct Figure {
    pub value: Option<f64>,
    pub floor: Option<f64>,
    /// Standard deviation of the floor's blur in voxels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_sigma: Option<f64>,
}

impl Figure {
    pub fn new(value: Option<f64>, floor: Option<FloorScore>) -> Self {
        Self {
            value,
            floor: floor.map(|f| f.value),
            floor_sigma: floor.map(|f| f.sigma),
        }
    }

    /// The same agreement as intersection over union: IoU = Dice / (2 - Dice), also for the floor, whose best Dice has
    /// the best IoU.
    pub fn iou_of_dice(&self) -> Self {
        let iou = |dice: f64| dice / (2.0 - dice);
        Self {
            value: self.value.map(iou),
            floor: self.floor.map(iou),
            floor_sigma: self.floor_sigma,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Voxels {
    pub true_fraction: f64,
    pub predicted_fraction: f64,
    pub foreground_dice: Figure,
    pub foreground_iou: Figure,
    pub foreground_slice_dice: f64,
    pub membrane_dice: Option<Figure>,
    pub membrane_iou: Option<Figure>,
    pub molecule_dice: Option<Figure>,
    pub molecule_iou: Option<Figure>,
    pub filament_dice: Option<Figure>,
    pub filament_iou: Option<Figure>,
    pub score_auc: Figure,
    /// None where there is no score, or one that leaves 0..=1 and so is no probability.
    pub score_calibration: Option<Reliability>,
    pub membrane_score_auc: Option<Figure>,
    pub membrane_score_calibration: Option<Reliability>,
    pub molecule_score_auc: Option<Figure>,
    pub molecule_score_calibration: Option<Reliability>,
}

/// A reliability table.
#[derive(Debug, Serialize)]
pub struct Reliability {
    /// Expected calibration error.
    pub error: f64,
    /// Largest gap of any bin.
    pub maximum_error: f64,
    pub bins: Vec<ReliabilityBin>,
}

#[derive(Debug, Serialize)]
pub struct ReliabilityBin {
    /// The scores above `low` and up to `high`.
    pub low: f64,
    pub high: f64,
    pub count: u64,
    pub mean_score: Option<f64>,
    pub share_positive: Option<f64>,
}

impl Reliability {
    /// `None` where nothing was counted.
    pub fn of(table: &Calibration) -> Option<Self> {
        Some(Self {
            error: table.expected_error()?,
            maximum_error: table.maximum_error()?,
            bins: table
                .bins()
                .iter()
                .map(|bin| ReliabilityBin {
                    low: bin.low,
                    high: bin.high,
                    count: bin.count,
                    mean_score: bin.mean_score(),
                    share_positive: bin.share_positive(),
                })
                .collect(),
        })
    }
}

#[derive(Debug, Serialize)]
pub struct Points {
    /// Largest distance of a hit; in nm where the voxel size is known.
    pub match_nm: Option<f64>,
    pub match_voxels: f64,
    pub truths: usize,
    pub predictions: usize,
    /// By distance.
    #[serde(flatten)]
    pub by_distance: Matched,
    /// By overlap of boxes, where the diameter is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_box: Option<BoxMatched>,
}

#[derive(Debug, Serialize)]
pub struct BoxMatched {
    /// Least intersection over union.
    pub iou: f64,
    pub side_voxels: f64,
    #[serde(flatten)]
    pub matched: Matched,
}

/// Picks under one rule; floors are Laplacian-of-Gaussian peaks.
#[derive(Debug, Serialize)]
pub struct Matched {
    pub prediction: Counts,
    /// The best-scored predictions, as many as there are truths.
    pub prediction_at_truths: Counts,
    /// As many peaks as there are predictions, and as there are truths.
    pub floor: Option<Counts>,
    pub floor_at_truths: Option<Counts>,
    /// The floor's from ten times as many peaks as there are truths.
    pub average_precision: Figure,
    pub at_picks: Vec<AtPicks>,
}

/// The best picks, a number that was asked for.
#[derive(Debug, Serialize)]
pub struct AtPicks {
    pub picks: usize,
    pub prediction: Counts,
    pub floor: Option<Counts>,
}

#[derive(Debug, Serialize)]
pub struct Counts {
    pub found: usize,
    pub wrong: usize,
    pub missed: usize,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

impl From<Detection> for Counts {
    fn from(d: Detection) -> Self {
        Self {
            found: d.found,
            wrong: d.wrong,
            missed: d.missed,
            precision: d.precision(),
            recall: d.recall(),
            f1: d.f1(),
        }
    }
}

/// Scores of single pictures against masks.
#[derive(Debug, Serialize)]
pub struct ImageReport {
    pub pairs: usize,
    /// Mean over the pictures that hold both classes.
    pub mean_auc: Figure,
    /// Mean over all pictures of the masks where scores exceed half of their range; 1 where mask and truth are empty.
    pub mean_dice: Figure,
    pub mean_iou: Figure,
    /// Dice of the pixels of all pictures together: of a volume, where they are its slices.
    pub dice_of_all: Figure,
    /// Over the pixels of all pictures.
    pub calibration: Option<Reliability>,
    pub pictures: Vec<PictureReport>,
}

#[derive(Debug, Serialize)]
pub struct PictureReport {
    pub name: String,
    /// Share of the pixels that are true.
    pub true_fraction: f64,
    /// None where the mask is of one class.
    pub auc: Option<f64>,
    pub floor: Option<f64>,
    pub dice: f64,
    pub iou: f64,
}
