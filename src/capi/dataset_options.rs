//! The options and answers of a run over a data set as C sees them, and their translation.
use std::ffi::{c_char, c_void};
use std::time::Duration;

use super::cancel::tomocut_cancel;
use super::guard::guard_anywhere;
use super::predict_options::{self, tomocut_predict_options};
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::slab_options::{self, flag, given, to_usize, tomocut_slab_options};
use super::status::{c_text, status_of, tomocut_status};
use super::strings::path;
use super::trainer_options::{self, tomocut_trainer_options};
use crate::dataset::{DataSetOptions, DataSetTomogram, TomogramOutcome, DEFAULT_STEPS};
use crate::{Error, Result};

/// A tomogram of a data set. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_dataset_tomogram {
    /// The MRC file.
    pub path: *const c_char,
    /// First slice of it that is labelled, counted from 0.
    pub z_first: u64,
    /// Slice after the last one; 0: no slab of it is given. Where any tomogram has one, these slabs are labelled and none is
    /// looked for.
    pub z_end: u64,
    /// An MRC file of its true labels (0 ground, 1 membrane, 2 molecule, 3 filament), which the result is scored with;
    /// nothing is learnt from it. NULL: none.
    pub truth: *const c_char,
}

/// Options of a run over a data set. Fill with tomocut_dataset_options_init, then change what differs; zero and NULL mean
/// the default. All strings are read during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_dataset_options {
    /// sizeof(tomocut_dataset_options) of the caller's header.
    pub struct_size: usize,
    /// Slabs that are labelled, 1 to 64, where none is given; 0: 3. They are looked for in tomograms spread over the data set.
    pub slabs: u64,
    /// Slices of a slab that is looked for; 0: 20, or all of a thinner tomogram.
    pub thickness: u64,
    /// Share of each slab's slices, up to 0.5, that nothing is learnt from, so that the network is compared with the labels
    /// there; 0: 0.2; negative: none.
    pub held_out: f64,
    /// Edge of a voxel in nm, 0.01 to 100, where the files' own is wrong or unknown; 0: their own.
    pub voxel_nm: f64,
    /// 1: structures are brighter than their surroundings; 0: darker, as IMOD and AreTomo leave them.
    pub bright: i32,
    /// 1: begins again where a run of other settings stands; 0: such a run is refused.
    pub restart: i32,
    /// How slabs are labelled; NULL: as tomocut_slab_options has it. z_first, z_end, voxel_nm, bright, cancel and progress are not
    /// read.
    pub slab: *const tomocut_slab_options,
    /// How the network is trained; NULL, or steps of 0: in 600 steps, the rest as tomocut_trainer_options has it. voxel_nm and
    /// bright are not read.
    pub training: *const tomocut_trainer_options,
    /// How tomograms are predicted; NULL: as tomocut_predict_options has it, but that molecules are picked where the voxel size is
    /// known, with the defaults of tomocut_picking_options where picking is NULL. Labels must be among the outputs. voxel_nm, bright,
    /// memory, rank, size, resume, cancel and progress are not read.
    pub prediction: *const tomocut_predict_options,
    /// How often the network is scored on the slices held out while it learns, up to 1000; 0: 6.
    pub scores: u64,
    /// Seconds between two checkpoints of the training; 0: 60.
    pub checkpoint_seconds: f64,
    /// Bytes that labelled slabs, and later slices and tiles, may take, beside networks and libtorch; 0: 4 GiB.
    pub memory: u64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call, over all its stages; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_dataset_options {
    const NAME: &'static str = "tomocut_dataset_options";
}

/// What a run over a data set did. Set struct_size, by tomocut_dataset_report_init, before use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_dataset_report {
    /// sizeof(tomocut_dataset_report) of the caller's header.
    pub struct_size: usize,
    /// Tomograms that have a prediction now.
    pub predicted: u64,
    /// Those of them that had it before the call.
    pub were_there: u64,
    /// Tomograms that failed.
    pub failed: u64,
    /// Slabs that the network learnt from.
    pub slabs: u64,
    /// Steps of the training.
    pub steps: u64,
    /// Mean loss of its latest steps; NaN where there were fewer than 25.
    pub loss: f64,
    /// Mean over the network's classes of their Dice with the labels of the slices held out (learnt from, where none are), 0 to 1.
    pub dice: f64,
}

