//! Predictors: a segmentation network over whole tomograms.
use std::ffi::c_char;
use std::sync::Arc;

use super::engine::{engine_to_compute, engine_to_read, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{free, shared, InUse, NewHandle, Opaque};
use super::picks::{optional_tomogram, tomocut_picks, PicksTo};
use super::predict_options::{tomocut_predict_options, translate};
use super::progress::{compute, job};
use super::report::{tomocut_report, ReportTo};
use super::sized;
use super::status::tomocut_status;
use super::strings::{path, put_text};
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::networks::SegmentationModel;
use crate::predict::{predict_inputs, Inputs};
use crate::{Error, Result};

/// A segmentation network with its weights on one device. Immutable; may serve several engines and threads at once.
pub struct tomocut_predictor {
    _opaque: [u8; 0],
}

pub(super) struct Predictor {
    pub(super) model: SegmentationModel,
    engine: Arc<Engine>,
}

// SAFETY: no network has interior mutability: a pass at inference writes to no weight and no running statistic,
// libtorch allows concurrent reads of a tensor, its reference counts are atomic, and every pass runs without gradients,
// so that no graph is attached to the weights.
unsafe impl Sync for Predictor {}

impl Opaque for tomocut_predictor {
    type Value = Predictor;
    const TAG: [u8; 8] = *b"tmcpredi";
    const NAME: &'static str = "predictor";
}

/// The predictor behind a handle.
///
/// # Safety
/// `handle` is NULL or a predictor.
pub(super) unsafe fn predictor(handle: *const tomocut_predictor) -> Result<InUse<tomocut_predictor>> {
    // SAFETY: passed on.
    let predictor = unsafe { shared(handle) }?;
    log_panics_to(&predictor.engine.logger);
    Ok(predictor)
}

/// Refuses an engine on another device than the predictor's.
pub(super) fn check_device(engine: &Engine, predictor: &Predictor) -> Result<()> {
    if engine.device == predictor.engine.device {
        return Ok(());
    }
    Err(Error::argument(
        "predictor",
        format!("on {:?}", predictor.engine.device),
        &format!("must be on the engine's device, {:?}", engine.device),
    ))
}

/// Opens a segmentation network: a model file that tomocut_trainer_export wrote, or the safetensors of MemBrain-seg, of
/// the slab paper's 2D U-Net or of SDSeg, whose hyper-parameters are read off the shapes.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_open(
    engine: *const tomocut_engine,
    path: *const c_char,
    out: *mut *mut tomocut_predictor,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        let file = unsafe { self::path(path, "path") }?;
        let model = compute(engine.n_threads, || SegmentationModel::open(&file, engine.device))?;
        let engine = Arc::clone(&engine);
        out.set(Predictor { model, engine });
        Ok(())
    })
}

/// The network that is compiled into the library, trained on simulated tomograms alone: membrane, molecule and
/// molecule's centre, at any voxel size.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_builtin(
    engine: *const tomocut_engine,
    out: *mut *mut tomocut_predictor,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        let model = compute(engine.n_threads, || SegmentationModel::builtin(engine.device))?;
        let engine = Arc::clone(&engine);
        out.set(Predictor { model, engine });
        Ok(())
    })
}

/// What a predictor is, as one JSON object: the network with its hyper-parameters and outputs, the number of its
/// weights, the voxel size that it was trained on (null: unknown), how grey values enter it, where the weights come
/// from, the device.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_info(
    predictor: *const tomocut_predictor,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let predictor = unsafe { self::predictor(predictor) }?;
        let text = serde_json::json!({
            "model": predictor.model.description(),
            "weights": predictor.model.count(),
            "device": format!("{:?}", predictor.engine.device),
        })
        .to_string();
        // SAFETY: as documented for C.
        unsafe { put_text(&text, buffer, capacity, needed) }
    })
}

/// The name of output number index of the network, counted from 0, such as "membrane": part of the names of the files
/// that it gives. TOMOCUT_E_INVALID_ARGUMENT where the network has no such output.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_output(
    predictor: *const tomocut_predictor,
    index: u64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let predictor = unsafe { self::predictor(predictor) }?;
        let outputs = predictor.model.network().outputs();
        let name = usize::try_from(index)
            .ok()
            .and_then(|index| outputs.get(index))
            .ok_or_else(|| {
                let allowed = format!("must be below the network's {} outputs", outputs.len());
                Error::argument("index", index, &allowed)
            })?;
        // SAFETY: as documented for C.
        unsafe { put_text(name, buffer, capacity, needed) }
    })
}

/// Predicts a tomogram: writes NAME_OUTPUT.mrc, the probabilities of each output ("membrane", ...) but "background",
/// NAME_labels.mrc and NAME_OUTPUT_std.mrc, whichever are asked for, with start and origin set so that they overlay the
/// tomogram; NAME_OUTPUT.zarr and so on with the format "zarr". NAME is the tomogram's file name without its endings.
///
/// The volume is never in memory. Nothing is seen in the folder until all is done; a call that was stopped, even by a
/// kill, is continued by the next one of the same settings and gives the same bytes, whatever the number of processes.
/// Molecules and membranes are found by the process that completes the volumes, and written as NAME_points.csv,
/// NAME_membrane_mask.mrc and so on.
///
/// TOMOCUT_E_OUT_OF_MEMORY also where less is allowed than the smallest tile takes. After TOMOCUT_E_IO (a full disk)
/// and TOMOCUT_E_CANCELLED what is done is kept.
///
/// @param excluded A volume of the tomogram's extents that is not 0 where no molecule should be counted (carbon,
///                 contamination); NULL: none.
/// @param folder   Where the files go; made where it is missing.
/// @param report   Receives what was done: finished, files, tiles, computed, resumed, core, network_shape,
///                 voxels_per_second, threshold, n_picks, n_membranes, seconds, settings. May be NULL.
/// @param picks    Receives the molecules; NULL where none are asked for, or another process finishes. May be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_run(
    engine: *mut tomocut_engine,
    predictor: *const tomocut_predictor,
    tomogram: *const tomocut_tomogram,
    excluded: *const tomocut_tomogram,
    options: *const tomocut_predict_options,
    folder: *const c_char,
    report: *mut *mut tomocut_report,
    picks: *mut *mut tomocut_picks,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (report, picks) = unsafe { (ReportTo::at(report)?, PicksTo::at(picks)?) };
        // SAFETY: as documented for C.
        let (engine, predictor) = unsafe { (engine_to_compute(engine)?, self::predictor(predictor)?) };
        check_device(&engine, &predictor)?;
        // SAFETY: as documented for C.
        let (tomogram, excluded) = unsafe { (self::tomogram(tomogram)?, optional_tomogram(excluded)?) };
        // SAFETY: as documented for C.
        let (settings, folder, job) = unsafe {
            let given = sized::read_or_default(options)?;
            let job = job(&engine.logger, given.cancel, given.progress, given.progress_user_data)?;
            (translate(&given)?, path(folder, "folder")?, job)
        };
        let inputs = Inputs {
            model: &predictor.model,
            tomogram: &tomogram.tomogram,
            excluded: excluded.as_ref().map(|excluded| &excluded.tomogram),
        };
        let done = compute(engine.n_threads, || predict_inputs(&inputs, &folder, &settings, &job))?;
        report.set(&done)?;
        picks.set(done.after.picks, &engine);
        Ok(())
    })
}

/// Frees a predictor; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_free(predictor: *mut tomocut_predictor) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(predictor) });
}
