//! CSV: `x,y,z` in 0-based voxels of the whole tomogram, then Angstrom, diameter in nm, score and the tomogram's name.
//! Read are also the tables of spreadsheets, napari, scikit-image and of public data sets.
use std::fmt::Write;
use std::path::Path;

use super::csv_columns::{Columns, Unit};
use super::csv_lines::{records, Records};
use super::fields::{known_edges, text, Line, Reading};
use super::names::{is_name, whose};
use super::place;
use super::{Pick, PickSet};
use crate::volume::{is_same_size, Geometry};
use crate::Result;

const HEADER: &str = "x,y,z,x_angstrom,y_angstrom,z_angstrom,diameter_nm,score,tomogram";

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
    // An unknown voxel size leaves lengths empty.
    let is_known = set.geometry.voxel_nm().is_some();
    let name = match set.tomogram.as_str() {
        name if !is_name(name) => String::new(),
        name if name.contains([',', '"', ';', '\n', '\r']) => {
            format!("\"{}\"", name.replace(['\n', '\r'], " ").replace('"', "\"\""))
        }
        name => name.to_owned(),
    };
    for pick in &set.picks {
        let [z, y, x] = pick.position;
        let _ = write!(text, "{x:.3},{y:.3},{z:.3},");
        let _ = match set.geometry.angstrom(pick.position) {
            [z, y, x] if is_known => write!(text, "{x:.3},{y:.3},{z:.3},"),
            _ => write!(text, ",,,"),
        };
        let _ = writeln!(text, "{:.3},{},{name}", pick.diameter_nm, pick.score);
    }
    text
}

pub(super) fn decode(text: &str, geometry: &Geometry, name: &str, source: &str) -> Result<Reading> {
    Ok(table(text, false, geometry, name, source)?.0)
}

/// Reads positions and their labels from a CSV file with the columns `x,y,z`, `x_vox,y_vox,z_vox` or
/// `x_coord,y_coord,z_coord` and, if it likes, `label`, `diameter_nm` and `score`; without a header line the first
/// three columns are x, y, z. The file is of one tomogram whose extents are not known.
pub fn read_labelled_csv(path: &Path) -> Result<Vec<LabelledPick>> {
    Ok(read_labelled_csv_of(path, &Geometry::default(), "")?.0)
}

/// As [`read_labelled_csv`], for the tomogram `name` with this `geometry`; with what a user should know of the file.
///
/// # Errors
/// As [`PickSet::read`].
pub fn read_labelled_csv_of(path: &Path, geometry: &Geometry, name: &str) -> Result<(Vec<LabelledPick>, Vec<String>)> {
    let source = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| crate::Error::io("reading", path, e))?;
    let content = text(&bytes, &source)?;
    let (mut reading, labels) = table(&content, true, geometry, name, &source)?;
    place::check(&mut reading, geometry, &source)?;
    let labelled = reading
        .rows
        .into_iter()
        .zip(labels)
        .map(|((_, pick), label)| LabelledPick { pick, label });
    Ok((labelled.collect(), reading.warnings))
}

/// The picks of a table and their labels, 0 where those are not wanted: they need not be numbers then.
fn table(text: &str, with_labels: bool, geometry: &Geometry, name: &str, source: &str) -> Result<(Reading, Vec<i64>)> {
    let records = records(text, source)?;
    let number = |field: &str| field.replace(',', ".").parse::<f64>().is_ok();
    let is_header = |names: &[String]| names.iter().any(|name| !name.is_empty() && !number(name));
    let commented = records.comment.as_ref().filter(|(_, names)| Columns::is_header(names));
    let (columns, names, rows) = match (&records.rows[..], commented) {
        ([], _) => return Ok((Reading::default(), Vec::new())),
        ([(_, names), rows @ ..], _) if is_header(names) => (Columns::named(names, source)?, Some(names), rows),
        (rows, Some((_, names))) => (Columns::named(names, source)?, Some(names), rows),
        (rows, None) => {
            check_unnamed(rows, source)?;
            (Columns::unnamed(), None, rows)
        }
    };
    let columns = Columns {
        label: columns.label.filter(|_| with_labels),
        ..columns
    };
    let table = Table {
        columns,
        names,
        rows,
        has_decimal_commas: false,
        source,
    };
    table.with_decimal_commas(&records)?.read(geometry, name)
}

