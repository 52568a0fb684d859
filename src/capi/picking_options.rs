//! What follows the network, as C asks for it: options of picks and of membranes, and their translation.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::guard::guard_anywhere;
use super::handle::InUse;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use super::strings::optional_text;
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::picks::PickFormat;
use crate::predict::{ClosingOptions, MembraneOptions, ObjectRules, PickMethod, PickingOptions};
use crate::{Error, Result};

/// How molecules are found in a map of probabilities, a TOMOCUT_PICK_*; 0: peaks in an output "centre", else objects.
pub type tomocut_picking_method = i32;
/// Local maxima, best first, each at least half a diameter away from every better one: for maps of centres.
pub const TOMOCUT_PICK_PEAKS: tomocut_picking_method = 1;
/// Mean-pooling non-maximum suppression as in DeepETPicker: for maps of whole molecules, which may touch.
pub const TOMOCUT_PICK_MEAN_POOLING: tomocut_picking_method = 2;
/// What hangs together above the threshold (26 neighbours) is one molecule each, with the diameter of a ball of its volume.
/// With the built-in network this measures best; molecules that touch are one.
pub const TOMOCUT_PICK_OBJECTS: tomocut_picking_method = 3;

/// NAME_points.csv: x, y, z in voxels, counted from 0, then in Angstrom, diameter in nm, score.
pub const TOMOCUT_POINTS_CSV: u32 = 1;
/// NAME_points.star, RELION 5: Angstrom from the tomogram's centre.
pub const TOMOCUT_POINTS_STAR: u32 = 2;
/// NAME_points.tbl, Dynamo: voxels, counted from 1.
pub const TOMOCUT_POINTS_DYNAMO: u32 = 4;
/// NAME_points.mod, IMOD: pixels from the edge of the first one in x and y, from the middle of the first slice in z.
pub const TOMOCUT_POINTS_IMOD: u32 = 8;
/// NAME_points.coords, DeepETPicker: whole voxels, counted from 0.
pub const TOMOCUT_POINTS_COORDS: u32 = 16;
/// NAME_points.json, copick: Angstrom from the centre of the first voxel.
pub const TOMOCUT_POINTS_COPICK: u32 = 32;
/// NAME_info.json, EMAN2: voxels of apix_unbin from the middle voxel.
pub const TOMOCUT_POINTS_EMAN2: u32 = 64;
/// No file.
pub const TOMOCUT_POINTS_NONE: u32 = 0x8000_0000;

/// Options of picks. Fill with tomocut_picking_options_init, then change what differs; zero means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_picking_options {
    /// sizeof(tomocut_picking_options) of the caller's header.
    pub struct_size: usize,
    /// The output of the network that is searched; NULL: "molecule" where the network has it, else "centre".
    pub output: *const c_char,
    /// How, TOMOCUT_PICK_*; 0: peaks in an output "centre", else objects.
    pub method: tomocut_picking_method,
    /// Files that a prediction writes, TOMOCUT_POINTS_* joined by |; 0: CSV and RELION 5.
    pub formats: u32,
    /// Least probability, above 0, below 1; 0: 0.3.
    pub threshold: f64,
    /// Diameter of the molecules in nm, 0.1 to 1000; 0: 25, a ribosome. Peaks are at least half of it apart, mean pooling
    /// makes one molecule of what is as large; objects have the diameter that their volume gives.
    pub diameter_nm: f64,
    /// Least distance of a pick from the tomogram's ends, along z y x, in nm.
    pub border_nm: [f64; 3],
    /// A volume of the tomogram's extents that is not 0 where no molecule should be counted (carbon, contamination); may
    /// be NULL. Must live until the call returns.
    pub excluded: *const tomocut_tomogram,
    /// Least distance of a pick from what is excluded, in nm; 0: only what lies in it is left out.
    pub exclusion_nm: f64,
    /// Least volume of an object in nm^3, for TOMOCUT_PICK_OBJECTS: what is smaller is noise; 0: 100, a ball of 6 nm.
    pub least_nm3: f64,
    /// Largest volume of an object in nm^3; 0: no limit.
    pub largest_nm3: f64,
    /// What of the map's numbers is a probability of 1; 0: 1. This and what follows are for tomocut_picks_find: a
    /// prediction knows its maps and has its own cancel.
    pub certain: f64,
    /// Bytes that may be taken; 0: 1 GiB.
    pub memory: u64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding (method and formats lie together); zero is the
