//! The table of a set: which files belong to which method and tomogram.
use std::ops::Range;
use std::path::{Path, PathBuf};

use tomocut::picks::read_csv_rows;
use tomocut::volume::{has_volume_ending, Tomogram};
use tomocut::{Error, Result};

use super::masks::MaskFile;
use crate::ranges::slices;

/// The method of rows that name none.
const METHOD: &str = "tomocut";

/// What a field says, or what is wrong with it.
type Parsed<T> = std::result::Result<T, String>;

const COLUMNS: [&str; 12] = [
    "tomogram",
    "method",
    "membranes",
    "true_membranes",
    "foreground",
    "true_foreground",
    "points",
    "true_points",
    "point_label",
    "z",
    "voxel_nm",
    "diameter_nm",
];

/// What one method made of one tomogram, with its truth.
#[derive(Debug, Default)]
pub struct Row {
    /// Line of the table, counted from 1.
    pub line: usize,
    /// Name of the tomogram.
    pub tomogram: String,
    /// The tomogram's file, where the column names one.
    pub volume: Option<PathBuf>,
    pub method: String,
    pub membranes: Option<Pair<MaskFile>>,
    pub foreground: Option<Pair<MaskFile>>,
    pub points: Option<Pair<PathBuf>>,
    /// Only true positions with this label.
    pub point_label: Option<i64>,
    pub z: Option<Range<usize>>,
    pub voxel_nm: Option<f64>,
    pub diameter_nm: Option<f64>,
}

/// A prediction and its truth.
#[derive(Debug)]
pub struct Pair<T> {
    pub prediction: T,
    pub truth: T,
}

/// Rows of the table at `path`; its relative paths begin in its own folder.
///
/// Errors name the line: an unknown column, a missing file, a prediction without its truth, nothing to score, a method
/// with two rows for a tomogram.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let mut lines = read_csv_rows(path)?.into_iter();
    let refuse = |detail: String| Error::format(path.display(), detail);
    let (_, header) = lines.next().ok_or_else(|| refuse("is empty".to_owned()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut columns = Vec::new();
    for name in &header {
        let column = COLUMNS.iter().position(|column| column == name).ok_or_else(|| {
            let known = COLUMNS.join(", ");
            refuse(format!("has the column {name:?}; columns are {known}"))
        })?;
        if columns.contains(&column) {
            return Err(refuse(format!("has the column {name} twice")));
        }
        columns.push(column);
    }
    if !columns.contains(&0) {
        return Err(refuse("has no column tomogram".to_owned()));
    }
    let mut rows: Vec<Row> = Vec::new();
    for (line, values) in lines {
        let refuse = |detail: String| refuse(format!("line {line}: {detail}"));
        if values.len() > columns.len() {
            return Err(refuse(format!(
                "has {} fields, the header {}",
                values.len(),
                columns.len()
            )));
        }
        let fields = Fields {
            folder,
            columns: &columns,
            values: &values,
        };
        let row = row_of(line, &fields).map_err(refuse)?;
        let same = |other: &&Row| (&other.tomogram, &other.method) == (&row.tomogram, &row.method);
        if let Some(other) = rows.iter().find(same) {
            let (method, tomogram, first) = (&row.method, &row.tomogram, other.line);
            return Err(refuse(format!(
                "{method} has a row for {tomogram} already, line {first}"
            )));
        }
        rows.push(row);
    }
    match rows.is_empty() {
        true => Err(refuse("has no rows below its header".to_owned())),
        false => Ok(rows),
    }
}

/// The fields of one line.
struct Fields<'a> {
    folder: &'a Path,
    columns: &'a [usize],
    values: &'a [String],
}

impl Fields<'_> {
    /// The value of a column, unless it is absent or empty.
    fn text(&self, column: &str) -> Option<&str> {
        let place = self.columns.iter().position(|&index| COLUMNS[index] == column)?;
        self.values
            .get(place)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn parsed<T>(&self, column: &str, allowed: &str, parse: impl Fn(&str) -> Option<T>) -> Parsed<Option<T>> {
        let Some(text) = self.text(column) else { return Ok(None) };
        parse(text)
            .map(Some)
            .ok_or_else(|| format!("{column} is {text:?}, must be {allowed}"))
    }

    fn length(&self, column: &str) -> Parsed<Option<f64>> {
        let positive = |text: &str| text.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0);
        self.parsed(column, "a positive number", positive)
    }

    /// A file that is there.
    fn file(&self, column: &str, name: &str) -> Parsed<PathBuf> {
        let path = self.folder.join(name);
        match path.exists() {
            true => Ok(path),
            false => Err(format!("{column} is {}, which is not there", path.display())),
        }
    }

    /// What `read` makes of a column and of the column of its truth.
    fn pair<T>(&self, column: &str, read: impl Fn(&str, &str) -> Parsed<T>) -> Parsed<Option<Pair<T>>> {
        let true_column = format!("true_{column}");
        match (self.text(column), self.text(&true_column)) {
            (None, _) => Ok(None),
            (Some(_), None) => Err(format!(
                "{column} has no truth: the column {true_column} is empty or absent"
            )),
            (Some(prediction), Some(truth)) => Ok(Some(Pair {
                prediction: read(column, prediction)?,
                truth: read(&true_column, truth)?,
            })),
        }
    }
}

fn row_of(line: usize, fields: &Fields) -> Parsed<Row> {
    let tomogram = fields.text("tomogram").ok_or("tomogram is empty")?;
    let volume = match has_volume_ending(Path::new(tomogram)) {
        true => Some(fields.file("tomogram", tomogram)?),
        false => None,
    };
    let mask = |column: &str, text: &str| {
        let (name, which) = MaskFile::split(text).map_err(|detail| format!("{column} is {text:?}, {detail}"))?;
        Ok(MaskFile {
            path: fields.file(column, name)?,
            which,
        })
    };
    let row = Row {
        line,
        tomogram: volume.as_deref().map_or(tomogram.to_owned(), Tomogram::name_of),
        volume,
        method: fields.text("method").unwrap_or(METHOD).to_owned(),
        membranes: fields.pair("membranes", mask)?,
        foreground: fields.pair("foreground", mask)?,
        points: fields.pair("points", |column, text| fields.file(column, text))?,
        point_label: fields.parsed("point_label", "a whole number", |text| text.parse().ok())?,
        z: fields.parsed("z", "A:B with A below B", |text| slices(text).ok())?,
        voxel_nm: fields.length("voxel_nm")?,
        diameter_nm: fields.length("diameter_nm")?,
    };
    match row.membranes.is_none() && row.foreground.is_none() && row.points.is_none() {
        true => Err("has nothing to score: membranes, foreground and points are empty".to_owned()),
        false => Ok(row),
    }
}
