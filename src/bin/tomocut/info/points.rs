//! What a coordinate file is.
use std::path::Path;

use serde_json::json;
use tomocut::picks::{is_inside, PickFormat, PickSet};

use super::{significant, Description};
use crate::exit::{Exit, Failure, OrExit};
use crate::picks::{place, Place};

pub fn describe(path: &Path, tomogram: Option<&Path>, name: Option<&str>) -> Result<Description, Failure> {
    let format = PickFormat::of(path).or_exit(Exit::BadInput)?;
    let Place {
        geometry,
        name: file_name,
        warnings,
    } = place(tomogram, None)?;
    let name = name.or(file_name.as_deref()).unwrap_or_default();
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
    warnings.into_iter().for_each(|warning| description.odd(warning));
    let set = match PickSet::read(path, format, &geometry, name) {
        Ok(set) => set,
        Err(tomocut::Error::InvalidArgument { .. }) if tomogram.is_none() => {
            description.odd("positions are in Angstrom: give --tomogram to read them");
            return Ok(description);
        }
        Err(error) => return Err(Failure::of(&error, Exit::BadInput)),
    };
    description.fact("points", set.picks.len());
    if !set.tomogram.is_empty() {
        description.fact("tomogram", set.tomogram.as_str());
    }
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
    // Of unknown extents only the beginning is known.
    let shape = shape.map(|n| if n > 0 { n } else { usize::MAX });
    let outside = set.picks.iter().filter(|pick| !is_inside(pick, shape)).count();
    if outside > 0 {
        if set.geometry.shape.contains(&0) {
            description.odd(format!("{outside} points lie outside of the tomogram"));
        }
        description.fact("outside", json!(outside));
    }
    for warning in &set.warnings {
        description.odd(warning);
    }
    let mut positions: Vec<[u64; 3]> = set.picks.iter().map(|pick| pick.position.map(f64::to_bits)).collect();
    positions.sort_unstable();
    let before = positions.len();
    positions.dedup();
    if positions.len() < before {
        description.odd(format!("{} points stand there twice", before - positions.len()));
    }
}
