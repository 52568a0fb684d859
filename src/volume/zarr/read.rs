//! Slices out of a zarr array, a chunk in memory at a time.
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};

use half::{bf16, f16};
use ndarray::{s, Array3};
use zarrs::array::codec::{CodecError, CodecOptions};
use zarrs::array::{Array, ArrayCreateError, ArrayError, ArrayShardedExt, DataType, ElementOwned};
use zarrs::array_subset::ArraySubset;
use zarrs::filesystem::FilesystemStore;
use zarrs::storage::StorageError;

use super::chunks::missing;
use super::metadata::array_metadata;
use super::node::{find, Image};
use crate::volume::slice_source::{allocate_slices, SliceSource};
use crate::volume::Geometry;
use crate::{Error, Result};

/// Cache of the chunks that were unpacked last, in bytes of float32, so that readers of a few slices at a time do not
/// unpack every chunk for each of them.
const KEPT_BYTES: usize = 128 << 20;

/// The voxels of one zarr array: axes z, y, x after others of extent 1.
pub struct ZarrSlices {
    array: Array<FilesystemStore>,
    path: PathBuf,
    shape: [usize; 3],
    /// Slices of a chunk.
    chunk_depth: usize,
    /// Slices of a window, the unit in which chunks are unpacked and kept: a whole row of chunks where that fits.
    window_depth: usize,
    /// Voxels of a chunk, and bytes of one as it is stored.
    chunk_voxels: u64,
    voxel_bytes: u64,
    kept: Mutex<Option<Kept>>,
}

/// The number of the first slice, and the slices.
type Kept = (usize, Arc<Array3<f32>>);

/// An array that was opened.
pub struct OpenZarr {
    pub geometry: Geometry,
    pub slices: ZarrSlices,
    /// For the log; [`ZarrSlices::missing_chunks`] is not among them.
    pub warnings: Vec<String>,
    /// What is read of it: the array's folder, and metadata.
    pub files: Vec<PathBuf>,
}

/// Opens an OME-Zarr folder, an array within it, or a zarr array of its own.
pub fn open(path: &Path) -> Result<OpenZarr> {
    let image = find(path)?;
    let files = image.files();
    let Image {
        array: folder,
        described,
        label,
        mut warnings,
        ..
    } = image;
    let source = folder.display().to_string();
    let _ = alone();
    let store = FilesystemStore::new(&folder).map_err(|e| Error::format(&source, e))?;
    if !folder.is_dir() {
        return Err(Error::format(path.display(), format!("the array {source} is missing")));
    }
    let metadata = array_metadata(&folder)?;
    let array = Array::new_with_metadata(Arc::new(store), "/", metadata).map_err(|e| not_opened(&folder, e))?;
    check_type(array.data_type(), &source)?;
    let shape = extents(
        array.shape(),
        described.as_ref().map(|(image, _)| image.dimensions()),
        &source,
    )?;
    let mut geometry = Geometry::new(shape, 0.0);
    geometry.labels.extend(label);
    if let Some((image, level)) = &described {
        image.place(*level, &mut geometry, &mut warnings)?;
    }
    let slices = ZarrSlices::new(array, folder, &geometry)?;
    Ok(OpenZarr {
        geometry,
        slices,
        warnings,
        files,
    })
}

/// Extents z, y, x of an array; what stands before them must be 1.
fn extents(found: &[u64], dimensions: Option<usize>, source: &str) -> Result<[usize; 3]> {
    if let Some(axes) = dimensions.filter(|axes| *axes != found.len()) {
        let detail = format!("an array of {} dimensions, its metadata name {axes} axes", found.len());
        return Err(Error::format(source, detail));
    }
    let (before, last) = found.split_at(found.len().saturating_sub(3));
    let &[z, y, x] = last else {
        return Err(Error::Unsupported(format!(
            "{source}: extents {found:?}, must be three: z, y, x"
        )));
    };
    if before.iter().any(|extent| *extent != 1) {
        let text = format!("{source}: extents {found:?}, those before z, y, x must be 1: one time, one channel");
        return Err(Error::Unsupported(text));
    }
    let mut shape = [0; 3];
    for (to, extent) in shape.iter_mut().zip([z, y, x]) {
        *to = usize::try_from(extent)
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| Error::format(source, format!("extents {found:?}, must be 1 or more")))?;
    }
    Ok(shape)
}

fn check_type(found: &DataType, source: &str) -> Result<()> {
    use DataType::{
        BFloat16, Bool, Float16, Float32, Float64, Int16, Int32, Int64, Int8, UInt16, UInt32, UInt64, UInt8,
    };
    match found {
        Bool | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Ok(()),
        Float16 | BFloat16 | Float32 | Float64 => Ok(()),
        other => Err(Error::Unsupported(format!(
            "{source}: voxels of type {other}, must be integers of 8 to 64 bits, floats of 16 to 64, or bool"
        ))),
    }
}

impl ZarrSlices {
    /// What is to be told where chunks are missing; looks for every one of them on the disk.
    pub fn missing_chunks(&self) -> Option<String> {
        missing(&self.array, &self.path)
    }

