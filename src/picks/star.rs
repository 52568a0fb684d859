//! RELION 5 particles: Angstrom from the centre of the tomogram.
//!
//! rlnCenteredCoordinateXAngst = (x - nx / 2) * voxel size, x in 0-based voxels. This is what RELION 5 takes back:
//! `TomogramSet::loadTomogram` sets the centre to (w0 / 2, h0 / 2, d0 / 2), halves included, and
//! `ParticleSet::getPosition` adds it (see the threads 3dem/relion#1353 and #1137). RELION's own picker subtracts
//! n / 2 - 1 *unbinned* pixels instead, a difference of one unbinned pixel, below half a voxel in binned tomograms
//! (SBC-Utrecht/pytom-match-pick#250 settles on n / 2 too).
//!
//! rlnCoordinateX/Y/Z (0-based voxels) stand there only where the voxel size is unknown: two positions per
//! particle could contradict each other, and programs differ in the binning they take these columns for.
use std::fmt::Write;

use super::fields::{number, pick_at};
use super::{Pick, PickSet};
use crate::volume::Geometry;
use crate::{Error, Result};

const CENTRED: [&str; 3] = [
    "rlnCenteredCoordinateXAngst",
    "rlnCenteredCoordinateYAngst",
    "rlnCenteredCoordinateZAngst",
];
const PLAIN: [&str; 3] = ["rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"];
const NAME: &str = "rlnTomoName";
const SCORE: &str = "rlnAutopickFigureOfMerit";

pub(super) fn encode(set: &PickSet) -> String {
    let [_, _, pixel] = set.geometry.voxel_angstrom;
    let known = set.geometry.voxel_nm().is_some();
    let mut text = String::from("# version 50001\n\ndata_optics\n\nloop_\n");
    text.push_str("_rlnOpticsGroup #1\n_rlnOpticsGroupName #2\n_rlnImagePixelSize #3\n");
    let _ = writeln!(text, "1 opticsGroup1 {pixel:.4}\n");
    text.push_str("\n# version 50001\n\ndata_particles\n\nloop_\n");
    let columns = if known { CENTRED } else { PLAIN };
    let columns = [NAME, columns[0], columns[1], columns[2], "rlnOpticsGroup", SCORE];
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
        let _ = writeln!(text, "{name} {x:.3} {y:.3} {z:.3} 1 {}", pick.score);
    }
    text.push('\n');
    text
}

fn centred(position: [f64; 3], geometry: &Geometry) -> [f64; 3] {
    std::array::from_fn(|k| (position[k] - geometry.shape[k] as f64 / 2.0) * geometry.voxel_angstrom[k])
}

/// Reads the first loop that holds positions. Where it has particles of several tomograms, only those of `name`.
pub(super) fn decode(text: &str, geometry: &Geometry, name: &str, source: &str) -> Result<Vec<Pick>> {
    let mut loops = loops(text, source)?.into_iter();
    let found = loops.find_map(|table| {
        let columns = |names: [&str; 3]| -> Option<[usize; 3]> {
            let [x, y, z] = names.map(|n| table.column(n));
            Some([x?, y?, z?])
        };
        let centred = columns(CENTRED).map(|c| (c, true));
        centred
            .or_else(|| columns(PLAIN).map(|c| (c, false)))
            .map(|(c, centred)| (table, c, centred))
    });
    let (table, columns, centred) =
        found.ok_or_else(|| Error::format(source, format!("no loop with {}.. or {}..", CENTRED[0], PLAIN[0])))?;
    if centred && geometry.voxel_nm().is_none() {
        return Err(Error::argument(
            "voxel_angstrom",
            0,
            "must be known to read positions in Angstrom",
        ));
    }
    let tomogram = table.column(NAME);
    let several = tomogram.is_some_and(|at| table.rows.iter().any(|(_, row)| row[at] != table.rows[0].1[at]));
    let score = table.column(SCORE);
    let mut picks = Vec::new();
    for (line, row) in &table.rows {
        if several && tomogram.is_some_and(|at| row[at] != name) {
            continue;
        }
        let mut xyz = [0.0; 3];
        for (k, v) in xyz.iter_mut().enumerate() {
            *v = number(&row[columns[k]], *line, source)?;
            if centred {
                *v = *v / geometry.voxel_angstrom[2 - k] + geometry.shape[2 - k] as f64 / 2.0;
            }
        }
        let score = score.map_or(Ok(0.0), |at| number(&row[at], *line, source))?;
        picks.push(pick_at(xyz, score, *line, source)?);
    }
    if picks.is_empty() && !table.rows.is_empty() {
        return Err(Error::format(
            source,
            format!("particles of several tomograms, none of them {name:?}"),
        ));
    }
    Ok(picks)
}

/// One loop of a STAR file.
struct Loop {
    columns: Vec<String>,
    /// Line number and fields; every row has as many fields as there are columns.
    rows: Vec<(usize, Vec<String>)>,
}

impl Loop {
    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }
}

fn loops(text: &str, source: &str) -> Result<Vec<Loop>> {
    let mut loops: Vec<Loop> = Vec::new();
    let mut in_loop = false;
    for (n, line) in text.lines().enumerate() {
        let fields = fields(line);
        let Some(first) = fields.first() else {
            // An empty line ends a loop that has rows.
            in_loop = in_loop && loops.last().is_some_and(|l| l.rows.is_empty());
            continue;
        };
        if first == "loop_" {
            in_loop = true;
            loops.push(Loop {
                columns: Vec::new(),
                rows: Vec::new(),
            });
        } else if first.starts_with("data_") {
            in_loop = false;
        } else if let Some(table) = loops.last_mut().filter(|_| in_loop) {
            if first.starts_with('_') && table.rows.is_empty() {
                table.columns.push(first.trim_start_matches('_').to_owned());
            } else if fields.len() == table.columns.len() {
                table.rows.push((n + 1, fields));
            } else {
                let (found, expected) = (fields.len(), table.columns.len());
                return Err(Error::format(
                    source,
                    format!("line {} has {found} fields, expected {expected}", n + 1),
                ));
            }
        }
    }
    Ok(loops)
}

/// Fields of a line: separated by white space, quoted by ' or ", up to a #.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '#' {
            break;
        }
        let quoted = ['"', '\''].contains(&first);
        let body = if quoted { &rest[1..] } else { rest };
        let end = if quoted {
            body.find(first)
        } else {
            body.find(char::is_whitespace)
        }
        .unwrap_or(body.len());
        fields.push(body[..end].to_owned());
        rest = body[end..].trim_start_matches(|c| quoted && c == first).trim_start();
    }
    fields
}
