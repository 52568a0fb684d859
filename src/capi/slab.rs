//! Slabs: segmenting, and taking the results out.
use std::ffi::c_char;
use std::sync::Arc;

use ndarray::Array3;

use super::engine::{tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{free, shared, InUse, NewHandle, Opaque};
use super::model::tomocut_model;
use super::numbers::slices;
use super::report::{tomocut_report, ReportTo};
use super::sized;
use super::slab_options::tomocut_slab_options;
use super::slice_call::SliceCall;
use super::status::tomocut_status;
use super::strings::{put_items, text};
use super::tomogram::{tomocut_geometry, tomocut_tomogram};
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::picks::Pick;
use crate::slab::{segment, SlabSegmentation};
use crate::volume::Geometry;
use crate::{Error, Result};

/// Label of voxels that are no structure.
pub const TOMOCUT_LABEL_BACKGROUND: i32 = 0;
/// Label of membranes.
pub const TOMOCUT_LABEL_MEMBRANE: i32 = 1;
/// Label of molecules.
pub const TOMOCUT_LABEL_MOLECULE: i32 = 2;
/// Label of filaments; given where the model knows filaments.
pub const TOMOCUT_LABEL_FILAMENT: i32 = 3;

/// A segmented slab: labels, scores, points and a report. Immutable; independent of model and tomogram.
pub struct tomocut_slab {
    _opaque: [u8; 0],
}

pub(super) struct Slab {
    pub(super) segmentation: SlabSegmentation,
    pub(super) engine: Arc<Engine>,
}

impl Opaque for tomocut_slab {
    type Value = Slab;
    const TAG: [u8; 8] = *b"tmcslab_";
    const NAME: &'static str = "slab";
}

/// A molecule. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_pick {
    /// Centre in voxels of the whole tomogram, along x; the centre of the first voxel is 0.
    pub x: f64,
    /// The same along y.
    pub y: f64,
    /// The same along z.
    pub z: f64,
    /// x times the voxel size, in Angstrom; 0 where the voxel size is unknown.
    pub x_angstrom: f64,
    /// The same along y.
    pub y_angstrom: f64,
    /// The same along z.
    pub z_angstrom: f64,
    /// Diameter in nm; 0: unknown.
    pub diameter_nm: f64,
    /// Confidence, higher is better; comparable within one slab or prediction only.
    pub score: f64,
}

/// Picks of a tomogram of this `geometry` as C sees them.
pub(super) fn c_picks(picks: &[Pick], geometry: &Geometry) -> Vec<tomocut_pick> {
    let convert = |pick: &Pick| {
        let [z, y, x] = pick.position;
        let [z_angstrom, y_angstrom, x_angstrom] = geometry.angstrom(pick.position);
        tomocut_pick {
            x,
            y,
            z,
            x_angstrom,
            y_angstrom,
            z_angstrom,
            diameter_nm: pick.diameter_nm,
            score: pick.score,
        }
    };
    picks.iter().map(convert).collect()
}

/// The slab behind a handle.
///
/// # Safety
/// `handle` is NULL or a slab.
pub(super) unsafe fn slab(handle: *const tomocut_slab) -> Result<InUse<tomocut_slab>> {
    // SAFETY: passed on.
    let slab = unsafe { shared(handle) }?;
    log_panics_to(&slab.engine.logger);
    Ok(slab)
}

/// Segments a slab of a tomogram into membranes and molecules: the library's main call. TOMOCUT_E_FORMAT for voxels
/// that are not finite and for constant slices.
///
/// @param engine   Computes.
/// @param model    Whose self-attention is cut; on the engine's device.
/// @param tomogram The tomogram; only the slab's slices are read.
/// @param options  z_first and z_end, and what differs from the preset.
/// @param out      Receives the slab.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_segment(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomogram: *const tomocut_tomogram,
    options: *const tomocut_slab_options,
    out: *mut *mut tomocut_slab,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, options) = unsafe { (NewHandle::at(out)?, sized::read(options)?) };
        // SAFETY: as documented for C.
        let call = unsafe { SliceCall::of_slab(engine, model, tomogram, &options) }?;
        let z = slices(options.z_first, options.z_end)?;
        let segmentation = call.compute(|call| {
            let tomogram = &call.tomogram.tomogram;
            segment(&call.model.diffusion, tomogram, z, &call.settings, &call.job)
        })?;
        let engine = Arc::clone(&call.engine);
        out.set(Slab { segmentation, engine });
        Ok(())
    })
}

/// Where the voxels of a slab lie: its extent, voxel size, and start and origin, which make it overlay the tomogram.
///
/// @param slab     The slab.
/// @param geometry Receives the answer; its struct_size must be set (tomocut_geometry_init).
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_info(
    slab: *const tomocut_slab,
    geometry: *mut tomocut_geometry,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        unsafe {
            let slab = self::slab(slab)?;
            sized::write(geometry, tomocut_geometry::from(&slab.segmentation.geometry))
        }
    })
}

