//! Slabs to files: results for other programs, and the intermediates of one slice.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::{guard, guard_anywhere};
use super::model::{model, tomocut_model};
use super::progress::{compute, job, tomocut_progress_fn};
use super::sized::{self, SizedStruct};
use super::slab::{check_device, slab, slab_job, tomocut_slab};
use super::slab_options::{flag, to_usize, tomocut_slab_options, translate};
use super::status::tomocut_status;
use super::strings::{path, text};
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::slab::{dump_slice, write_outputs};

/// Options of writing a slab. Fill with tomocut_write_options_init, then change what differs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_write_options {
    /// sizeof(tomocut_write_options) of the caller's header.
    pub struct_size: usize,
    /// 1: scores as float32 (MRC mode 2); 0: as float16 (mode 12).
    pub float32_scores: i32,
    /// Zero.
    pub reserved: u32,
    /// Stops between files; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the writing; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_write_options {
    const NAME: &'static str = "tomocut_write_options";
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_write_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_write_options_init(
    options: *mut tomocut_write_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Writes a slab for other programs: STEM_labels.mrc (int8), STEM_score.mrc and, where the model predicts structures,
/// STEM_membrane.mrc and STEM_molecule.mrc (likelihoods), all with start and origin set so that they overlay the tomogram; the points as STEM_points.csv, .star (RELION 5), .tbl (Dynamo), .mod (IMOD) and .coords
/// (DeepETPicker); STEM_overlay.png, a picture of the middle slice. Each file is written under a temporary name and
/// renamed when it is whole, so none is ever half-written.
///
/// @param slab     The slab.
/// @param tomogram The tomogram it was cut from, for the picture and for the geometry of the points.
/// @param folder   Where the files go; made where it is missing.
/// @param stem     How their names begin; no slashes.
/// @param options  What differs from the defaults; NULL: nothing.
/// @return TOMOCUT_OK; TOMOCUT_E_IO (the text names the file: a full disk, a read-only folder); TOMOCUT_E_CANCELLED;
///         TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE. After a failure the files written before it are there, whole.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_write(
    slab: *const tomocut_slab,
    tomogram: *const tomocut_tomogram,
    folder: *const c_char,
    stem: *const c_char,
    options: *const tomocut_write_options,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (slab, tomogram) = unsafe { (self::slab(slab)?, self::tomogram(tomogram)?) };
        // SAFETY: as documented for C.
        let (folder, stem) = unsafe { (path(folder, "folder")?, text(stem, "stem")?) };
        // SAFETY: as documented for C.
        let options = unsafe { sized::read_or_default(options) }?;
        let float32 = flag("float32_scores", options.float32_scores)?;
        let logger = &slab.engine.logger;
        // SAFETY: as documented for C.
        let job = unsafe { job(logger, options.cancel, options.progress, options.progress_user_data) }?;
        job.check()?;
        write_outputs(&slab.segmentation, &tomogram.tomogram, &folder, stem, !float32, &job)?;
        Ok(())
    })
}

/// Writes every intermediate of one slice to a safetensors file (float32): image, latent, U-Net input, Q and K of every
/// attention layer under their diffusers names, U-Net output, one-step denoised latent, eigenvectors, canvas. Where the
/// slice takes several tiles, names start with "tile0.", "tile1." and so on.
///
/// @param engine   Computes; serves this call alone until it returns.
/// @param model    On the engine's device.
/// @param tomogram The tomogram.
/// @param z        The slice, counted from 0.
/// @param options  As for tomocut_slab_segment; z_first and z_end are not used.
/// @param path     The file; written under a temporary name and renamed when it is whole.
/// @return As tomocut_slab_segment.
///
/// Threads: any; one call at a time per engine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_dump(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomogram: *const tomocut_tomogram,
    z: u64,
    options: *const tomocut_slab_options,
    path: *const c_char,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let engine = unsafe { engine_to_compute(engine) }?;
        // SAFETY: as documented for C.
        let (model, tomogram, options) =
            unsafe { (self::model(model)?, self::tomogram(tomogram)?, sized::read(options)?) };
        check_device(&engine, &model)?;
        // SAFETY: as documented for C.
        let (file, settings, job) = unsafe {
            (
                self::path(path, "path")?,
                translate(&options)?,
                slab_job(&engine, &options)?,
            )
        };
        let z = to_usize("z", z)?;
        compute(engine.n_threads, || {
            dump_slice(&model.diffusion, &tomogram.tomogram, z, &settings, &file, &job)
        })
    })
}
