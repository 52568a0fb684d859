//! DeepETPicker coordinates: no header, one line of white-space separated integers per particle.
//!
//! Written as `x y z`, DeepETPicker's form for one class, in 0-based voxels (spec section 12). Read in all its
//! forms: `x y z`, `class x y z`, and the picker's own output `class x y z score`.
use std::fmt::Write;

use super::fields::{number, pick_at};
use super::{Pick, PickSet};
use crate::{Error, Result};

pub(super) fn encode(set: &PickSet) -> String {
    let mut text = String::new();
    for pick in &set.picks {
        let [z, y, x] = pick.position.map(|v| v.round() as i64);
        let _ = writeln!(text, "{x}\t{y}\t{z}");
    }
    text
}

pub(super) fn decode(text: &str, source: &str) -> Result<Vec<Pick>> {
    let mut picks = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<f64> = line
            .split_whitespace()
            .map(|f| number(f, n + 1, source))
            .collect::<Result<_>>()?;
        let (xyz, score) = match fields[..] {
            [x, y, z] | [_, x, y, z] => ([x, y, z], 0.0),
            [_, x, y, z, score] => ([x, y, z], score),
            _ => {
                let detail = format!("line {} has {} columns, must be 3, 4 or 5", n + 1, fields.len());
                return Err(Error::format(source, detail));
            }
        };
        picks.push(pick_at(xyz, score, n + 1, source)?);
    }
    Ok(picks)
}
