//! Slabs to files: results for other programs, and the intermediates of one slice.
use std::ffi::c_char;

use super::call_options::{call, tomocut_call_options};
use super::engine::tomocut_engine;
use super::guard::guard;
use super::model::tomocut_model;
use super::numbers::to_usize;
use super::sized;
use super::slab::{slab, tomocut_slab};
use super::slab_options::tomocut_slab_options;
use super::slice_call::SliceCall;
use super::status::tomocut_status;
use super::strings::{path, text};
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::slab::{dump_slice, write_outputs, SlabFileOptions};

/// Writes a slab for other programs: STEM_labels.mrc (int8), STEM_score.mrc and, where the model predicts structures,
/// STEM_membrane.mrc and STEM_molecule.mrc (likelihoods), all with start and origin set so that they overlay the
/// tomogram; the points as STEM_points.csv, .star (RELION 5), .tbl (Dynamo), .mod (IMOD) and .coords (DeepETPicker);
/// STEM_overlay.png, a picture of the middle slice; with the setting "uncertainty" STEM_uncertainty.mrc. After a
/// failure the files written before it are there, whole.
///
/// @param slab     The slab.
/// @param tomogram The tomogram it was cut from, for the picture and for the geometry of the points.
/// @param folder   Where the files go; made where it is missing.
/// @param stem     How their names begin; no slashes.
/// @param options  Settings of the family "slab_files"; NULL: the defaults.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_write(
    slab: *const tomocut_slab,
    tomogram: *const tomocut_tomogram,
    folder: *const c_char,
    stem: *const c_char,
    options: *const tomocut_call_options,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (slab, tomogram) = unsafe { (self::slab(slab)?, self::tomogram(tomogram)?) };
        // SAFETY: as documented for C.
        let (folder, stem) = unsafe { (path(folder, "folder")?, text(stem, "stem")?) };
        // SAFETY: as documented for C.
        let (given, job) = unsafe { call(&slab.engine, options) }?;
        let files: SlabFileOptions = given.resolve()?;
        job.check()?;
        write_outputs(&slab.segmentation, &tomogram.tomogram, &folder, stem, &files, &job)?;
        Ok(())
    })
}

/// Writes every intermediate of one slice to a safetensors file (float32): image, latent, U-Net input, Q and K of every
/// attention layer under their diffusers names, U-Net output, one-step denoised latent, eigenvectors, canvas. Where the
/// slice takes several tiles, names start with "tile0.", "tile1." and so on.
///
/// @param engine   Computes.
/// @param model    On the engine's device.
/// @param tomogram The tomogram.
/// @param z        The slice, counted from 0.
/// @param options  As for tomocut_slab_segment; z_first and z_end are not used.
/// @param path     The file.
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
        let (options, file) = unsafe { (sized::read(options)?, self::path(path, "path")?) };
        // SAFETY: as documented for C.
        let call = unsafe { SliceCall::of_slab(engine, model, tomogram, &options) }?;
        let z = to_usize("z", z)?;
        call.compute(|call| {
            let tomogram = &call.tomogram.tomogram;
            dump_slice(&call.model.diffusion, tomogram, z, &call.settings, &file, &call.job)
        })
    })
}
