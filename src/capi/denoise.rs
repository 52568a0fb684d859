//! Denoised tomograms.
use std::ffi::c_char;
use std::ops::Range;

use ndarray::{Array3, ArrayView2, Axis};

use super::call_options::{call, tomocut_call_options};
use super::engine::tomocut_engine;
use super::guard::guard;
use super::model::tomocut_model;
use super::numbers::slices;
use super::slice_call::SliceCall;
use super::status::tomocut_status;
use super::strings::path;
use super::tomogram::tomocut_tomogram;
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::runtime::Stage;
use crate::slab::{denoise, DenoiseOptions};
use crate::volume::{write_slices, SliceType};
use crate::Result;

/// Denoises slices of a tomogram into the caller's volume, in one step of a matched-noise model such as the built-in
/// one: the tomogram's own noise is taken as the model's. The grey scale stays the tomogram's. TOMOCUT_E_UNSUPPORTED
/// for models that are not made for matched noise. After a failure the volume's content is unspecified.
///
/// @param engine   Computes.
/// @param model    On the engine's device; made for matched noise.
/// @param tomogram The tomogram.
/// @param z_first  First slice.
/// @param z_end    Slice after the last one; both zero: all.
/// @param options  Settings of the family "denoise"; NULL: the defaults.
/// @param denoised Receives the densities: dtype TOMOCUT_DTYPE_F32, shape of the slices asked for.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_denoise(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomogram: *const tomocut_tomogram,
    z_first: u64,
    z_end: u64,
    options: *const tomocut_call_options,
    denoised: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let call = unsafe { denoise_call(engine, model, tomogram, options) }?;
        let z = slices_or_all(&call, z_first, z_end)?;
        let [_, ny, nx] = call.tomogram.tomogram.geometry().shape;
        let shape = [z.len(), ny, nx];
        // SAFETY: as documented for C.
        let target = unsafe { Strided::output(denoised, "denoised", &[Dtype::F32], shape) }?;
        let mut whole = Array3::zeros(shape);
        let mut put = |at: usize, slice: ArrayView2<f32>| {
            whole.index_axis_mut(Axis(0), at - z.start).assign(&slice);
            Ok(())
        };
        run(&call, z.clone(), &mut put)?;
        // SAFETY: `target` was checked against this shape and type.
        unsafe { target.write(whole.view(), |value: f32| value) };
        Ok(())
    })
}

/// Denoises slices of a tomogram into an MRC file (float32), slice by slice: the memory needed does not grow with the
/// tomogram. Start and origin are set so that it overlays the tomogram. The file is whole or absent. Parameters and
/// answers as for tomocut_tomogram_denoise.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_denoise_to_file(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomogram: *const tomocut_tomogram,
    z_first: u64,
    z_end: u64,
    options: *const tomocut_call_options,
    path: *const c_char,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (file, call) = unsafe {
            (
                self::path(path, "path")?,
                denoise_call(engine, model, tomogram, options)?,
            )
        };
        let z = slices_or_all(&call, z_first, z_end)?;
        let tomogram = call
            .tomogram
            .tomogram
            .with_voxel_nm(call.settings.voxel_nm, &call.job)?;
        let geometry = tomogram.geometry().slab(z.clone())?;
        write_slices(&file, &geometry, SliceType::Float, |write| {
            run(&call, z.clone(), &mut |_, slice| write(slice))?;
            call.job.enter(Stage::Write)
        })
    })
}

/// The slices from `first` up to `end`; both zero stand for all.
fn slices_or_all(call: &SliceCall<DenoiseOptions>, first: u64, end: u64) -> Result<Range<usize>> {
    match (first, end) {
        (0, 0) => Ok(0..call.tomogram.tomogram.geometry().shape[0]),
        (first, end) => slices(first, end),
    }
}

/// Denoises the slices `z`; `put` receives each with its number.
fn run(
    call: &SliceCall<DenoiseOptions>,
    z: Range<usize>,
    put: &mut dyn FnMut(usize, ArrayView2<f32>) -> Result<()>,
) -> Result<()> {
    call.compute(|call| {
        let tomogram = &call.tomogram.tomogram;
        denoise(&call.model.diffusion, tomogram, z, &call.settings, &call.job, put)
    })?;
    Ok(())
}

/// # Safety
/// All pointers are as documented for C.
unsafe fn denoise_call(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomogram: *const tomocut_tomogram,
    options: *const tomocut_call_options,
) -> Result<SliceCall<DenoiseOptions>> {
    // SAFETY: passed on.
    unsafe {
        SliceCall::new(engine, model, tomogram, |engine| {
            let (given, job) = call(engine, options)?;
            Ok((given.resolve()?, job))
        })
    }
}
