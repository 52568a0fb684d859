//! Picks: molecules found in a map, or read from a coordinate file.
use std::ffi::c_char;
use std::sync::Arc;

use super::call_options::{call, tomocut_call_options};
use super::engine::{engine_to_read, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{free, shared, InUse, NewHandle, Opaque};
use super::slab::{c_picks, tomocut_pick};
use super::status::tomocut_status;
use super::strings::{path, put_items, text};
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::picks::{PickFormat, PickSet};
use crate::predict::{find_picks, write_membranes, MembraneOptions, PickingOptions, ProbabilityMap};
use crate::volume::{class_name, MEMBRANE, MOLECULE};
use crate::Result;

/// The molecules of one tomogram: positions, diameters, scores. Immutable; independent of the tomogram.
pub struct tomocut_picks {
    _opaque: [u8; 0],
}

pub(super) struct Picks {
    set: PickSet,
    engine: Arc<Engine>,
}

/// Where the picks of a call go; a host that wants none gives NULL.
pub(super) struct PicksTo(Option<NewHandle<tomocut_picks>>);

impl PicksTo {
    /// # Safety
    /// `out` is NULL or valid for writing one pointer.
    pub(super) unsafe fn at(out: *mut *mut tomocut_picks) -> Result<Self> {
        if out.is_null() {
            return Ok(Self(None));
        }
        // SAFETY: passed on.
        Ok(Self(Some(unsafe { NewHandle::at(out) }?)))
    }

    /// Hands the picks over, where there are any.
    pub(super) fn set(self, picks: Option<PickSet>, engine: &Arc<Engine>) {
        if let (Some(out), Some(set)) = (self.0, picks) {
            let engine = Arc::clone(engine);
            out.set(Picks { set, engine });
        }
    }
}

/// The tomogram behind a handle, None for NULL.
///
/// # Safety
/// `handle` is NULL or a tomogram.
pub(super) unsafe fn optional_tomogram(handle: *const tomocut_tomogram) -> Result<Option<InUse<tomocut_tomogram>>> {
    if handle.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on.
    unsafe { tomogram(handle) }.map(Some)
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
/// Slices are read one after the other: the map need not fit the memory. Positions are voxels of the map. The same map
/// and settings give the same picks, whatever the memory.
///
/// @param map      The map: 0 to 1, or 0 to the setting certain.
/// @param excluded A volume of the map's extents that is not 0 where no molecule should be counted; NULL: none.
/// @param options  Settings of the family "picking"; NULL: the defaults. The map is taken for the output that they
///                 name, "molecule" where they name none.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picks_find(
    engine: *const tomocut_engine,
    map: *const tomocut_tomogram,
    excluded: *const tomocut_tomogram,
    options: *const tomocut_call_options,
    out: *mut *mut tomocut_picks,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (PicksTo(Some(NewHandle::at(out)?)), engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        let (map, excluded, (given, job)) =
            unsafe { (tomogram(map)?, optional_tomogram(excluded)?, call(&engine, options)?) };
        let settings: PickingOptions = given.resolve()?;
        let output = output_or(&settings.output, MOLECULE);
        let excluded = excluded.as_ref().map(|excluded| &excluded.tomogram);
        let map = ProbabilityMap {
            certain: settings.certain as f32,
            ..ProbabilityMap::of(&map.tomogram)
        };
        let set = find_picks(&map, output, &settings, excluded, settings.memory, &job)?;
        out.set(Some(set), &engine);
        Ok(())
    })
}

/// The output that settings name, else that of the class `label`.
fn output_or(named: &Option<String>, label: i8) -> &str {
    named.as_deref().unwrap_or(class_name(label).unwrap_or_default())
}

