//! Overlap of two binary volumes.
use ndarray::{Array3, Axis, Zip};

use crate::{Error, Result};

/// Voxel counts of a prediction, a truth, and both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Voxels in the prediction.
    pub prediction: u64,
    /// Voxels in the truth.
    pub truth: u64,
    /// Voxels in both.
    pub both: u64,
}

impl Overlap {
    /// Counts the voxels of two masks; with `counted`, only those where it is true.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the shapes differ.
    pub fn of(prediction: &Array3<bool>, truth: &Array3<bool>, counted: Option<&Array3<bool>>) -> Result<Self> {
        check_shapes("truth", prediction.shape(), truth.shape())?;
        let mut overlap = Self::default();
        match counted {
            None => Zip::from(prediction).and(truth).for_each(|&p, &t| overlap.count(p, t)),
            Some(counted) => {
                check_shapes("counted", prediction.shape(), counted.shape())?;
                Zip::from(prediction)
                    .and(truth)
                    .and(counted)
                    .for_each(|&p, &t, &c| overlap.count(p && c, t && c));
            }
        }
        Ok(overlap)
    }

    /// Counts one more voxel.
    pub fn count(&mut self, prediction: bool, truth: bool) {
        self.prediction += u64::from(prediction);
        self.truth += u64::from(truth);
        self.both += u64::from(prediction && truth);
    }

    /// 2 both / (prediction + truth); 1 where both are empty.
    pub fn dice(&self) -> f64 {
        let sum = self.prediction + self.truth;
        if sum == 0 {
            1.0
        } else {
            2.0 * self.both as f64 / sum as f64
        }
    }

    /// both / (prediction or truth), the Jaccard index; 1 where both are empty.
    pub fn iou(&self) -> f64 {
        let either = self.prediction + self.truth - self.both;
        if either == 0 {
            1.0
        } else {
            self.both as f64 / either as f64
        }
    }
}

impl std::ops::Add for Overlap {
    type Output = Self;

    /// The counts of both.
    fn add(self, other: Self) -> Self {
        Self {
            prediction: self.prediction + other.prediction,
            truth: self.truth + other.truth,
            both: self.both + other.both,
        }
    }
}

/// Mean Dice over the slices along z as the slab paper's scripts take it: a slice that is empty in both counts 1, one
/// that is empty in just one counts 0 (slab-pipeline, table 1 row 15). It rewards empty slices; report the Dice of
/// all voxels beside it.
pub fn mean_slice_dice(prediction: &Array3<bool>, truth: &Array3<bool>) -> Result<f64> {
    check_shapes("truth", prediction.shape(), truth.shape())?;
    let slices = prediction.axis_iter(Axis(0)).zip(truth.axis_iter(Axis(0)));
    let (mut sum, mut count) = (0.0, 0usize);
    for (p, t) in slices {
        let mut overlap = Overlap::default();
        Zip::from(p).and(t).for_each(|&p, &t| overlap.count(p, t));
        sum += overlap.dice();
        count += 1;
    }
    Ok(if count == 0 { 1.0 } else { sum / count as f64 })
}

/// Fails unless two volumes have the same shape.
pub(super) fn check_shapes(name: &str, expected: &[usize], actual: &[usize]) -> Result<()> {
    if expected == actual {
        return Ok(());
    }
    let allowed = format!("must have the prediction's {expected:?}");
    Err(Error::argument(name, format!("of shape {actual:?}"), &allowed))
}

/// Scores and truth voxel by voxel in z, y, x order; with `counted`, of the voxels where it is true: what
/// [`super::auc`] and [`super::Calibration::add`] take.
///
/// # Errors
/// [`Error::InvalidArgument`] where the shapes differ.
pub fn counted_pairs(
    scores: &Array3<f32>,
    truth: &Array3<bool>,
    counted: Option<&Array3<bool>>,
) -> Result<(Vec<f32>, Vec<bool>)> {
    check_shapes("truth", scores.shape(), truth.shape())?;
    let Some(counted) = counted else {
        return Ok((scores.iter().copied().collect(), truth.iter().copied().collect()));
    };
    check_shapes("counted", scores.shape(), counted.shape())?;
    let mut pairs = (Vec::with_capacity(scores.len()), Vec::with_capacity(scores.len()));
    Zip::from(scores)
        .and(truth)
        .and(counted)
        .for_each(|&score, &positive, &counts| {
            if counts {
                pairs.0.push(score);
                pairs.1.push(positive);
            }
        });
    Ok(pairs)
}