/// Copies the labels, TOMOCUT_LABEL_*, into the caller's volume.
///
/// @param slab   The slab.
/// @param labels Receives the labels: dtype TOMOCUT_DTYPE_U8 or TOMOCUT_DTYPE_I8, shape as tomocut_slab_info says.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_labels(slab: *const tomocut_slab, labels: *mut tomocut_volume) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let slab = unsafe { self::slab(slab) }?;
        let source = &slab.segmentation.labels;
        // SAFETY: as documented for C.
        let target = unsafe { Strided::output(labels, "labels", &[Dtype::U8, Dtype::I8], source.dim().into()) }?;
        // SAFETY: `target` was checked against this shape; U8 and I8 are the same bits for 0 to 3.
        unsafe { target.write(source.view(), |label: i8| label) };
        Ok(())
    })
}

/// Copies the scores, 0 to 1, how much of a structure each voxel is, into the caller's volume.
///
/// @param slab   The slab.
/// @param scores Receives the scores: dtype TOMOCUT_DTYPE_F32 or TOMOCUT_DTYPE_F16, shape as tomocut_slab_info says.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_score(slab: *const tomocut_slab, scores: *mut tomocut_volume) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let slab = unsafe { self::slab(slab) }?;
        // SAFETY: as documented for C.
        unsafe { put_scores(&slab.segmentation.score, scores) }
    })
}

/// Copies into the caller's volume how likely, 0 to 1, each voxel is one structure. Only slabs of models that predict
/// structures, segmented with the canvas "structures" (the default), have such maps.
///
/// @param slab   The slab.
/// @param map    "membrane", "molecule", "filament" or "molecule_centre" (nearness to the centre of a molecule).
/// @param scores Receives the likelihoods: dtype TOMOCUT_DTYPE_F32 or TOMOCUT_DTYPE_F16, shape as tomocut_slab_info
///               says.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_likelihood(
    slab: *const tomocut_slab,
    map: *const c_char,
    scores: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let slab = unsafe { self::slab(slab) }?;
        let maps = slab.segmentation.structures.as_ref().ok_or_else(|| {
            Error::Unsupported("the slab has no likelihoods: its model predicts none, or its canvas is another".into())
        })?;
        // SAFETY: as documented for C.
        let source = match unsafe { text(map, "map") }? {
            "membrane" => &maps.membrane,
            "molecule" => &maps.molecule,
            "filament" => &maps.filament,
            "molecule_centre" => &maps.centre,
            other => {
                let allowed = "must be membrane, molecule, filament or molecule_centre";
                return Err(Error::argument("map", format!("\"{other}\""), allowed));
            }
        };
        // SAFETY: as documented for C.
        unsafe { put_scores(source, scores) }
    })
}

/// # Safety
/// `scores` is NULL or as documented for C.
unsafe fn put_scores(source: &Array3<f32>, scores: *mut tomocut_volume) -> Result<()> {
    // SAFETY: passed on.
    let target = unsafe { Strided::output(scores, "scores", &[Dtype::F32, Dtype::F16], source.dim().into()) }?;
    // SAFETY: `target` was checked against this shape and type.
    unsafe {
        match target.dtype {
            Dtype::F16 => target.write(source.view(), half::f16::from_f32),
            _ => target.write(source.view(), |score: f32| score),
        }
    }
    Ok(())
}

/// Copies the molecules into the array of the caller, always in the same order.
///
/// @param slab     The slab.
/// @param points   Receives the molecules, or NULL to ask for their number.
/// @param capacity Entries in points.
/// @param needed   Receives the number of molecules; may be NULL when points is given.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_points(
    slab: *const tomocut_slab,
    points: *mut tomocut_pick,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let slab = unsafe { self::slab(slab) }?;
        let picks = c_picks(&slab.segmentation.points, &slab.segmentation.geometry);
        // SAFETY: as documented for C.
        unsafe { put_items(&picks, points, capacity, needed, "points") }
    })
}

/// What was done and found: settings, model, slices, voxel size, signal-to-noise ratio, timesteps, tiles, residual of
/// the eigenvectors, shares of membrane and molecule, number of points, seconds of each stage.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_report(
    slab: *const tomocut_slab,
    report: *mut *mut tomocut_report,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (slab, out) = unsafe { (self::slab(slab)?, ReportTo::at(report)?) };
        out.set(&slab.segmentation.report)
    })
}

/// Frees a slab.
///
/// @param slab The slab; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_free(slab: *mut tomocut_slab) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(slab) });
}
