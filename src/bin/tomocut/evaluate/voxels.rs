//! Voxel by voxel: overlap, ranking and calibration.
use ndarray::Array3;
use tomocut::metrics::{auc, counted_pairs, mean_slice_dice, BlurFloor, Calibration, Overlap};
use tomocut::runtime::Job;
use tomocut::{Error, Result};

use crate::evaluate::classes::{holds, Classes};
use crate::evaluate::inputs::Inputs;
use crate::evaluate::report::{Figure, Reliability, Voxels};

/// Bins of the reliability tables: those of Guo et al. 2017.
pub const BINS: usize = 15;

/// `None` where labels or truth are missing.
pub fn score(inputs: &Inputs, classes: &Classes, dark: bool, job: &Job) -> Result<Option<Voxels>> {
    let (Some(labels), Some(truth)) = (&inputs.labels, &inputs.truth) else {
        return Ok(None);
    };
    let blur = match &inputs.tomogram {
        Some(t) => Some(BlurFloor::new(&t.voxels, t.keep.clone(), dark, job)?),
        None => None,
    };
    let (predicted, real) = (labels.mapv(|v| v > 0.0), truth.mapv(|v| v > 0.0));
    let foreground = Overlap::of(&predicted, &real, None)?;
    let floor = blur.as_ref().map(|blur| blur.dice(&real, None)).transpose()?;
    let foreground_dice = Figure::new(Some(foreground.dice()), floor);

    // Proteins within membranes are neither right nor wrong as membrane or as molecule.
    let counted = holds(truth, &classes.unclear).mapv(|unclear| !unclear);
    let class_dice = |label: i64, real: &[i64]| -> Result<Option<Figure>> {
        if real.is_empty() {
            return Ok(None);
        }
        let real = holds(truth, real);
        let dice = Overlap::of(&holds(labels, &[label]), &real, Some(&counted))?.dice();
        let floor = blur.as_ref().map(|blur| blur.dice(&real, Some(&counted))).transpose()?;
        Ok(Some(Figure::new(Some(dice), floor)))
    };
    let membrane_dice = class_dice(1, &classes.membrane)?;
    let molecule_dice = class_dice(2, &classes.molecule)?;
    let filament_dice = class_dice(3, &classes.filament)?;

    let (score_auc, score_calibration) = score_quality(inputs.score.as_ref(), &real, None, blur.as_ref())?;
    let class_score = |score: &Option<Array3<f32>>, labels: &[i64]| match score {
        Some(score) if !labels.is_empty() => {
            let (area, table) = score_quality(Some(score), &holds(truth, labels), Some(&counted), blur.as_ref())?;
            Ok((Some(area), table))
        }
        _ => Ok::<_, Error>((None, None)),
    };
    let (membrane_score_auc, membrane_score_calibration) = class_score(&inputs.membrane_score, &classes.membrane)?;
    let (molecule_score_auc, molecule_score_calibration) = class_score(&inputs.molecule_score, &classes.molecule)?;
    Ok(Some(Voxels {
        true_fraction: foreground.truth as f64 / real.len() as f64,
        predicted_fraction: foreground.prediction as f64 / real.len() as f64,
        foreground_iou: foreground_dice.iou_of_dice(),
        foreground_dice,
        foreground_slice_dice: mean_slice_dice(&predicted, &real)?,
        membrane_iou: membrane_dice.as_ref().map(Figure::iou_of_dice),
        membrane_dice,
        molecule_iou: molecule_dice.as_ref().map(Figure::iou_of_dice),
        molecule_dice,
        filament_iou: filament_dice.as_ref().map(Figure::iou_of_dice),
        filament_dice,
        score_auc,
        score_calibration,
        membrane_score_auc,
        membrane_score_calibration,
        molecule_score_auc,
        molecule_score_calibration,
    }))
}

/// AUC and reliability of a score; nothing where there is no score or the truth is of one class.
fn score_quality(
    score: Option<&Array3<f32>>,
    real: &Array3<bool>,
    counted: Option<&Array3<bool>>,
    blur: Option<&BlurFloor>,
) -> Result<(Figure, Option<Reliability>)> {
    let overlap = Overlap::of(real, real, counted)?;
    let all = counted.map_or(real.len(), |counted| counted.iter().filter(|c| **c).count()) as u64;
    if overlap.truth == 0 || overlap.truth == all {
        return Ok((Figure::default(), None));
    }
    let floor = blur.map(|blur| blur.auc(real, counted)).transpose()?;
    let Some(score) = score else {
        return Ok((Figure::new(None, floor), None));
    };
    let (scores, positive) = counted_pairs(score, real, counted)?;
    let area = auc(&scores, &positive)?;
    let mut table = Calibration::new(BINS)?;
    // A score outside 0..=1 is no probability: no table then.
    let reliability = table
        .add(&scores, &positive)
        .ok()
        .and_then(|()| Reliability::of(&table));
    Ok((Figure::new(Some(area), floor), reliability))
}
