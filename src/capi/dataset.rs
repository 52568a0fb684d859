//! A data set in one call: slabs, training, prediction.
use std::ffi::c_char;

use serde_json::{json, Value};

use super::dataset_options::{tomocut_dataset_options, tomocut_dataset_tomogram, translate, translate_tomogram};
use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::guard;
use super::model::{model, tomocut_model};
use super::progress::{compute, job};
use super::report::{tomocut_report, ReportTo};
use super::sized;
use super::slice_call::check_device;
use super::status::{status_of, tomocut_status, TOMOCUT_OK};
use super::strings::path;
use crate::dataset::{run_data_set, DataSetReport, DataSetTomogram, TomogramOutcome};
use crate::segmenter::mean_dice;
use crate::{Error, Result};

/// Tomograms of a data set, at most.
const MOST_TOMOGRAMS: usize = 1 << 20;

fn report_json(report: &DataSetReport) -> Value {
    let count = |of: fn(&TomogramOutcome) -> bool| report.tomograms.iter().filter(|outcome| of(outcome)).count();
    let outcome = |outcome: &TomogramOutcome| {
        json!({
            "name": outcome.name,
            "status": outcome.failure.as_ref().map_or(TOMOCUT_OK, status_of),
            "was_there": outcome.was_there,
            "error": outcome.failure.as_ref().map(ToString::to_string),
        })
    };
    let network = &report.network;
    json!({
        "predicted": count(|outcome| outcome.failure.is_none()),
        "were_there": count(|outcome| outcome.was_there),
        "failed": count(|outcome| outcome.failure.is_some()),
        "slabs": network.slabs,
        "steps": network.steps,
        "loss": network.loss,
        "dice": mean_dice(&network.scores),
        "network": network.network,
        "molecules": report.molecules,
        "page": report.page,
        "tomograms": report.tomograms.iter().map(outcome).collect::<Vec<_>>(),
        "settings": report.settings,
    })
}

/// A data set from its tomograms to its results, in one call: slabs of some tomograms are labelled by the diffusion
/// model, a segmentation network learns from these labels, and every tomogram is predicted with it. Nothing has to be
/// annotated.
///
/// The folder receives NAME_membrane.mrc and so on of each tomogram, as tomocut_predictor_run writes them;
/// network.safetensors, for tomocut_predictor_open (of a second network, as the recipe cvpr2026 has one, in
/// molecules/); the labels of the slabs in slabs/; and report.html with pictures in report/. A call that was stopped,
/// even by a kill, is gone on with by the next one of the same settings and ends with the same network and volumes.
/// What is there is not computed again, and tomograms that are new to the list are predicted. A tomogram that fails
/// does not stop the others, and is tried again by the next call.
///
/// TOMOCUT_OK also where some or all tomograms failed: the report says which and why. TOMOCUT_E_INVALID_ARGUMENT also
/// for two tomograms of one name, and for a run of other settings in the folder (the text names the setting).
/// TOMOCUT_E_FORMAT where no slab can be learnt from; TOMOCUT_E_STATE where another process runs in the folder. After
/// TOMOCUT_E_IO (a full disk) and TOMOCUT_E_CANCELLED what is done is kept, to the last step of the training. Same
/// tomograms, options and thread count: same results on a CPU, to the byte.
///
/// @param model     The diffusion model that labels the slabs; on the engine's device.
/// @param tomograms The tomograms; no two of one file name.
/// @param n         Their number, 1 to 1048576.
/// @param folder    Where the results go; made where it is missing.
/// @param report    Receives what was done: predicted, were_there, failed, slabs, steps, loss (null before the 25th
///                  step), dice (mean over the classes on slices held out; learnt from, where none are), network, page,
///                  settings, molecules (the second network: network, failure, slabs, steps, scores, loss; null where
///                  there is none), and for each tomogram in tomograms: name, status, was_there, error. May be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_dataset_run(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomograms: *const tomocut_dataset_tomogram,
    n: usize,
    options: *const tomocut_dataset_options,
    folder: *const c_char,
    report: *mut *mut tomocut_report,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let report = unsafe { ReportTo::at(report) }?;
        // SAFETY: as documented for C.
        let (engine, model) = unsafe { (engine_to_compute(engine)?, self::model(model)?) };
        check_device(&engine, &model)?;
        // SAFETY: as documented for C.
        let (tomograms, settings, folder, job) = unsafe {
            let given = sized::read_or_default(options)?;
            let job = job(&engine.logger, given.cancel, given.progress, given.progress_user_data)?;
            (list(tomograms, n)?, translate(&given)?, path(folder, "folder")?, job)
        };
        let done = compute(engine.n_threads, || {
            run_data_set(&model.diffusion, &tomograms, &folder, &settings, &job)
        })?;
        report.set(&report_json(&done))
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
