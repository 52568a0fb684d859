//! Picks of one tomogram against true positions, by overlap of boxes and by distance.
use std::path::Path;

use tomocut::metrics::{Detection, MatchRule, PointMatch};
use tomocut::picks::{PickFormat, PickSet};
use tomocut::volume::Geometry;
use tomocut::{Error, Result};

use super::rows::Row;
use crate::evaluate::arguments::{Reach, SlabArguments};
use crate::evaluate::points::read_truths;

/// Right, wrong and missed picks by both rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointScores {
    pub by_box: Detection,
    pub by_distance: Detection,
}

/// Where points lie.
pub struct Place<'a> {
    /// Of the whole tomogram; without extents where its file is not given.
    pub geometry: &'a Geometry,
    pub slices: std::ops::Range<usize>,
    pub voxel_nm: f64,
}

/// None where the row has no points.
pub fn score(row: &Row, a: &SlabArguments, place: &Place) -> Result<Option<PointScores>> {
    let Some(pair) = &row.points else { return Ok(None) };
    let diameter = row.diameter_nm.or(a.diameter_nm).ok_or_else(|| {
        let allowed = "must be given by the column or by --diameter-nm where points are scored";
        Error::argument("diameter_nm", "missing", allowed)
    })?;
    let side = diameter / place.voxel_nm;
    let reach = match a.reach() {
        Some(Reach::Voxels(voxels)) => voxels,
        Some(Reach::Nanometres(nm)) => nm / place.voxel_nm,
        None => side / 2.0,
    };
    let inside = |position: &[f64; 3]| {
        position[0] >= place.slices.start as f64 - 0.5 && position[0] < place.slices.end as f64 - 0.5
    };
    let mut truths = match PickFormat::of(&pair.truth)? {
        PickFormat::Csv => {
            let label = row.point_label.map(|label| [label]);
            read_truths(
                &pair.truth,
                label.as_ref().map(|l| &l[..]),
                place.geometry,
                &row.tomogram,
            )?
        }
        _ => read_picks(&pair.truth, place, &row.tomogram)?
            .into_iter()
            .map(|(p, _)| p)
            .collect(),
    };
    truths.retain(inside);
    let mut picks = read_picks(&pair.prediction, place, &row.tomogram)?;
    picks.retain(|(position, _)| inside(position));
    let (positions, scores): (Vec<[f64; 3]>, Vec<f64>) = picks.into_iter().unzip();
    let detection = |rule| PointMatch::new(&positions, &scores, &truths, rule).detection(false);
    Ok(Some(PointScores {
        by_box: detection(MatchRule::Box { side, iou: a.box_iou }),
        by_distance: detection(MatchRule::Distance(reach)),
    }))
}

/// Positions and scores.
fn read_picks(path: &Path, place: &Place, name: &str) -> Result<Vec<([f64; 3], f64)>> {
    let format = PickFormat::of(path)?;
    let counts_from_the_middle = matches!(format, PickFormat::Star | PickFormat::Eman2);
    if counts_from_the_middle && place.geometry.shape.contains(&0) {
        let allowed = "must be the tomogram's file: positions of .star and EMAN2 count from its middle";
        return Err(Error::argument("tomogram", name, allowed));
    }
    let set = PickSet::read(path, format, place.geometry, name)?;
    set.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    Ok(set.picks.iter().map(|pick| (pick.position, pick.score)).collect())
}
