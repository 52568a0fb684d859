//! Every row of a table scored, and rows of one tomogram held against each other.
use std::ops::Range;
use std::path::Path;

use tomocut::runtime::Job;
use tomocut::volume::{Geometry, Tomogram};
use tomocut::{Error, Result};

use super::masks::{MaskFile, MaskScores};
use super::points::{self, Place, PointScores};
use super::rows::{Pair, Row};
use crate::evaluate::arguments::SlabArguments;

/// The scores of one method on one tomogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    pub line: usize,
    pub tomogram: String,
    pub method: String,
    /// Slices of the whole tomogram that are scored.
    pub slices: Range<usize>,
    pub membranes: Option<MaskScores>,
    pub foreground: Option<MaskScores>,
    pub points: Option<PointScores>,
}

/// Errors name the line of the table.
pub fn score_all(table: &Path, rows: &[Row], a: &SlabArguments, job: &Job) -> Result<Vec<Scores>> {
    let mut all: Vec<Scores> = Vec::new();
    for row in rows {
        let of_line = |detail: String| Error::format(table.display(), format!("line {}: {detail}", row.line));
        let scores = score(row, a, job).map_err(|error| match error {
            Error::InvalidArgument { .. } | Error::Format { .. } | Error::Unsupported(_) => of_line(error.to_string()),
            other => other,
        })?;
        let same_tomogram = all.iter().filter(|other| other.tomogram == scores.tomogram);
        for other in same_tomogram {
            if let Some(differs) = difference(&scores, other) {
                let methods = format!("{} (line {})", other.method, other.line);
                return Err(of_line(format!("{differs} than those of {methods}, must be the same")));
            }
        }
        all.push(scores);
    }
    Ok(all)
}

/// What keeps two methods' figures of one tomogram from being compared.
fn difference(a: &Scores, b: &Scores) -> Option<String> {
    if a.slices != b.slices {
        let show = |z: &Range<usize>| format!("{}:{}", z.start, z.end);
        return Some(format!(
            "scores other slices ({}, not {})",
            show(&a.slices),
            show(&b.slices)
        ));
    }
    let masks = [
        ("membranes", &a.membranes, &b.membranes),
        ("foreground", &a.foreground, &b.foreground),
    ];
    for (name, a, b) in masks {
        if let (Some(a), Some(b)) = (a, b) {
            if a.overlap.truth != b.overlap.truth {
                return Some(format!("has another truth of {name}"));
            }
        }
    }
    let truths = |scores: &Scores| scores.points.map(|p| p.by_box.found + p.by_box.missed);
    match truths(a).zip(truths(b)) {
        Some((a, b)) if a != b => Some("has other true points".to_owned()),
        _ => None,
    }
}

fn score(row: &Row, a: &SlabArguments, job: &Job) -> Result<Scores> {
    let open = |path: &Path| Tomogram::open_sized(path, row.voxel_nm.or(a.voxel_nm), job);
    let geometry_of = |path: Option<&Path>| -> Result<Option<Geometry>> {
        path.map(|path| Ok(open(path)?.geometry().clone())).transpose()
    };
    let first = |side: fn(&Pair<MaskFile>) -> &MaskFile| {
        let pair = row.membranes.as_ref().or(row.foreground.as_ref());
        pair.map(|pair| side(pair).path.as_path())
    };
    let predicted = geometry_of(first(|pair| &pair.prediction))?;
    let truth = geometry_of(first(|pair| &pair.truth))?;
    let tomogram = geometry_of(row.volume.as_deref())?;
    let whole = tomogram.as_ref().or(truth.as_ref()).cloned().unwrap_or_default();
    let start = i64::from(whole.start[0]);
    let slices = slices_of(row, a, predicted.as_ref(), &whole)?;
    let known = [tomogram.as_ref(), truth.as_ref(), predicted.as_ref()];
    let in_files = known.into_iter().flatten().find_map(Geometry::voxel_nm);
    let voxel_nm = row.voxel_nm.or(a.voxel_nm).or(in_files).ok_or_else(|| {
        Error::argument(
            "voxel_nm",
            "unknown",
            "must be given by the column: the files do not tell it",
        )
    })?;
    let masks = |pair: &Option<Pair<MaskFile>>| {
        let of = |pair| MaskScores::of(pair, &slices, start, voxel_nm, job);
        pair.as_ref().map(of).transpose()
    };
    // The volume of a truth may be a slab, which does not tell where the tomogram ends.
    let unbounded = Geometry {
        shape: [0; 3],
        voxel_angstrom: [10.0 * voxel_nm; 3],
        ..whole.clone()
    };
    let place = Place {
        geometry: tomogram.as_ref().unwrap_or(&unbounded),
        slices: slices.clone(),
        voxel_nm,
    };
    Ok(Scores {
        line: row.line,
        tomogram: row.tomogram.clone(),
        method: row.method.clone(),
        membranes: masks(&row.membranes)?,
        foreground: masks(&row.foreground)?,
        points: points::score(row, a, &place)?,
        slices,
    })
}

/// The slices of the column, else those of the prediction's volume, else all of the tomogram.
fn slices_of(row: &Row, a: &SlabArguments, predicted: Option<&Geometry>, whole: &Geometry) -> Result<Range<usize>> {
    if let Some(z) = row.z.as_ref().or(a.z.as_ref()) {
        return Ok(z.clone());
    }
    let slices = match predicted {
        Some(volume) => {
            let first = (i64::from(volume.start[0]) - i64::from(whole.start[0])).max(0) as usize;
            first..first + volume.shape[0]
        }
        None => 0..whole.shape[0],
    };
    match slices.is_empty() {
        true => {
            let allowed = "must be given by the column where no volume tells the slices";
            Err(Error::argument("z", "missing", allowed))
        }
        false => Ok(slices),
    }
}
