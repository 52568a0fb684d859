//! Pictures with masks to learn from.
use std::ffi::c_char;
use std::path::PathBuf;

use super::cancel::tomocut_cancel;
use super::guard::guard;
use super::numbers::flag;
use super::status::tomocut_status;
use super::strings::path;
use super::trainer::{reading, tomocut_trainer, training};
use crate::{Error, Result};

/// Pictures of a list, at most.
const MOST_PICTURES: usize = 1 << 20;

/// Adds pictures with their masks. Each is resized to the window. Nothing is added where one of them cannot be read:
/// TOMOCUT_E_FORMAT names a file that is no picture, or a mask of another size or of more than two levels.
///
/// @param trainer  The trainer, of a network of slices with one output beside "background", before its first step.
/// @param images   PNG, JPEG or TIFF files, grey or in colour.
/// @param masks    The mask of each, black where nothing is and white where something is, of the picture's rows and
///                 columns.
/// @param n        Entries in images and in masks.
/// @param held_out 1: they are not learnt from but scored with; 0: learnt from, but for the validation_share of them.
/// @param cancel   Stops the reading; may be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_add_pairs(
    trainer: *mut tomocut_trainer,
    images: *const *const c_char,
    masks: *const *const c_char,
    n: usize,
    held_out: i32,
    cancel: *const tomocut_cancel,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let trainer = unsafe { super::trainer::trainer(trainer) }?;
        // SAFETY: as documented for C.
        let (images, masks, job) = unsafe {
            (
                paths(images, n, "images")?,
                paths(masks, n, "masks")?,
                reading(&trainer, cancel)?,
            )
        };
        let held_out = flag("held_out", held_out)?;
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