/// Without a header a first column that counts the lines may be an index: two meanings.
fn check_unnamed(rows: &[(usize, Vec<String>)], source: &str) -> Result<()> {
    let is_counting = |first: f64| {
        rows.len() > 1
            && rows
                .iter()
                .enumerate()
                .all(|(n, (_, row))| row.len() > 3 && row[0].parse() == Ok(first + n as f64))
    };
    if is_counting(0.0) || is_counting(1.0) {
        let line = Line {
            source,
            number: rows[0].0,
        };
        return Err(line.refuse("column 1 counts the lines and there is no header: name the columns x, y, z"));
    }
    Ok(())
}

struct Table<'a> {
    columns: Columns,
    /// Names of the columns, where there is a header.
    names: Option<&'a Vec<String>>,
    rows: &'a [(usize, Vec<String>)],
    has_decimal_commas: bool,
    source: &'a str,
}

impl Table<'_> {
    fn line(&self, number: usize) -> Line<'_> {
        Line {
            source: self.source,
            number,
        }
    }

    /// Columns of numbers.
    fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        let Columns {
            xyz,
            angstrom,
            label,
            diameter,
            score,
            ..
        } = &self.columns;
        let others = [*label, *diameter, *score];
        xyz.iter()
            .copied()
            .chain(angstrom.iter().flatten().copied())
            .chain(others.into_iter().flatten())
    }

    fn column_name(&self, column: usize) -> String {
        let name = self.names.and_then(|names| names.get(column));
        name.cloned().unwrap_or_else(|| (column + 1).to_string())
    }

    /// Finds whether numbers have decimal commas; both commas and points are two meanings.
    fn with_decimal_commas(mut self, records: &Records) -> Result<Self> {
        if !records.may_have_decimal_commas {
            return Ok(self);
        }
        let mut with = [None, None];
        for (line, row) in self.rows {
            for column in self.numbers() {
                for (place, sign) in with.iter_mut().zip([',', '.']) {
                    if row.get(column).is_some_and(|field| field.contains(sign)) {
                        *place = place.or(Some((*line, column)));
                    }
                }
            }
        }
        if let [Some((line, column)), Some((other, _))] = with {
            let name = self.column_name(column);
            let detail = format!("a number with a comma (column {name}), line {other} has one with a point");
            return Err(self.line(line).refuse(detail));
        }
        self.has_decimal_commas = with[0].is_some();
        Ok(self)
    }

    fn field<'r>(&self, row: &'r [String], column: usize, line: Line) -> Result<&'r str> {
        let detail = || format!("line {} has {} columns only", line.number, row.len());
        let field = row
            .get(column)
            .ok_or_else(|| crate::Error::format(self.source, detail()))?;
        Ok(field)
    }

    fn number(&self, row: &[String], column: usize, line: Line) -> Result<f64> {
        let field = self.field(row, column, line)?;
        let name = self.column_name(column);
        match self.has_decimal_commas {
            true => line.number(&field.replace(',', "."), &name),
            false => line.number(field, &name),
        }
    }

    /// The number of a column that need not be there, 0 where it is empty.
    fn optional(&self, row: &[String], column: Option<usize>, line: Line) -> Result<f64> {
        let Some(column) = column else { return Ok(0.0) };
        let field = self.field(row, column, line)?;
        let field = if self.has_decimal_commas {
            field.replace(',', ".")
        } else {
            field.to_owned()
        };
        line.number_or_0(&field, &self.column_name(column))
    }

    fn read(&self, geometry: &Geometry, name: &str) -> Result<(Reading, Vec<i64>)> {
        let width = self
            .names
            .map_or_else(|| self.rows.first().map_or(0, |(_, row)| row.len()), Vec::len);
        let named = |(line, row): &'_ (usize, Vec<String>)| -> Option<(usize, String)> {
            Some((*line, row.get(self.columns.tomogram?)?.clone()))
        };
        let names: Vec<(usize, String)> = self.rows.iter().filter_map(named).collect();
        let tomogram = whose(
            names.iter().map(|(line, name)| (*line, name.as_str())),
            name,
            self.source,
        )?;
        let mut reading = Reading {
            has_unit: !matches!(self.columns.unit, Unit::Unsaid) || self.columns.angstrom.is_some(),
            ..Reading::default()
        };
        let mut labels = Vec::new();
        let mut lengths = Vec::new();
        for (n, row) in self.rows {
            let line = self.line(*n);
            if row.len() > width && row[width..].iter().any(|field| !field.is_empty()) {
                return Err(line.refuse(format_args!("{} columns, must be {width}", row.len())));
            }
            let own = self.columns.tomogram.and_then(|column| row.get(column));
            if own.is_some() && tomogram.is_some() && own != tomogram.as_ref() {
                continue;
            }
            let numbers = |columns: [usize; 3]| -> Result<[f64; 3]> {
                let [x, y, z] = columns;
                Ok([
                    self.number(row, x, line)?,
                    self.number(row, y, line)?,
                    self.number(row, z, line)?,
                ])
            };
            let mut xyz = numbers(self.columns.xyz)?;
            let angstrom = match self.unit(row, line)? {
                Unit::Angstrom => Some(1.0),
                Unit::Nanometre => Some(10.0),
                Unit::Voxel | Unit::Unsaid => None,
            };
            if let Some(unit) = angstrom {
                let edges = known_edges(geometry, "to read positions in Angstrom or nm")?;
                xyz.iter_mut().zip(edges).for_each(|(v, edge)| *v *= unit / edge);
            }
            if let Some(columns) = self.columns.angstrom {
                if columns
                    .iter()
                    .all(|column| row.get(*column).is_some_and(|field| !field.is_empty()))
                {
                    lengths.push((xyz, numbers(columns)?));
                }
            }
            let (number, mut pick) = line.pick(xyz, self.optional(row, self.columns.score, line)?)?;
            pick.diameter_nm = self.optional(row, self.columns.diameter, line)?;
            let label = self.optional(row, self.columns.label, line)?;
            if label.fract() != 0.0 {
                return Err(line.refuse(format_args!("label is {label}, must be a whole number")));
            }
            reading.rows.push((number, pick));
            labels.push(label as i64);
        }
        self.check_lengths(&lengths, geometry)?;
        reading.tomogram = tomogram.filter(|name| is_name(name));
        Ok((reading, labels))
    }

    /// What a row's position counts in.
    fn unit(&self, row: &[String], line: Line) -> Result<Unit> {
        let Some(column) = self.columns.units else {
            return Ok(self.columns.unit);
        };
        let word = self.field(row, column, line)?;
        let refused = || line.refuse(format_args!("unit is {word:?}, must be voxel, angstrom or nm"));
        Unit::of(word).ok_or_else(refused)
    }

    /// Refuses a file whose Angstrom are those of voxels of another size: its two positions contradict each other.
    fn check_lengths(&self, lengths: &[([f64; 3], [f64; 3])], geometry: &Geometry) -> Result<()> {
        if geometry.voxel_nm().is_none() {
            return Ok(());
        }
        for (axis, edge) in [
            (0, geometry.voxel_angstrom[2]),
            (1, geometry.voxel_angstrom[1]),
            (2, geometry.voxel_angstrom[0]),
        ] {
            let add = |(a, b): (f64, f64), l: &([f64; 3], [f64; 3])| (a + l.0[axis].abs(), b + l.1[axis].abs());
            let (voxels, angstrom) = lengths.iter().fold((0.0, 0.0), add);
            // Zeros say nothing; 1 A is what a header holds that knows no size.
            let stated = angstrom / voxels;
            if voxels < 1.0 || !stated.is_finite() || is_same_size(stated, 1.0) || is_same_size(stated, edge) {
                continue;
            }
            // Only a file in which every row says the same size says one.
            let fits = |l: &([f64; 3], [f64; 3])| (l.0[axis] * stated - l.1[axis]).abs() <= 0.01 * stated + 2e-3;
            if lengths.iter().all(fits) {
                let column = self.columns.angstrom.map_or(0, |columns| columns[axis]);
                return Err(crate::Error::format(
                    self.source,
                    format_args!(
                        "column {} is {} times column {}, the tomogram's voxels have {edge} A: the file is of voxels \
                         of another size; without one of the two columns it has one meaning",
                        self.column_name(column),
                        (stated * 1e3).round() / 1e3,
                        self.column_name(self.columns.xyz[axis]),
                    ),
                ));
            }
        }
        Ok(())
    }
}
