//! The output under construction, and the journal that lets a killed run go on.
//!
//! `FOLDER/.NAME.predict` holds the volumes at their full length, one journal for each process, and what the run is. A
//! tile stands in a journal once its voxels are on the disk. Once all stand there, the process that notices writes the
//! headers and renames the volumes, or the OME-Zarr folders that it makes of them, into `FOLDER`, and notes in
//! `FOLDER/.NAME.predict.json` what they are of; until then nothing is seen there.
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::identity::record_file;
use crate::runtime::{file_target, folder_target, place_file, place_folder, write_whole, Error, Job, Result};
use crate::settings::Identity;
use crate::volume::{write_blocks_as_zarr, BlockFile, BlockType, Geometry, Moments};

/// What the headers call the volumes.
pub(super) const CONTENT: &str = "prediction";

/// A run over all tiles, and what of it this process does.
pub struct Run<'a> {
    /// Folder of the results.
    pub folder: &'a Path,
    /// Name of the tomogram.
    pub name: &'a str,
    /// Everything that settles the tiles.
    pub identity: &'a Identity,
    /// Number of tiles.
    pub tiles: usize,
    /// The volumes that are written.
    pub volumes: &'a [Volume],
    /// Their geometry.
    pub geometry: &'a Geometry,
    /// Number of this process.
    pub rank: usize,
    /// Whether a run of the same identity is continued.
    pub resume: bool,
    /// Whether the volumes become OME-Zarr folders.
    pub as_zarr: bool,
}

/// A volume that is written.
pub struct Volume {
    /// Name of its MRC file in the folder, with the ending.
    pub name: String,
    /// How its voxels are stored.
    pub stored: BlockType,
    /// Whether it is put in place; otherwise it goes with the run.
    pub is_kept: bool,
}

impl Volume {
    /// What is put in place: its name, with another ending where it is made an OME-Zarr folder.
    pub fn placed_name(&self, as_zarr: bool) -> String {
        placed_name(&self.name, as_zarr)
    }
}

fn placed_name(name: &str, as_zarr: bool) -> String {
    let stem = name.strip_suffix(".mrc").unwrap_or(name);
    format!("{stem}{}", if as_zarr { ".zarr" } else { ".mrc" })
}

/// The folder of a run, its open volumes and this process's journal.
pub struct Store {
    folder: PathBuf,
    /// Where the record of the finished prediction goes.
    record: PathBuf,
    work: PathBuf,
    volumes: Vec<(String, bool, BlockFile)>,
    journal: File,
    journal_path: PathBuf,
    tiles: usize,
}

/// Tiles that are done, with the moments of their voxels in each volume.
type Done = BTreeMap<usize, Vec<Moments>>;

