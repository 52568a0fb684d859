//! A folder of resolutions: OME-Zarr 0.4, zarr 2, chunks packed by zstd.
use std::fs::{self, File, Permissions};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{json, Map, Value};
use zarrs::array::{Array, ArrayError};
use zarrs::array_subset::ArraySubset;
use zarrs::filesystem::FilesystemStore;

use super::multiscale::describe;
use super::read::{alone, chunk_failed};
use super::reduce::{halve, Reduction, ZarrVoxel};
use super::version::Version;
use crate::runtime::{folder_target, place_folder, Job};
use crate::volume::Geometry;
use crate::{Error, Result};

/// Edge of a chunk in voxels: 4 MiB of float16, some hundred files for a tomogram.
const CHUNK: usize = 128;
/// Resolutions are halved until no axis is longer.
const COARSEST: usize = 64;

/// Contents of a volume.
#[derive(Clone, Copy, Debug)]
pub struct ZarrContent<'a> {
    /// Name of the image in the metadata.
    pub name: &'a str,
    /// Reduction to coarser resolutions; with [`Reduction::Mode`] viewers are told that the values are labels.
    pub reduction: Reduction,
}

/// How a folder of resolutions is written.
pub(super) struct Form {
    pub version: Version,
    /// Number of resolutions; None: until no axis is longer than 64 voxels.
    pub levels: Option<usize>,
    /// The attribute `image-label`, of labels.
    pub label: Option<Value>,
}

impl Form {
    /// An image of its own.
    pub fn of(content: &ZarrContent) -> Self {
        Self {
            version: Version::V04,
            levels: None,
            label: (content.reduction == Reduction::Mode).then(|| json!({"version": "0.4"})),
        }
    }
}

/// Answers the voxels (z, y, x) of a box of a volume, x fastest.
pub type ReadBox<'a, T> = &'a mut dyn FnMut(&[Range<usize>; 3]) -> Result<Vec<T>>;

/// Writes an OME-Zarr folder at `path` with voxel size and origin of `geometry`, at resolutions halved down to 64
/// voxels; what was at `path` is replaced once all is written, and nothing is left behind on errors. `read` is asked
/// for the voxels (z, y, x) of boxes in ascending order that span the whole x axis; they, a chunk and eight of its
/// neighbours are what is in memory. Same voxels, same bytes.
///
/// # Errors
/// Those of `read`; [`Error::Io`] where a file cannot be written; cancel; [`Error::InvalidArgument`] for a shape
/// without voxels.
pub fn write_zarr<T: ZarrVoxel>(
    path: &Path,
    geometry: &Geometry,
    content: ZarrContent,
    job: &Job,
    read: ReadBox<T>,
) -> Result<()> {
    write_in_form(path, geometry, content, &Form::of(&content), job, read)
}

/// [`write_zarr`] in another form.
pub(super) fn write_in_form<T: ZarrVoxel>(
    path: &Path,
    geometry: &Geometry,
    content: ZarrContent,
    form: &Form,
    job: &Job,
    read: ReadBox<T>,
) -> Result<()> {
    let chunk_voxels = format!("{:?}", geometry.shape);
    if geometry.shape.contains(&0) {
        return Err(Error::argument(
            "geometry.shape",
            chunk_voxels,
            "must have no zero extent",
        ));
    }
    let target = folder_target(path)?;
    let beside = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let work = tempfile::Builder::new()
        .prefix(".tomocut-")
        .suffix(".part")
        // As any other new folder: what the user's umask leaves.
        .permissions(Permissions::from_mode(0o777))
        .tempdir_in(beside.unwrap_or(Path::new(".")))
        .map_err(|e| Error::io("writing", path, e))?;
    let levels = levels(geometry.shape, form.levels);
    let factors: Vec<[usize; 3]> = levels.iter().map(|level| level.factor).collect();
    let mut ome = describe(content.name, geometry, &factors, content.reduction.name());
    if let Some(label) = &form.label {
        ome.insert("image-label".to_owned(), label.clone());
    }
    let kind = match content.reduction {
        Reduction::Mode => "labels",
        Reduction::Mean => "score",
    };
    let noted = json!({"version": env!("CARGO_PKG_VERSION"), "content": kind});
    let others = Map::from_iter([("tomocut".to_owned(), noted)]);
    form.version.put_group(work.path(), ome, others)?;

    let mut finer: Option<LevelArray> = None;
    for (number, level) in levels.iter().enumerate() {
        let array = LevelArray::create::<T>(&work.path().join(number.to_string()), level.shape, form.version)?;
        match &finer {
            None => array.fill(job, read)?,
            Some(finer) => array.fill_from::<T>(job, finer, level.step, content.reduction)?,
        }
        finer = Some(array);
    }
    sync(work.path())?;
    place_folder(work.path(), &target)
}

