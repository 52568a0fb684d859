//! CSV: `x,y,z` in 0-based voxels of the whole tomogram, then Angstrom, diameter in nm, score.
use std::fmt::Write;
use std::path::Path;

use super::fields::{number, pick_at};
use super::{Pick, PickSet};
use crate::{Error, Result};

const HEADER: &str = "x,y,z,x_angstrom,y_angstrom,z_angstrom,diameter_nm,score";
/// Names of the position columns: ours, those of simulated sets, those of the slab paper's code.
const POSITIONS: [[&str; 3]; 3] = [
    ["x", "y", "z"],
    ["x_vox", "y_vox", "z_vox"],
    ["x_coord", "y_coord", "z_coord"],
];

/// A position with the integer label that its file gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelledPick {
    /// The pick.
    pub pick: Pick,
    /// Its kind; 0 where the file has no `label` column.
    pub label: i64,
}

pub(super) fn encode(set: &PickSet) -> String {
    let mut text = format!("{HEADER}\n");
    for pick in &set.picks {
        let [z, y, x] = pick.position;
        let angstrom = set.geometry.angstrom(pick.position);
        // An unknown voxel size gives unknown lengths, not zeros.
        let [za, ya, xa]: [f64; 3] = std::array::from_fn(|k| {
            if set.geometry.voxel_angstrom[k] > 0.0 {
                angstrom[k]
            } else {
                f64::NAN
            }
        });
        let (diameter, score) = (pick.diameter_nm, pick.score);
        let _ = writeln!(
            text,
            "{x:.3},{y:.3},{z:.3},{xa:.3},{ya:.3},{za:.3},{diameter:.3},{score}"
        );
    }
    text
}

pub(super) fn decode(text: &str, source: &str) -> Result<Vec<Pick>> {
    Ok(table(text, source)?.into_iter().map(|row| row.pick).collect())
}

/// Reads positions and their labels from a CSV file with the columns `x,y,z`, `x_vox,y_vox,z_vox` or
/// `x_coord,y_coord,z_coord` and, if it likes, `label`, `diameter_nm` and `score`; without a header line the first
/// three columns are x, y, z.
pub fn read_labelled_csv(path: &Path) -> Result<Vec<LabelledPick>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("reading", path, e))?;
    table(&text, &path.display().to_string())
}

fn table(text: &str, source: &str) -> Result<Vec<LabelledPick>> {
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .peekable();
    let Some((_, first)) = lines.peek() else {
        return Ok(Vec::new());
    };
    let names: Vec<String> = first
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_ascii_lowercase())
        .collect();
    let column = |name: &str| names.iter().position(|n| n == name);
    let has_header = names.iter().any(|name| name.parse::<f64>().is_err());
    let mut position = [0, 1, 2];
    if has_header {
        lines.next();
        let found = POSITIONS
            .iter()
            .find_map(|[x, y, z]| Some([column(x)?, column(y)?, column(z)?]));
        position = found.ok_or_else(|| Error::format(source, "no columns x, y, z (or x_vox.., x_coord..)"))?;
    }
    let [label, diameter, score] = ["label", "diameter_nm", "score"].map(column);
    lines
        .map(|(n, line)| {
            let fields: Vec<&str> = line.split(',').collect();
            let value = |at: usize| match fields.get(at) {
                Some(field) => number(field, n + 1, source),
                None => Err(Error::format(
                    source,
                    format!("line {} has {} columns only", n + 1, fields.len()),
                )),
            };
            let optional = |at: Option<usize>| at.map_or(Ok(0.0), value);
            let [x, y, z] = position;
            let mut pick = pick_at([value(x)?, value(y)?, value(z)?], optional(score)?, n + 1, source)?;
            pick.diameter_nm = optional(diameter)?;
            Ok(LabelledPick {
                pick,
                label: optional(label)? as i64,
            })
        })
        .collect()
}
