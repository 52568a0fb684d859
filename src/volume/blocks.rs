//! An MRC volume that is written in blocks, in any order and by several processes.
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use half::f16;
use mrc::Header;

use super::header::HEADER_BYTES;
use super::write::header;
use super::Geometry;
use crate::{Error, Result};

/// How voxels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockType {
    /// Signed bytes, mode 0.
    Label,
    /// 0..=1 in 255 steps as unsigned bytes, mode 0.
    Byte,
    /// float16, mode 12.
    Half,
}

impl BlockType {
    fn mode(self) -> mrc::Mode {
        match self {
            Self::Label | Self::Byte => mrc::Mode::Int8,
            Self::Half => mrc::Mode::Float16,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Label | Self::Byte => 1,
            Self::Half => 2,
        }
    }

    /// `values` as they are stored, and as they will be read.
    fn encode(self, values: &[f32], bytes: &mut Vec<u8>, moments: &mut Moments) {
        for &value in values {
            let stored = match self {
                Self::Label => {
                    let label = value as i8;
                    bytes.push(label as u8);
                    f64::from(label)
                }
                Self::Byte => {
                    let byte = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
                    bytes.push(byte);
                    f64::from(byte)
                }
                Self::Half => {
                    let half = f16::from_f32(value);
                    bytes.extend(half.to_le_bytes());
                    half.to_f64()
                }
            };
            moments.add(stored);
        }
    }
}

/// Sums over voxels, for the header's statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Number of voxels.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
    /// The least one.
    pub low: f64,
    /// The largest one.
    pub high: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            count: 0.0,
            sum: 0.0,
            squares: 0.0,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        }
    }
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    /// These and those of `other` voxels.
    pub fn with(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }
}

/// An MRC file under construction: its full length from the start, zero where nothing was written yet.
#[derive(Debug)]
pub struct BlockFile {
    file: File,
    path: PathBuf,
    shape: [usize; 3],
    stored: BlockType,
    header: Header,
}

impl BlockFile {
    /// Opens `path`, which is made where it is not there; blocks that stand in it stay.
    ///
    /// Errors: a geometry that MRC cannot hold; [`Error::Io`] where the file cannot be made, or not at its full length.
    pub fn open(path: &Path, geometry: &Geometry, stored: BlockType, content: &str) -> Result<Self> {
        let [nz, ny, nx] = geometry.shape;
        let mut header = header((nz, ny, nx), geometry, stored.mode(), content)?;
        if stored == BlockType::Byte {
            // IMOD's flag of signed bytes.
            header.extra[60] &= !1;
        }
        let failed = |e| Error::io("writing", path, e);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        let length = HEADER_BYTES as u64 + geometry.voxels()? as u64 * stored.size() as u64;
        if file.metadata().map_err(failed)?.len() != length {
            file.set_len(length).map_err(failed)?;
        }
        Ok(Self {
            file,
            path: path.to_path_buf(),
            shape: geometry.shape,
            stored,
            header,
        })
    }

    /// Writes `values` (z, y, x), row by row or slice by slice where rows are whole, into the box that starts at
    /// `start` and has `extents`. What it returns belongs into [`BlockFile::finish`]'s sum.
    pub fn write(&self, start: [usize; 3], extents: [usize; 3], values: &[f32]) -> Result<Moments> {
        let fits = (0..3).all(|axis| start[axis] + extents[axis] <= self.shape[axis]);
        if !fits || values.len() != extents.iter().product::<usize>() {
            let given = format!("{extents:?} at {start:?} with {} voxels", values.len());
            return Err(Error::argument(
                "block",
                given,
                &format!("must lie within {:?}", self.shape),
            ));
        }
        let mut moments = Moments::default();
        // Rows that follow each other in the file.
        let together = if extents[2] == self.shape[2] { extents[1] } else { 1 };
        let run = (together * extents[2]).max(1);
        let mut bytes = Vec::with_capacity(run * self.stored.size());
        for (count, values) in values.chunks_exact(run).enumerate() {
            let row = count * together;
            let (z, y) = (start[0] + row / extents[1], start[1] + row % extents[1]);
            bytes.clear();
            self.stored.encode(values, &mut bytes, &mut moments);
            let voxel = (z * self.shape[1] + y) * self.shape[2] + start[2];
            let offset = (HEADER_BYTES + voxel * self.stored.size()) as u64;
            self.file.write_all_at(&bytes, offset).map_err(|e| self.failed(e))?;
        }
        Ok(moments)
    }

