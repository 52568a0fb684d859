//! Dynamo tables: white-space separated columns without a header; x, y, z are columns 24-26 (Dynamo wiki, "Table
//! convention"). Dynamo is a MATLAB program: the centre of the first voxel is (1, 1, 1).
//!
//! Column 20 is the number of the tomogram; a list beside the table (NAME.doc or indices_column20.doc, or the only .doc
//! file of the folder) says which file has which number.
//!
//! Written are all 42 columns: tag (1) counts up, aligned (2) is 1, cc (10) is the score, ftype (13) is 0 (no
//! missing wedge is claimed), tomo (20) is 1 (or the tomogram's name where that is a number) and otag (31) the tag,
//! apix (36) is the voxel size along x. Where that is unknown the table ends before it, as older ones do.
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::fields::{Line, Reading};
use super::names::{name_of_file, whose};
use super::PickSet;
use crate::volume::{is_same_size, Geometry};
use crate::{Error, Result};

const COLUMNS: usize = 42;
const TOMOGRAM: usize = 20;
const APIX: usize = 36;

pub(super) fn encode(set: &PickSet) -> String {
    let mut text = String::new();
    let columns = if set.geometry.voxel_nm().is_some() {
        COLUMNS
    } else {
        APIX - 1
    };
    let tomogram = set.tomogram.parse::<u32>().unwrap_or(1);
    for (n, pick) in set.picks.iter().enumerate() {
        let [z, y, x] = pick.position;
        for column in 1..=columns {
            let separator = if column == columns { '\n' } else { ' ' };
            let _ = match column {
                1 | 31 => write!(text, "{}", n + 1),
                2 => write!(text, "1"),
                10 => write!(text, "{}", pick.score),
                TOMOGRAM => write!(text, "{tomogram}"),
                24 => write!(text, "{:.3}", x + 1.0),
                25 => write!(text, "{:.3}", y + 1.0),
                26 => write!(text, "{:.3}", z + 1.0),
                APIX => write!(text, "{:.4}", set.geometry.voxel_angstrom[2]),
                _ => write!(text, "0"),
            };
            text.push(separator);
        }
    }
    text
}

/// The centre of a particle is its position plus the shift (columns 4-6) that alignment gave it.
pub(super) fn decode(text: &str, geometry: &Geometry, name: &str, path: &Path, source: &str) -> Result<Reading> {
    let mut rows: Vec<(usize, Vec<&str>)> = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.len() < 26 {
            let detail = format!("line {} has {} columns, must be 26 or more", n + 1, fields.len());
            return Err(Error::format(source, detail));
        }
        rows.push((n + 1, fields));
    }
    let mine = Mine::of(&rows, name, path, source)?;
    let mut reading = Reading {
        tomogram: mine.name,
        ..Reading::default()
    };
    for (n, fields) in rows {
        let line = Line { source, number: n };
        let value = |column: usize| line.number(fields[column - 1], &column.to_string());
        if mine.number.is_some() && mine.number != Some(number_of_tomogram(&fields, line)?) {
            continue;
        }
        let size = match fields.get(APIX - 1) {
            // Tables that do not know it hold 0 or 1.
            Some(field) => line.size(field, "36 (apix)")?.filter(|size| *size != 1.0),
            None => None,
        };
        if let (Some(size), Some(nm)) = (size, geometry.voxel_nm()) {
            if !is_same_size(size, 10.0 * nm) {
                return Err(line.refuse(format_args!(
                    "column 36 (apix) is {size}, the tomogram's voxels have {:.4} A: columns 24 to 26 may \
                     count in either",
                    10.0 * nm
                )));
            }
            reading.has_unit = true;
        }
        let mut xyz = [0.0; 3];
        for (k, v) in xyz.iter_mut().enumerate() {
            *v = value(24 + k)? + value(4 + k)? - 1.0;
        }
        reading.rows.push(line.pick(xyz, line.number_or_0(fields[9], "10")?)?);
    }
    Ok(reading)
}

