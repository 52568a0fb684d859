//! The folders of a copick project: which tomograms it has, and where its segmentations and picks lie.
//!
//! A project is a folder, or a JSON file of `config_type` "filesystem" that names two of them, `static_root` and
//! `overlay_root`, of which the latter is written to. In either a tomogram is
//! `ExperimentRuns/RUN/VoxelSpacing10.000/TYPE.zarr`, picks are `ExperimentRuns/RUN/Picks/USER_SESSION_OBJECT.json`,
//! segmentations `ExperimentRuns/RUN/Segmentations/10.000_USER_SESSION_NAME-multilabel.zarr`
//! (<https://copick.github.io/copick/>). What is written here is the user `tomocut`'s, session `0`.
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::name::readable;
use super::Geometry;
use crate::{Error, Result};

/// Folder of the runs of a project.
const RUNS: &str = "ExperimentRuns";
/// How the folder of the tomograms of one voxel size begins.
const SPACING: &str = "VoxelSpacing";
/// Ending of what lies beside tomograms and is none.
const FEATURES: &str = "_features.zarr";
/// User and session of what is written.
const AUTHOR: &str = "tomocut_0";

/// A copick project on the disk.
#[derive(Clone, Debug)]
pub struct CopickProject {
    /// The folders that are read, in this order.
    roots: Vec<PathBuf>,
    /// The folder that is written to.
    overlay: PathBuf,
}

/// A run of a project that is written to.
#[derive(Clone, Debug)]
pub struct CopickRun {
    folder: PathBuf,
    /// Voxel size in Angstrom, as names of files have it.
    spacing: String,
}

impl CopickProject {
    /// The project in `path`, a folder or a JSON file; a folder without runs is one that has none yet.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Format`] for a file that cannot be read or is none; [`Error::Unsupported`] for one on
    /// another computer.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self {
                roots: vec![path.to_path_buf()],
                overlay: path.to_path_buf(),
            });
        }
        let text = fs::read(path).map_err(|e| Error::io("reading", path, e))?;
        let project: Value = serde_json::from_slice(&text)
            .map_err(|e| Error::format(readable(path), format!("no copick project: {e}")))?;
        let root = |name: &str| match project.get(name).and_then(Value::as_str) {
            None => Ok(None),
            Some(address) => local(address, name, path).map(Some),
        };
        let (fixed, overlay) = (root("static_root")?, root("overlay_root")?);
        let overlay = overlay.ok_or_else(|| {
            let detail = "no copick project on the disk: overlay_root is missing";
            Error::format(readable(path), detail)
        })?;
        Ok(Self {
            roots: fixed.into_iter().chain([overlay.clone()]).collect(),
            overlay,
        })
    }

    /// Whether `path` is a folder with runs, or a JSON file that says that it is a project's.
    pub fn is_project(path: &Path) -> bool {
        if path.is_dir() {
            return path.join(RUNS).is_dir();
        }
        let is_json = path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        is_json && fs::read_to_string(path).is_ok_and(|text| text.contains("\"config_type\""))
    }

    /// The tomogram of each run that has one, in the order of their names; of several voxel sizes the finest.
    ///
    /// # Errors
    /// A run with several tomograms of its finest voxel size, by name; folders that cannot be read.
    pub fn tomograms(&self) -> Result<Vec<PathBuf>> {
        let mut runs = std::collections::BTreeMap::new();
        for root in &self.roots {
            if !root.join(RUNS).is_dir() {
                continue;
            }
            for run in folders(&root.join(RUNS))? {
                let name = run.file_name().unwrap_or_default().to_owned();
                if let Some(tomogram) = finest(&run)? {
                    runs.entry(name).or_insert(tomogram);
                }
            }
        }
        Ok(runs.into_values().collect())
    }

    /// The run `name`, whose tomogram has this geometry.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown voxel size, and a name that is no folder's.
    pub fn run(&self, name: &str, geometry: &Geometry) -> Result<CopickRun> {
        if geometry.voxel_nm().is_none() {
            return Err(Error::argument(
                "voxel_nm",
                "unknown",
                "must be given for copick, whose files are named after it",
            ));
        }
        if name.contains('/') || name.starts_with('.') {
            return Err(Error::argument(
                "tomogram",
                name,
                "must be a name without slashes to be a run of copick's",
            ));
        }
        Ok(CopickRun {
            folder: self.overlay.join(RUNS).join(name),
            spacing: format!("{:.3}", geometry.voxel_angstrom[2]),
        })
    }
}

impl CopickRun {
    /// The folder of its segmentation of all classes.
    pub fn segmentation(&self) -> PathBuf {
        let name = format!("{}_{AUTHOR}_structures-multilabel.zarr", self.spacing);
        self.folder.join("Segmentations").join(name)
    }

