//! The network's labels against true ones, with the trivial floor beside them.
use std::ops::Range;
use std::path::Path;

use ndarray::Array3;

use super::groups::groups;
use super::network_labels::NetworkLabels;
use super::state::{PointScore, TruthScore};
use crate::metrics::{mean_slice_dice, BlurFloor, MatchRule, Overlap, PointMatch};
use crate::picks::{Pick, PickFormat, PickSet};
use crate::runtime::{Error, Job, Result};
use crate::volume::Tomogram;

/// Slices in the middle that the floor is measured on, and those on either side that its blur needs.
const MIDDLE: usize = 20;
const MARGIN: usize = 12;

/// Least share of their union that the cubes about a pick and about a molecule have in common.
const LEAST_OVERLAP: f64 = 0.3;

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
    let mut whole = vec![(Overlap::default(), 0.0); groups.len()];
    predicted.each_chunk(job, &mut |z, labels| {
        let slices = z.len() as f64;
        let true_labels = read_labels(&truth, z)?;
        for ((sum, slice_dice), (_, numbers)) in whole.iter_mut().zip(&groups) {
            let (predicted, truth) = (mask(&labels, numbers), mask(&true_labels, numbers));
            let part = Overlap::of(&predicted, &truth, None)?;
            sum.prediction += part.prediction;
            sum.truth += part.truth;
            sum.both += part.both;
            *slice_dice += slices * mean_slice_dice(&predicted, &truth)?;
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
        .map(|((class, numbers), (whole, slice_dice))| {
            let truth = mask(&true_labels, &numbers);
            Ok(TruthScore {
                class,
                dice: whole.dice(),
                per_slice: slice_dice / depth.max(1) as f64,
                middle: Overlap::of(&mask(&labels, &numbers), &truth, None)?.dice(),
                floor: floor.dice(&truth, None)?.value,
            })
        })
        .collect()
}

/// Scores of `picks` with the molecules in the file `path`, all of `diameter_nm`: by cubes of that side that share 0.3
/// of their union (the slab paper's rule), and by centres at most half of it apart. One to one, the better picks first.
///
/// Errors: a file that cannot be read; a voxel size that is unknown.
pub(super) fn point_scores(
    tomogram: &Tomogram,
    path: &Path,
    picks: &[Pick],
    diameter_nm: f64,
) -> Result<Vec<PointScore>> {
    let geometry = tomogram.geometry();
    let Some(voxel_nm) = geometry.voxel_nm() else {
        let allowed = "must be known: molecules are matched by lengths in nm";
        return Err(Error::argument("voxel_nm", "unknown", allowed));
    };
    let truths = PickSet::read(path, PickFormat::of(path)?, geometry, tomogram.name())?.picks;
    let places = |picks: &[Pick]| picks.iter().map(|pick| pick.position).collect::<Vec<_>>();
    let scores: Vec<f64> = picks.iter().map(|pick| pick.score).collect();
    let side = diameter_nm / voxel_nm;
    let rules = [
        (
            format!("cubes of {diameter_nm} nm share {LEAST_OVERLAP} of their union"),
            MatchRule::Box {
                side,
                iou: LEAST_OVERLAP,
            },
        ),
        (
            format!("within {} nm", diameter_nm / 2.0),
            MatchRule::Distance(side / 2.0),
        ),
    ];
    let score = |(rule, matching): (String, MatchRule)| {
        let counts = PointMatch::new(&places(picks), &scores, &places(&truths), matching).detection(false);
        PointScore {
            rule,
            found: counts.found,
            wrong: counts.wrong,
            missed: counts.missed,
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
        }
    };
    Ok(rules.into_iter().map(score).collect())
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
