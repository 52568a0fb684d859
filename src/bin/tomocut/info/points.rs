//! What a coordinate file is.
use std::path::Path;

use serde_json::json;
use tomocut::picks::{PickFormat, PickSet};

use super::{significant, Description};
use crate::exit::{Exit, Failure, OrExit};
use crate::picks::place;

pub fn describe(path: &Path, tomogram: Option<&Path>) -> Result<Description, Failure> {
    let format = PickFormat::of(path).or_exit(Exit::BadInput)?;
    let (geometry, name) = place(tomogram, None)?;
    let program = match format {
        PickFormat::Csv => "comma-separated values",
        PickFormat::Star => "RELION 5",
        PickFormat::Dynamo => "Dynamo",
        PickFormat::Imod => "IMOD",
        PickFormat::Coords => "DeepETPicker",
        PickFormat::Copick => "copick",
        PickFormat::Eman2 => "EMAN2",
    };
    let mut description = Description::new(format!("coordinates, {program}"));
    let set = match PickSet::read(path, format, &geometry, name.as_deref().unwrap_or_default()) {
        Ok(set) => set,
        Err(tomocut::Error::InvalidArgument { .. }) if tomogram.is_none() => {
            description.odd("positions are in Angstrom: give --tomogram to read them");
            return Ok(description);
        }
        Err(error) => return Err(Failure::of(&error, Exit::BadInput)),
    };
    description.fact("points", set.picks.len());
    for (axis, name) in [(2, "x"), (1, "y"), (0, "z")] {
        range(&mut description, name, set.picks.iter().map(|pick| pick.position[axis]));
    }
    range(
        &mut description,
        "diameter_nm",
        set.picks.iter().map(|pick| pick.diameter_nm),
    );
    range(&mut description, "score", set.picks.iter().map(|pick| pick.score));
    odd(&set, &mut description);
    Ok(description)
}

/// Least and largest, unless all are zero.
fn range(description: &mut Description, name: &str, values: impl Iterator<Item = f64>) {
    let limits = values.fold(None, |limits: Option<(f64, f64)>, value| match limits {
        None => Some((value, value)),
        Some((least, most)) => Some((least.min(value), most.max(value))),
    });
    match limits {
        Some((least, most)) if (least, most) != (0.0, 0.0) => {
            description.fact(name, format!("{} to {}", significant(least), significant(most)));
        }
        _ => {}
    }
}

fn odd(set: &PickSet, description: &mut Description) {
    if set.picks.is_empty() {
        description.odd("the file holds no point");
    }
    let shape = set.geometry.shape;
    let is_outside = |position: &[f64; 3]| {
        let beyond = |axis: usize| shape[axis] > 0 && position[axis] > shape[axis] as f64 - 0.5;
        (0..3).any(|axis| position[axis] < -0.5 || beyond(axis))
    };
    let outside = set.picks.iter().filter(|pick| is_outside(&pick.position)).count();
    if outside > 0 {
        description.odd(format!("{outside} points lie outside of the tomogram"));
        description.fact("outside", json!(outside));
    }
    let mut positions: Vec<[u64; 3]> = set.picks.iter().map(|pick| pick.position.map(f64::to_bits)).collect();
    positions.sort_unstable();
    let before = positions.len();
    positions.dedup();
    if positions.len() < before {
        description.odd(format!("{} points stand there twice", before - positions.len()));
    }
}
