//! The network's labels against true ones, with the trivial floor beside them.
use std::ops::Range;
use std::path::Path;

use ndarray::Array3;

use super::groups::groups;
use super::network_labels::NetworkLabels;
use super::state::TruthScore;
use crate::metrics::{BlurFloor, Overlap};
use crate::runtime::{Error, Job, Result};
use crate::volume::Tomogram;

/// Slices in the middle that the floor is measured on, and those on either side that its blur needs.
const MIDDLE: usize = 20;
const MARGIN: usize = 12;

/// Dice of each class that a slab can have, and of all of them together.
///
/// Errors: a truth that cannot be read or has another shape.
pub(super) fn scores(
    tomogram: &Tomogram,
    path: &Path,
    predicted: &NetworkLabels,
    bright: bool,
    job: &Job,
) -> Result<Vec<TruthScore>> {
    let truth = Tomogram::open_again(path, None, job)?;
    let (shape, expected) = (truth.geometry().shape, tomogram.geometry().shape);
    if shape != expected {
        let detail = format!("has {shape:?} voxels, the tomogram {expected:?}");
        return Err(Error::format(path.display(), detail));
    }
    let groups = groups(&predicted.classes);
    let mut whole = vec![Overlap::default(); groups.len()];
    predicted.each_chunk(job, &mut |z, labels| {
        let true_labels = read_labels(&truth, z)?;
        for (sum, (_, numbers)) in whole.iter_mut().zip(&groups) {
            let part = Overlap::of(&mask(&labels, numbers), &mask(&true_labels, numbers), None)?;
            sum.prediction += part.prediction;
            sum.truth += part.truth;
            sum.both += part.both;
        }
        Ok(())
    })?;
    let depth = predicted.depth();
    let middle = middle(depth);
    let seen = middle.start.saturating_sub(MARGIN)..(middle.end + MARGIN).min(depth);
    let keep = middle.start - seen.start..middle.end - seen.start;
    let floor = BlurFloor::new(&tomogram.read_slices(seen)?, keep, !bright, job)?;
    let (labels, true_labels) = (predicted.slices(middle.clone())?, read_labels(&truth, middle)?);
    groups
        .into_iter()
        .zip(whole)
        .map(|((class, numbers), whole)| {
            let truth = mask(&true_labels, &numbers);
            Ok(TruthScore {
                class,
                dice: whole.dice(),
                middle: Overlap::of(&mask(&labels, &numbers), &truth, None)?.dice(),
                floor: floor.dice(&truth, None)?.value,
            })
        })
        .collect()
}

fn middle(depth: usize) -> Range<usize> {
    let first = depth.saturating_sub(MIDDLE) / 2;
    first..(first + MIDDLE).min(depth)
}

fn read_labels(volume: &Tomogram, z: Range<usize>) -> Result<Array3<i8>> {
    Ok(volume.read_labels(z)?.mapv(|label| label as i8))
}

fn mask(labels: &Array3<i8>, numbers: &[i8]) -> Array3<bool> {
    labels.mapv(|label| numbers.contains(&label))
}
