//! Adapting a model to a data set.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::{guard, guard_anywhere};
use super::progress::{compute, job, tomocut_progress_fn};
use super::sized::{self, SizedStruct};
use super::slab_options::flag;
use super::status::tomocut_status;
use super::strings::path;
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::denoiser::{adapt, AdaptOptions};
use crate::diffusion::{write_model, ModelFile};
use crate::runtime::Stage;
use crate::{Error, Result};

/// Tomograms that one call adapts to, at most.
const MOST_TOMOGRAMS: usize = 1024;

/// Options of tomocut_model_adapt. Fill with tomocut_adapt_options_init, then change what differs; zero means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_adapt_options {
    /// sizeof(tomocut_adapt_options) of the caller's header.
    pub struct_size: usize,
    /// Training steps, 1 to 100000; 0: 200, some minutes on two processor cores.
    pub steps: u64,
    /// Seed of every random draw; 0 stands for 1.
    pub seed: u64,
    /// Edge of a voxel in nm, 0.01 to 100, where the tomograms' own is wrong or unknown; 0: their own.
    pub voxel_nm: f64,
    /// Variance of the signal over variance of the noise, per voxel, 1e-4 to 1e4; 0: estimated.
    pub snr: f64,
    /// Crops per step, 2 to 256; 0: 12.
    pub batch: u32,
    /// 1: structures are brighter than their surroundings; 0: darker.
    pub bright: i32,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call, the loss included; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_adapt_options {
    const NAME: &'static str = "tomocut_adapt_options";
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_adapt_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_adapt_options_init(
    options: *mut tomocut_adapt_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

fn translate(options: &tomocut_adapt_options) -> Result<AdaptOptions> {
    let mut settings = AdaptOptions {
        bright: flag("bright", options.bright)?,
        voxel_nm: (options.voxel_nm != 0.0).then_some(options.voxel_nm),
        snr: (options.snr != 0.0).then_some(options.snr),
        ..AdaptOptions::default()
    };
    if options.steps != 0 {
        settings.steps = options.steps;
    }
    if options.seed != 0 {
        settings.seed = options.seed;
    }
    if options.batch != 0 {
        settings.batch = options.batch as usize;
    }
    Ok(settings)
}

/// Trains the built-in model, or another one that was made from it, on for some minutes on the voxels of tomograms of one
/// kind (microscope, voxel size, sample), and writes the adapted model, which tomocut_model_open opens. Nothing has to be
/// annotated: the data's own noise serves as noise, and estimates are held against the data itself.
///
/// @param engine     Computes; serves this call alone until it returns.
/// @param model_path The model to start from, in tomocut's own form; NULL: the built-in one.
/// @param tomograms  Tomograms to adapt to.
/// @param n          Their number, 1 to 1024.
/// @param options    What differs from the defaults; NULL: nothing.
/// @param path       The file of the adapted model; written under a temporary name and renamed when it is whole.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_IO; TOMOCUT_E_FORMAT; TOMOCUT_E_UNSUPPORTED for models of
///         another kind; TOMOCUT_E_CANCELLED; TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_DEVICE; TOMOCUT_E_STATE.
///
/// Threads: any; one call at a time per engine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_adapt(
    engine: *mut tomocut_engine,
    model_path: *const c_char,
    tomograms: *const *const tomocut_tomogram,
    n: usize,
    options: *const tomocut_adapt_options,
    path: *const c_char,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (engine, options) = unsafe { (engine_to_compute(engine)?, sized::read_or_default(options)?) };
        if tomograms.is_null() || !tomograms.is_aligned() || !(1..=MOST_TOMOGRAMS).contains(&n) {
            let allowed = format!("must be 1..={MOST_TOMOGRAMS}, and tomograms an array of so many");
            return Err(Error::argument("n", n, &allowed));
        }
        // SAFETY: not NULL, aligned, and as long as the caller says.
        let handles = unsafe { std::slice::from_raw_parts(tomograms, n) };
        let opened = handles
            .iter()
            // SAFETY: as documented for C.
            .map(|handle| unsafe { tomogram(*handle) })
            .collect::<Result<Vec<_>>>()?;
        // SAFETY: as documented for C.
        let (settings, file) = unsafe { (translate(&options)?, self::path(path, "path")?) };
        let model = if model_path.is_null() {
            ModelFile::builtin()?
        } else {
            // SAFETY: as documented for C.
            ModelFile::open(&unsafe { self::path(model_path, "model_path") }?)?
        };
        let logger = &engine.logger;
        // SAFETY: as documented for C.
        let job = unsafe { job(logger, options.cancel, options.progress, options.progress_user_data) }?;
        let list: Vec<_> = opened.iter().map(|tomogram| &tomogram.tomogram).collect();
        let adapted = compute(engine.n_threads, || {
            adapt(&model, &list, &settings, engine.device, &job, &mut |_, _| true)
        })?;
        job.enter(Stage::Write)?;
        write_model(&file, &adapted.config, &adapted.tensors, tch::Kind::Half)
    })
}
