//! A network of slices over pictures.
use std::ffi::c_char;

use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::{guard, guard_anywhere};
use super::predict_options::{tomocut_predict_options, translate};
use super::predictor::{check_device, predictor, tomocut_predictor};
use super::progress::{compute, job};
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use super::strings::path;
use super::training_pairs::paths;
use crate::predict::{predict_pictures, PicturesReport};

/// What a prediction of pictures did. Set struct_size, by tomocut_pictures_report_init, before use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_pictures_report {
    /// sizeof(tomocut_pictures_report) of the caller's header.
    pub struct_size: usize,
    /// Files that were written.
    pub files: u64,
    /// Seconds of the network for each picture.
    pub seconds_per_picture: f64,
    /// How much the samples of a network that draws its answers differ: mean over pictures and pairs of samples of the Dice of
    /// their masks, 0 to 1; NaN where one sample was asked for.
    pub stability_dice: f64,
    /// The same of the peak signal-to-noise ratio of their probabilities, in decibels, at most 100.
    pub stability_psnr: f64,
    /// The same of their structural similarity, -1 to 1.
    pub stability_ssim: f64,
}

// SAFETY: repr(C), struct_size first, numbers only, no padding.
unsafe impl SizedStruct for tomocut_pictures_report {
    const NAME: &'static str = "tomocut_pictures_report";
}

impl From<&PicturesReport> for tomocut_pictures_report {
    fn from(report: &PicturesReport) -> Self {
        let stability = report.stability;
        Self {
            struct_size: size_of::<Self>(),
            files: report.files.len() as u64,
            seconds_per_picture: report.seconds_per_picture,
            stability_dice: stability.map_or(f64::NAN, |s| s.dice),
            stability_psnr: stability.map_or(f64::NAN, |s| s.psnr),
            stability_ssim: stability.map_or(f64::NAN, |s| s.ssim),
        }
    }
}

/// Sets all members to zero.
///
/// @param report The struct to fill.
/// @param size   sizeof(tomocut_pictures_report), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where report is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_pictures_report_init(
    report: *mut tomocut_pictures_report,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(report, size) })
}

/// Predicts pictures, each resized to the network's window and the answer back: writes NAME_OUTPUT.png (0 and 255) and, as the
/// options' outputs say, NAME_OUTPUT_probability.png and, with several samples, NAME_OUTPUT_std.png (0 to 255 for 0 to 1).
///
/// @param engine    Computes; serves this call alone until it returns.
/// @param predictor A network of slices; on the engine's device.
/// @param images    PNG, JPEG or TIFF files.
/// @param n_images  Their number, at least 1.
/// @param options   What differs from the defaults; NULL: nothing. threshold (0: one half), outputs, sampler, steps, samples,
///                  seed, cancel and progress count.
/// @param folder    Where the files go; made where it is missing.
/// @param report    Receives what was done; its struct_size must be set (tomocut_pictures_report_init). May be NULL.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (no pictures, two of one name, an option out of its range); TOMOCUT_E_IO;
///         TOMOCUT_E_FORMAT (a file that is no picture, or of one level everywhere); TOMOCUT_E_UNSUPPORTED (a network of three
///         dimensions); TOMOCUT_E_CANCELLED (what is written stays); TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_DEVICE; TOMOCUT_E_STATE.
///
/// Same input, options and device: same result. Threads: any; one call at a time per engine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_run_pictures(
    engine: *mut tomocut_engine,
    predictor: *const tomocut_predictor,
    images: *const *const c_char,
    n_images: usize,
    options: *const tomocut_predict_options,
    folder: *const c_char,
    report: *mut tomocut_pictures_report,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let engine = unsafe { engine_to_compute(engine) }?;
        // SAFETY: as documented for C.
        let (predictor, options) = unsafe { (self::predictor(predictor)?, sized::read_or_default(options)?) };
        check_device(&engine, &predictor)?;
        if !report.is_null() {
            // Before the work: a struct that was never initialised should not cost hours.
            // SAFETY: as documented for C.
            unsafe { sized::read(report.cast_const()) }?;
        }
        // SAFETY: as documented for C.
        let (settings, images, folder, job) = unsafe {
            (
                translate(&options)?,
                paths(images, n_images, "images")?,
                path(folder, "folder")?,
                job(
                    &engine.logger,
                    options.cancel,
                    options.progress,
                    options.progress_user_data,
                )?,
            )
        };
        let done = compute(engine.n_threads, || {
            predict_pictures(&predictor.model, &images, &folder, &settings, &job)
        })?;
        if !report.is_null() {
            // SAFETY: as documented for C.
            unsafe { sized::write(report, tomocut_pictures_report::from(&done)) }?;
        }
        Ok(())
    })
}