    fn new(array: Array<FilesystemStore>, path: PathBuf, geometry: &Geometry) -> Result<Self> {
        let [nz, ny, nx] = geometry.shape;
        let slice_bytes = ny.checked_mul(nx).and_then(|n| n.checked_mul(size_of::<f32>()));
        let slice_bytes = slice_bytes.ok_or_else(|| Error::OutOfMemory(format!("slices of {ny} x {nx} voxels")))?;
        // Of a sharded array the chunks within the shards count.
        let inner = array.effective_inner_chunk_shape();
        let chunk = match inner {
            Some(chunk) => chunk,
            None => array
                .chunk_shape(&vec![0; array.dimensionality()])
                .map_err(|e| Error::format(path.display(), e))?,
        };
        let along_z = chunk.len().checked_sub(3).and_then(|axis| chunk.get(axis));
        let depth = along_z.and_then(|n| usize::try_from(n.get()).ok()).unwrap_or(1).min(nz);
        let voxel_bytes = array.data_type().fixed_size().unwrap_or(8) as u64;
        // A shard's chunks may be packed together: what is unpacked at a time is at most one of them.
        let chunk_voxels = chunk.iter().fold(1_u64, |all, extent| all.saturating_mul(extent.get()));
        Ok(Self {
            array,
            path,
            chunk_voxels,
            voxel_bytes,
            shape: geometry.shape,
            chunk_depth: depth,
            window_depth: (KEPT_BYTES / slice_bytes).clamp(1, depth),
            kept: Mutex::new(None),
        })
    }

    /// The window that slice `z` is in: within one row of chunks.
    fn window(&self, z: usize) -> Range<usize> {
        let row = z - z % self.chunk_depth;
        let start = z - (z - row) % self.window_depth;
        start
            ..(start + self.window_depth)
                .min(row + self.chunk_depth)
                .min(self.shape[0])
    }

    /// The window that slice `z` is in, unpacked, from memory where it is the last one.
    fn kept(&self, window: &Range<usize>) -> Result<Arc<Array3<f32>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slices)) = kept.as_ref().filter(|(first, _)| *first == window.start) {
            return Ok(Arc::clone(slices));
        }
        // First what was kept goes: two windows would be twice the memory.
        *kept = None;
        let shape = [window.len(), self.shape[1], self.shape[2]];
        let mut slices = allocate_slices(shape)?;
        self.unpack(window, &mut slices)?;
        let slices = Array3::from_shape_vec(shape, slices).map_err(|e| Error::Internal(format!("slices: {e}")))?;
        let slices = Arc::new(slices);
        *kept = Some((window.start, Arc::clone(&slices)));
        Ok(slices)
    }

    /// Unpacks the slices `z`, which lie within one row of chunks, into `slices` (z, y, x), chunk by chunk.
    fn unpack(&self, z: &Range<usize>, slices: &mut [f32]) -> Result<()> {
        let [_, ny, nx] = self.shape;
        let leading = self.array.dimensionality() - 3;
        let wanted = |z: &Range<usize>, y: &Range<usize>, x: &Range<usize>| {
            let mut ranges = vec![0..1u64; leading];
            ranges.extend([z, y, x].map(|range| range.start as u64..range.end as u64));
            ArraySubset::new_with_ranges(&ranges)
        };
        let whole = wanted(z, &(0..ny), &(0..nx));
        let odd = |e: &dyn std::fmt::Display| Error::format(self.path.display(), e);
        let chunks = self.array.chunks_in_array_subset(&whole).map_err(|e| odd(&e))?;
        let chunks = chunks.ok_or_else(|| odd(&"the chunks do not cover the array"))?;
        for chunk in &chunks.indices() {
            let held = self.array.chunk_subset(&chunk).map_err(|e| odd(&e))?;
            let part = held.overlap(&whole).map_err(|e| odd(&e))?;
            let values = self.values(&part).map_err(|e| self.not_read(&chunk, e))?;
            let ranges = part.to_ranges();
            let [pz, py, px] = [0, 1, 2].map(|axis| {
                let range = &ranges[leading + axis];
                range.start as usize..range.end as usize
            });
            for (row, line) in values.chunks_exact(px.len().max(1)).enumerate() {
                let (k, y) = (pz.start - z.start + row / py.len(), py.start + row % py.len());
                let to = (k * ny + y) * nx + px.start;
                let target = slices.get_mut(to..to + line.len());
                let lost = || Error::Internal("a row of a chunk fell outside its slices".to_owned());
                target.ok_or_else(lost)?.copy_from_slice(line);
            }
        }
        Ok(())
    }

    /// The voxels of a part of one chunk as float32; a chunk that is missing holds the fill value.
    fn values(&self, part: &ArraySubset) -> std::result::Result<Vec<f32>, ArrayError> {
        macro_rules! cast {
            ($voxel:ty, $convert:expr) => {
                self.elements::<$voxel>(part)?.into_iter().map($convert).collect()
            };
        }
        Ok(match self.array.data_type() {
            DataType::Bool => cast!(bool, f32::from),
            DataType::Int8 => cast!(i8, f32::from),
            DataType::UInt8 => cast!(u8, f32::from),
            DataType::Int16 => cast!(i16, f32::from),
            DataType::UInt16 => cast!(u16, f32::from),
            DataType::Int32 => cast!(i32, |v| v as f32),
            DataType::UInt32 => cast!(u32, |v| v as f32),
            DataType::Int64 => cast!(i64, |v| v as f32),
            DataType::UInt64 => cast!(u64, |v| v as f32),
            DataType::Float16 => cast!(f16, f16::to_f32),
            DataType::BFloat16 => cast!(bf16, bf16::to_f32),
            DataType::Float64 => cast!(f64, |v| v as f32),
            _ => self.elements::<f32>(part)?,
        })
    }

    fn elements<T: ElementOwned>(&self, part: &ArraySubset) -> std::result::Result<Vec<T>, ArrayError> {
        self.array.retrieve_array_subset_elements_opt(part, &alone())
    }

    fn not_read(&self, chunk: &[u64], error: ArrayError) -> Error {
        let file = self.path.join(self.array.chunk_key(chunk).as_str());
        chunk_failed("reading", &file, error)
    }
}

