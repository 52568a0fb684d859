//! Tomograms: files and the host's own memory.
use std::ffi::{c_char, c_void};
use std::ops::Range;
use std::sync::Arc;

use ndarray::Array3;

use super::cancel::tomocut_cancel;
use super::engine::{engine_to_read, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{free, shared, InUse, NewHandle, Opaque};
use super::progress::job;
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use super::strings::path;
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::runtime::Stage;
use crate::volume::{Geometry, SliceSource, Tomogram};
use crate::{Error, Result};

/// A tomogram: where its voxels lie, and its slices. Immutable; may serve several engines and threads at once.
pub struct tomocut_tomogram {
    _opaque: [u8; 0],
}

pub(super) struct OpenTomogram {
    pub(super) tomogram: Tomogram,
    pub(super) engine: Arc<Engine>,
}

impl Opaque for tomocut_tomogram {
    type Value = OpenTomogram;
    const TAG: [u8; 8] = *b"tmctomog";
    const NAME: &'static str = "tomogram";
}

/// Where the voxels of a volume lie. Every triple is z, y, x. Set struct_size, by tomocut_geometry_init, before use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_geometry {
    /// sizeof(tomocut_geometry) of the caller's header.
    pub struct_size: usize,
    /// Number of voxels.
    pub shape: [u64; 3],
    /// Edges of a voxel in Angstrom; 0: unknown.
    pub voxel_angstrom: [f64; 3],
    /// Centre of voxel (0, 0, 0) in Angstrom: MRC's ORIGIN.
    pub origin_angstrom: [f64; 3],
    /// Index of voxel (0, 0, 0) in the volume that this one was cut from: MRC's NZSTART, NYSTART, NXSTART.
    pub start: [i64; 3],
}

// SAFETY: repr(C), struct_size first, numbers only, no padding; zeros mean "unknown".
unsafe impl SizedStruct for tomocut_geometry {
    const NAME: &'static str = "tomocut_geometry";
}

impl From<&Geometry> for tomocut_geometry {
    fn from(geometry: &Geometry) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            shape: geometry.shape.map(|n| n as u64),
            voxel_angstrom: geometry.voxel_angstrom,
            origin_angstrom: geometry.origin_angstrom,
            start: geometry.start.map(i64::from),
        }
    }
}

/// The tomogram behind a handle.
///
/// # Safety
/// `handle` is NULL or a tomogram.
pub(super) unsafe fn tomogram(handle: *const tomocut_tomogram) -> Result<InUse<tomocut_tomogram>> {
    // SAFETY: passed on.
    unsafe { shared(handle) }
}

/// Sets all members to zero, "unknown".
///
/// @param geometry The struct to fill.
/// @param size     sizeof(tomocut_geometry), as the caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_geometry_init(geometry: *mut tomocut_geometry, size: usize) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(geometry, size) })
}

/// Opens an MRC file: modes 0, 1, 2, 6 and 12, both byte orders, any axis order, plain or packed by gzip or bzip2.
/// Plain files are mapped, and slices read when they are asked for; packed files are unpacked here. Doubtful header
/// values are replaced and told to the log.
///
/// Or opens a zarr folder: OME-Zarr 0.4 and 0.5, of which the finest resolution is taken, another one by its own path
/// (x.zarr/1), or an array without OME metadata, whose voxel size is unknown. Axes are z, y, x, others before them of
/// extent 1; voxels are integers, floats of 16 to 64 bits or bool; a chunk that is missing holds the fill value.
///
/// @param engine Gives the log.
/// @param path   The file or folder.
/// @param cancel Stops the unpacking; may be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_open(
    engine: *const tomocut_engine,
    path: *const c_char,
    cancel: *const tomocut_cancel,
    out: *mut *mut tomocut_tomogram,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        let (file, job) = unsafe {
            (
                self::path(path, "path")?,
                job(&engine.logger, cancel, None, std::ptr::null_mut())?,
            )
        };
        job.enter(Stage::Read)?;
        let tomogram = Tomogram::open(&file, &job)?;
        let engine = Arc::clone(&engine);
        out.set(OpenTomogram { tomogram, engine });
        Ok(())
    })
}

/// The host's memory as a source of slices.
struct HostMemory(Strided);
// SAFETY: the memory is only read, and the documentation of tomocut_tomogram_from_volume demands that the host leaves
// it alone while the tomogram lives.
unsafe impl Send for HostMemory {}
// SAFETY: as above.
unsafe impl Sync for HostMemory {}

impl SliceSource for HostMemory {
    fn read(&self, z: Range<usize>) -> Result<Array3<f32>> {
        // SAFETY: as above.
        unsafe { self.0.read_slices(z) }
    }
}

