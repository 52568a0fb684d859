//! A data set in one call: slabs, training, prediction.
use std::ffi::c_char;

use super::dataset_options::{
    tomocut_dataset_options, tomocut_dataset_outcome, tomocut_dataset_report, tomocut_dataset_tomogram, translate,
    translate_tomogram,
};
use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::guard;
use super::model::{model, tomocut_model};
use super::progress::{compute, job};
use super::sized;
use super::slice_call::check_device;
use super::status::tomocut_status;
use super::strings::path;
use crate::dataset::{run_data_set, DataSetReport, DataSetTomogram};
use crate::{Error, Result};

/// Tomograms of a data set, at most.
const MOST_TOMOGRAMS: usize = 1 << 20;

impl From<&DataSetReport> for tomocut_dataset_report {
    fn from(report: &DataSetReport) -> Self {
        let count = |of: fn(&crate::dataset::TomogramOutcome) -> bool| {
            report.tomograms.iter().filter(|outcome| of(outcome)).count() as u64
        };
        let outputs = report.scores.len().max(1) as f64;
        Self {
            struct_size: size_of::<Self>(),
            predicted: count(|outcome| outcome.failure.is_none()),
            were_there: count(|outcome| outcome.was_there),
            failed: count(|outcome| outcome.failure.is_some()),
            slabs: report.slabs as u64,
            steps: report.steps,
            loss: report.loss.unwrap_or(f64::NAN),
            dice: report.scores.iter().map(|score| score.dice).sum::<f64>() / outputs,
        }
    }
}

/// A data set from its tomograms to its results, in one call: slabs of some tomograms are labelled by the diffusion model,
/// a segmentation network learns from these labels, and every tomogram is predicted with it. Nothing has to be annotated.
///
/// The folder receives NAME_membrane.mrc and so on of each tomogram, as tomocut_predictor_run writes them;
/// network.safetensors, for tomocut_predictor_open; the labels of the slabs in slabs/; and report.html with pictures in
/// report/. A call that was stopped, even by a kill, is gone on with by the next one of the same settings and ends with the
/// same network and volumes. What is there is not computed again, and tomograms that are new to the list are predicted. A
/// tomogram that fails does not stop the others, and is tried again by the next call.
///
/// @param engine    Computes; serves this call alone until it returns. Its log says what is being done (TOMOCUT_LOG_INFO).
/// @param model     The diffusion model that labels the slabs; on the engine's device.
/// @param tomograms The tomograms; no two of one file name.
/// @param n         Their number, 1 to 1048576.
/// @param options   What differs from the defaults; NULL: nothing.
/// @param folder    Where the results go; made where it is missing.
/// @param report    Receives what was done; its struct_size must be set (tomocut_dataset_report_init). May be NULL.
/// @param outcomes  Receives n entries, what became of each tomogram; may be NULL.
/// @return TOMOCUT_OK, also where some or all tomograms failed; TOMOCUT_E_INVALID_ARGUMENT (an option out of its range, two
///         tomograms of one name, a run of other settings in the folder: the text names the setting); TOMOCUT_E_FORMAT (no slab
///         that can be learnt from); TOMOCUT_E_IO (a full disk; what is done is kept); TOMOCUT_E_CANCELLED (the same, to the
///         last step of the training); TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_DEVICE; TOMOCUT_E_STATE (another process runs in
///         the folder).
///
/// Same tomograms, options and thread count: same results on a CPU, to the byte. Threads: any; one call at a time per engine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_dataset_run(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomograms: *const tomocut_dataset_tomogram,
    n: usize,
    options: *const tomocut_dataset_options,
    folder: *const c_char,
    report: *mut tomocut_dataset_report,
    outcomes: *mut tomocut_dataset_outcome,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (engine, model, options) = unsafe {
            (
                engine_to_compute(engine)?,
                self::model(model)?,
                sized::read_or_default(options)?,
            )
        };
        check_device(&engine, &model)?;
        // SAFETY: as documented for C.
        let (tomograms, settings, folder) =
            unsafe { (list(tomograms, n)?, translate(&options)?, path(folder, "folder")?) };
        if !report.is_null() {
            // Before the work: a struct that was never initialised should not cost hours.
            // SAFETY: as documented for C.
            unsafe { sized::read(report.cast_const()) }?;
        }
        if !outcomes.is_aligned() {
            let allowed = "must be aligned as C aligns its items";
            return Err(Error::argument("outcomes", format!("{outcomes:p}"), allowed));
        }
        let logger = &engine.logger;
        // SAFETY: as documented for C.
        let job = unsafe { job(logger, options.cancel, options.progress, options.progress_user_data) }?;
        let done = compute(engine.n_threads, || {
            run_data_set(&model.diffusion, &tomograms, &folder, &settings, &job)
        })?;
        if !report.is_null() {
            // SAFETY: as documented for C.
            unsafe { sized::write(report, tomocut_dataset_report::from(&done)) }?;
        }
        if !outcomes.is_null() {
            for (index, outcome) in done.tomograms.iter().enumerate() {
                // SAFETY: not NULL, aligned, and with room for n entries by the caller's word; there are n outcomes.
                unsafe { outcomes.add(index).write(tomocut_dataset_outcome::from(outcome)) };
            }
        }
        Ok(())
    })
}

/// # Safety
/// `tomograms` is NULL or an array of `n` items that are as documented for C.
unsafe fn list(tomograms: *const tomocut_dataset_tomogram, n: usize) -> Result<Vec<DataSetTomogram>> {
    if tomograms.is_null() || !tomograms.is_aligned() || !(1..=MOST_TOMOGRAMS).contains(&n) {
        let allowed = format!("must be 1..={MOST_TOMOGRAMS}, and tomograms an array of so many");
        return Err(Error::argument("n", n, &allowed));
    }
    // SAFETY: not NULL, aligned, and as long as the caller says.
    let items = unsafe { std::slice::from_raw_parts(tomograms, n) };
    // SAFETY: passed on.
    items.iter().map(|item| unsafe { translate_tomogram(item) }).collect()
}
