//! What of a run is done, in a file that survives a kill.
//!
//! `OUT/.run/state.json` is written whole or not at all after every piece of work; `checkpoint.safetensors` beside it is the training's.
//! What the state says is done lies in files of `OUT`.
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::agreement::Agreement;
use super::options::{check_alike, Settings};
use crate::runtime::{memory, Error, Result};
use crate::segmenter::OutputScore;
use crate::train::LossRecord;
use crate::volume::write_atomically;

/// Folder of the run's own files within the folder of the results.
const FOLDER: &str = ".run";

/// A slab that may be labelled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChosenSlab {
    /// Name of the tomogram.
    pub tomogram: String,
    /// Its slices.
    pub z: Range<usize>,
    /// How much structure it seems to hold, about 0 (noise) to 1; None where the slab was given.
    pub score: Option<f64>,
}

/// A slab whose labels are in the folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LabelledSlab {
    /// Which.
    pub slab: ChosenSlab,
    /// Files are `slabs/STEM_labels.mrc` and so on.
    pub stem: String,
    /// Share of its voxels that is membrane, 0..=1.
    pub membrane_share: f64,
    /// Share of its voxels that is molecule, 0..=1.
    pub molecule_share: f64,
    /// Number of molecules.
    pub points: usize,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Scores on the slices held out after some steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScoresAt {
    /// Steps done.
    pub step: u64,
    /// One score for each class of the network.
    pub outputs: Vec<OutputScore>,
}

/// How the training went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TrainingState {
    /// Stems of the slabs that are learnt from, in their order; settled once the training begins.
    pub slabs: Vec<String>,
    /// Whether any slices are held out; otherwise scores are those of the slices learnt from.
    pub held_out: bool,
    /// Scores so far.
    pub scores: Vec<ScoresAt>,
    /// Mean losses so far.
    pub losses: Vec<LossRecord>,
    /// Edge of the voxels that the network is for, in nm.
    pub voxel_nm: Option<f64>,
    /// Steps done.
    pub steps: u64,
    /// Whether all steps are done and the network is in place.
    pub finished: bool,
}

/// Scores of the network's labels of one class with the truth, and of the trivial floor on the same slices.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TruthScore {
    /// The class, or "structure" for all of them together.
    pub class: String,
    /// Dice of the whole tomogram, 0..=1.
    pub dice: f64,
    /// Dice on the middle slices, 0..=1.
    pub middle: f64,
    /// Dice there of the best blur, thresholded at the true share of voxels; 0..=1.
    pub floor: f64,
}

/// A tomogram whose prediction is in the folder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PredictedTomogram {
    /// Its files, relative to the folder.
    pub files: Vec<String>,
    /// Voxels, z y x.
    pub shape: [usize; 3],
    /// Edge of a voxel in nm; None: unknown.
    pub voxel_nm: Option<f64>,
    /// Share of its voxels that has each of the network's classes, 0..=1.
    pub shares: Vec<(String, f64)>,
    /// Number of molecules, where the prediction gives points.
    pub points: Option<usize>,
    /// Pictures, relative to the folder, with what they show.
    pub pictures: Vec<(String, String)>,
    /// The network's labels against those of the slabs of this tomogram.
    pub agreement: Vec<Agreement>,
    /// The truth, where it is given.
    pub truth_file: Option<PathBuf>,
    /// Against the truth.
    pub truth: Vec<TruthScore>,
    /// Seconds that it took.
    pub seconds: f64,
    /// Voxels per second of the network, all that belongs to it included.
    pub voxels_per_second: f64,
}

/// All that is known about a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunState {
    /// What the run was begun with.
    pub settings: Settings,
    /// Slabs that may be labelled, the best first; None: not looked for yet.
    pub chosen: Option<Vec<ChosenSlab>>,
    /// Labelled slabs.
    pub slabs: Vec<LabelledSlab>,
    /// The training.
    pub training: TrainingState,
    /// Predicted tomograms by name.
    pub predictions: BTreeMap<String, PredictedTomogram>,
    /// Seconds of each part of the run, those of earlier calls included.
    pub seconds: BTreeMap<String, f64>,
    /// Most memory that a process of the run has had, in bytes.
    pub peak_bytes: u64,
}