impl Store {
    /// Opens `run`, continuing one of the same identity that was stopped; anything else that stands in its place, such
    /// as a run of another version, is thrown away. Returns the tiles that are done already.
    pub fn open(run: &Run) -> Result<(Self, Vec<usize>)> {
        let (folder, volumes) = (run.folder, run.volumes);
        // What could not be put in place is refused before anything is computed.
        for volume in volumes.iter().filter(|volume| volume.is_kept) {
            let target = if run.as_zarr { folder_target } else { file_target };
            target(&folder.join(volume.placed_name(run.as_zarr)))?;
        }
        let work = folder.join(format!(".{}.predict", run.name));
        let failed = |e| Error::io("writing", &work, e);
        fs::create_dir_all(&work).map_err(failed)?;
        let lock = lock(&work, LOCK)?;
        let plan = work.join("run.json");
        let stands = fs::read(&plan)
            .ok()
            .and_then(|text| serde_json::from_slice::<Identity>(&text).ok());
        if !run.resume || stands.as_ref() != Some(run.identity) {
            for entry in fs::read_dir(&work).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if entry.file_name() != LOCK && entry.file_name() != FINISHING {
                    // Folders are what a kill left of OME-Zarr.
                    let is_folder = entry.file_type().map_err(failed)?.is_dir();
                    let remove = if is_folder { fs::remove_dir_all } else { fs::remove_file };
                    remove(entry.path()).map_err(failed)?;
                }
            }
            let text =
                serde_json::to_vec_pretty(run.identity).map_err(|e| Error::Internal(format!("run.json: {e}")))?;
            write_whole(&plan, &text)?;
        }
        let done = read_journals(&work, volumes.len(), run.tiles)?;
        if done.len() == run.tiles {
            // A kill between two volumes that were put in place: they are taken back.
            for volume in volumes.iter().filter(|volume| !work.join(&volume.name).exists()) {
                let from = folder.join(&volume.name);
                fs::rename(&from, work.join(&volume.name)).map_err(|e| Error::io("writing", &from, e))?;
            }
        }
        let open = |volume: &Volume| -> Result<(String, bool, BlockFile)> {
            let file = BlockFile::open(&work.join(&volume.name), run.geometry, volume.stored, CONTENT)?;
            Ok((volume.name.clone(), volume.is_kept, file))
        };
        let volumes = volumes.iter().map(open).collect::<Result<Vec<_>>>()?;
        let journal_path = work.join(format!("{JOURNAL}{}", run.rank));
        let journal = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&journal_path)
            .map_err(|e| Error::io("writing", &journal_path, e))?;
        // A line that a kill cut short must not run into the next one.
        (&journal)
            .write_all(b"\n")
            .map_err(|e| Error::io("writing", &journal_path, e))?;
        drop(lock);
        let store = Self {
            folder: folder.to_path_buf(),
            record: record_file(folder, run.name),
            work,
            volumes,
            journal,
            journal_path,
            tiles: run.tiles,
        };
        Ok((store, done.into_keys().collect()))
    }

    /// Writes the voxels of tile `index`, of each volume one block (z, y, x) at `start`, and then notes it.
    pub fn put(&mut self, index: usize, start: [usize; 3], extents: [usize; 3], blocks: &[Vec<f32>]) -> Result<()> {
        let mut line = format!("{index}");
        for ((_, _, file), block) in self.volumes.iter().zip(blocks) {
            let m = file.write(start, extents, block)?;
            for value in [m.count, m.sum, m.squares, m.low, m.high] {
                line.push_str(&format!(" {:016x}", value.to_bits()));
            }
            file.sync()?;
        }
        line.push_str(" .\n");
        self.journal
            .write_all(line.as_bytes())
            .map_err(|e| Error::io("writing", &self.journal_path, e))
    }

    /// Puts the volumes in place if every tile of every process is done; whether they are in place. Before that `work`
    /// is called with the folder in which the volumes are whole. Where another process is at it that one finishes, and
    /// the answer is false. `as_zarr`, the volumes' geometry, makes them OME-Zarr folders; a call that is killed or
    /// cancelled meanwhile is made good by the next one. `record` is written once all volumes are in place.
    pub fn finish(
        self,
        as_zarr: Option<&Geometry>,
        record: &[u8],
        job: &Job,
        work: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<bool> {
        let opened = match lock(&self.work, LOCK) {
            Ok(lock) => lock,
            // Another process finished, and the folder is gone.
            Err(_) if !self.work.exists() => return Ok(true),
            Err(error) => return Err(error),
        };
        if !self.work.join("run.json").exists() {
            return Ok(true);
        }
        let done = read_journals(&self.work, self.volumes.len(), self.tiles)?;
        if done.len() < self.tiles {
            return Ok(false);
        }
        // Others may open the run meanwhile: `work` can take long.
        let Some(_finishing) = try_lock(&self.work, FINISHING)? else {
            return Ok(false);
        };
        drop(opened);
        for (index, (_, _, file)) in self.volumes.iter().enumerate() {
            // In the order of the tiles, so that the sums do not depend on who computed them.
            let all = done
                .values()
                .filter_map(|moments| moments.get(index).copied())
                .fold(Moments::default(), Moments::with);
            file.finish(all)?;
        }
        // From here on files of an earlier prediction are replaced.
        match fs::remove_file(&self.record) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("removing", &self.record, e));
            }
            _ => {}
        }
        work(&self.work)?;
        let kept = || self.volumes.iter().filter(|(_, is_kept, _)| *is_kept);
        if let Some(geometry) = as_zarr {
            for (name, _, file) in kept() {
                let placed = placed_name(name, true);
                let title = placed.trim_end_matches(".zarr");
                write_blocks_as_zarr(file, &self.work.join(&placed), geometry, title, job)?;
            }
        }
        let _lock = lock(&self.work, LOCK)?;
        for (name, _, _) in kept() {
            let placed = placed_name(name, as_zarr.is_some());
            let (from, to) = (self.work.join(&placed), self.folder.join(&placed));
            match as_zarr {
                None => place_file(&from, &to)?,
                Some(_) => place_folder(&from, &to)?,
            }
        }
        write_whole(&self.record, record)?;
        // First what says that there is a run: a kill in between leaves litter, never half a run.
        let failed = |e| Error::io("removing", &self.work, e);
        fs::remove_file(self.work.join("run.json")).map_err(failed)?;
        fs::remove_dir_all(&self.work).map_err(failed)?;
        Ok(true)
    }
}

/// Held while the run is opened, looked at or put in place.
const LOCK: &str = "lock";
/// Held by the process that finishes.
const FINISHING: &str = "finishing";
const JOURNAL: &str = "journal.";

/// Keeps other processes out of what `name` stands for until it is dropped, or the process ends.
fn lock(work: &Path, name: &str) -> Result<File> {
    let file = lock_file(work, name)?;
    file.lock().map_err(|e| Error::io("locking", &work.join(name), e))?;
    Ok(file)
}

/// [`lock`], or None where another process has it.
fn try_lock(work: &Path, name: &str) -> Result<Option<File>> {
    let file = lock_file(work, name)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(Error::io("locking", &work.join(name), e)),
    }
}

fn lock_file(work: &Path, name: &str) -> Result<File> {
    let path = work.join(name);
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| Error::io("locking", &path, e))
}

/// The tiles noted in all journals of a run; lines that are not whole are left out.
fn read_journals(work: &Path, volumes: usize, tiles: usize) -> Result<Done> {
    let failed = |e| Error::io("reading", work, e);
    let mut done = Done::new();
    for entry in fs::read_dir(work).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(JOURNAL) {
            let text = fs::read_to_string(entry.path()).map_err(failed)?;
            done.extend(text.lines().filter_map(|line| noted(line, volumes, tiles)));
        }
    }
    Ok(done)
}

/// A line of a journal: number of the tile, five numbers for each volume, a full stop.
fn noted(line: &str, volumes: usize, tiles: usize) -> Option<(usize, Vec<Moments>)> {
    let words: Vec<&str> = line.strip_suffix(" .")?.split(' ').collect();
    let (index, numbers) = words.split_first()?;
    let index = index.parse().ok().filter(|index| *index < tiles)?;
    let numbers = numbers
        .iter()
        .map(|word| u64::from_str_radix(word, 16).ok().map(f64::from_bits))
        .collect::<Option<Vec<f64>>>()?;
    let moments: Vec<Moments> = numbers
        .chunks_exact(5)
        .map(|m| Moments {
            count: m[0],
            sum: m[1],
            squares: m[2],
            low: m[3],
            high: m[4],
        })
        .collect();
    (numbers.len() == 5 * volumes).then_some((index, moments))
}
