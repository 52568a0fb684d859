//! EMAN2's `info/NAME_info.json`: `boxes_3d`, a list of [x, y, z, method, score, class].
//!
//! Since September 2018 EMAN2 counts in unbinned voxels of `apix_unbin` Angstrom from the middle voxel n / 2 (rounded
//! down), so that binning and clipping do not matter; files written here give the tomogram's own voxel size as
//! `apix_unbin`. Files without it are of the older kind, 0-based voxels; that is also what is written where the voxel
//! size is unknown. `class_list` says the box.
use serde_json::{json, Value};

use super::fields::{known_edges, Line, Reading};
use super::PickSet;
use crate::runtime::without_python_words;
use crate::volume::Geometry;
use crate::{Error, Result};

/// EMAN2's own box where nothing is known of the particle, in voxels.
const BOX: f64 = 64.0;

/// Where EMAN2 counts from, in voxels (z, y, x).
fn middle(geometry: &Geometry) -> [f64; 3] {
    geometry.shape.map(|n| (n / 2) as f64)
}

pub(super) fn encode(set: &PickSet) -> String {
    let voxel_nm = set.geometry.voxel_nm();
    let from = if voxel_nm.is_some() {
        middle(&set.geometry)
    } else {
        [0.0; 3]
    };
    // EMAN2 has one unit for all axes; the edges of one tomogram's voxels hardly differ.
    let apix = set.geometry.voxel_angstrom[2];
    let boxes: Vec<Value> = set
        .picks
        .iter()
        .map(|pick| {
            let [z, y, x]: [f64; 3] = std::array::from_fn(|k| {
                let unit = if voxel_nm.is_some() {
                    set.geometry.voxel_angstrom[k] / apix
                } else {
                    1.0
                };
                (pick.position[k] - from[k]) * unit
            });
            json!([x, y, z, "tomocut", pick.score, 0])
        })
        .collect();
    let largest = set.picks.iter().map(|pick| pick.diameter_nm).fold(0.0, f64::max);
    let side: f64 = match voxel_nm {
        // Half as large again as the particle, and even.
        Some(nm) if largest > 0.0 => (0.75 * largest / nm).ceil() * 2.0,
        _ => BOX,
    };
    // Members in the order of the alphabet, whichever order serde_json keeps: other packages switch it.
    let mut file = serde_json::Map::new();
    if voxel_nm.is_some() {
        file.insert("apix_unbin".into(), json!(apix));
    }
    file.insert("boxes_3d".into(), json!(boxes));
    file.insert(
        "class_list".into(),
        json!({"0": {"boxsize": side as i64, "name": "molecule"}}),
    );
    format!("{:#}\n", Value::Object(file))
}

/// Every class; what the file holds beside the boxes is not looked at.
pub(super) fn decode(text: &str, geometry: &Geometry, source: &str) -> Result<Reading> {
    let file: Value = serde_json::from_slice(&without_python_words(text.as_bytes(), |_| "null".to_owned()))
        .map_err(|e| Error::format(source, format_args!("not JSON: {e}")))?;
    let Some(boxes) = file.get("boxes_3d").and_then(Value::as_array) else {
        return Err(Error::format(source, "has no list boxes_3d"));
    };
    let unbinned = match file.get("apix_unbin") {
        None => None,
        Some(value) => {
            let apix = value.as_f64().filter(|v| *v > 0.0);
            Some(apix.ok_or_else(|| Error::format(source, format_args!("apix_unbin is {value}, must be positive")))?)
        }
    };
    let edges = unbinned
        .map(|_| known_edges(geometry, "to read EMAN2's coordinates"))
        .transpose()?;
    let middle = middle(geometry);
    let mut reading = Reading {
        has_unit: unbinned.is_some(),
        ..Reading::default()
    };
    for (n, row) in boxes.iter().enumerate() {
        let number = |k: usize| row.get(k).and_then(Value::as_f64);
        let [Some(x), Some(y), Some(z)] = [number(0), number(1), number(2)] else {
            let detail = format!("box {} is {row}, must begin with x, y, z", n + 1);
            return Err(Error::format(source, detail));
        };
        let mut xyz = [x, y, z];
        if let (Some(apix), Some(edges)) = (unbinned, edges) {
            for (k, v) in xyz.iter_mut().enumerate() {
                *v = *v * apix / edges[k] + middle[2 - k];
            }
        }
        let line = Line { source, number: n + 1 };
        reading.rows.push(line.pick(xyz, number(4).unwrap_or(0.0))?);
    }
    Ok(reading)
}