    /// The file of its molecules.
    pub fn picks(&self) -> PathBuf {
        self.folder.join("Picks").join(format!("{AUTHOR}_molecule.json"))
    }

    /// Makes the folders of both.
    pub fn make_folders(&self) -> Result<()> {
        for name in ["Segmentations", "Picks"] {
            let folder = self.folder.join(name);
            fs::create_dir_all(&folder).map_err(|e| Error::io("creating", &folder, e))?;
        }
        Ok(())
    }
}

/// A folder of this computer, as fsspec writes it: "local:///data/x", or a plain path.
fn local(address: &str, name: &str, path: &Path) -> Result<PathBuf> {
    match address.split_once("://") {
        None => Ok(PathBuf::from(address)),
        Some(("local" | "file", place)) => Ok(PathBuf::from(place)),
        Some(_) => Err(Error::Unsupported(format!(
            "{}: {name} is {address}, must be a folder of this computer",
            readable(path)
        ))),
    }
}

/// The tomogram of a run's finest voxel size; None: there is none.
fn finest(run: &Path) -> Result<Option<PathBuf>> {
    let spacing = |path: &PathBuf| -> Option<(f64, PathBuf)> {
        let name = path.file_name()?.to_str()?;
        let spacing: f64 = name.strip_prefix(SPACING)?.parse().ok()?;
        (spacing > 0.0).then(|| (spacing, path.clone()))
    };
    let mut spacings: Vec<(f64, PathBuf)> = folders(run)?.iter().filter_map(spacing).collect();
    spacings.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (_, folder) in spacings {
        let is_tomogram = |path: &PathBuf| {
            let name = readable(path);
            name.ends_with(".zarr") && !name.ends_with(FEATURES)
        };
        let mut candidates = folders(&folder)?.into_iter().filter(is_tomogram);
        let Some(first) = candidates.next() else { continue };
        return match candidates.next() {
            None => Ok(Some(first)),
            Some(second) => {
                let allowed = format!(
                    "must be its run's only one, or be named itself: {} is there too",
                    readable(&second)
                );
                Err(Error::argument("tomogram", readable(&first), &allowed))
            }
        };
    }
    Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finest_tomogram_of_each_run_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let make = |path: &str| fs::create_dir_all(folder.path().join(path)).unwrap();
        for path in [
            "s/ExperimentRuns/TS_1/VoxelSpacing20.000/wbp.zarr",
            "s/ExperimentRuns/TS_1/VoxelSpacing7.840/wbp.zarr",
            "s/ExperimentRuns/TS_1/VoxelSpacing7.840/wbp_sift_features.zarr",
            "s/ExperimentRuns/TS_2/Picks",
            "o/ExperimentRuns/TS_3/VoxelSpacing10.000/wbp.zarr",
        ] {
            make(path);
        }
        let file = folder.path().join("project.json");
        let root = |name: &str| format!("local://{}", folder.path().join(name).display());
        let text =
            serde_json::json!({"config_type": "filesystem", "static_root": root("s"), "overlay_root": root("o")});
        fs::write(&file, text.to_string()).unwrap();
        assert!(CopickProject::is_project(&file) && CopickProject::is_project(&folder.path().join("s")));
        assert!(!CopickProject::is_project(folder.path()));
        let project = CopickProject::open(&file).unwrap();
        let candidates = project.tomograms().unwrap();
        let names: Vec<String> = candidates
            .iter()
            .map(|path| super::super::name::name_of(path))
            .collect();
        assert_eq!(names, ["TS_1", "TS_3"]);
        assert!(candidates[0].ends_with("VoxelSpacing7.840/wbp.zarr"));
        let run = project.run("TS_1", &Geometry::new([1, 1, 1], 7.84)).unwrap();
        assert!(run
            .segmentation()
            .ends_with("o/ExperimentRuns/TS_1/Segmentations/7.840_tomocut_0_structures-multilabel.zarr"));
        assert!(run
            .picks()
            .ends_with("o/ExperimentRuns/TS_1/Picks/tomocut_0_molecule.json"));
        assert!(project.run("TS_1", &Geometry::new([1, 1, 1], 0.0)).is_err());
        make("s/ExperimentRuns/TS_1/VoxelSpacing7.840/denoised.zarr");
        let text = project.tomograms().unwrap_err().to_string();
        assert!(text.contains("must be its run's only one"), "{text}");
        fs::write(
            &file,
            r#"{"config_type": "filesystem", "overlay_root": "s3://bucket/x"}"#,
        )
        .unwrap();
        assert!(matches!(CopickProject::open(&file), Err(Error::Unsupported(_))));
    }
}
