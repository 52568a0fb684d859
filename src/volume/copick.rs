//! The folders of a copick project: which tomograms it has, and where its segmentations and picks lie.
//!
//! A project is a folder, or a JSON file of `config_type` "filesystem" that names up to two, `static_root` and
//! `overlay_root` (written to); tomograms are `ExperimentRuns/RUN/VoxelSpacing10.000/TYPE.zarr`, picks
//! `ExperimentRuns/RUN/Picks/USER_SESSION_OBJECT.json`, segmentations
//! `ExperimentRuns/RUN/Segmentations/10.000_USER_SESSION_NAME-multilabel.zarr` (<https://copick.github.io/copick/>).
use std::fs;
use std::path::{Path, PathBuf};

use super::name::readable;
use crate::{Error, Result};

/// Folder of the runs of a project.
const RUNS: &str = "ExperimentRuns";
/// How the folder of the tomograms of one voxel size begins.
const SPACING: &str = "VoxelSpacing";
/// Endings of what lies beside tomograms and is none.
const NO_TOMOGRAMS: &str = "_features.zarr";

/// The tomogram of each run of the copick project in `folder`, in the order of their names; of several voxel sizes the
/// finest. None: the folder holds no project.
///
/// Errors: a run with several tomograms of its finest voxel size, by name; folders that cannot be read.
pub fn copick_tomograms(folder: &Path) -> Result<Option<Vec<PathBuf>>> {
    let runs = folder.join(RUNS);
    if !runs.is_dir() {
        return Ok(None);
    }
    let mut tomograms = Vec::new();
    for run in folders(&runs)? {
        let spacing = |path: &PathBuf| -> Option<(f64, PathBuf)> {
            let name = path.file_name()?.to_str()?;
            let spacing: f64 = name.strip_prefix(SPACING)?.parse().ok()?;
            (spacing > 0.0).then(|| (spacing, path.clone()))
        };
        let mut spacings: Vec<(f64, PathBuf)> = folders(&run)?.iter().filter_map(spacing).collect();
        spacings.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, folder) in spacings {
            let is_tomogram = |path: &PathBuf| {
                let name = readable(path);
                name.ends_with(".zarr") && !name.ends_with(NO_TOMOGRAMS)
            };
            let mut found = folders(&folder)?.into_iter().filter(is_tomogram);
            let Some(first) = found.next() else { continue };
            if let Some(second) = found.next() {
                let allowed = format!(
                    "must be the run's only tomogram, or be named itself: {} is there too",
                    readable(&second)
                );
                return Err(Error::argument("tomogram", readable(&first), &allowed));
            }
            tomograms.push(first);
            break;
        }
    }
    Ok(Some(tomograms))
}

/// The folders in a folder, in the order of their names.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::io("reading", folder, e);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
