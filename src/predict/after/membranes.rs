//! Membranes as a mask and as numbered objects, of a map that need not fit the memory.
use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::map::ProbabilityMap;
use super::mask_file::MaskFile;
use crate::image::{BitMask, SliceComponents};
use crate::predict::closing::Closing;
use crate::predict::membrane_options::{MembraneFile, MembraneOptions};
use crate::predict::objects::volume;
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::Settings;
use crate::volume::{write_slices, SliceType};

/// Bytes of a part of a membrane: two names, its size, its number.
const PART_BYTES: u64 = 24;

/// Masks in memory while a step of the closing works on some slices.
const MASKS: u64 = 8;

/// Most membranes that float32 can number.
const MOST_OBJECTS: u32 = 1 << 24;

/// How many membranes there are, and their files.
#[derive(Clone, Debug, PartialEq)]
pub struct MembraneFiles {
    /// Number of membranes that were kept.
    pub count: u32,
    /// The files written.
    pub files: Vec<PathBuf>,
}

/// Writes FOLDER/NAME_OUTPUT_mask.mrc and FOLDER/NAME_OUTPUT_objects.mrc, whichever are asked for, with start and
/// origin of the map: what has at least the threshold, closed where that is asked for
/// ([`crate::predict::close_membranes`]), without objects (26 neighbours) of other volumes than asked for.
///
/// Slices are read and written one after the other; masks of one bit per voxel lie in files without a name in `folder`.
/// Half of `memory` bytes hold what is in memory. The answer is that of the whole volume at once, whatever `memory` is.
/// Each file is whole or absent.
///
/// Errors: options out of range; an unknown voxel size where lengths or volumes are given; [`Error::OutOfMemory`] where
/// the mask has millions of parts; [`Error::Unsupported`] for more than 16777216 membranes; cancel; slices that cannot
/// be read, files that cannot be written.
pub fn write_membranes(
    map: &ProbabilityMap,
    output: &str,
    options: &MembraneOptions,
    folder: &Path,
    memory: u64,
    job: &Job,
) -> Result<MembraneFiles> {
    options.validate()?;
    options.check_gap(map.whole.voxel_nm())?;
    job.enter(Stage::Binarise)?;
    let mask = match options.closing() {
        None => threshold(map, options.threshold, 0, folder, memory, job)?,
        Some(closing) => {
            let edges = map.voxel_nm("a closing")?;
            let closing = Closing::new(&closing, edges.iter().sum::<f64>() / 3.0)?;
            let padded = threshold(map, options.threshold, closing.room(), folder, memory, job)?;
            inner(
                &close(padded, &closing, folder, memory, job)?,
                closing.room(),
                folder,
                job,
            )?
        }
    };
    job.enter(Stage::Split)?;
    let (count, numbers) = number(&mask, map, options, memory, job)?;
    job.enter(Stage::Write)?;
    let mut files = Vec::new();
    if options.files.contains(&MembraneFile::Mask) {
        let path = folder.join(format!("{}_{output}_mask.mrc", map.name));
        write(
            &path,
            &mask,
            map,
            (SliceType::Int8, &numbers),
            |number| f32::from(u8::from(number > 0)),
            job,
        )?;
        files.push(path);
    }
    if options.files.contains(&MembraneFile::Objects) {
        let path = folder.join(format!("{}_{output}_objects.mrc", map.name));
        let stored = match count {
            0..=0x7fff => SliceType::Int16,
            _ if count <= MOST_OBJECTS => SliceType::Float,
            _ => {
                let text = format!("{count} membranes in one volume: leave small ones out by their volume");
                return Err(Error::Unsupported(text));
            }
        };
        write(&path, &mask, map, (stored, &numbers), |number| number as f32, job)?;
        files.push(path);
    }
    Ok(MembraneFiles { count, files })
}

/// What has at least `least`, with `room` voxels of background on all sides.
fn threshold(map: &ProbabilityMap, least: f64, room: usize, folder: &Path, memory: u64, job: &Job) -> Result<MaskFile> {
    let [nz, ny, nx] = map.shape();
    let mask = MaskFile::new(folder, [nz, ny, nx].map(|n| n + 2 * room))?;
    let least = least as f32;
    for z in map.chunks(memory) {
        let slices = map.slices(z.clone())?;
        let mut bits = BitMask::new([z.len(), ny + 2 * room, nx + 2 * room]);
        for ((k, y, x), _) in slices.indexed_iter().filter(|(_, p)| **p >= least) {
            bits.set([k, y + room, x + room]);
        }
        mask.put(z.start + room, &bits)?;
        job.advance(z.end as f64 / nz as f64)?;
    }
    Ok(mask)
}

