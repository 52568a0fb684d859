//! What a tomogram's file is, for people: sound or not.
use std::fs::File;
use std::io::Read;
use std::path::Path;

use mrc::FileEndian;
use serde::Serialize;

use super::bytes::other_format;
use super::header::{Layout, HEADER_BYTES};
use super::members::{Bzip2Members, GzipMembers};
use super::voxel_size::doubts;
use super::{zarr, Geometry};
use crate::{Error, Result};

/// What the last label of a result calls it.
const RESULTS: [&str; 3] = ["labels", "score", "prediction"];

/// What a tomogram's file says about itself.
#[derive(Clone, Debug, Serialize)]
pub struct FileDescription {
    /// "MRC" or "zarr".
    pub format: &'static str,
    /// MRC's number of the voxel type.
    pub mode: Option<i32>,
    /// The voxel type in words.
    pub voxels: String,
    /// "little-endian" or "big-endian"; None for zarr.
    pub byte_order: Option<&'static str>,
    /// "gzip" or "bzip2", where the file is packed.
    pub packed: Option<&'static str>,
    /// Bytes of the file, packed or not; None for a folder.
    pub bytes: Option<u64>,
    /// Bytes that the header asks for.
    pub expected_bytes: Option<u64>,
    /// Whether columns, rows and sections run along x, y and z.
    pub is_in_order: bool,
    /// Where the voxels lie.
    #[serde(skip)]
    pub geometry: Geometry,
    /// What is told when the file is opened: doubtful values that are replaced, doubtful voxel sizes, missing chunks.
    pub warnings: Vec<String>,
    /// Those of the warnings that are of no account where the user gives the voxel size.
    #[serde(skip)]
    size_doubts: Vec<String>,
}

impl FileDescription {
    /// The warnings that count; `is_sized`: the user gives the voxel size.
    pub fn warnings_where(&self, is_sized: bool) -> impl Iterator<Item = &String> {
        let is_told = move |warning: &&String| !is_sized || !self.size_doubts.contains(warning);
        self.warnings.iter().filter(is_told)
    }

    /// Reads the header of an MRC file, plain or packed, or the metadata of a zarr folder. A file that is too short is
    /// described too.
    ///
    /// # Errors
    /// As [`super::Tomogram::open`], but for the file's length.
    pub fn read(path: &Path) -> Result<Self> {
        Self::describe(path, true)
    }

    /// The same; `counts_chunks`: missing chunks of a zarr array are told, which takes a look at each.
    fn describe(path: &Path, counts_chunks: bool) -> Result<Self> {
        if zarr::is_zarr(path) {
            let zarr::OpenZarr {
                geometry,
                slices,
                mut warnings,
                ..
            } = zarr::open(path)?;
            if counts_chunks {
                warnings.extend(slices.missing_chunks());
            }
            let size_doubts = doubts(&geometry);
            warnings.extend(size_doubts.iter().cloned());
            return Ok(Self {
                format: "zarr",
                mode: None,
                voxels: slices.voxel_type(),
                byte_order: None,
                packed: None,
                bytes: None,
                expected_bytes: None,
                is_in_order: true,
                geometry,
                warnings,
                size_doubts,
            });
        }
        let file_name = path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(|error| Error::io("opening", path, error))?;
        if !metadata.is_file() {
            return Err(Error::format(&file_name, "not a regular file"));
        }
        let (packed, header) = first_bytes(path)?;
        let mut layout = Layout::decode(&header, &file_name)?;
        let size_doubts = doubts(&layout.geometry);
        layout.warnings.extend(size_doubts.iter().cloned());
        Ok(Self {
            format: "MRC",
            mode: Some(layout.mode.as_i32()),
            voxels: match (layout.mode.as_i32(), layout.unsigned_bytes) {
                (0, true) => "unsigned bytes",
                (0, false) => "signed bytes",
                (1, _) => "16-bit integers",
                (2, _) => "float32",
                (6, _) => "unsigned 16-bit integers",
                _ => "float16",
            }
            .to_owned(),
            byte_order: Some(match layout.endian {
                FileEndian::LittleEndian => "little-endian",
                FileEndian::BigEndian => "big-endian",
            }),
            packed,
            bytes: Some(metadata.len()),
            expected_bytes: Some(layout.total_bytes),
            is_in_order: layout.axis == [0, 1, 2],
            geometry: layout.geometry,
            warnings: layout.warnings,
            size_doubts,
        })
    }
}

/// Whether the file or folder in `path` says that it is a result of this library: labels, scores or probabilities. The
/// densities that it writes, of phantoms and denoised tomograms, are tomograms like others.
pub fn is_result(path: &Path) -> bool {
    let described = FileDescription::describe(path, false);
    let written = |label: &String| {
        let content = label.strip_prefix("tomocut ").and_then(|rest| rest.split_once(": "));
        content.is_some_and(|(_, content)| RESULTS.contains(&content))
    };
    described.is_ok_and(|file| file.geometry.labels.last().is_some_and(written))
}

/// How the file is packed, and its header.
fn first_bytes(path: &Path) -> Result<(Option<&'static str>, [u8; HEADER_BYTES])> {
    let failed = |error| Error::io("reading", path, error);
    let open = || File::open(path).map_err(|error| Error::io("opening", path, error));
    let mut magic = Vec::new();
    open()?.take(4).read_to_end(&mut magic).map_err(failed)?;
    let (packed, reader): (_, Box<dyn Read>) = match magic.as_slice() {
        [0x1f, 0x8b, ..] => (Some("gzip"), Box::new(GzipMembers::new(open()?))),
        [b'B', b'Z', b'h', _] => (Some("bzip2"), Box::new(Bzip2Members::new(open()?))),
        _ => (None, Box::new(open()?)),
    };
    let mut bytes = Vec::new();
    reader
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if let Some(kind) = other_format(&bytes).filter(|_| packed.is_none()) {
        let detail = format!("{kind}, must be MRC or a zarr folder");
        return Err(Error::format(path.display(), detail));
    }
    let header = bytes.as_slice().try_into().map_err(|_| {
        let detail = format!("{} bytes, an MRC header has {HEADER_BYTES}", bytes.len());
        Error::format(path.display(), detail)
    })?;
    Ok((packed, header))
}
