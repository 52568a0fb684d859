//! Denoised tomograms.
use std::ffi::c_char;

use ndarray::{Array3, ArrayView2, Axis};

use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::guard;
use super::handle::InUse;
use super::model::{model, tomocut_model};
use super::progress::compute;
use super::sized;
use super::slab::{check_device, slab_job};
use super::slab_options::{tomocut_slab_options, translate};
use super::status::tomocut_status;
use super::strings::path;
use super::tomogram::{tomocut_tomogram, tomogram};
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::runtime::{Job, Stage};
use crate::slab::{denoise, SlabOptions};
use crate::volume::{write_slices, SliceType};
use crate::Result;

/// Denoises slices of a tomogram into the caller's volume, in one step of a matched-noise model such as the built-in one:
/// the tomogram's own noise is taken as the model's. The grey scale stays the tomogram's.
///
/// @param engine   Computes; serves this call alone until it returns.
/// @param model    On the engine's device; made for matched noise.
/// @param tomogram The tomogram.
/// @param options  Slices (z_first and z_end, both zero: all), and voxel size, contrast, signal-to-noise ratio and tiles as
///                 for tomocut_slab_segment; the rest is not used.
/// @param denoised Receives the densities: dtype TOMOCUT_DTYPE_F32, shape of the slices asked for.
/// @return As tomocut_slab_segment; TOMOCUT_E_UNSUPPORTED for other models. After a failure the volume's content is
///         unspecified.
///
/// Threads: any; one call at a time per engine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_denoise(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomogram: *const tomocut_tomogram,
    options: *const tomocut_slab_options,
    denoised: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let call = unsafe { Call::new(engine, model, tomogram, options) }?;
        let z = call.settings.z.clone();
        let [_, ny, nx] = call.tomogram.tomogram.geometry().shape;
        // SAFETY: as documented for C.
        let target = unsafe { Strided::output(denoised, "denoised", &[Dtype::F32], [z.len(), ny, nx]) }?;
        let mut whole = Array3::zeros([z.len(), ny, nx]);
        call.run(&mut |at, slice| {
            whole.index_axis_mut(Axis(0), at - z.start).assign(&slice);
            Ok(())
        })?;
        // SAFETY: `target` was checked against this shape and type.
        unsafe { target.write(whole.view(), |value: f32| value) };
        Ok(())
    })
}

/// Denoises slices of a tomogram into an MRC file (float32), slice by slice: the memory needed does not grow with the
/// tomogram. Start and origin are set so that it overlays the tomogram. The file is whole or absent.
///
/// @param engine   Computes; serves this call alone until it returns.
/// @param model    On the engine's device; made for matched noise.
/// @param tomogram The tomogram.
/// @param options  As for tomocut_tomogram_denoise.
/// @param path     The file.
/// @return As tomocut_tomogram_denoise; TOMOCUT_E_IO.
///
/// Threads: any; one call at a time per engine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_denoise_to_file(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomogram: *const tomocut_tomogram,
    options: *const tomocut_slab_options,
    path: *const c_char,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (call, file) = unsafe { (Call::new(engine, model, tomogram, options)?, self::path(path, "path")?) };
        let geometry = call.tomogram.tomogram.geometry().slab(call.settings.z.clone())?;
        write_slices(&file, &geometry, SliceType::Float, |write| {
            call.run(&mut |_, slice| write(slice))?;
            call.job.enter(Stage::Write)
        })
    })
}

/// What both exports were given.
struct Call {
    engine: InUse<tomocut_engine>,
    model: InUse<tomocut_model>,
    tomogram: InUse<tomocut_tomogram>,
    settings: SlabOptions,
    job: Job<'static>,
}

impl Call {
    /// # Safety
    /// As documented for C.
    unsafe fn new(
        engine: *mut tomocut_engine,
        model: *const tomocut_model,
        tomogram: *const tomocut_tomogram,
        options: *const tomocut_slab_options,
    ) -> Result<Self> {
        // SAFETY: passed on.
        let engine = unsafe { engine_to_compute(engine) }?;
        // SAFETY: passed on.
        let (model, tomogram, options) =
            unsafe { (self::model(model)?, self::tomogram(tomogram)?, sized::read(options)?) };
        check_device(&engine, &model)?;
        // SAFETY: passed on.
        let (mut settings, job) = unsafe { (translate(&options)?, slab_job(&engine, &options)?) };
        if (options.z_first, options.z_end) == (0, 0) {
            settings.z = 0..tomogram.tomogram.geometry().shape[0];
        }
        Ok(Self {
            engine,
            model,
            tomogram,
            settings,
            job,
        })
    }

    fn run(&self, put: &mut dyn FnMut(usize, ArrayView2<f32>) -> Result<()>) -> Result<()> {
        compute(self.engine.n_threads, || {
            denoise(
                &self.model.diffusion,
                &self.tomogram.tomogram,
                &self.settings,
                &self.job,
                put,
            )
        })?;
        Ok(())
    }
}
