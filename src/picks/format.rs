//! One door to the coordinate files.
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::text;
use super::names::tomogram_name;
use super::{coords, copick, csv, dynamo, eman2, imod, place, star, PickSet};
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
        let matching = Self::ALL
            .into_iter()
            .find(|format| ending.as_deref() == Some(format.extension()));
        let allowed = "must end in .csv, .star, .tbl, .mod, .coords, .json (copick) or info.json (EMAN2)";
        matching.ok_or_else(|| Error::argument("path", path.display(), allowed))
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
    /// (a diameter, a score) is 0. [`PickSet::warnings`] says what a user should know of the file.
    ///
    /// A file that names its tomograms (rlnTomoName, rlnMicrographName, Dynamo's column 20 with its list, run_name, a
    /// column of a CSV file) is read for the one that `name` is, whichever program's form of the name either has
    /// ([`super::tomogram_name`]); an empty `name` takes a file of one tomogram. The set has the name of the file, else
    /// `name` without what programs add to it. Positions in Angstrom or in pixels of another size become voxels of
    /// `geometry`.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Format`] where it is not what its name says, naming the
    /// line; where it has no picks of the tomogram, listing the names that it has; where none of them lies inside;
    /// where it may mean two things. [`Error::InvalidArgument`] where a voxel size is needed that is unknown.
    pub fn read(path: &Path, format: PickFormat, geometry: &Geometry, name: &str) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("reading", path, e))?;
        let source = path.display().to_string();
        let mut reading = match format {
            PickFormat::Imod => imod::decode(&bytes, geometry, &source)?,
            _ => {
                let text = text(&bytes, &source)?;
                match format {
                    PickFormat::Csv => csv::decode(&text, geometry, name, &source)?,
                    PickFormat::Star => star::decode(&text, geometry, name, &source)?,
                    PickFormat::Dynamo => dynamo::decode(&text, geometry, name, path, &source)?,
                    PickFormat::Copick => copick::decode(&text, geometry, name, &source)?,
                    PickFormat::Eman2 => eman2::decode(&text, geometry, &source)?,
                    _ => coords::decode(&text, &source)?,
                }
            }
        };
        place::check(&mut reading, geometry, &source)?;
        let picks = reading.rows.into_iter().map(|(_, pick)| pick).collect();
        let warnings = reading
            .warnings
            .into_iter()
            .map(|warning| format!("{source}: {warning}"));
        Ok(Self {
            warnings: warnings.collect(),
            ..Self::new(
                picks,
                geometry,
                reading.tomogram.as_deref().unwrap_or_else(|| tomogram_name(name)),
            )
        })
    }

    /// As [`PickSet::read`], for a `name` that a user gave: a file without a name gets that very one.
    pub fn read_named(path: &Path, format: PickFormat, geometry: &Geometry, name: &str) -> Result<Self> {
        let mut set = Self::read(path, format, geometry, name)?;
        if set.tomogram == tomogram_name(name) {
            name.clone_into(&mut set.tomogram);
        }
        Ok(set)
    }
}