// default of every field.
unsafe impl SizedStruct for tomocut_picking_options {
    const NAME: &'static str = "tomocut_picking_options";
}

/// Membranes as 1, all else as 0 (int8): NAME_OUTPUT_mask.mrc.
pub const TOMOCUT_MEMBRANES_MASK: u32 = 1;
/// The number of each membrane, from 1, else 0 (int16; beyond 32767 membranes float32): NAME_OUTPUT_objects.mrc.
pub const TOMOCUT_MEMBRANES_OBJECTS: u32 = 2;

/// Options of membranes. Fill with tomocut_membrane_options_init, then change what differs; zero means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_membrane_options {
    /// sizeof(tomocut_membrane_options) of the caller's header.
    pub struct_size: usize,
    /// The output of the network that is taken; NULL: "membrane".
    pub output: *const c_char,
    /// Files that are written, TOMOCUT_MEMBRANES_* joined by |; 0: both.
    pub files: u32,
    /// Zero.
    pub reserved: u32,
    /// Least probability, above 0, below 1; 0: 0.3, where gaps are closed and specks left out what measures best.
    pub threshold: f64,
    /// Widest gap that is closed, in nm, at most 64 voxels; 0: 8; below 0: none is.
    pub gap_nm: f64,
    /// Thickest membrane that closing may give, in nm, so that membranes side by side stay two; 0: 9.
    pub thickness_nm: f64,
    /// Least volume of a membrane in nm^3: smaller ones are left out; 0: 1000 (a vesicle of 30 nm has 14000).
    pub least_nm3: f64,
    /// Largest volume of a membrane in nm^3; 0: no limit.
    pub largest_nm3: f64,
    /// What of the map's numbers is a probability of 1; 0: 1. This and what follows are for tomocut_membranes_write: a
    /// prediction knows its maps and has its own cancel.
    pub certain: f64,
    /// Bytes that may be taken; 0: 1 GiB.
    pub memory: u64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding (files and reserved lie together); zero is the