/// The state of the run in a folder, which belongs to this process as long as this lives.
pub struct Journal {
    out: PathBuf,
    work: PathBuf,
    /// What is done.
    pub state: RunState,
    _lock: File,
}

impl Journal {
    /// Opens the run of these settings in `out`, which is made where it is missing.
    ///
    /// Errors: another process has it; a run of other settings stands there and `restart` is not set; a state that cannot be read.
    pub fn open(out: &Path, settings: &Settings, restart: bool) -> Result<Self> {
        let work = out.join(FOLDER);
        fs::create_dir_all(&work).map_err(|e| Error::io("creating", &work, e))?;
        let lock = lock(&work.join("lock"), out)?;
        let path = work.join("state.json");
        let mut state = RunState {
            settings: settings.clone(),
            ..RunState::default()
        };
        if path.exists() && !restart {
            let text = fs::read(&path).map_err(|e| Error::io("reading", &path, e))?;
            state = serde_json::from_slice(&text)
                .map_err(|e| Error::format(path.display(), format!("{e}; restart begins the run again")))?;
            check_alike(out, settings, &state.settings)?;
        }
        let journal = Self {
            out: out.to_path_buf(),
            work,
            state,
            _lock: lock,
        };
        if restart {
            journal.remove_checkpoint()?;
        }
        journal.save()?;
        Ok(journal)
    }

    /// Writes the state.
    pub fn save(&self) -> Result<()> {
        let path = self.work.join("state.json");
        let text =
            serde_json::to_vec_pretty(&self.state).map_err(|e| Error::Internal(format!("state of the run: {e}")))?;
        write_atomically(&path, |file| {
            file.write_all(&text).map_err(|e| Error::io("writing", &path, e))
        })
    }

    /// Adds to the seconds of a part of the run, and notes the memory taken.
    pub fn spent(&mut self, part: &str, seconds: f64) {
        *self.state.seconds.entry(part.to_owned()).or_default() += seconds;
        self.state.peak_bytes = self.state.peak_bytes.max(memory::peak().unwrap_or(0));
    }

    /// The folder of the results.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The training's checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.work.join("checkpoint.safetensors")
    }

    /// Removes the checkpoint, if there is one.
    pub fn remove_checkpoint(&self) -> Result<()> {
        let path = self.checkpoint();
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing", &path, e)),
            _ => Ok(()),
        }
    }
}

fn lock(path: &Path, out: &Path) -> Result<File> {
    let failed = |e| Error::io("locking", path, e);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::State(format!("another process runs in {}", out.display()))),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_with_its_settings_only() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let settings = |steps: &str| Settings::from([("steps".to_owned(), steps.to_owned())]);
        let mut journal = Journal::open(&out, &settings("6"), false).unwrap();
        let second = Journal::open(&out, &settings("6"), false).err().unwrap();
        assert!(matches!(second, Error::State(_)), "{second}");
        journal.state.slabs.push(LabelledSlab {
            slab: ChosenSlab {
                tomogram: "a".into(),
                z: 3..9,
                score: Some(0.5),
            },
            stem: "a_3-9".into(),
            membrane_share: 0.1,
            molecule_share: 0.0,
            points: 4,
            seconds: 1.0,
        });
        journal.spent("labels", 2.0);
        journal.spent("labels", 0.5);
        journal.save().unwrap();
        fs::write(journal.checkpoint(), "x").unwrap();
        drop(journal);
        let refused = Journal::open(&out, &settings("7"), false).err().unwrap().to_string();
        assert!(refused.starts_with("steps is 7, must be 6"), "{refused}");
        let journal = Journal::open(&out, &settings("6"), false).unwrap();
        assert_eq!(journal.state.slabs[0].slab.z, 3..9);
        assert_eq!(journal.state.seconds["labels"], 2.5);
        drop(journal);
        let journal = Journal::open(&out, &settings("7"), true).unwrap();
        assert!(journal.state.slabs.is_empty() && !journal.checkpoint().exists());
        drop(journal);
        fs::write(out.join(".run/state.json"), "{").unwrap();
        assert!(Journal::open(&out, &settings("7"), false).is_err());
    }
}