/// A resolution.
struct Level {
    shape: [usize; 3],
    /// Voxels (z, y, x) of the one before that one of its voxels spans.
    step: [usize; 3],
    /// The same of the first one.
    factor: [usize; 3],
}

/// `count` resolutions, or as many as it takes until no axis is longer than 64 voxels.
fn levels(shape: [usize; 3], count: Option<usize>) -> Vec<Level> {
    let mut levels = vec![Level {
        shape,
        step: [1; 3],
        factor: [1; 3],
    }];
    let is_finer = |levels: &[Level], last: &Level| match count {
        Some(count) => levels.len() < count,
        None => last.shape.iter().any(|n| *n > COARSEST),
    };
    while let Some(last) = levels.last().filter(|last| is_finer(&levels, last)) {
        let step = last.shape.map(|n| if n > 1 { 2 } else { 1 });
        let next = Level {
            shape: std::array::from_fn(|axis| last.shape[axis].div_ceil(step[axis])),
            step,
            factor: std::array::from_fn(|axis| last.factor[axis] * step[axis]),
        };
        levels.push(next);
    }
    levels
}

/// The array of one resolution.
struct LevelArray {
    array: Array<FilesystemStore>,
    folder: PathBuf,
    shape: [usize; 3],
    chunk: [usize; 3],
}

impl LevelArray {
    fn create<T: ZarrVoxel>(folder: &Path, shape: [usize; 3], version: Version) -> Result<Self> {
        fs::create_dir(folder).map_err(|e| Error::io("writing", folder, e))?;
        let chunk = shape.map(|n| n.min(CHUNK));
        version.put_array(folder, shape, chunk, T::DTYPE)?;
        let odd = |e: &dyn std::fmt::Display| Error::Internal(format!("{}: {e}", folder.display()));
        let _ = alone();
        let store = FilesystemStore::new(folder).map_err(|e| odd(&e))?;
        let array = Array::open(Arc::new(store), "/").map_err(|e| odd(&e))?;
        Ok(Self {
            array,
            folder: folder.to_path_buf(),
            shape,
            chunk,
        })
    }

    /// Writes all chunks, a row of them along x at a time.
    fn fill<T: ZarrVoxel>(&self, job: &Job, read: ReadBox<T>) -> Result<()> {
        let [nz, ny, nx] = self.shape;
        for z in ranges(nz, self.chunk[0]) {
            for y in ranges(ny, self.chunk[1]) {
                job.check()?;
                let voxels = read(&[z.clone(), y.clone(), 0..nx])?;
                let extents = [z.len(), y.len(), nx];
                if voxels.len() != extents.iter().product::<usize>() {
                    return Err(Error::argument(
                        "voxels",
                        voxels.len(),
                        &format!("must fill a box of {extents:?}"),
                    ));
                }
                for x in ranges(nx, self.chunk[2]) {
                    let rows = voxels
                        .chunks_exact(nx)
                        .map(|row| row.get(x.clone()).unwrap_or_default());
                    self.put([z.start, y.start, x.start], [z.len(), y.len()], rows)?;
                }
            }
        }
        Ok(())
    }

