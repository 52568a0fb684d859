//! Picks: molecules found in a map, or read from a coordinate file.
use std::ffi::c_char;
use std::sync::Arc;

use super::engine::{engine_to_read, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{free, shared, InUse, NewHandle, Opaque};
use super::picking_options::{
    given, tomocut_membrane_options, tomocut_picking_options, translate_membranes, translate_picking,
};
use super::progress::job;
use super::sized;
use super::slab::{c_picks, tomocut_pick};
use super::status::tomocut_status;
use super::strings::{path, put_items};
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::picks::{PickFormat, PickSet};
use crate::predict::{find_picks, write_membranes, PredictOptions, ProbabilityMap};
use crate::runtime::Job;
use crate::volume::Tomogram;
use crate::{Error, Result};

/// The molecules of one tomogram: positions, diameters, scores. Immutable; independent of the tomogram.
pub struct tomocut_picks {
    _opaque: [u8; 0],
}

pub(super) struct Picks {
    pub(super) set: PickSet,
    pub(super) engine: Arc<Engine>,
}

impl Opaque for tomocut_picks {
    type Value = Picks;
    const TAG: [u8; 8] = *b"tmcpicks";
    const NAME: &'static str = "picks";
}

/// The picks behind a handle.
///
/// # Safety
/// `handle` is NULL or picks.
unsafe fn picks(handle: *const tomocut_picks) -> Result<InUse<tomocut_picks>> {
    // SAFETY: passed on.
    let picks = unsafe { shared(handle) }?;
    log_panics_to(&picks.engine.logger);
    Ok(picks)
}

/// Finds molecules in a map of probabilities, such as NAME_centre.mrc of a prediction or a volume in the host's memory.
/// Slices are read one after the other: the map need not fit the memory. Positions are voxels of the map.
///
/// @param engine  Gives the log.
/// @param map     The map: 0 to 1, or 0 to certain.
/// @param options What differs from the defaults; NULL: nothing. The map is taken for the output that it names, "molecule" where it names none.
/// @param out     Receives the picks, to be freed by tomocut_picks_free; NULL on failure.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (an option out of its range, a map of unknown voxel size, an excluded
///         volume of other extents); TOMOCUT_E_OUT_OF_MEMORY (also: more than the memory allowed, by a map of noise);
///         TOMOCUT_E_FORMAT (voxels that are not finite); TOMOCUT_E_IO; TOMOCUT_E_CANCELLED; TOMOCUT_E_STATE.
///
/// Same map and options: same picks, whatever the memory. Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picks_find(
    engine: *const tomocut_engine,
    map: *const tomocut_tomogram,
    options: *const tomocut_picking_options,
    out: *mut *mut tomocut_picks,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        let (map, options) = unsafe { (tomogram(map)?, sized::read_or_default(options)?) };
        // SAFETY: as documented for C.
        let (picking, job) = unsafe {
            (
                translate_picking(&options)?,
                job(
                    &engine.logger,
                    options.cancel,
                    options.progress,
                    options.progress_user_data,
                )?,
            )
        };
        let map = map_of(&map.tomogram, options.certain)?;
        let output = picking.options.output.as_deref().unwrap_or("molecule");
        let excluded = picking.excluded.as_ref().map(|excluded| &excluded.tomogram);
        let set = find_picks(&map, output, &picking.options, excluded, allowed(options.memory), &job)?;
        let engine = Arc::clone(&engine);
        out.set(Picks { set, engine });
        Ok(())
    })
}

/// Reads a coordinate file in the convention of the program that its ending names: .csv, .star (RELION 5), .tbl (Dynamo),
/// .mod (IMOD), .coords (DeepETPicker), .json (copick), info.json (EMAN2).
///
/// @param engine   Gives the log.
/// @param path     The file.
/// @param tomogram The tomogram that it is about: files count from its centre, in Angstrom, and so on.
/// @param out      Receives the picks, to be freed by tomocut_picks_free; NULL on failure. What a file does not hold (a
///                 diameter, a score) is 0.
/// @return TOMOCUT_OK; TOMOCUT_E_IO; TOMOCUT_E_FORMAT (the text names the line); TOMOCUT_E_INVALID_ARGUMENT (another
///         ending; a file in Angstrom and a tomogram of unknown voxel size); TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picks_read(
    engine: *const tomocut_engine,
    path: *const c_char,
    tomogram: *const tomocut_tomogram,
    out: *mut *mut tomocut_picks,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        let (file, tomogram) = unsafe { (self::path(path, "path")?, self::tomogram(tomogram)?) };
        let (geometry, name) = (tomogram.tomogram.geometry(), tomogram.tomogram.name());
        let set = PickSet::read(&file, PickFormat::of(&file)?, geometry, name)?;
        let engine = Arc::clone(&engine);
        out.set(Picks { set, engine });
        Ok(())
    })
}

