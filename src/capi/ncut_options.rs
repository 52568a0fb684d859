//! Options of segmenting by cuts.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::engine::Engine;
use super::given::Given;
use super::guard::guard_anywhere;
use super::progress::{job, tomocut_progress_fn};
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use crate::ncut::NcutOptions;
use crate::runtime::Job;
use crate::Result;

/// Options of segmenting by cuts. Fill with tomocut_ncut_options_init, then change what differs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_ncut_options {
    /// sizeof(tomocut_ncut_options) of the caller's header.
    pub struct_size: usize,
    /// "walk_and_cut" (recursive NCut on P P^T, WACV 2026), "walk_and_cut_clean" (the same without inversion),
    /// "random_walk" (on P itself), "power_walk_mincut" (on P^3 P^3T), "diffseg" (maps merged by divergence, CVPR
    /// 2024), "diffcut" (recursive NCut on cosines of features, NeurIPS 2024), "tokencut" (one object, CVPR 2022),
    /// "maskcut" (three objects, CVPR 2023), "emerdiff" (k-means on queries and modulated denoising, ICLR 2024;
    /// Stable Diffusion only) or "emerdiff_kmeans" (its first step); NULL: "walk_and_cut".
    pub preset: *const c_char,
    /// How many segments, up to 4096: the best cuts first; 0: by the preset's rule, 8 with the built-in model.
    pub segments: u32,
    /// 1: structures are brighter than their surroundings, grey levels are inverted; 0: darker. For tomograms.
    pub bright: i32,
    /// Any other setting of the family "ncut" by name, one JSON object (docs/settings.md); NULL: none.
    pub settings: *const c_char,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_ncut_options {
    const NAME: &'static str = "tomocut_ncut_options";
}

/// Sets all options to their defaults; size is sizeof(tomocut_ncut_options), as the caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_options_init(options: *mut tomocut_ncut_options, size: usize) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Settings and job of a call; NULL stands for all defaults.
///
/// # Safety
/// `options` is as documented for C.
pub(super) unsafe fn ncut_call(
    engine: &Engine,
    options: *const tomocut_ncut_options,
) -> Result<(NcutOptions, Job<'static>)> {
    // SAFETY: passed on.
    unsafe {
        let options = sized::read_or_default(options)?;
        let mut given = Given::text(options.settings)?;
        given.word("preset", options.preset)?;
        given.count("segments", options.segments.into())?;
        given.flag("bright", options.bright)?;
        let user_data = options.progress_user_data;
        let job = job(&engine.logger, options.cancel, options.progress, user_data)?;
        Ok((given.resolve()?, job))
    }
}
