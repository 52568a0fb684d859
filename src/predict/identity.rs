//! The identity of a prediction: what a stopped run must share to be continued, and a finished one to be kept.
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use xxhash_rust::xxh3::Xxh3;

use super::options::PredictOptions;
use crate::networks::SegmentationModel;
use crate::runtime::{Error, Job, Result};
use crate::settings::{hash_bytes, hash_file, Identity};
use crate::volume::Tomogram;

/// Settings that change no byte of the files.
const WITHOUT_EFFECT: [&str; 8] = [
    "memory",
    "rank",
    "size",
    "resume",
    "picking.memory",
    "picking.certain",
    "membranes.memory",
    "membranes.certain",
];

/// What a prediction reads.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The network.
    pub model: &'a SegmentationModel,
    /// The tomogram.
    pub tomogram: &'a Tomogram,
    /// A volume that is not 0 where no molecule should be counted.
    pub excluded: Option<&'a Tomogram>,
}

/// The identity of the files of a prediction. Every byte of the inputs is read.
pub fn identity(inputs: &Inputs, options: &PredictOptions, job: &Job) -> Result<Identity> {
    let sized = inputs.tomogram.with_voxel_nm(options.voxel_nm, &Job::quiet())?;
    let mut identity = Identity::new(options, &WITHOUT_EFFECT)?
        .with_setting("geometry", geometry(&sized))
        .with_input("model", inputs.model.content_hash()?)
        .with_input("tomogram", content_hash(inputs.tomogram, job)?);
    if let Some(excluded) = inputs.excluded {
        identity = identity.with_input("excluded", content_hash(excluded, job)?);
    }
    Ok(identity)
}

/// The identity of the tiles of such a prediction with cores of `core` voxels, written into these `volumes`: what is
/// made of finished volumes may change.
pub(super) fn tiles_identity(whole: &Identity, core: [usize; 3], volumes: &[&str]) -> Identity {
    let mut tiles = whole.without(&["picking", "membranes", "format", "labels_image", "copick"]);
    tiles.inputs.remove("excluded");
    tiles
        .with_setting("core", json!(core))
        .with_setting("volumes", json!(volumes))
}

/// The hash of a tomogram's file, or of the voxels of one in memory.
fn content_hash(tomogram: &Tomogram, job: &Job) -> Result<String> {
    match tomogram.files() {
        [] => {}
        [file] => return hash_file(file),
        files => {
            // Of a zarr folder just what is read: labels that are written into it make it no other tomogram.
            let hashes = files.iter().map(|file| hash_file(file)).collect::<Result<Vec<_>>>()?;
            return Ok(hash_bytes(hashes.concat().as_bytes()));
        }
    }
    let mut hasher = Xxh3::new();
    for z in 0..tomogram.geometry().shape[0] {
        job.check()?;
        for voxel in &tomogram.read_slices_as_stored(z..z + 1)? {
            hasher.update(&voxel.to_le_bytes());
        }
    }
    Ok(format!("{:032x}", hasher.digest128()))
}

/// The host may have set another voxel size than the file's.
fn geometry(tomogram: &Tomogram) -> Value {
    let geometry = tomogram.geometry();
    json!({
        "shape": geometry.shape,
        "voxel_angstrom": geometry.voxel_angstrom,
        "origin_angstrom": geometry.origin_angstrom,
        "start": geometry.start,
    })
}

/// What a finished prediction leaves beside its files, in `FOLDER/.NAME.predict.json`: which files they are, and of
/// what.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub identity: Identity,
    /// Names of the files.
    pub files: Vec<String>,
    /// The file of the tomogram, where its path is UTF-8.
    #[serde(default)]
    pub source: Option<String>,
}

/// Where the record of a tomogram `name` is.
pub(super) fn record_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.predict.json"))
}

/// The file that a tomogram was read from, wherever a call is made from.
pub(super) fn source_of(path: &Path) -> Option<String> {
    let path = std::fs::canonicalize(path).ok()?;
    path.to_str().map(str::to_owned)
}

/// Refuses a `folder` with the results of another tomogram of the name of the one in `path`, which would be written
/// over. Results whose tomogram is gone, or cannot be told any more, are in nobody's way.
///
/// Errors: [`Error::InvalidArgument`] that names both.
pub fn check_other_source(path: &Path, name: &str, folder: &Path) -> Result<()> {
    let (Some(record), Some(own)) = (Record::read(folder, name), source_of(path)) else {
        return Ok(());
    };
    let is_there = |name: &String| folder.join(name).exists();
    match record.source.filter(|other| *other != own && Path::new(other).exists()) {
        Some(other) if record.files.iter().any(is_there) => {
            let allowed = format!(
                "must not have the name of another whose results are there: {name}_* in {} are those of {other}; \
                 take another folder, or write over them by again (a data set: restart)",
                folder.display(),
            );
            Err(Error::argument("tomogram", own, &allowed))
        }
        _ => Ok(()),
    }
}

impl Record {
    /// The record of the results of a tomogram `name` in `folder`; None where there is none.
    fn read(folder: &Path, name: &str) -> Option<Self> {
        let text = std::fs::read(record_file(folder, name)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub fn text(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| Error::Internal(format!("record of a prediction: {error}")))
    }
}

/// The files of a finished prediction of the same inputs, settings and version in `folder`; None where there is none,
/// or where a file of it is missing. Errors: inputs that cannot be read.
pub fn finished_files(
    inputs: &Inputs,
    folder: &Path,
    options: &PredictOptions,
    job: &Job,
) -> Result<Option<Vec<PathBuf>>> {
    let Some(record) = Record::read(folder, inputs.tomogram.name()) else {
        return Ok(None);
    };
    let files: Vec<PathBuf> = record.files.iter().map(|name| folder.join(name)).collect();
    // Before the inputs are read: a missing file decides alone.
    if !files.iter().all(|file| file.exists()) || record.identity != identity(inputs, options, job)? {
        return Ok(None);
    }
    Ok(Some(files))
}