// default of every field.
unsafe impl SizedStruct for tomocut_membrane_options {
    const NAME: &'static str = "tomocut_membrane_options";
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_picking_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picking_options_init(
    options: *mut tomocut_picking_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_membrane_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_membrane_options_init(
    options: *mut tomocut_membrane_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Picks in the engine's words, and the volume that is excluded, kept alive.
pub(super) struct Picking {
    pub(super) options: PickingOptions,
    pub(super) excluded: Option<InUse<tomocut_tomogram>>,
}

/// Ranges are checked by the engine.
///
/// # Safety
/// The pointers in `options` are as documented for C.
pub(super) unsafe fn translate_picking(options: &tomocut_picking_options) -> Result<Picking> {
    let defaults = PickingOptions::default();
    let method = match options.method {
        0 => None,
        TOMOCUT_PICK_PEAKS => Some(PickMethod::Peaks),
        TOMOCUT_PICK_MEAN_POOLING => Some(PickMethod::MeanPooling),
        TOMOCUT_PICK_OBJECTS => Some(PickMethod::Objects),
        other => return Err(Error::argument("method", other, "must be 0 or a TOMOCUT_PICK_*, 1..=3")),
    };
    // SAFETY: passed on.
    let output = unsafe { optional_text(options.output, "output") }?;
    let excluded = match options.excluded.is_null() {
        true => None,
        // SAFETY: passed on.
        false => Some(unsafe { tomogram(options.excluded) }?),
    };
    let options = PickingOptions {
        output: output.map(str::to_owned),
        method,
        threshold: (options.threshold != 0.0).then_some(options.threshold),
        diameter_nm: given(options.diameter_nm, defaults.diameter_nm),
        border_nm: options.border_nm,
        exclusion_nm: options.exclusion_nm,
        volumes: volumes(
            given(options.least_nm3, defaults.volumes.least_nm3),
            options.largest_nm3,
        ),
        formats: formats(options.formats, defaults.formats)?,
    };
    Ok(Picking { options, excluded })
}

/// Ranges are checked by the engine.
///
/// # Safety
/// The pointers in `options` are as documented for C.
pub(super) unsafe fn translate_membranes(options: &tomocut_membrane_options) -> Result<MembraneOptions> {
    if options.reserved != 0 {
        return Err(Error::argument("reserved", options.reserved, "must be 0"));
    }
    let (defaults, closing) = (MembraneOptions::default(), ClosingOptions::default());
    let all = TOMOCUT_MEMBRANES_MASK | TOMOCUT_MEMBRANES_OBJECTS;
    if options.files & !all != 0 {
        let allowed = "must be TOMOCUT_MEMBRANES_* joined by |, 0..=3";
        return Err(Error::argument("files", options.files, allowed));
    }
    let files = if options.files == 0 { all } else { options.files };
    // SAFETY: passed on.
    let output = unsafe { optional_text(options.output, "output") }?;
    Ok(MembraneOptions {
        output: output.map(str::to_owned),
        threshold: given(options.threshold, defaults.threshold),
        // A gap that is no number is refused by the engine.
        closing: (options.gap_nm.is_nan() || options.gap_nm >= 0.0).then(|| ClosingOptions {
            gap_nm: given(options.gap_nm, closing.gap_nm),
            thickness_nm: given(options.thickness_nm, closing.thickness_nm),
        }),
        volumes: volumes(
            given(options.least_nm3, defaults.volumes.least_nm3),
            options.largest_nm3,
        ),
        mask: files & TOMOCUT_MEMBRANES_MASK != 0,
        objects: files & TOMOCUT_MEMBRANES_OBJECTS != 0,
    })
}

/// `value`, or `preset` where it is zero.
pub(super) fn given(value: f64, preset: f64) -> f64 {
    match value {
        0.0 => preset,
        given => given,
    }
}

fn volumes(least_nm3: f64, largest_nm3: f64) -> ObjectRules {
    ObjectRules {
        least_nm3,
        largest_nm3: given(largest_nm3, f64::INFINITY),
    }
}

fn formats(bits: u32, preset: Vec<PickFormat>) -> Result<Vec<PickFormat>> {
    let known = [
        (TOMOCUT_POINTS_CSV, PickFormat::Csv),
        (TOMOCUT_POINTS_STAR, PickFormat::Star),
        (TOMOCUT_POINTS_DYNAMO, PickFormat::Dynamo),
        (TOMOCUT_POINTS_IMOD, PickFormat::Imod),
        (TOMOCUT_POINTS_COORDS, PickFormat::Coords),
        (TOMOCUT_POINTS_COPICK, PickFormat::Copick),
        (TOMOCUT_POINTS_EMAN2, PickFormat::Eman2),
    ];
    if bits == 0 {
        return Ok(preset);
    }
    if bits == TOMOCUT_POINTS_NONE {
        return Ok(Vec::new());
    }
    if bits & !known.iter().fold(0, |all, (bit, _)| all | bit) != 0 {
        let allowed = "must be TOMOCUT_POINTS_NONE, or others of TOMOCUT_POINTS_* joined by |, 0..=127";
        return Err(Error::argument("formats", bits, allowed));
    }
    let chosen = known.into_iter().filter(|(bit, _)| bits & bit != 0);
    Ok(chosen.map(|(_, format)| format).collect())
}
