//! Picks against true positions: one to one, by distance and by overlap of boxes.
use std::path::Path;

use tomocut::metrics::{blob_peaks, MatchRule, Peak, PickRanking, PointMatch};
use tomocut::picks::{read_labelled_csv_of, Pick, PickFormat, PickSet};
use tomocut::runtime::Job;
use tomocut::volume::{Geometry, Tomogram};
use tomocut::{Error, Result};

use crate::evaluate::arguments::{Reach, SlabArguments};
use crate::evaluate::inputs::Inputs;
use crate::evaluate::report::{AtPicks, BoxMatched, Figure, Matched, Points};

/// Peaks of the floor's average precision, for every truth.
const FLOOR_PEAKS: usize = 10;

pub struct PointScores {
    pub report: Points,
    pub evidence: Evidence,
}

/// What curves and pictures need.
pub struct Evidence {
    /// True positions (z, y, x) in voxels of the tomogram.
    pub truths: Vec<[f64; 3]>,
    /// The picks, best first.
    pub picks: Vec<Pick>,
    /// Which pick found which truth, by distance.
    pub matched: PointMatch,
    pub rankings: Rankings,
    /// Diameter of the molecules in voxels.
    pub diameter: f64,
}

/// Rankings by distance and, where the diameter is known, by box; of the picks and of the floor's peaks.
pub struct Rankings {
    pub distance: PickRanking,
    pub floor: Option<PickRanking>,
    pub boxes: Option<PickRanking>,
}

/// `None` where points or truth are missing.
pub fn score(a: &SlabArguments, inputs: &Inputs, job: &Job) -> Result<Option<PointScores>> {
    let (Some(points), Some(truth)) = (&a.points, &a.truth_points) else {
        return Ok(None);
    };
    let geometry = inputs
        .geometry
        .as_ref()
        .ok_or_else(|| Error::argument("tomogram", "missing", "must be given for points"))?;
    let voxel_nm = geometry.voxel_nm();
    let in_voxels = |nm: f64| match voxel_nm {
        Some(edge) => Ok(nm / edge),
        None => Err(Error::format("tomogram", "its voxel size is unknown")),
    };
    let diameter = a.diameter_nm.map(in_voxels).transpose()?;
    let reach = match (a.reach(), diameter) {
        (Some(Reach::Voxels(voxels)), _) => voxels,
        (Some(Reach::Nanometres(nm)), _) => in_voxels(nm)?,
        (None, diameter) => diameter.unwrap_or(0.0) / 2.0,
    };

    let inside = |z: f64| z >= inputs.slices.start as f64 - 0.5 && z < inputs.slices.end as f64 - 0.5;
    // The volume of a slab does not tell where the tomogram ends.
    let mut unbounded = geometry.clone();
    unbounded.shape = [0; 3];
    let ends = if a.tomogram.is_some() { geometry } else { &unbounded };
    let name = match (&a.tomogram_name, &a.tomogram) {
        (Some(name), _) => name.clone(),
        (None, Some(tomogram)) => Tomogram::name_of(tomogram),
        (None, None) => String::new(),
    };
    let truths = read_truths(truth, a.truth_point_labels.as_deref(), ends, &name)?;
    let truths: Vec<[f64; 3]> = truths.into_iter().filter(|position| inside(position[0])).collect();
    let format = PickFormat::of(points)?;
    // These count from the middle.
    let place = match format {
        PickFormat::Star | PickFormat::Eman2 => geometry,
        _ => ends,
    };
    let set = PickSet::read(points, format, place, &name)?;
    set.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    let mut picks = set.picks;
    picks.retain(|pick| inside(pick.position[0]));
    picks.sort_by(|a, b| b.score.total_cmp(&a.score));

    let asked = a.at_picks.iter().copied().max().unwrap_or(0);
    let most = picks.len().max(FLOOR_PEAKS * truths.len()).max(asked);
    let peaks = blobs(inputs, diameter.unwrap_or(2.0 * reach), !a.bright, most, job)?;
    let scored = |pick: &Pick| Peak {
        position: pick.position,
        score: pick.score,
    };
    let predicted: Vec<Peak> = picks.iter().map(scored).collect();
    let rule = MatchRule::Distance(reach);
    let distance = rank(&predicted, &truths, rule);
    let floor = peaks.as_ref().map(|peaks| rank(peaks, &truths, rule));
    let by_distance = figures(&distance, floor.as_ref(), truths.len(), &a.at_picks);
    let by_box = diameter.map(|side| {
        let rule = MatchRule::Box { side, iou: a.box_iou };
        let ranking = rank(&predicted, &truths, rule);
        let floor = peaks.as_ref().map(|peaks| rank(peaks, &truths, rule));
        let matched = BoxMatched {
            iou: a.box_iou,
            side_voxels: side,
            matched: figures(&ranking, floor.as_ref(), truths.len(), &a.at_picks),
        };
        (matched, ranking)
    });
    let (by_box, boxes) = by_box.map_or((None, None), |(matched, ranking)| (Some(matched), Some(ranking)));
    let positions: Vec<[f64; 3]> = picks.iter().map(|p| p.position).collect();
    Ok(Some(PointScores {
        report: Points {
            match_nm: voxel_nm.map(|edge| reach * edge),
            match_voxels: reach,
            truths: truths.len(),
            predictions: picks.len(),
            by_distance,
            by_box,
        },
        evidence: Evidence {
            matched: PointMatch::new(&positions, &[], &truths, rule),
            truths,
            picks,
            rankings: Rankings { distance, floor, boxes },
            diameter: diameter.unwrap_or(2.0 * reach),
        },
    }))
}

