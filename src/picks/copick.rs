//! copick picks: one JSON file for the picks of one object in one run, by one user (copick's `CopickPicksFile`).
//!
//! A location is in Angstrom from the centre of the tomogram's first voxel, whatever the header's origin; the
//! particle's centre is the location plus the translation of its transformation. Files written here carry the identity
//! as transformation and say that orientations mean nothing. The user is `tomocut`, the session `0` (copick's own for
//! tools), the object `molecule`; copick expects the file at `RUN/Picks/tomocut_0_molecule.json`. Without a known voxel
//! size locations are in voxels, and `unit` says so. `run_name` is the tomogram's.
use serde::{Deserialize, Serialize};

use super::fields::{known_edges, Line, Reading};
use super::names::{is_name, whose};
use super::{Pick, PickSet};
use crate::runtime::without_python_words;
use crate::volume::{is_same_size, Geometry};
use crate::{Error, Result};

const ANGSTROM: &str = "angstrom";
const VOXEL: &str = "voxel";

#[derive(Serialize, Deserialize)]
struct File {
    pickable_object_name: String,
    user_id: String,
    #[serde(deserialize_with = "text_or_number")]
    session_id: String,
    #[serde(default)]
    run_name: Option<String>,
    #[serde(default)]
    voxel_spacing: Option<f64>,
    #[serde(default = "angstrom")]
    unit: String,
    #[serde(default)]
    points: Option<Vec<Point>>,
    #[serde(default)]
    trust_orientation: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct Point {
    location: Location,
    #[serde(default)]
    transformation_: Option<[[f64; 4]; 4]>,
    #[serde(default)]
    instance_id: Option<i64>,
    #[serde(default)]
    score: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Location {
    x: f64,
    y: f64,
    z: f64,
}

const IDENTITY: [[f64; 4]; 4] = [
    [1.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
];

fn angstrom() -> String {
    ANGSTROM.to_owned()
}

/// Sessions are text; older files have the number 0.
fn text_or_number<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(from)? {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    })
}

pub(super) fn encode(set: &PickSet) -> Result<String> {
    let known = set.geometry.voxel_nm().is_some();
    let edge = |axis: usize| if known { set.geometry.voxel_angstrom[axis] } else { 1.0 };
    let point = |pick: &Pick| Point {
        location: Location {
            x: pick.position[2] * edge(2),
            y: pick.position[1] * edge(1),
            z: pick.position[0] * edge(0),
        },
        transformation_: Some(IDENTITY),
        instance_id: Some(0),
        score: Some(pick.score),
    };
    let file = File {
        pickable_object_name: "molecule".into(),
        user_id: "tomocut".into(),
        session_id: "0".into(),
        run_name: Some(set.tomogram.clone()),
        voxel_spacing: known.then(|| edge(2)),
        unit: if known { ANGSTROM } else { VOXEL }.into(),
        points: Some(set.picks.iter().map(point).collect()),
        trust_orientation: Some(false),
    };
    let mut text = serde_json::to_string_pretty(&file).map_err(|e| Error::Internal(format!("copick: {e}")))?;
    text.push('\n');
    Ok(text)
}

pub(super) fn decode(text: &str, geometry: &Geometry, name: &str, source: &str) -> Result<Reading> {
    let file: File = serde_json::from_slice(&without_python_words(text.as_bytes(), |_| "null".to_owned()))
        .map_err(|e| Error::format(source, format_args!("not copick picks: {e}")))?;
    let in_voxels = match file.unit.as_str() {
        ANGSTROM => false,
        VOXEL => true,
        other => {
            let detail = format!("unit is {other:?}, must be {ANGSTROM:?} or {VOXEL:?}");
            return Err(Error::format(source, detail));
        }
    };
    let run = file.run_name.filter(|run| is_name(run));
    let tomogram = whose(run.iter().map(|run| (1, run.as_str())), name, source)?;
    let edges = match in_voxels {
        true => [1.0; 3],
        false => known_edges(geometry, "to read positions in Angstrom")?,
    };
    if let (true, Some(size), Some(nm)) = (in_voxels, file.voxel_spacing, geometry.voxel_nm()) {
        if size > 0.0 && !is_same_size(size, 10.0 * nm) {
            let detail = format!(
                "positions are in voxels of {size} A (voxel_spacing), the tomogram's have {:.4} A",
                10.0 * nm
            );
            return Err(Error::format(source, detail));
        }
    }
    let mut reading = Reading {
        tomogram,
        has_unit: true,
        ..Reading::default()
    };
    for (n, point) in file.points.unwrap_or_default().into_iter().enumerate() {
        let line = Line { source, number: n + 1 };
        let shift = point.transformation_.unwrap_or(IDENTITY);
        let Location { x, y, z } = point.location;
        let mut xyz = [x + shift[0][3], y + shift[1][3], z + shift[2][3]];
        for (v, edge) in xyz.iter_mut().zip(edges) {
            *v /= edge;
        }
        reading.rows.push(line.pick(xyz, point.score.unwrap_or(1.0))?);
    }
    Ok(reading)
}