fn number_of_tomogram(fields: &[&str], line: Line) -> Result<i64> {
    let number = line.number(fields[TOMOGRAM - 1], "20")?;
    match number.fract() == 0.0 {
        true => Ok(number as i64),
        false => Err(line.refuse(format_args!("column 20 is {number}, must be a whole number"))),
    }
}

/// Which rows are the tomogram's.
struct Mine {
    /// Their number in column 20; None: all rows.
    number: Option<i64>,
    name: Option<String>,
}

impl Mine {
    fn of(rows: &[(usize, Vec<&str>)], asked: &str, path: &Path, source: &str) -> Result<Self> {
        let numbers: Vec<(usize, i64)> = rows
            .iter()
            .map(|(n, fields)| Ok((*n, number_of_tomogram(fields, Line { source, number: *n })?)))
            .collect::<Result<_>>()?;
        if let Some((list, files)) = list_beside(path)? {
            let named = |(line, number): &(usize, i64)| match files.get(number) {
                Some(name) => Ok((*line, name.as_str())),
                None => {
                    let detail = format!("column 20 is {number}, which {} does not list", list.display());
                    Err(Line { source, number: *line }.refuse(detail))
                }
            };
            let names = numbers.iter().map(named).collect::<Result<Vec<_>>>()?;
            let number_asked = asked.parse().ok().filter(|number| files.contains_key(number));
            let name = match number_asked {
                Some(number) => files.get(&number).cloned(),
                None => whose(names.iter().copied(), asked, source)?,
            };
            let number = names
                .iter()
                .zip(&numbers)
                .find(|((_, row), _)| Some(*row) == name.as_deref());
            return Ok(Self {
                number: number.map(|(_, (_, number))| *number),
                name: name.map(|name| name_of_file(&name).to_owned()),
            });
        }
        let is_one = numbers.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let asked_number: Option<i64> = asked.parse().ok();
        if is_one && asked_number.is_none() {
            return Ok(Self {
                number: None,
                name: None,
            });
        }
        let texts: Vec<(usize, String)> = numbers
            .iter()
            .map(|(line, number)| (*line, number.to_string()))
            .collect();
        let name = whose(texts.iter().map(|(line, text)| (*line, text.as_str())), asked, source).map_err(|error| {
            Error::format(
                error,
                "column 20 holds numbers of tomograms; a list NAME.doc beside the table may say whose they are",
            )
        })?;
        Ok(Self {
            number: name.as_deref().and_then(|name| name.parse().ok()),
            name,
        })
    }
}

/// Most bytes of a list of tomograms.
const MOST_BYTES: u64 = 16 << 20;

/// The list of tomograms beside a table and the files in it by their numbers.
fn list_beside(table: &Path) -> Result<Option<(PathBuf, BTreeMap<i64, String>)>> {
    let folder = match table.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let named = [table.with_extension("doc"), folder.join("indices_column20.doc")];
    let is_list = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "doc") && path.is_file();
    let list = match named.into_iter().find(is_list) {
        Some(list) => list,
        None => {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut lists = entries.map(|entry| entry.path()).filter(is_list);
            match (lists.next(), lists.next()) {
                (Some(only), None) => only,
                _ => return Ok(None),
            }
        }
    };
    let source = list.display().to_string();
    let io = |error| Error::io("reading", &list, error);
    let bytes = std::fs::metadata(&list).map_err(io)?.len();
    if bytes > MOST_BYTES {
        return Err(Error::format(
            source,
            format_args!("{bytes} bytes are no list of tomograms"),
        ));
    }
    let text = std::fs::read(&list).map_err(io)?;
    let mut files = BTreeMap::new();
    for (n, line) in String::from_utf8_lossy(&text)
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let line_of = Line {
            source: &source,
            number: n + 1,
        };
        let entry = line.trim().split_once(char::is_whitespace);
        let entry = entry.and_then(|(number, file)| Some((number.parse::<i64>().ok()?, file.trim().to_owned())));
        let Some((number, file)) = entry else {
            return Err(line_of.refuse("must be the number of a tomogram and its file"));
        };
        if files.insert(number, file).is_some() {
            return Err(line_of.refuse(format_args!("tomogram {number} is there twice")));
        }
    }
    Ok(Some((list, files)))
}
