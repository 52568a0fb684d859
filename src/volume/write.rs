//! MRC-2014 files: little endian, ISPG 1, statistics, voxel size, origin, NZSTART and labels of their geometry.
use std::fs::File;
use std::path::Path;

use mrc::{Header, Voxel, VoxelBlock, Writer};
use ndarray::{Array3, ArrayView2, Axis};

use super::Geometry;
use crate::runtime::write_atomically;
use crate::{Error, Result};

/// IMOD's flags: 1 = bytes are signed, 4 = ORIGIN has MRC-2014's sign. Written with IMOD's stamp, since IMOD reads
/// unstamped files of mode 0 as unsigned and unstamped origins with its own sign.
const IMOD_STAMP: &[u8; 4] = b"IMOD";
const IMOD_FLAGS: u8 = 1 | 4;

/// Writes a label volume (z, y, x) as int8, mode 0.
///
/// # Errors
/// [`Error::InvalidArgument`] where the shape is not `geometry`'s, [`Error::Io`] where the file cannot be written;
/// nothing is left behind then.
pub fn write_labels(path: &Path, labels: &Array3<i8>, geometry: &Geometry) -> Result<()> {
    write_volume(path, labels, geometry, mrc::Mode::Int8, "labels")
}

/// Writes a score volume (z, y, x) as float32 (mode 2) or, with `half`, as float16 (mode 12). Errors as
/// [`write_labels`].
pub fn write_scores(path: &Path, scores: &Array3<f32>, geometry: &Geometry, half: bool) -> Result<()> {
    let mode = if half { mrc::Mode::Float16 } else { mrc::Mode::Float32 };
    write_volume(path, scores, geometry, mode, "score")
}

/// Writes densities (z, y, x) as float32, mode 2. Errors as [`write_labels`].
pub fn write_f32(path: &Path, voxels: &Array3<f32>, geometry: &Geometry) -> Result<()> {
    write_volume(path, voxels, geometry, mrc::Mode::Float32, "density")
}

/// Writes labels beyond 127 (z, y, x) as int16, mode 1. Errors as [`write_labels`].
pub fn write_i16(path: &Path, labels: &Array3<i16>, geometry: &Geometry) -> Result<()> {
    write_volume(path, labels, geometry, mrc::Mode::Int16, "labels")
}

/// Type of the voxels that [`write_slices`] stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceType {
    /// Signed bytes, mode 0: labels.
    Int8,
    /// 16 bits, mode 1: numbers up to 32767.
    Int16,
    /// float16, mode 12.
    Half,
    /// float32, mode 2.
    Float,
}

impl SliceType {
    fn mode(self) -> mrc::Mode {
        match self {
            Self::Int8 => mrc::Mode::Int8,
            Self::Int16 => mrc::Mode::Int16,
            Self::Half => mrc::Mode::Float16,
            Self::Float => mrc::Mode::Float32,
        }
    }

    fn content(self) -> &'static str {
        match self {
            Self::Int8 | Self::Int16 => "labels",
            Self::Half | Self::Float => "density",
        }
    }
}