    /// How voxels are stored.
    pub fn stored(&self) -> BlockType {
        self.stored
    }

    /// The rows `y` of slice `z` as they are stored, little endian. Rows that were never written are zero.
    pub fn rows(&self, z: usize, y: Range<usize>) -> Result<Vec<u8>> {
        let [nz, ny, nx] = self.shape;
        if z >= nz || y.start > y.end || y.end > ny {
            let given = format!("{y:?} of slice {z}");
            return Err(Error::argument(
                "rows",
                given,
                &format!("must lie within {:?}", self.shape),
            ));
        }
        let row = nx * self.stored.size();
        let mut bytes = vec![0; y.len() * row];
        let offset = (HEADER_BYTES + (z * ny + y.start) * row) as u64;
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(|e| Error::io("reading", &self.path, e))?;
        Ok(bytes)
    }

    /// Waits until what was written is on the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| self.failed(e))
    }

    /// Writes the header with the statistics of all voxels; the file is whole then.
    pub fn finish(&self, all: Moments) -> Result<()> {
        let mean = all.sum / all.count.max(1.0);
        let variance = (all.squares / all.count.max(1.0) - mean * mean).max(0.0);
        let mut header = self.header;
        (header.dmin, header.dmax) = (all.low as f32, all.high as f32);
        (header.dmean, header.rms) = (mean as f32, variance.sqrt() as f32);
        let mut bytes = [0u8; HEADER_BYTES];
        header.encode_to_bytes(&mut bytes);
        self.file.write_all_at(&bytes, 0).map_err(|e| self.failed(e))?;
        self.file.sync_all().map_err(|e| self.failed(e))
    }

    /// The box of `region` (z, y, x) as the geometry of a volume of its own.
    pub fn geometry_of(whole: &Geometry, region: &[Range<usize>; 3]) -> Result<Geometry> {
        let mut part = whole.clone();
        for (axis, range) in region.iter().enumerate() {
            part.shape[axis] = range.len();
            part.origin_angstrom[axis] += range.start as f64 * whole.voxel_angstrom[axis];
            part.start[axis] = i32::try_from(range.start)
                .ok()
                .and_then(|first| whole.start[axis].checked_add(first))
                .ok_or_else(|| Error::argument("region", range.start, "must keep NXSTART within 32 bits"))?;
        }
        Ok(part)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io("writing", &self.path, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Job;
    use crate::volume::Tomogram;

    #[test]
    fn blocks_in_any_order_are_a_volume() {
        let folder = tempfile::tempdir().unwrap();
        for (stored, name) in [
            (BlockType::Half, "half"),
            (BlockType::Byte, "byte"),
            (BlockType::Label, "label"),
        ] {
            let path = folder.path().join(name);
            let geometry = Geometry::new([4, 5, 6], 12.0);
            let value = |z: usize, y: usize, x: usize| match stored {
                BlockType::Label => ((z + y + x) % 3) as f32,
                _ => ((z * 30 + y * 6 + x) % 4) as f32 / 3.0,
            };
            let mut all = Moments::default();
            let file = BlockFile::open(&path, &geometry, stored, "test").unwrap();
            for z in [2, 0] {
                for (x, width) in [(4, 2), (0, 4)] {
                    let mut block = Vec::new();
                    for k in z..z + 2 {
                        for y in 0..5 {
                            block.extend((x..x + width).map(|x| value(k, y, x)));
                        }
                    }
                    all = all.with(file.write([z, 0, x], [2, 5, width], &block).unwrap());
                }
            }
            assert!(file.write([3, 0, 0], [2, 5, 6], &[0.0; 60]).is_err());
            file.finish(all).unwrap();
            let volume = Tomogram::open(&path, &Job::quiet()).unwrap();
            assert_eq!(volume.geometry().voxel_angstrom[0], 12.0);
            let voxels = volume.read_slices(0..4).unwrap();
            let scale = if stored == BlockType::Byte { 255.0 } else { 1.0 };
            for ((z, y, x), v) in voxels.indexed_iter() {
                assert!((v - scale * value(z, y, x)).abs() < 1e-3, "{name} {v}");
            }
            assert!((voxels.mean().unwrap() as f64 - all.sum / 120.0).abs() < 1e-4);
        }
    }
}
