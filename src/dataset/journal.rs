//! What of a run is done, in a file that survives a kill.
//!
//! `OUT/.run/state.json` is written whole or not at all after every piece of work; the checkpoints beside it are the
//! trainings'. What the state says is done lies in files of `OUT`.
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::network::Role;
use super::state::RunState;
use crate::runtime::{memory, write_whole, Error, Result};
use crate::settings::Identity;

/// Folder of the run's own files within the folder of the results.
const FOLDER: &str = ".run";

/// The state of the run in a folder, which belongs to this process as long as this lives.
pub struct Journal {
    out: PathBuf,
    work: PathBuf,
    /// What is done.
    pub state: RunState,
    _lock: File,
}

impl Journal {
    /// Opens the run of this identity in `out`, which is made where it is missing.
    ///
    /// Errors: another process has it; a run of another identity stands there and `restart` is not set; a state that
    /// cannot be read, such as that of an earlier version.
    pub fn open(out: &Path, identity: &Identity, restart: bool) -> Result<Self> {
        let work = out.join(FOLDER);
        fs::create_dir_all(&work).map_err(|e| Error::io("creating", &work, e))?;
        let lock = lock(&work.join("lock"), out)?;
        let path = work.join("state.json");
        let mut state = RunState {
            identity: identity.clone(),
            ..RunState::default()
        };
        if path.exists() && !restart {
            let text = fs::read(&path).map_err(|e| Error::io("reading", &path, e))?;
            state = serde_json::from_slice(&text)
                .map_err(|e| Error::format(path.display(), format!("{e}; restart begins the run again")))?;
            identity.check_equals(&state.identity, &out.display().to_string())?;
        }
        let journal = Self {
            out: out.to_path_buf(),
            work,
            state,
            _lock: lock,
        };
        if restart {
            [Role::First, Role::Molecules]
                .iter()
                .try_for_each(|role| journal.remove_checkpoint(*role))?;
        }
        journal.save()?;
        Ok(journal)
    }

    /// Writes the state.
    pub fn save(&self) -> Result<()> {
        let path = self.work.join("state.json");
        let text =
            serde_json::to_vec_pretty(&self.state).map_err(|e| Error::Internal(format!("state of the run: {e}")))?;
        write_whole(&path, &text)
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

    /// The checkpoint of a network's training.
    pub fn checkpoint(&self, role: Role) -> PathBuf {
        self.work.join(format!("{}.safetensors", role.name()))
    }

    /// Removes that checkpoint, if there is one.
    pub fn remove_checkpoint(&self, role: Role) -> Result<()> {
        let path = self.checkpoint(role);
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
    use crate::dataset::state::{ChosenSlab, LabelledSlab};

    #[test]
    fn a_run_goes_on_with_its_settings_only() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let identity = |steps: u64| Identity::new(&serde_json::json!({ "steps": steps }), &[]).unwrap();
        let mut journal = Journal::open(&out, &identity(6), false).unwrap();
        let second = Journal::open(&out, &identity(6), false).err().unwrap();
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
        fs::write(journal.checkpoint(Role::First), "x").unwrap();
        drop(journal);
        let refused = Journal::open(&out, &identity(7), false).err().unwrap().to_string();
        assert!(refused.starts_with("steps is 7, must be 6"), "{refused}");
        let journal = Journal::open(&out, &identity(6), false).unwrap();
        assert_eq!(journal.state.slabs[0].slab.z, 3..9);
        assert_eq!(journal.state.seconds["labels"], 2.5);
        drop(journal);
        let journal = Journal::open(&out, &identity(7), true).unwrap();
        assert!(journal.state.slabs.is_empty() && !journal.checkpoint(Role::First).exists());
        drop(journal);
        fs::write(out.join(".run/state.json"), "{").unwrap();
        assert!(Journal::open(&out, &identity(7), false).is_err());
    }
}
