//! A network of slices over pictures.
use std::ffi::c_char;

use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::guard;
use super::predict_options::{tomocut_predict_options, translate};
use super::predictor::{check_device, predictor, tomocut_predictor};
use super::progress::{compute, job};
use super::report::{tomocut_report, ReportTo};
use super::sized;
use super::status::tomocut_status;
use super::strings::path;
use super::training_pairs::paths;
use crate::predict::predict_pictures;

/// Predicts pictures, each resized to the network's window and the answer back: writes NAME_OUTPUT.png (0 and 255) and,
/// as the options' outputs say, NAME_OUTPUT_probability.png and, with several samples, NAME_OUTPUT_std.png (0 to 255
/// for 0 to 1).
///
/// The network must be one of slices, else TOMOCUT_E_UNSUPPORTED. After TOMOCUT_E_CANCELLED what is written stays.
///
/// @param images   PNG, JPEG or TIFF files, at least one, no two of one name.
/// @param options  NULL: the defaults. Of the settings threshold (null: one half), outputs, sampler, steps, eta,
///                 samples and seed count.
/// @param folder   Where the files go; made where it is missing.
/// @param report   Receives what was done: files, seconds_per_picture, stability (dice, iou, psnr, ssim, ms_ssim,
///                 lpips: how far the samples of a network that draws its answers are from the first one; null for one
///                 sample), settings. May be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_run_pictures(
    engine: *mut tomocut_engine,
    predictor: *const tomocut_predictor,
    images: *const *const c_char,
    n_images: usize,
    options: *const tomocut_predict_options,
    folder: *const c_char,
    report: *mut *mut tomocut_report,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let report = unsafe { ReportTo::at(report) }?;
        // SAFETY: as documented for C.
        let (engine, predictor) = unsafe { (engine_to_compute(engine)?, self::predictor(predictor)?) };
        check_device(&engine, &predictor)?;
        // SAFETY: as documented for C.
        let (settings, images, folder, job) = unsafe {
            let given = sized::read_or_default(options)?;
            let job = job(&engine.logger, given.cancel, given.progress, given.progress_user_data)?;
            let images = paths(images, n_images, "images")?;
            (translate(&given)?, images, path(folder, "folder")?, job)
        };
        let done = compute(engine.n_threads, || {
            predict_pictures(&predictor.model, &images, &folder, &settings, &job)
        })?;
        report.set(&done)
    })
}