/// True positions of the tomogram `name` out of a CSV file; with `labels`, only those of these labels.
pub fn read_truths(path: &Path, labels: Option<&[i64]>, geometry: &Geometry, name: &str) -> Result<Vec<[f64; 3]>> {
    let (rows, warnings) = read_labelled_csv_of(path, geometry, name)?;
    warnings
        .iter()
        .for_each(|warning| eprintln!("warning: {}: {warning}", path.display()));
    let selects = |label: i64| labels.is_none_or(|labels| labels.contains(&label));
    let wanted = rows.iter().filter(|row| selects(row.label));
    Ok(wanted.map(|row| row.pick.position).collect())
}

/// The floor's peaks in voxels of the tomogram with their heights, best first.
fn blobs(inputs: &Inputs, diameter: f64, dark: bool, count: usize, job: &Job) -> Result<Option<Vec<Peak>>> {
    let Some(tomogram) = &inputs.tomogram else {
        return Ok(None);
    };
    let shift = inputs.slices.start as f64 - tomogram.keep.start as f64;
    let mut peaks = blob_peaks(&tomogram.voxels, tomogram.keep.clone(), diameter, dark, count, job)?;
    peaks.iter_mut().for_each(|peak| peak.position[0] += shift);
    Ok(Some(peaks))
}

fn rank(picks: &[Peak], truths: &[[f64; 3]], rule: MatchRule) -> PickRanking {
    let (positions, scores): (Vec<_>, Vec<_>) = picks.iter().map(|pick| (pick.position, pick.score)).unzip();
    PickRanking::new(&positions, &scores, truths, rule)
}

fn figures(picks: &PickRanking, floor: Option<&PickRanking>, truths: usize, at_picks: &[usize]) -> Matched {
    let floor_at = |count: usize| floor.map(|floor| floor.at(count).into());
    Matched {
        prediction: picks.at(picks.picks()).into(),
        prediction_at_truths: picks.at(truths).into(),
        floor: floor_at(picks.picks()),
        floor_at_truths: floor_at(truths),
        average_precision: Figure {
            value: picks.average_precision(),
            floor: floor.and_then(|floor| floor.first(FLOOR_PEAKS * truths).average_precision()),
            floor_sigma: None,
        },
        at_picks: at_picks
            .iter()
            .map(|&count| AtPicks {
                picks: count,
                prediction: picks.at(count).into(),
                floor: floor_at(count),
            })
            .collect(),
    }
}