/// Copies the molecules into the array of the caller, best first (a file's: in its order).
///
/// @param picks    The picks.
/// @param points   Receives the molecules, or NULL to ask for their number.
/// @param capacity Entries in points.
/// @param needed   Receives the number of molecules; may be NULL when points is given.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where capacity is too small; TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picks_points(
    picks: *const tomocut_picks,
    points: *mut tomocut_pick,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let picks = unsafe { self::picks(picks) }?;
        let found = c_picks(&picks.set.picks, &picks.set.geometry);
        // SAFETY: as documented for C.
        unsafe { put_items(&found, points, capacity, needed, "points") }
    })
}

/// Writes a coordinate file in the convention of the program that its ending names, as tomocut_picks_read reads them. The
/// file is whole or absent.
///
/// @param picks The picks.
/// @param path  The file.
/// @return TOMOCUT_OK; TOMOCUT_E_IO; TOMOCUT_E_INVALID_ARGUMENT (another ending); TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picks_write(picks: *const tomocut_picks, path: *const c_char) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (picks, file) = unsafe { (self::picks(picks)?, self::path(path, "path")?) };
        picks.set.write(&file, PickFormat::of(&file)?)
    })
}

/// Frees picks.
///
/// @param picks The picks; NULL is fine.
///
/// Threads: any, but not while a call that was given them runs. In a forked child: does nothing.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picks_free(picks: *mut tomocut_picks) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(picks) });
}

/// Makes a map of membranes, such as NAME_membrane.mrc of a prediction, a mask and numbered objects: FOLDER/NAME_OUTPUT_mask.mrc
/// and FOLDER/NAME_OUTPUT_objects.mrc, NAME being the map's. Slices are read and written one after the other: the map need not
/// fit the memory. Each file is whole or absent.
///
/// @param engine  Gives the log.
/// @param map     The map: 0 to 1, or 0 to certain.
/// @param options What differs from the defaults; NULL: nothing.
/// @param folder  Where the files go; must exist.
/// @param count   Receives the number of membranes; may be NULL.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (an option out of its range; an unknown voxel size where a gap or a volume is
///         given); TOMOCUT_E_OUT_OF_MEMORY (also: more than the memory allowed, by a map of noise);
///         TOMOCUT_E_UNSUPPORTED (more than 16777216 membranes); TOMOCUT_E_FORMAT (voxels that are not finite);
///         TOMOCUT_E_IO; TOMOCUT_E_CANCELLED; TOMOCUT_E_STATE.
///
/// Same map and options: same files, to the byte, whatever the memory. Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_membranes_write(
    engine: *const tomocut_engine,
    map: *const tomocut_tomogram,
    options: *const tomocut_membrane_options,
    folder: *const c_char,
    count: *mut u64,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (engine, map) = unsafe { (engine_to_read(engine)?, tomogram(map)?) };
        // SAFETY: as documented for C.
        let (options, folder) = unsafe { (sized::read_or_default(options)?, path(folder, "folder")?) };
        // SAFETY: as documented for C.
        let (settings, job): (_, Job) = unsafe {
            (
                translate_membranes(&options)?,
                job(
                    &engine.logger,
                    options.cancel,
                    options.progress,
                    options.progress_user_data,
                )?,
            )
        };
        let map = map_of(&map.tomogram, options.certain)?;
        let output = settings.output.as_deref().unwrap_or("membrane");
        let written = write_membranes(&map, output, &settings, &folder, allowed(options.memory), &job)?;
        if !count.is_null() {
            // SAFETY: as documented for C.
            unsafe { count.write(u64::from(written.count)) };
        }
        Ok(())
    })
}

fn map_of(volume: &Tomogram, certain: f64) -> Result<ProbabilityMap<'_>> {
    let certain = given(certain, 1.0);
    if !(certain.is_finite() && certain > 0.0) {
        return Err(Error::argument("certain", certain, "must be positive, or 0 for 1"));
    }
    Ok(ProbabilityMap {
        certain: certain as f32,
        ..ProbabilityMap::of(volume)
    })
}

fn allowed(memory: u64) -> u64 {
    match memory {
        0 => PredictOptions::default().memory,
        given => given,
    }
}
