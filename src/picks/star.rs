//! RELION 5 particles: Angstrom from the centre of the tomogram.
//!
//! rlnCenteredCoordinateXAngst = (x - nx / 2) * voxel size, x in 0-based voxels. This is what RELION 5 takes back:
//! `TomogramSet::loadTomogram` sets the centre to (w0 / 2, h0 / 2, d0 / 2), halves included, and
//! `ParticleSet::getPosition` adds it (see the threads 3dem/relion#1353 and #1137). RELION's own picker subtracts
//! n / 2 - 1 *unbinned* pixels instead, a difference of one unbinned pixel, below half a voxel in binned tomograms
//! (SBC-Utrecht/pytom-match-pick#250 settles on n / 2 too).
//!
//! A refinement moves a particle by its origin: position = coordinate - A(rot, tilt, psi) * origin, with the angles of
//! rlnTomoSubtomogramRot/Tilt/Psi (`ParticleSet::getPosition`).
//!
//! Written is one block, data_particles: RELION 5's import reads the first block of a file only, and its extraction
//! refuses optics without rlnTomoTiltSeriesPixelSize, which a tomogram does not know; without optics it makes them from
//! its own tomograms. rlnCoordinateX/Y/Z (0-based voxels) stand there only where the voxel size is unknown: two
//! positions per particle could contradict each other, and programs differ in the binning they take these columns for.
use std::fmt::Write;

use super::fields::{known_edges, Line, Reading};
use super::names::{is_name, name_of_file, whose};
use super::star_pixels::Pixels;
use super::star_tables::{tables, Table};
use super::PickSet;
use crate::volume::{is_same_size, Geometry};
use crate::{Error, Result};

const CENTRED: [&str; 3] = [
    "rlnCenteredCoordinateXAngst",
    "rlnCenteredCoordinateYAngst",
    "rlnCenteredCoordinateZAngst",
];
const PLAIN: [&str; 3] = ["rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"];
const NAME: &str = "rlnTomoName";
const FILE_NAME: &str = "rlnMicrographName";
const SCORE: &str = "rlnAutopickFigureOfMerit";
/// Labels of a score: ours and RELION's, pytom-match-pick's.
const SCORES: [&str; 2] = [SCORE, "rlnLCCmax"];
const ORIGIN: [&str; 3] = ["rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst"];
/// Before RELION 3.1.
const ORIGIN_PIXELS: [&str; 3] = ["rlnOriginX", "rlnOriginY", "rlnOriginZ"];
const ANGLES: [&str; 3] = [
    "rlnTomoSubtomogramRot",
    "rlnTomoSubtomogramTilt",
    "rlnTomoSubtomogramPsi",
];

pub(super) fn encode(set: &PickSet) -> String {
    let known = set.geometry.voxel_nm().is_some();
    let mut text = String::from("# version 50001\n\ndata_particles\n\nloop_\n");
    let columns = if known { CENTRED } else { PLAIN };
    let columns = [NAME, columns[0], columns[1], columns[2], SCORE];
    for (n, column) in columns.iter().enumerate() {
        let _ = writeln!(text, "_{column} #{}", n + 1);
    }
    // RELION splits at white space, quoted or not.
    let name: String = set.tomogram.split_whitespace().collect::<Vec<_>>().join("_");
    let name = if name.is_empty() { "tomogram" } else { &name };
    for pick in &set.picks {
        let [z, y, x] = if known {
            centred(pick.position, &set.geometry)
        } else {
            pick.position
        };
        let _ = writeln!(text, "{name} {x:.3} {y:.3} {z:.3} {}", pick.score);
    }
    text.push('\n');
    text
}

fn centred(position: [f64; 3], geometry: &Geometry) -> [f64; 3] {
    std::array::from_fn(|k| (position[k] - geometry.shape[k] as f64 / 2.0) * geometry.voxel_angstrom[k])
}

/// Reads the table that holds positions.
pub(super) fn decode(text: &str, geometry: &Geometry, name: &str, source: &str) -> Result<Reading> {
    let tables = tables(text, source)?;
    let (table, columns, is_centred) = positions(&tables, source)?;
    let edges = match is_centred {
        true => Some(known_edges(geometry, "to read positions in Angstrom")?),
        false => known_edges(geometry, "").ok(),
    };
    let pixels = Pixels::of(table, &tables);
    let shift = Shift::of(table);
    let names = table.column(NAME).or_else(|| table.column(FILE_NAME));
    let named = table.rows.iter().filter_map(|(line, row)| Some((*line, row[names?])));
    let tomogram = whose(named, name, source)?;
    let score = SCORES.iter().find_map(|label| table.column(label));
    let mut reading = Reading {
        has_unit: is_centred,
        ..Reading::default()
    };
    for (n, row) in &table.rows {
        if names.is_some_and(|at| tomogram.as_deref().is_some_and(|name| name != row[at])) {
            continue;
        }
        let line = Line { source, number: *n };
        let mut xyz = [0.0; 3];
        for (v, column) in xyz.iter_mut().zip(columns) {
            *v = line.number(row[column], table.columns[column])?;
        }
        let pixel = match is_centred && !shift.needs_pixels {
            true => None,
            false => pixels.size(row, edges.map(|edges| edges.iter().sum::<f64>() / 3.0), line)?,
        };
        if is_centred {
            for ((v, edge), extent) in xyz.iter_mut().zip(known_edges(geometry, "")?).zip([2, 1, 0]) {
                *v = *v / edge + geometry.shape[extent] as f64 / 2.0;
            }
        } else if let Some((size, label)) = pixel {
            let purpose = format!("to read positions in pixels of {size} A ({label})");
            let edges = known_edges(geometry, &purpose)?;
            // Headers are rounded: pixels of the tomogram's size are its voxels.
            if !edges.iter().all(|edge| is_same_size(size, *edge)) {
                xyz.iter_mut().zip(edges).for_each(|(v, edge)| *v *= size / edge);
            }
            reading.has_unit = true;
        }
        let moved = shift.angstrom(row, pixel.map(|(size, _)| size), line)?;
        if moved != [0.0; 3] {
            let edges = known_edges(geometry, "to apply rlnOriginXAngst")?;
            for ((v, moved), edge) in xyz.iter_mut().zip(moved).zip(edges) {
                *v -= moved / edge;
            }
        }
        let score = score.map_or(Ok(0.0), |at| line.number_or_0(row[at], table.columns[at]))?;
        reading.rows.push(line.pick(xyz, score)?);
    }
    let from_file = names.is_some_and(|at| table.columns[at] == FILE_NAME);
    reading.tomogram = tomogram.map(|name| {
        if from_file {
            name_of_file(&name).to_owned()
        } else {
            name
        }
    });
    reading.tomogram = reading.tomogram.filter(|name| is_name(name));
    Ok(reading)
}

