//! Pictures with masks to learn from.
use std::ffi::{c_char, c_void};
use std::path::PathBuf;

use super::cancel::tomocut_cancel;
use super::guard::{guard, guard_anywhere};
use super::progress::job;
use super::sized::{self, SizedStruct};
use super::slab_options::flag;
use super::status::tomocut_status;
use super::strings::path;
use super::trainer::{tomocut_trainer, training};
use crate::runtime::Stage;
use crate::{Error, Result};

/// Pictures of a list, at most.
const MOST_PICTURES: usize = 1 << 20;

/// Pictures and their masks, for a network of slices. Fill with tomocut_training_pairs_init, then set the lists. All arrays and
/// strings are read during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_training_pairs {
    /// sizeof(tomocut_training_pairs) of the caller's header.
    pub struct_size: usize,
    /// PNG, JPEG or TIFF files, grey or in colour.
    pub images: *const *const c_char,
    /// Entries in images.
    pub n_images: usize,
    /// The mask of each, black where nothing is and white where something is, of the picture's rows and columns.
    pub masks: *const *const c_char,
    /// Entries in masks, as many as in images.
    pub n_masks: usize,
    /// 1: they are not learnt from but scored with; 0: learnt from, but for the share of them that validation_share says.
    pub held_out: i32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_training_pairs {
    const NAME: &'static str = "tomocut_training_pairs";
}

/// Sets all members to zero.
///
/// @param pairs The struct to fill.
/// @param size  sizeof(tomocut_training_pairs), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where pairs is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_training_pairs_init(
    pairs: *mut tomocut_training_pairs,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(pairs, size) })
}

/// Adds pictures with their masks. Each is resized to the window. Nothing is added where one of them cannot be read.
///
/// @param trainer The trainer, of a network of slices with one output beside "background", before its first step.
/// @param pairs   The pictures.
/// @param cancel  Stops the reading; may be NULL.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (lists that differ in length, a network of several outputs); TOMOCUT_E_IO;
///         TOMOCUT_E_FORMAT (a file that is no picture, a mask of another size or of more than two levels: the text names
///         it); TOMOCUT_E_UNSUPPORTED (a network of three dimensions); TOMOCUT_E_CANCELLED; TOMOCUT_E_OUT_OF_MEMORY;
///         TOMOCUT_E_STATE (the training has begun).
///
/// Threads: any; one call at a time per trainer.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_add_pairs(
    trainer: *mut tomocut_trainer,
    pairs: *const tomocut_training_pairs,
    cancel: *const tomocut_cancel,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (trainer, given) = unsafe { (super::trainer::trainer(trainer)?, sized::read(pairs)?) };
        if given.reserved != 0 {
            return Err(Error::argument("reserved", given.reserved, "must be 0"));
        }
        let held_out = flag("held_out", given.held_out)?;
        // SAFETY: as documented for C.
        let (images, masks, job) = unsafe {
            (
                paths(given.images, given.n_images, "images")?,
                paths(given.masks, given.n_masks, "masks")?,
                job(&trainer.engine.logger, cancel, None, std::ptr::null_mut::<c_void>())?,
            )
        };
        job.enter(Stage::Read)?;
        let mut training = training(&trainer)?;
        training.add_pictures(&images, &masks, held_out, &job)
    })
}

/// A list of paths.
///
/// # Safety
/// `list` is NULL or an array of `count` strings that end with NUL.
pub(super) unsafe fn paths(list: *const *const c_char, count: usize, name: &str) -> Result<Vec<PathBuf>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if list.is_null() || !list.is_aligned() || count > MOST_PICTURES {
        let allowed = format!("must be an array of up to {MOST_PICTURES} strings where their number is not 0");
        return Err(Error::argument(name, format!("{count} entries at {list:p}"), &allowed));
    }
    // SAFETY: not NULL, aligned, and as long as the caller says.
    let list = unsafe { std::slice::from_raw_parts(list, count) };
    // SAFETY: passed on.
    list.iter().map(|entry| unsafe { path(*entry, name) }).collect()
}