impl ZarrSlices {
    /// The voxel type in zarr's words: "float32".
    pub fn voxel_type(&self) -> String {
        self.array.data_type().to_string()
    }
}

impl SliceSource for ZarrSlices {
    fn read(&self, z: Range<usize>) -> Result<Array3<f32>> {
        let [_, ny, nx] = self.shape;
        let mut slices = allocate_slices([z.len(), ny, nx])?;
        let mut next = z.start;
        while next < z.end {
            let window = self.window(next);
            let (first, end) = (next, window.end.min(z.end));
            let place = (first - z.start) * ny * nx..(end - z.start) * ny * nx;
            let target = slices.get_mut(place).unwrap_or_default();
            if (first..end) == window {
                self.unpack(&window, target)?;
            } else {
                let kept = self.kept(&window)?;
                let wanted = kept.slice(s![first - window.start..end - window.start, .., ..]);
                target.iter_mut().zip(wanted.iter()).for_each(|(to, from)| *to = *from);
            }
            next = end;
        }
        Array3::from_shape_vec([z.len(), ny, nx], slices).map_err(|e| Error::Internal(format!("slices: {e}")))
    }

    fn reading_bytes(&self) -> u64 {
        let [_, ny, nx] = self.shape;
        let kept = (self.window_depth * ny * nx * size_of::<f32>()) as u64;
        // A chunk as it is packed and unpacked, the part of it that is wanted, and that as float32.
        let chunk = self
            .chunk_voxels
            .saturating_mul(3 * self.voxel_bytes + size_of::<f32>() as u64);
        kept.saturating_add(chunk)
    }
}

/// Chunks are taken one by one on the calling thread: the host's threads are its own.
pub(super) fn alone() -> CodecOptions {
    static SETTLED: Once = Once::new();
    SETTLED.call_once(|| {
        // When it first reads its settings the crate asks rayon for the number of threads, for which rayon starts one
        // for each core, for good. Asked within a pool of one thread it starts none.
        if let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).build() {
            pool.install(|| drop(zarrs::config::global_config()));
        }
    });
    CodecOptions::builder().concurrent_target(1).build()
}

/// What the system said stays an I/O error; the rest is damage to the chunk.
pub(super) fn chunk_failed(action: &'static str, file: &Path, error: ArrayError) -> Error {
    match error {
        ArrayError::StorageError(StorageError::IOError(e))
        | ArrayError::CodecError(CodecError::StorageError(StorageError::IOError(e)))
            // A file that ends too early is a damaged chunk.
            if e.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            io(action, file, &e)
        }
        other => Error::format(file.display(), format!("the chunk is truncated or damaged: {other}")),
    }
}

fn io(action: &'static str, file: &Path, error: &std::io::Error) -> Error {
    // The crate shares its errors; the system's number survives the copy.
    let copy = match error.raw_os_error() {
        Some(number) => std::io::Error::from_raw_os_error(number),
        None => std::io::Error::new(error.kind(), error.to_string()),
    };
    Error::io(action, file, copy)
}

fn not_opened(folder: &Path, error: ArrayCreateError) -> Error {
    match error {
        ArrayCreateError::StorageError(StorageError::IOError(e)) => io("reading", folder, &e),
        ArrayCreateError::CodecsCreateError(_)
        | ArrayCreateError::DataTypeCreateError(_)
        | ArrayCreateError::ChunkGridCreateError(_)
        | ArrayCreateError::ChunkKeyEncodingCreateError(_)
        | ArrayCreateError::StorageTransformersCreateError(_)
        | ArrayCreateError::UnsupportedZarrV2Array(_) => Error::Unsupported(format!("{}: {error}", folder.display())),
        other => Error::format(folder.display(), other),
    }
}
