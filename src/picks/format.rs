//! One door to the coordinate files.
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{coords, copick, csv, dynamo, eman2, imod, star, PickSet};
use crate::runtime::write_whole;
use crate::volume::Geometry;
use crate::{Error, Result};

/// A kind of coordinate file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PickFormat {
    /// Comma-separated values with a header line.
    Csv,
    /// RELION 5 particles.
    Star,
    /// Dynamo table.
    #[serde(rename = "tbl")]
    Dynamo,
    /// IMOD binary model.
    #[serde(rename = "mod")]
    Imod,
    /// DeepETPicker coordinates.
    Coords,
    /// copick picks.
    #[serde(rename = "json")]
    Copick,
    /// EMAN2 info file.
    Eman2,
}

impl PickFormat {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::Csv,
        Self::Star,
        Self::Dynamo,
        Self::Imod,
        Self::Coords,
        Self::Copick,
        Self::Eman2,
    ];

    /// The file name's ending, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Star => "star",
            Self::Dynamo => "tbl",
            Self::Imod => "mod",
            Self::Coords => "coords",
            Self::Copick => "json",
            Self::Eman2 => "info.json",
        }
    }

    /// Name of the file of the tomogram `name`: NAME_points with the ending; EMAN2 looks for NAME_info.json.
    pub fn file_name(self, name: &str) -> String {
        match self {
            Self::Eman2 => format!("{name}_{}", self.extension()),
            _ => format!("{name}_points.{}", self.extension()),
        }
    }

    /// The format that the ending of `path` names. A name that ends in `info.json`, such as EMAN2's `TS_01_info.json`,
    /// is EMAN2's, any other `.json` copick's.
    pub fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
        if name.is_some_and(|name| name.ends_with(Self::Eman2.extension())) {
            return Ok(Self::Eman2);
        }
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let found = Self::ALL
            .into_iter()
            .find(|format| ending.as_deref() == Some(format.extension()));
        let allowed = "must end in .csv, .star, .tbl, .mod, .coords, .json (copick) or info.json (EMAN2)";
        found.ok_or_else(|| Error::argument("path", path.display(), allowed))
    }
}

impl PickSet {
    /// Writes the set, whole or not at all.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where a pick is not finite, [`Error::Io`] where the file cannot be written.
    pub fn write(&self, path: &Path, format: PickFormat) -> Result<()> {
        if let Some(n) = self
            .picks
            .iter()
            .position(|p| p.position.iter().any(|v| !v.is_finite()))
        {
            return Err(Error::argument(
                "picks",
                format!("{:?}", self.picks[n].position),
                "must be finite",
            ));
        }
        let bytes = match format {
            PickFormat::Csv => csv::encode(self).into_bytes(),
            PickFormat::Star => star::encode(self).into_bytes(),
            PickFormat::Dynamo => dynamo::encode(self).into_bytes(),
            PickFormat::Imod => imod::encode(self),
            PickFormat::Coords => coords::encode(self).into_bytes(),
            PickFormat::Copick => copick::encode(self)?.into_bytes(),
            PickFormat::Eman2 => eman2::encode(self).into_bytes(),
        };
        write_whole(path, &bytes)
    }

    /// Reads the picks of the tomogram `name` with this `geometry` from a file of `format`. What a format does not hold
    /// (a diameter, a score) is 0.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Format`] where it is not what its name says, naming the
    /// line.
    pub fn read(path: &Path, format: PickFormat, geometry: &Geometry, name: &str) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("reading", path, e))?;
        let source = path.display().to_string();
        let picks = match format {
            PickFormat::Imod => imod::decode(&bytes, geometry, &source)?,
            _ => {
                let text = std::str::from_utf8(&bytes).map_err(|_| Error::format(&source, "not a text file"))?;
                match format {
                    PickFormat::Csv => csv::decode(text, &source)?,
                    PickFormat::Star => star::decode(text, geometry, name, &source)?,
                    PickFormat::Dynamo => dynamo::decode(text, &source)?,
                    PickFormat::Copick => copick::decode(text, geometry, &source)?,
                    PickFormat::Eman2 => eman2::decode(text, geometry, &source)?,
                    _ => coords::decode(text, &source)?,
                }
            }
        };
        Ok(Self::new(picks, geometry, name))
    }
}