/// The table with positions, their columns, and whether they are centred.
fn positions<'a, 't>(tables: &'a [Table<'t>], source: &str) -> Result<(&'a Table<'t>, [usize; 3], bool)> {
    let columns = |table: &'a Table<'t>| {
        let all = |labels: [&str; 3]| {
            let [x, y, z] = labels.map(|label| table.column(label));
            Some([x?, y?, z?])
        };
        let centred = all(CENTRED).map(|columns| (table, columns, true));
        centred.or_else(|| all(PLAIN).map(|columns| (table, columns, false)))
    };
    let mut with: Vec<_> = tables.iter().filter_map(columns).collect();
    if with.len() > 1 && with.iter().filter(|(table, ..)| table.block == "particles").count() == 1 {
        with.retain(|(table, ..)| table.block == "particles");
    }
    match with[..] {
        [table] => Ok(table),
        [] => {
            let labels: Vec<&str> = tables
                .iter()
                .flat_map(|table| table.columns.iter().copied())
                .take(20)
                .collect();
            let detail = format!(
                "no table with {}.. or {}..; its labels: {}",
                CENTRED[0],
                PLAIN[0],
                labels.join(" ")
            );
            Err(Error::format(source, detail))
        }
        _ => {
            let blocks: Vec<String> = with.iter().map(|(table, ..)| format!("data_{}", table.block)).collect();
            let detail = format!("several tables hold positions, must be one: {}", blocks.join(", "));
            Err(Error::format(source, detail))
        }
    }
}

/// How far a refinement moved particles.
struct Shift {
    /// Columns of the origin along x, y, z.
    origin: [Option<usize>; 3],
    /// Whether they are in pixels, else in Angstrom.
    needs_pixels: bool,
    /// Columns of the angles of the sub-tomogram.
    angles: [Option<usize>; 3],
}

impl Shift {
    fn of(table: &Table) -> Self {
        let columns = |labels: [&str; 3]| labels.map(|label| table.column(label));
        let angstrom = columns(ORIGIN);
        let pixels = columns(ORIGIN_PIXELS);
        let needs_pixels = angstrom.iter().all(Option::is_none) && pixels.iter().any(Option::is_some);
        Self {
            origin: if needs_pixels { pixels } else { angstrom },
            needs_pixels,
            angles: columns(ANGLES),
        }
    }

    /// A(rot, tilt, psi) * origin of a row along x, y, z, in Angstrom.
    fn angstrom(&self, row: &[&str], pixel: Option<f64>, line: Line) -> Result<[f64; 3]> {
        let values = |columns: [Option<usize>; 3], labels: [&str; 3]| -> Result<[f64; 3]> {
            let mut values = [0.0; 3];
            for ((value, column), label) in values.iter_mut().zip(columns).zip(labels) {
                *value = column.map_or(Ok(0.0), |at| line.number(row[at], label))?;
                if !value.is_finite() {
                    return Err(line.refuse(format_args!("{label} is {value}, must be finite")));
                }
            }
            Ok(values)
        };
        let labels = if self.needs_pixels { ORIGIN_PIXELS } else { ORIGIN };
        let mut origin = values(self.origin, labels)?;
        if origin == [0.0; 3] {
            return Ok(origin);
        }
        if self.needs_pixels {
            let unknown = || line.refuse("rlnOriginX is in pixels, and no label says their size");
            let size = pixel.ok_or_else(unknown)?;
            origin = origin.map(|value| value * size);
        }
        if self.angles.iter().all(Option::is_none) {
            return Ok(origin);
        }
        if self.angles.iter().any(Option::is_none) {
            return Err(line.refuse(format_args!(
                "origins cannot be applied without all of {}",
                ANGLES.join(", ")
            )));
        }
        let matrix = rotation(values(self.angles, ANGLES)?);
        Ok(matrix.map(|row| row.iter().zip(origin).map(|(a, v)| a * v).sum()))
    }
}

/// RELION's matrix of the Euler angles rot, tilt and psi in degrees (`Euler_angles2matrix`): Rz(psi) Ry(tilt) Rz(rot),
/// each turning the axes.
fn rotation(angles: [f64; 3]) -> [[f64; 3]; 3] {
    let [(sa, ca), (sb, cb), (sg, cg)] = angles.map(|degrees| degrees.to_radians().sin_cos());
    [
        [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
        [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
        [sb * ca, sb * sa, cb],
    ]
}