/// All steps of `closing`, each over the whole volume before the next.
fn close(mut mask: MaskFile, closing: &Closing, folder: &Path, memory: u64, job: &Job) -> Result<MaskFile> {
    let shape = mask.shape();
    let slice = 8 * BitMask::words_per_slice(shape) as u64;
    let most = (memory / 2 / MASKS / slice.max(1)) as usize;
    for radius in closing.radii() {
        let halo = closing.halo(radius);
        let depth = most.saturating_sub(2 * halo).max(8);
        let closed = MaskFile::new(folder, shape)?;
        for first in (0..shape[0]).step_by(depth) {
            let end = (first + depth).min(shape[0]);
            let low = first.saturating_sub(halo);
            let around = mask.get(low..(end + halo).min(shape[0]))?;
            let stepped = closing.step(around, radius, job)?;
            closed.put(first, &stepped.slices(first - low..end - low))?;
            job.check()?;
        }
        mask = closed;
    }
    Ok(mask)
}

/// `mask` without its outer `room` voxels.
fn inner(mask: &MaskFile, room: usize, folder: &Path, job: &Job) -> Result<MaskFile> {
    let [nz, ny, nx] = mask.shape().map(|n| n - 2 * room);
    let cut = MaskFile::new(folder, [nz, ny, nx])?;
    for z in 0..nz {
        job.check()?;
        let padded = mask.get(z + room..z + room + 1)?;
        let mut bits = BitMask::new([1, ny, nx]);
        for y in 0..ny {
            for x in (0..nx).filter(|x| padded.get([0, y + room, x + room])) {
                bits.set([0, y, x]);
            }
        }
        cut.put(z, &bits)?;
    }
    Ok(cut)
}

/// The number of membranes that are kept, and for each provisional name of their parts its membrane's number, 0 where
/// it is left out.
fn number(
    mask: &MaskFile,
    map: &ProbabilityMap,
    options: &MembraneOptions,
    memory: u64,
    job: &Job,
) -> Result<(u32, Vec<u32>)> {
    let ([nz, ny, nx], volumes) = (mask.shape(), options.volumes());
    let voxel = match volumes.keep_all() {
        true => 1.0,
        false => volume(map.voxel_nm("volumes")?)?,
    };
    let mut parts = SliceComponents::new(ny, nx, (memory / 2 / PART_BYTES) as usize);
    let mut sizes = vec![0_u64];
    for z in 0..nz {
        job.check()?;
        let names = parts.next(mask.get(z..z + 1)?.pixels(0).into_iter())?;
        for &name in names.iter().filter(|name| **name > 0) {
            if sizes.len() <= name as usize {
                sizes.resize(name as usize + 1, 0);
            }
            sizes[name as usize] += 1;
        }
        job.advance(0.5 * (z + 1) as f64 / nz as f64)?;
    }
    let mut numbers = parts.roots();
    for name in (1..sizes.len()).rev() {
        let root = numbers[name] as usize;
        if root != name {
            sizes[root] += sizes[name];
        }
    }
    let mut count = 0;
    for name in 1..numbers.len() {
        let root = numbers[name] as usize;
        // The root has the smaller name: its number is known.
        numbers[name] = match root == name {
            true if volumes.keep(sizes[name] as f64 * voxel) => {
                count += 1;
                count
            }
            true => 0,
            false => numbers[root],
        };
    }
    Ok((count, numbers))
}

/// Writes `value` of each voxel's number, slice by slice; parts get the same provisional names as when they were
/// numbered.
fn write(
    path: &Path,
    mask: &MaskFile,
    map: &ProbabilityMap,
    (stored, numbers): (SliceType, &[u32]),
    value: impl Fn(u32) -> f32,
    job: &Job,
) -> Result<()> {
    let [nz, ny, nx] = mask.shape();
    write_slices(path, map.volume.geometry(), stored, |put| {
        let mut parts = SliceComponents::new(ny, nx, numbers.len());
        for z in 0..nz {
            job.check()?;
            let names = parts.next(mask.get(z..z + 1)?.pixels(0).into_iter())?;
            let values: Vec<f32> = names.iter().map(|name| value(numbers[*name as usize])).collect();
            let slice =
                Array2::from_shape_vec((ny, nx), values).map_err(|e| Error::Internal(format!("a slice: {e}")))?;
            put(slice.view())?;
            job.advance((z + 1) as f64 / nz as f64)?;
        }
        Ok(())
    })
}
