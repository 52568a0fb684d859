//! DeepETPicker coordinates: no header, one line of white-space separated integers per particle.
//!
//! Written as `x y z`, DeepETPicker's form for one class, in 0-based voxels (spec section 12). Read in all its
//! forms: `x y z`, `class x y z`, and the picker's own output `class x y z score`.
use std::fmt::Write;

use super::fields::{Line, Reading};
use super::PickSet;
use crate::{Error, Result};

pub(super) fn encode(set: &PickSet) -> String {
    let mut text = String::new();
    for pick in &set.picks {
        let [z, y, x] = pick.position.map(|v| v.round() as i64);
        let _ = writeln!(text, "{x}\t{y}\t{z}");
    }
    text
}

pub(super) fn decode(text: &str, source: &str) -> Result<Reading> {
    let mut reading = Reading::default();
    let mut width = None;
    for (n, text) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line = Line { source, number: n + 1 };
        let fields: Vec<f64> = text
            .split_whitespace()
            .zip(1..)
            .map(|(field, column)| line.number(field, &column.to_string()))
            .collect::<Result<_>>()?;
        let (xyz, score) = match fields[..] {
            [x, y, z] | [_, x, y, z] => ([x, y, z], 0.0),
            [_, x, y, z, score] => ([x, y, z], score),
            _ => {
                let detail = format!("line {} has {} columns, must be 3, 4 or 5", n + 1, fields.len());
                return Err(Error::format(source, detail));
            }
        };
        if *width.get_or_insert(fields.len()) != fields.len() {
            let detail = format!("{} columns after lines of {}", fields.len(), width.unwrap_or_default());
            return Err(line.refuse(detail));
        }
        reading.rows.push(line.pick(xyz, score)?);
    }
    Ok(reading)
}
