//! What every coordinate file gives: picks by their lines, and errors that name the line and the column.
use std::borrow::Cow;

use super::Pick;
use crate::volume::Geometry;
use crate::{Error, Result};

/// What a coordinate file holds of one tomogram.
#[derive(Default)]
pub(super) struct Reading {
    /// Line (of a binary file: number) and pick.
    pub rows: Vec<(usize, Pick)>,
    /// The tomogram's name in the file, where it has one.
    pub tomogram: Option<String>,
    /// What a user should know of the file.
    pub warnings: Vec<String>,
    /// Whether the file says what its numbers count in; else they are taken for voxels.
    pub has_unit: bool,
}

/// A line of a coordinate file.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// The file, as errors call it.
    pub source: &'a str,
    /// Counted from 1.
    pub number: usize,
}

impl Line<'_> {
    /// An error about this line.
    pub fn refuse(&self, detail: impl std::fmt::Display) -> Error {
        Error::format(self.source, format_args!("line {}: {detail}", self.number))
    }

    /// The number in `field` of the column called `column`.
    pub fn number(&self, field: &str, column: &str) -> Result<f64> {
        let field = field.trim();
        let refused = |_| self.refuse(format_args!("{field:?} is not a number (column {column})"));
        field.parse().map_err(refused)
    }

    /// The number in `field`, 0 where it is empty or NaN: what a file does not know.
    pub fn number_or_0(&self, field: &str, column: &str) -> Result<f64> {
        if field.trim().is_empty() {
            return Ok(0.0);
        }
        match self.number(field, column)? {
            value if value.is_nan() => Ok(0.0),
            value if value.is_finite() => Ok(value),
            value => Err(self.refuse(format_args!("{value} is not finite (column {column})"))),
        }
    }

    /// The positive number in `field`, None for 0, which stands for an unknown size.
    pub fn size(&self, field: &str, column: &str) -> Result<Option<f64>> {
        match self.number(field, column)? {
            0.0 => Ok(None),
            value if value > 0.0 && value.is_finite() => Ok(Some(value)),
            value => Err(self.refuse(format_args!("{column} is {value}, must be positive"))),
        }
    }

    /// A pick at (x, y, z) without a diameter, with the line that it stands in.
    pub fn pick(&self, xyz: [f64; 3], score: f64) -> Result<(usize, Pick)> {
        let [x, y, z] = xyz;
        if xyz.iter().any(|v| !v.is_finite()) {
            return Err(self.refuse(format_args!("position ({x}, {y}, {z}) is not finite")));
        }
        let pick = Pick {
            position: [z, y, x],
            diameter_nm: 0.0,
            score,
        };
        Ok((self.number, pick))
    }
}

/// Edges of a voxel (x, y, z) in Angstrom, which `purpose` needs: "to read positions in Angstrom".
pub(super) fn known_edges(geometry: &Geometry, purpose: &str) -> Result<[f64; 3]> {
    let [z, y, x] = geometry.voxel_angstrom;
    match geometry.voxel_nm() {
        Some(_) => Ok([x, y, z]),
        None => Err(Error::argument(
            "voxel_angstrom",
            0,
            &format!("must be known {purpose}"),
        )),
    }
}

/// The text of a file: UTF-8, with or without the mark that Excel puts before it, with lines ended as any system does.
pub(super) fn text<'a>(bytes: &'a [u8], source: &str) -> Result<Cow<'a, str>> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::format(source, "a text of UTF-16, must be UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::format(source, "not a text file"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(match text.contains('\r') && !text.contains('\n') {
        true => Cow::Owned(text.replace('\r', "\n")),
        false => Cow::Borrowed(text),
    })
}