/// Writes a volume slice by slice, so that it need not fit the memory:
/// `fill` is handed the writer of one slice (number from 0, rows x columns of `geometry.shape`) and calls it once for
/// every slice in order. The file is whole or absent. Errors: as [`write_labels`]; whatever `fill` fails with; slices
/// left out or out of order.
pub fn write_slices(
    path: &Path,
    geometry: &Geometry,
    stored: SliceType,
    fill: impl FnOnce(&mut dyn FnMut(ArrayView2<f32>) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let [nz, ny, nx] = geometry.shape;
    let header = header((nz, ny, nx), geometry, stored.mode(), stored.content())?;
    let failed = |e| write_failed(path, e);
    write_atomically(path, |file: &mut File| {
        let handle = file.try_clone().map_err(|e| Error::io("writing", path, e))?;
        let mut writer = Writer::from_writer(handle, header, &[]).map_err(failed)?;
        let mut written = 0;
        fill(&mut |slice| {
            if slice.dim() != (ny, nx) || written >= nz {
                let given = format!("slice {written} of {:?}", slice.dim());
                let allowed = format!("must be {nz} slices of ({ny}, {nx})");
                return Err(Error::argument("slices", given, &allowed));
            }
            write_slice(slice, written, stored, &mut writer).map_err(failed)?;
            written += 1;
            Ok(())
        })?;
        if written != nz {
            return Err(Error::argument("slices", written, &format!("must be {nz}")));
        }
        writer.update_header_stats().map_err(failed)?;
        writer.finalize().map_err(failed)
    })
}

fn write_slice(
    slice: ArrayView2<f32>,
    z: usize,
    stored: SliceType,
    writer: &mut Writer,
) -> std::result::Result<(), mrc::Error> {
    match stored {
        SliceType::Int8 => i8::write(&slice_block(slice.mapv(|v| v as i8).view(), z), writer),
        SliceType::Int16 => i16::write(&slice_block(slice.mapv(|v| v as i16).view(), z), writer),
        SliceType::Half | SliceType::Float => f32::write(&slice_block(slice, z), writer),
    }
}

fn write_failed(path: &Path, error: mrc::Error) -> Error {
    match error {
        mrc::Error::Io(e) => Error::io("writing", path, e),
        e => Error::Internal(format!("writing {}: {e}", path.display())),
    }
}

fn slice_block<T: Copy>(slice: ArrayView2<T>, z: usize) -> VoxelBlock<T> {
    let (ny, nx) = slice.dim();
    VoxelBlock {
        offset: [0, 0, z],
        shape: [nx, ny, 1],
        data: slice.iter().copied().collect(),
    }
}

/// Voxel types that the crate writes.
trait Written: Voxel {
    fn write(block: &VoxelBlock<Self>, writer: &mut Writer) -> std::result::Result<(), mrc::Error>;
}

macro_rules! written {
    ($($voxel:ty),*) => {$(
        impl Written for $voxel {
            fn write(block: &VoxelBlock<Self>, writer: &mut Writer) -> std::result::Result<(), mrc::Error> {
                writer.write_block_as(block)
            }
        }
    )*};
}
written!(i8, i16, f32);

fn write_volume<T: Written>(
    path: &Path,
    voxels: &Array3<T>,
    geometry: &Geometry,
    mode: mrc::Mode,
    content: &str,
) -> Result<()> {
    let header = header(voxels.dim(), geometry, mode, content)?;
    let failed = |e| write_failed(path, e);
    write_atomically(path, |file: &mut File| {
        let handle = file.try_clone().map_err(|e| Error::io("writing", path, e))?;
        let mut writer = Writer::from_writer(handle, header, &[]).map_err(failed)?;
        for (z, slice) in voxels.axis_iter(Axis(0)).enumerate() {
            T::write(&slice_block(slice, z), &mut writer).map_err(failed)?;
        }
        writer.update_header_stats().map_err(failed)?;
        writer.finalize().map_err(failed)
    })
}

pub(super) fn header(
    (nz, ny, nx): (usize, usize, usize),
    geometry: &Geometry,
    mode: mrc::Mode,
    content: &str,
) -> Result<Header> {
    if geometry.shape != [nz, ny, nx] {
        let allowed = format!("must be the array's [{nz}, {ny}, {nx}]");
        return Err(Error::argument(
            "geometry.shape",
            format!("{:?}", geometry.shape),
            &allowed,
        ));
    }
    let mut extent = [0i32; 3];
    for (to, from) in extent.iter_mut().zip([nx, ny, nz]) {
        *to = i32::try_from(from)
            .ok()
            .filter(|&n| n > 0)
            .ok_or_else(|| Error::argument("geometry.shape", from, "must be 1..=2147483647 along each axis"))?;
    }
    let mut header = Header::new();
    [header.nx, header.ny, header.nz] = extent;
    [header.mx, header.my, header.mz] = extent;
    header.mode = mode.as_i32();
    let [z, y, x] = geometry.voxel_angstrom;
    // An unknown voxel size stays unknown: cell lengths of 0.
    [header.xlen, header.ylen, header.zlen] =
        [(x, nx), (y, ny), (z, nz)].map(|(edge, n)| if edge > 0.0 { (edge * n as f64) as f32 } else { 0.0 });
    let [z, y, x] = geometry.origin_angstrom;
    header.origin = [x as f32, y as f32, z as f32];
    [header.nzstart, header.nystart, header.nxstart] = geometry.start;
    header.extra[56..60].copy_from_slice(IMOD_STAMP);
    header.extra[60] = IMOD_FLAGS;
    for label in geometry.labels.iter().filter(|label| !label.trim().is_empty()) {
        header.add_label(label);
    }
    header.add_label(&format!("tomocut {}: {content}", env!("CARGO_PKG_VERSION")));
    Ok(header)
}
