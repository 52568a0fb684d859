//! Adapting a model to a data set.
use std::ffi::c_char;

use super::call_options::{call, tomocut_call_options};
use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::guard;
use super::progress::compute;
use super::status::tomocut_status;
use super::strings::path;
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::denoiser::{adapt, AdaptOptions};
use crate::diffusion::{write_model, ModelFile};
use crate::runtime::Stage;
use crate::{Error, Result};

/// Tomograms that one call adapts to, at most.
const MOST_TOMOGRAMS: usize = 1024;

/// Trains the built-in model, or another one that was made from it, on for some minutes on the voxels of tomograms of
/// one kind (microscope, voxel size, sample), and writes the adapted model, which tomocut_model_open opens. Nothing has
/// to be annotated: the data's own noise serves as noise, and estimates are held against the data itself.
///
/// @param engine     Computes; serves this call alone until it returns.
/// @param model_path The model to start from, in tomocut's own form (another is TOMOCUT_E_UNSUPPORTED); NULL: the
///                   built-in one.
/// @param tomograms  Tomograms to adapt to.
/// @param n          Their number, 1 to 1024.
/// @param options    Settings of the family "adapt"; NULL: the defaults.
/// @param path       The file of the adapted model; written under a temporary name and renamed when it is whole.
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_adapt(
    engine: *mut tomocut_engine,
    model_path: *const c_char,
    tomograms: *const *const tomocut_tomogram,
    n: usize,
    options: *const tomocut_call_options,
    path: *const c_char,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let engine = unsafe { engine_to_compute(engine) }?;
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
        let ((given, job), file) = unsafe { (call(&engine, options)?, self::path(path, "path")?) };
        let settings: AdaptOptions = given.resolve()?;
        let model = if model_path.is_null() {
            ModelFile::builtin()?
        } else {
            // SAFETY: as documented for C.
            ModelFile::open(&unsafe { self::path(model_path, "model_path") }?)?
        };
        let list: Vec<_> = opened.iter().map(|tomogram| &tomogram.tomogram).collect();
        let adapted = compute(engine.n_threads, || {
            adapt(&model, &list, &settings, engine.device, &job, &mut |_, _| true)
        })?;
        job.enter(Stage::Write)?;
        write_model(&file, &adapted.config, &adapted.tensors, tch::Kind::Half)
    })
}
