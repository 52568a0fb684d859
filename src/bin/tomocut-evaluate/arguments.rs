//! The command line.
use std::path::PathBuf;

use lexopt::prelude::*;

pub const HELP: &str = "\
tomocut-evaluate --labels FILE --truth-labels FILE [options]
tomocut-evaluate --points FILE --truth-points FILE --diameter-nm D [options]

Prints how well a segmented slab agrees with the truth and, with --tomogram, what
a Gaussian blur with a threshold and Laplacian-of-Gaussian peaks reach on the same slices.

Predictions
  --labels FILE            label volume of the slab: 0 background, 1 membrane, 2 molecule
  --score FILE             score volume of the slab
  --points FILE            molecule positions (.csv, .star, .tbl, .mod, .coords)
Truth, of the whole tomogram or of the same slab
  --truth-labels FILE      label volume; every label above 0 is foreground
  --label-table FILE       CSV with the columns label,class: membrane, particle, membrane_protein
  --membrane-labels A,B    labels that are membrane (instead of the table)
  --molecule-labels A,B    labels that are molecules (instead of the table)
  --truth-points FILE      positions: x,y,z or x_vox,y_vox,z_vox in 0-based voxels of the whole tomogram
  --truth-point-label A,B  only the points with these labels
Matching and floors
  --tomogram FILE          the tomogram: its voxel size counts, and the floors come from it
  --bright                 structures are brighter than their surroundings
  --diameter-nm D          diameter of the molecules
  --match-nm R             largest distance of a hit (default: half the diameter)
  --z A:B                  slices of the tomogram to score, where no label volume tells them
  --json                   print JSON
Both volumes are placed by NZSTART. Exit codes: 0 done, 1 a file is unfit, 2 wrong usage.
";

#[derive(Debug, Default)]
pub struct Arguments {
    pub labels: Option<PathBuf>,
    pub score: Option<PathBuf>,
    pub points: Option<PathBuf>,
    pub tomogram: Option<PathBuf>,
    pub truth_labels: Option<PathBuf>,
    pub label_table: Option<PathBuf>,
    pub membrane_labels: Option<Vec<i64>>,
    pub molecule_labels: Option<Vec<i64>>,
    pub truth_points: Option<PathBuf>,
    pub truth_point_labels: Option<Vec<i64>>,
    pub bright: bool,
    pub diameter_nm: Option<f64>,
    pub match_nm: Option<f64>,
    pub z: Option<std::ops::Range<usize>>,
    pub json: bool,
}

/// `None` where help is asked for.
pub fn parse() -> Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut a = Arguments::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("labels") => a.labels = Some(parser.value()?.into()),
            Long("score") => a.score = Some(parser.value()?.into()),
            Long("points") => a.points = Some(parser.value()?.into()),
            Long("tomogram") => a.tomogram = Some(parser.value()?.into()),
            Long("truth-labels") => a.truth_labels = Some(parser.value()?.into()),
            Long("label-table") => a.label_table = Some(parser.value()?.into()),
            Long("truth-points") => a.truth_points = Some(parser.value()?.into()),
            Long("membrane-labels") => a.membrane_labels = Some(parser.value()?.parse_with(list)?),
            Long("molecule-labels") => a.molecule_labels = Some(parser.value()?.parse_with(list)?),
            Long("truth-point-label") => a.truth_point_labels = Some(parser.value()?.parse_with(list)?),
            Long("bright") => a.bright = true,
            Long("diameter-nm") => a.diameter_nm = Some(parser.value()?.parse_with(length)?),
            Long("match-nm") => a.match_nm = Some(parser.value()?.parse_with(length)?),
            Long("z") => a.z = Some(parser.value()?.parse_with(range)?),
            Long("json") => a.json = true,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    if a.labels.is_none() && a.points.is_none() {
        return Err("neither --labels nor --points is given".into());
    }
    if a.labels.is_some() && a.truth_labels.is_none() && a.points.is_none() {
        return Err("--labels needs --truth-labels".into());
    }
    if a.points.is_some() && a.truth_points.is_none() && a.labels.is_none() {
        return Err("--points needs --truth-points".into());
    }
    if a.truth_points.is_some() && a.diameter_nm.is_none() && a.match_nm.is_none() {
        return Err("--truth-points needs --diameter-nm or --match-nm".into());
    }
    Ok(Some(a))
}

fn list(text: &str) -> Result<Vec<i64>, std::num::ParseIntError> {
    text.split(',').map(|item| item.trim().parse()).collect()
}

fn length(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "must be a number of nanometres".to_owned())?;
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err("must be a positive number of nanometres".to_owned())
    }
}

fn range(text: &str) -> Result<std::ops::Range<usize>, String> {
    let parse = || {
        let (a, b) = text.split_once(':')?;
        Some(a.parse().ok()?..b.parse().ok()?)
    };
    parse().ok_or_else(|| "must be A:B".to_owned())
}
