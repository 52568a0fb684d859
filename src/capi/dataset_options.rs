//! Options of a run over a data set as C sees them, and their translation.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::given::Given;
use super::guard::guard_anywhere;
use super::numbers::slices;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use super::strings::path;
use crate::dataset::{DataSetOptions, DataSetTomogram};
use crate::Result;

/// A tomogram of a data set. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_dataset_tomogram {
    /// The MRC file.
    pub path: *const c_char,
    /// First slice of it that is labelled, counted from 0.
    pub z_first: u64,
    /// Slice after the last one; 0: no slab of it is given. Where any tomogram has one, these slabs are labelled and
    /// none is looked for.
    pub z_end: u64,
    /// An MRC file of its true labels (0 ground, 1 membrane, 2 molecule, 3 filament), which the result is scored with;
    /// nothing is learnt from it. NULL: none.
    pub truth: *const c_char,
}

/// Options of a run over a data set. Fill with tomocut_dataset_options_init, then change what differs; zero and NULL
/// mean the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_dataset_options {
    /// sizeof(tomocut_dataset_options) of the caller's header.
    pub struct_size: usize,
    /// Slabs that are labelled, 1 to 64, where none is given; 0: 3. They are looked for in tomograms spread over the
    /// data set.
    pub slabs: u64,
    /// Edge of a voxel in nm, 0.01 to 100, where the files' own is wrong or unknown.
    pub voxel_nm: f64,
    /// Bytes that labelled slabs, and later slices and tiles, may take, beside networks and libtorch; 0: 4 GiB.
    pub memory: u64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call, over all its stages; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
    /// Settings of the family "run", one JSON object (docs/settings.md), with the groups slab, training, prediction and
    /// molecules: {"training.steps": 900, "prediction.membranes": {}}; {"preset": "cvpr2026", "truth": "truths.csv",
    /// "slab.split": "cellpose", "slab.cellpose_weights": "cyto3.safetensors"}. NULL: the defaults.
    pub settings: *const c_char,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_dataset_options {
    const NAME: &'static str = "tomocut_dataset_options";
}

/// Sets all options to their defaults; size is sizeof(tomocut_dataset_options), as the caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_dataset_options_init(
    options: *mut tomocut_dataset_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// # Safety
/// The pointers in `options` are as documented for C.
pub(super) unsafe fn translate(options: &tomocut_dataset_options) -> Result<DataSetOptions> {
    // SAFETY: passed on.
    let mut given = unsafe { Given::text(options.settings) }?;
    given.count("slabs", options.slabs)?;
    given.number("voxel_nm", options.voxel_nm)?;
    given.count("memory", options.memory)?;
    given.resolve()
}

/// # Safety
/// The strings are as documented for C.
pub(super) unsafe fn translate_tomogram(tomogram: &tomocut_dataset_tomogram) -> Result<DataSetTomogram> {
    let slab = match (tomogram.z_first, tomogram.z_end) {
        (0, 0) => None,
        (first, end) => Some(slices(first, end)?),
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
        true_points: None,
    })
}
