//! Slices out of the sections of an MRC file, in any axis order, without touching the rest.
use std::ops::Range;
use std::path::PathBuf;

use mrc::{Header, M0Interpretation, Mode, Reader};
use ndarray::Array3;

use super::bytes::ByteSource;
use super::header::{Layout, HEADER_BYTES};
use super::slice_source::{allocate_slices, SliceSource};
use crate::{Error, Result};

/// Voxels that are read and converted at a time, unless a row is longer.
const BAND_VOXELS: usize = 1 << 20;

/// The voxels of an open MRC file.
#[derive(Debug)]
pub(super) struct Sections {
    pub bytes: ByteSource,
    pub layout: Layout,
    pub path: PathBuf,
}

impl SliceSource for Sections {
    fn read(&self, z: Range<usize>) -> Result<Array3<f32>> {
        let Layout {
            stored, axis, geometry, ..
        } = &self.layout;
        geometry.check_slices(&z)?;
        let [_, ny, nx] = geometry.shape;
        let depth = z.end - z.start;
        let mut slices = allocate_slices([depth, ny, nx])?;
        // Along columns, rows and sections: which of them are wanted, and how far apart they lie in the output.
        let ranges: [Range<usize>; 3] = std::array::from_fn(|k| if axis[k] == 2 { z.clone() } else { 0..stored[k] });
        let stride = axis.map(|xyz| [1, nx, nx * ny][xyz]);
        let [columns, rows, sections] = ranges;
        let band = (BAND_VOXELS / stored[0]).max(1);
        for (to_section, section) in sections.enumerate() {
            for first in rows.clone().step_by(band) {
                let last = (first + band).min(rows.end);
                let values = self.read_rows(section, first..last)?;
                for (row, line) in values.chunks_exact(stored[0]).enumerate() {
                    let to_row = to_section * stride[2] + (first - rows.start + row) * stride[1];
                    let line = line.get(columns.clone()).unwrap_or_default();
                    if stride[0] == 1 {
                        let target = slices.get_mut(to_row..to_row + line.len());
                        target.ok_or_else(misplaced)?.copy_from_slice(line);
                    } else {
                        for (column, value) in line.iter().enumerate() {
                            *slices.get_mut(to_row + column * stride[0]).ok_or_else(misplaced)? = *value;
                        }
                    }
                }
            }
        }
        Array3::from_shape_vec([depth, ny, nx], slices).map_err(|e| Error::Internal(format!("slices: {e}")))
    }

    fn reading_bytes(&self) -> u64 {
        // A band takes a few MB; a packed file can be in memory whole.
        self.bytes.in_memory()
    }
}

fn misplaced() -> Error {
    Error::Internal("a row of the tomogram fell outside its slices".to_owned())
}

impl Sections {
    /// Rows of one section as float32. The conversion is the `mrc` crate's: it gets the band as a file of one section.
    fn read_rows(&self, section: usize, rows: Range<usize>) -> Result<Vec<f32>> {
        let [nx, ny, _] = self.layout.stored;
        let count = rows.end - rows.start;
        let voxel = self.layout.mode.byte_size();
        let before = (section as u64 * ny as u64 + rows.start as u64) * nx as u64 * voxel as u64;
        let mut buffer = Vec::new();
        let length = HEADER_BYTES + count * nx * voxel;
        buffer
            .try_reserve_exact(length)
            .map_err(|_| Error::OutOfMemory(format!("reading {length} bytes of {}", self.path.display())))?;
        buffer.resize(length, 0);
        let (head, body) = buffer.split_at_mut(HEADER_BYTES);
        self.bytes.read_at(body, self.layout.data_offset + before, &self.path)?;
        let mut header = Header::new();
        header.set_file_endian(self.layout.endian);
        (header.nx, header.ny, header.nz) = (nx as i32, count as i32, 1);
        (header.mx, header.my, header.mz) = (header.nx, header.ny, 1);
        header.mode = self.layout.mode.as_i32();
        if let Ok(head) = head.try_into() {
            header.encode_to_bytes(head);
        }
        let failed = |e: mrc::Error| Error::Internal(format!("converting voxels of {}: {e}", self.path.display()));
        let bytes_are = if self.layout.mode == Mode::Int8 && self.layout.unsigned_bytes {
            M0Interpretation::Unsigned
        } else {
            M0Interpretation::Signed
        };
        let reader = Reader::from_bytes(buffer).map_err(failed)?;
        let block = reader.convert::<f32>().with_m0_interpretation(bytes_are).read_volume();
        Ok(block.map_err(failed)?.data)
    }
}