/// Reads a coordinate file in the convention of the program that its ending names: .csv, .star (RELION 5), .tbl
/// (Dynamo), .mod (IMOD), .coords (DeepETPicker), .json (copick), info.json (EMAN2). A file that names its tomograms is
/// read for the one that was opened, by the name of its file without rec_, _10.00Apx or _Vol; TOMOCUT_E_FORMAT where it
/// has no picks of it, none within it, or may mean two things. Picks outside of the tomogram are told to the log.
///
/// @param tomogram The tomogram that it is about: files count from its centre, in Angstrom, and so on. Where the file
///                 counts in Angstrom its voxel size must be known.
/// @param out      Receives the picks; what a file does not hold (a diameter, a score) is 0.
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
        hand_over(set, &engine, out);
        Ok(())
    })
}

/// As tomocut_picks_read, for a tomogram whose name in the file is not that of its own file.
///
/// @param name The name of the tomogram, as rlnTomoName or run_name have it, or the number of Dynamo's column 20.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picks_read_named(
    engine: *const tomocut_engine,
    path: *const c_char,
    tomogram: *const tomocut_tomogram,
    name: *const c_char,
    out: *mut *mut tomocut_picks,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        let (file, tomogram, name) = unsafe {
            (
                self::path(path, "path")?,
                self::tomogram(tomogram)?,
                text(name, "name")?,
            )
        };
        let geometry = tomogram.tomogram.geometry();
        let set = PickSet::read_named(&file, PickFormat::of(&file)?, geometry, name)?;
        hand_over(set, &engine, out);
        Ok(())
    })
}

/// Hands over what was read; what a user should know of the file goes to the log.
fn hand_over(set: PickSet, engine: &Arc<Engine>, out: NewHandle<tomocut_picks>) {
    for warning in &set.warnings {
        engine.logger.warn("picks", warning);
    }
    PicksTo(Some(out)).set(Some(set), engine);
}

/// Copies the molecules into the array of the caller, best first (a file's: in its order). With points NULL and
/// capacity 0 only *needed is written, their number.
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
        let all = c_picks(&picks.set.picks, &picks.set.geometry);
        // SAFETY: as documented for C.
        unsafe { put_items(&all, points, capacity, needed, "points") }
    })
}

/// Writes a coordinate file in the convention of the program that its ending names, as tomocut_picks_read reads them.
/// The file is whole or absent.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picks_write(picks: *const tomocut_picks, path: *const c_char) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (picks, file) = unsafe { (self::picks(picks)?, self::path(path, "path")?) };
        picks.set.write(&file, PickFormat::of(&file)?)
    })
}

/// Frees picks; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picks_free(picks: *mut tomocut_picks) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(picks) });
}

/// Makes a map of membranes, such as NAME_membrane.mrc of a prediction, a mask and numbered objects:
/// FOLDER/NAME_OUTPUT_mask.mrc and FOLDER/NAME_OUTPUT_objects.mrc, NAME being the map's. Slices are read and written
/// one after the other: the map need not fit the memory. Each file is whole or absent. The same map and settings give
/// the same files, to the byte, whatever the memory.
///
/// @param map     The map: 0 to 1, or 0 to the setting certain.
/// @param options Settings of the family "membranes"; NULL: the defaults. Gaps and volumes need a known voxel size.
/// @param folder  Where the files go; must exist.
/// @param count   Receives the number of membranes; may be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_membranes_write(
    engine: *const tomocut_engine,
    map: *const tomocut_tomogram,
    options: *const tomocut_call_options,
    folder: *const c_char,
    count: *mut u64,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (engine, map, folder) = unsafe { (engine_to_read(engine)?, tomogram(map)?, path(folder, "folder")?) };
        // SAFETY: as documented for C.
        let (given, job) = unsafe { call(&engine, options) }?;
        let settings: MembraneOptions = given.resolve()?;
        let map = ProbabilityMap {
            certain: settings.certain as f32,
            ..ProbabilityMap::of(&map.tomogram)
        };
        let output = output_or(&settings.output, MEMBRANE);
        let written = write_membranes(&map, output, &settings, &folder, settings.memory, &job)?;
        if !count.is_null() {
            // SAFETY: as documented for C.
            unsafe { count.write(u64::from(written.count)) };
        }
        Ok(())
    })
}
