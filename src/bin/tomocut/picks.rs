//! `tomocut picks`: coordinate files of one program as those of another.
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;
use tomocut::picks::{is_name, PickFormat, PickSet};
use tomocut::volume::{FileDescription, Geometry, Tomogram};

use crate::exit::{Exit, Failure, OrExit};
use crate::output::{print, print_json};
use crate::ranges::number;

/// Converts coordinates of molecules between the files of RELION, Dynamo, IMOD and others.
///
/// The formats are told by the endings of the names. Positions of RELION 5, copick and EMAN2 are in Angstrom or from
/// the middle of the tomogram, and need --tomogram.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// File to read: .csv, .star (RELION 5), .tbl (Dynamo), .mod (IMOD), .coords (DeepETPicker), .json (copick) or
    /// info.json (EMAN2)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// The tomogram of the molecules: its extents, voxel size and name count; its voxels are not read
    #[arg(long, value_name = "FILE")]
    tomogram: Option<PathBuf>,
    /// Edge of a voxel, where the tomogram's file is wrong or silent
    #[arg(long, value_name = "X", value_parser = number)]
    voxel_nm: Option<f64>,
    /// Name of the tomogram in the files (RELION's, copick's; Dynamo's number) [default: the tomogram's]
    #[arg(long, alias = "tomogram-name", value_name = "NAME")]
    name: Option<String>,
    /// Format of IN, where its ending does not tell
    #[arg(long, value_name = "FORMAT")]
    from: Option<Format>,
    /// Format of OUT, where its ending does not tell
    #[arg(long, value_name = "FORMAT")]
    to: Option<Format>,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// No text but errors
    #[arg(long)]
    quiet: bool,
}

/// A kind of coordinate file.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    Csv,
    Star,
    Tbl,
    Mod,
    Coords,
    Json,
    Eman2,
}

impl From<Format> for PickFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv,
            Format::Star => Self::Star,
            Format::Tbl => Self::Dynamo,
            Format::Mod => Self::Imod,
            Format::Coords => Self::Coords,
            Format::Json => Self::Copick,
            Format::Eman2 => Self::Eman2,
        }
    }
}

/// The tomogram of a coordinate file.
#[derive(Default)]
pub struct Place {
    /// Where it lies.
    pub geometry: Geometry,
    /// Its name, where it is given.
    pub name: Option<String>,
    /// What is doubtful about it.
    pub warnings: Vec<String>,
}

/// Describes the tomogram of a coordinate file, whose voxels have edges of `voxel_nm` where that is given.
pub fn place(tomogram: Option<&Path>, voxel_nm: Option<f64>) -> Result<Place, Failure> {
    let mut place = Place::default();
    if let Some(path) = tomogram {
        let described = FileDescription::read(path).or_exit(Exit::BadInput)?;
        let told = described.warnings_where(voxel_nm.is_some());
        place.warnings = told.map(|warning| format!("{}: {warning}", path.display())).collect();
        place.geometry = described.geometry;
        place.name = Some(Tomogram::name_of(path));
    }
    if let Some(edge) = voxel_nm {
        if edge <= 0.0 {
            return Err(Failure::usage(format!("--voxel-nm is {edge}, must be above 0")));
        }
        place.geometry.voxel_angstrom = [edge * 10.0; 3];
    }
    Ok(place)
}

/// Whether positions of this format mean something only with the tomogram's extents.
fn needs_tomogram(format: PickFormat) -> bool {
    matches!(format, PickFormat::Star | PickFormat::Eman2 | PickFormat::Copick)
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let format = |path: &Path, said: Option<Format>| match said {
        Some(format) => Ok(PickFormat::from(format)),
        None => PickFormat::of(path).or_exit(Exit::Usage),
    };
    let (from, to) = (
        format(&arguments.input, arguments.from)?,
        format(&arguments.output, arguments.to)?,
    );
    let Place {
        geometry,
        name,
        mut warnings,
    } = place(arguments.tomogram.as_deref(), arguments.voxel_nm)?;
    if arguments.tomogram.is_none() {
        for (path, format) in [(&arguments.input, from), (&arguments.output, to)] {
            if needs_tomogram(format) {
                warnings.push(format!(
                    "{}: without --tomogram positions of this format are taken for plain voxels",
                    path.display()
                ));
            }
        }
    }
    let read = match &arguments.name {
        Some(name) => PickSet::read_named(&arguments.input, from, &geometry, name),
        None => PickSet::read(&arguments.input, from, &geometry, name.as_deref().unwrap_or_default()),
    };
    let mut set = read.or_exit(Exit::BadInput)?;
    warnings.append(&mut set.warnings);
    if !is_name(&set.tomogram) {
        let stem = arguments.input.file_stem().unwrap_or_default().to_string_lossy();
        stem.trim_end_matches("_points").clone_into(&mut set.tomogram);
    }
    set.write(&arguments.output, to).or_exit(Exit::NotWritten)?;
    if !arguments.quiet {
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    }
    if arguments.json {
        return print_json(&json!({
            "input": arguments.input.display().to_string(),
            "output": arguments.output.display().to_string(),
            "tomogram": set.tomogram,
            "picks": set.picks.len(),
            "warnings": warnings,
        }));
    }
    if arguments.quiet {
        return Ok(());
    }
    print(&format!(
        "{} molecules -> {}\n",
        set.picks.len(),
        arguments.output.display()
    ))
}