/// A tomogram in the host's memory. Nothing is copied: only the slices that a call needs are read, through the strides
/// and converted to float, while that call runs.
///
/// @param engine   Gives the log.
/// @param volume   The voxels, of any TOMOCUT_DTYPE_*. The struct is read during this call; the memory it points to is
///                 borrowed until tomocut_tomogram_free and must be neither freed nor changed before.
/// @param geometry Voxel size, origin and start; its shape must be zero or the volume's. NULL: all unknown.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_from_volume(
    engine: *const tomocut_engine,
    volume: *const tomocut_volume,
    geometry: *const tomocut_geometry,
    out: *mut *mut tomocut_tomogram,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        let (volume, geometry) = unsafe { (Strided::input(volume, "volume")?, sized::read_or_default(geometry)?) };
        let geometry = checked_geometry(&geometry, volume.shape)?;
        let tomogram = Tomogram::from_source(Box::new(HostMemory(volume)), geometry, "tomogram")?;
        let engine = Arc::clone(&engine);
        out.set(OpenTomogram { tomogram, engine });
        Ok(())
    })
}

fn checked_geometry(geometry: &tomocut_geometry, shape: [usize; 3]) -> Result<Geometry> {
    let expected = shape.map(|n| n as u64);
    if geometry.shape != [0; 3] && geometry.shape != expected {
        return Err(Error::argument(
            "geometry.shape",
            format!("{:?}", geometry.shape),
            &format!("must be zero or the volume's {expected:?}"),
        ));
    }
    if geometry
        .voxel_angstrom
        .iter()
        .any(|edge| !edge.is_finite() || *edge < 0.0)
    {
        return Err(Error::argument(
            "geometry.voxel_angstrom",
            format!("{:?}", geometry.voxel_angstrom),
            "must be 0 (unknown) or positive",
        ));
    }
    if geometry.origin_angstrom.iter().any(|value| !value.is_finite()) {
        return Err(Error::argument(
            "geometry.origin_angstrom",
            format!("{:?}", geometry.origin_angstrom),
            "must be finite",
        ));
    }
    let start = geometry.start.map(i32::try_from);
    let [Ok(z), Ok(y), Ok(x)] = start else {
        let allowed = "must fit 32 bits, as MRC stores it";
        return Err(Error::argument(
            "geometry.start",
            format!("{:?}", geometry.start),
            allowed,
        ));
    };
    Ok(Geometry {
        shape,
        voxel_angstrom: geometry.voxel_angstrom,
        origin_angstrom: geometry.origin_angstrom,
        start: [z, y, x],
        labels: Vec::new(),
    })
}

/// Extent, voxel size, origin and start of a tomogram.
///
/// @param tomogram The tomogram.
/// @param geometry Receives the answer; its struct_size must be set (tomocut_geometry_init).
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_info(
    tomogram: *const tomocut_tomogram,
    geometry: *mut tomocut_geometry,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        unsafe {
            let tomogram = self::tomogram(tomogram)?;
            sized::write(geometry, tomocut_geometry::from(tomogram.tomogram.geometry()))
        }
    })
}

/// Copies slices of a tomogram, as float, into the caller's volume. Takes memory for one slice at a time.
///
/// @param tomogram The tomogram.
/// @param z_first  First slice, counted from 0.
/// @param slices   Receives the slices: dtype TOMOCUT_DTYPE_F32, shape (number of slices, ny, nx). After a failure
///                 its contents are undefined.
/// @param cancel   Stops between slices; may be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_read(
    tomogram: *const tomocut_tomogram,
    z_first: u64,
    slices: *mut tomocut_volume,
    cancel: *const tomocut_cancel,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let tomogram = unsafe { self::tomogram(tomogram) }?;
        log_panics_to(&tomogram.engine.logger);
        // SAFETY: as documented for C.
        let job = unsafe { job(&tomogram.engine.logger, cancel, None, std::ptr::null_mut::<c_void>()) }?;
        let tomogram = &tomogram.tomogram;
        let [depth, rows, columns] = tomogram.geometry().shape;
        // SAFETY: as documented for C.
        let count = unsafe { Strided::input(slices, "slices") }?.shape[0];
        let first = usize::try_from(z_first).unwrap_or(usize::MAX);
        if first.checked_add(count).is_none_or(|end| end > depth) {
            return Err(Error::argument(
                "z_first",
                z_first,
                &format!("must leave the {count} slices asked for within 0:{depth}"),
            ));
        }
        // SAFETY: as documented for C.
        let target = unsafe { Strided::output(slices, "slices", &[Dtype::F32], [count, rows, columns]) }?;
        job.enter(Stage::Read)?;
        for index in 0..count {
            job.check()?;
            let slice = tomogram.read_slices(first + index..first + index + 1)?;
            // SAFETY: `target` was checked against this shape and type.
            unsafe { target.slice(index).write(slice.view(), |value: f32| value) };
        }
        Ok(())
    })
}

/// Frees a tomogram. A buffer given to tomocut_tomogram_from_volume is the host's again.
///
/// @param tomogram The tomogram; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_free(tomogram: *mut tomocut_tomogram) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(tomogram) });
}