// SAFETY: repr(C), struct_size first, numbers only, no padding.
unsafe impl SizedStruct for tomocut_dataset_report {
    const NAME: &'static str = "tomocut_dataset_report";
}

/// What became of one tomogram. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_dataset_outcome {
    /// TOMOCUT_OK, or why it has no prediction.
    pub status: tomocut_status,
    /// 1: its prediction was there before the call; 0: it was not.
    pub was_there: i32,
    /// What went wrong, NUL-terminated UTF-8, cut where it is longer; empty where nothing did.
    pub text: [c_char; 512],
}

impl From<&TomogramOutcome> for tomocut_dataset_outcome {
    fn from(outcome: &TomogramOutcome) -> Self {
        let said = outcome.failure.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut text = [0 as c_char; 512];
        let room = text.len() - 1;
        let mut end = said.len().min(room);
        while !said.is_char_boundary(end) {
            end -= 1;
        }
        // NULs inside become longer: the zip ends before the last byte, which stays zero.
        for (target, byte) in text[..room].iter_mut().zip(c_text(&said[..end]).as_bytes()) {
            *target = *byte as c_char;
        }
        Self {
            status: outcome.failure.as_ref().map_or(super::status::TOMOCUT_OK, status_of),
            was_there: i32::from(outcome.was_there),
            text,
        }
    }
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_dataset_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_dataset_options_init(
    options: *mut tomocut_dataset_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Sets all members to zero.
///
/// @param report The struct to fill.
/// @param size   sizeof(tomocut_dataset_report), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where report is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_dataset_report_init(
    report: *mut tomocut_dataset_report,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(report, size) })
}

/// The options in the engine's words; ranges are checked there.
///
/// # Safety
/// `options` and what it points to are as documented for C.
pub(super) unsafe fn translate(options: &tomocut_dataset_options) -> Result<DataSetOptions> {
    let defaults = DataSetOptions::default();
    // SAFETY: passed on.
    let (slab, training, prediction) = unsafe {
        (
            slab_options::translate(&sized::read_or_default(options.slab)?)?,
            sized::read_or_default(options.training)?,
            sized::read_or_default(options.prediction)?,
        )
    };
    // SAFETY: passed on.
    let (mut training, after) = unsafe {
        (
            trainer_options::given(&training)?,
            predict_options::translate_after(&prediction)?,
        )
    };
    training.or("steps", DEFAULT_STEPS);
    let (picking, membranes) = after.of_many()?;
    let or = |value: u64, default: u64| if value == 0 { default } else { value };
    let seconds = given(options.checkpoint_seconds).unwrap_or(defaults.checkpoint_every.as_secs_f64());
    Ok(DataSetOptions {
        slabs: to_usize("slabs", or(options.slabs, defaults.slabs as u64))?,
        thickness: match options.thickness {
            0 => None,
            slices => Some(to_usize("thickness", slices)?),
        },
        held_out: given(options.held_out).map_or(defaults.held_out, |share| share.max(0.0)),
        voxel_nm: given(options.voxel_nm),
        bright: flag("bright", options.bright)?,
        slab,
        training: training.resolve()?,
        scores: or(options.scores, defaults.scores),
        checkpoint_every: Duration::try_from_secs_f64(seconds)
            .map_err(|_| Error::argument("checkpoint_seconds", seconds, "must be 0 or more"))?,
        // SAFETY: passed on.
        prediction: unsafe { predict_options::translate(&prediction) }?,
        picking: picking.or(defaults.picking),
        membranes,
        memory: or(options.memory, defaults.memory),
        restart: flag("restart", options.restart)?,
    })
}

/// # Safety
/// The strings are as documented for C.
pub(super) unsafe fn translate_tomogram(tomogram: &tomocut_dataset_tomogram) -> Result<DataSetTomogram> {
    let slab = match (tomogram.z_first, tomogram.z_end) {
        (0, 0) => None,
        (first, end) => Some(to_usize("z_first", first)?..to_usize("z_end", end)?),
    };
    Ok(DataSetTomogram {
        // SAFETY: passed on.
        path: unsafe { path(tomogram.path, "tomogram.path") }?,
        slab,
        truth: match tomogram.truth.is_null() {
            true => None,
            // SAFETY: passed on.
            false => Some(unsafe { path(tomogram.truth, "tomogram.truth") }?),
        },
    })
}
