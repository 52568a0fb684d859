//! Dynamo tables: white-space separated columns without a header; x, y, z are columns 24-26 (Dynamo wiki, "Table
//! convention"). Dynamo is a MATLAB program: the centre of the first voxel is (1, 1, 1).
//!
//! Written are all 42 columns: tag (1) counts up, aligned (2) is 1, cc (10) is the score, ftype (13) is 0 (no
//! missing wedge is claimed), tomo (20) and otag (31) are 1 and the tag, apix (36) is the voxel size along x.
use std::fmt::Write;

use super::fields::{number, pick_at};
use super::{Pick, PickSet};
use crate::{Error, Result};

const COLUMNS: usize = 42;

pub(super) fn encode(set: &PickSet) -> String {
    let mut text = String::new();
    for (n, pick) in set.picks.iter().enumerate() {
        let [z, y, x] = pick.position;
        for column in 1..=COLUMNS {
            let separator = if column == COLUMNS { '\n' } else { ' ' };
            let _ = match column {
                1 | 31 => write!(text, "{}", n + 1),
                2 | 20 => write!(text, "1"),
                10 => write!(text, "{}", pick.score),
                24 => write!(text, "{:.3}", x + 1.0),
                25 => write!(text, "{:.3}", y + 1.0),
                26 => write!(text, "{:.3}", z + 1.0),
                36 => write!(text, "{:.4}", set.geometry.voxel_angstrom[2]),
                _ => write!(text, "0"),
            };
            text.push(separator);
        }
    }
    text
}

/// The centre of a particle is its position plus the shift (columns 4-6) that alignment gave it.
pub(super) fn decode(text: &str, source: &str) -> Result<Vec<Pick>> {
    let mut picks = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.len() < 26 {
            let detail = format!("line {} has {} columns, must be 26 or more", n + 1, fields.len());
            return Err(Error::format(source, detail));
        }
        let value = |column: usize| number(fields[column - 1], n + 1, source);
        let mut xyz = [0.0; 3];
        for (k, v) in xyz.iter_mut().enumerate() {
            *v = value(24 + k)? + value(4 + k)? - 1.0;
        }
        picks.push(pick_at(xyz, value(10)?, n + 1, source)?);
    }
    Ok(picks)
}