    /// Writes all chunks out of the voxels of a finer resolution.
    fn fill_from<T: ZarrVoxel>(&self, job: &Job, finer: &Self, step: [usize; 3], reduction: Reduction) -> Result<()> {
        let along = |axis: usize| ranges(self.shape[axis], self.chunk[axis]);
        for z in along(0) {
            for y in along(1) {
                for x in along(2) {
                    job.check()?;
                    let block = [(&z, 0), (&y, 1), (&x, 2)]
                        .map(|(range, axis)| range.start * step[axis]..(range.end * step[axis]).min(finer.shape[axis]));
                    let voxels: Vec<T> = finer.get(&block)?;
                    let halved = halve(&voxels, block.map(|range| range.len()), step, reduction);
                    let rows = halved.chunks_exact(x.len());
                    self.put([z.start, y.start, x.start], [z.len(), y.len()], rows)?;
                }
            }
        }
        Ok(())
    }

    /// The voxels of a box, chunk by chunk.
    fn get<T: ZarrVoxel>(&self, block: &[Range<usize>; 3]) -> Result<Vec<T>> {
        let lengths = [0, 1, 2].map(|axis| block[axis].len());
        let mut voxels = vec![T::default(); lengths.iter().product()];
        let chunks = |axis: usize| ranges(self.shape[axis], self.chunk[axis]);
        let shared = |a: &Range<usize>, b: &Range<usize>| a.start.max(b.start)..a.end.min(b.end);
        for z in chunks(0).map(|c| shared(&c, &block[0])).filter(|c| !c.is_empty()) {
            for y in chunks(1).map(|c| shared(&c, &block[1])).filter(|c| !c.is_empty()) {
                for x in chunks(2).map(|c| shared(&c, &block[2])).filter(|c| !c.is_empty()) {
                    let part = [&z, &y, &x].map(|range| range.start as u64..range.end as u64);
                    let part = ArraySubset::new_with_ranges(&part);
                    let chunk_voxels: Vec<T> = self
                        .array
                        .retrieve_array_subset_elements_opt(&part, &alone())
                        .map_err(|e| self.failed("reading", e))?;
                    for (row, line) in chunk_voxels.chunks_exact(x.len()).enumerate() {
                        let (k, j) = (
                            z.start - block[0].start + row / y.len(),
                            y.start - block[1].start + row % y.len(),
                        );
                        let to = (k * lengths[1] + j) * lengths[2] + x.start - block[2].start;
                        voxels[to..to + line.len()].copy_from_slice(line);
                    }
                }
            }
        }
        Ok(voxels)
    }

    /// Writes the chunk that starts at voxel `start`: `rows` of it, `extents` (z, y) of them; zeros beyond the volume's
    /// end.
    fn put<'a, T: ZarrVoxel + 'a>(
        &self,
        start: [usize; 3],
        extents: [usize; 2],
        rows: impl Iterator<Item = &'a [T]>,
    ) -> Result<()> {
        let mut chunk = vec![T::default(); self.chunk.iter().product()];
        for (row, line) in rows.enumerate() {
            let to = (row / extents[1] * self.chunk[1] + row % extents[1]) * self.chunk[2];
            chunk[to..to + line.len()].copy_from_slice(line);
        }
        let number: [u64; 3] = std::array::from_fn(|axis| (start[axis] / self.chunk[axis]) as u64);
        self.array
            .store_chunk_elements_opt(&number, &chunk, &alone())
            .map_err(|e| self.failed("writing", e))
    }

    fn failed(&self, action: &'static str, error: ArrayError) -> Error {
        chunk_failed(action, &self.folder, error)
    }
}

/// 0..`extent` in pieces of `length`.
fn ranges(extent: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..extent)
        .step_by(length.max(1))
        .map(move |first| first..(first + length).min(extent))
}

/// Waits until every file of a folder is on the disk.
fn sync(folder: &Path) -> Result<()> {
    let failed = |e| Error::io("writing", folder, e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            let file = File::open(&path).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
    }
    Ok(())
}
