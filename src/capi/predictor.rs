//! Predictors: a segmentation network over whole tomograms.
use std::ffi::c_char;
use std::sync::Arc;

use super::engine::{engine_to_compute, engine_to_read, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{free, shared, InUse, NewHandle, Opaque};
use super::picks::Picks;
use super::predict_options::{tomocut_predict_options, tomocut_predict_report, translate, translate_after};
use super::progress::{compute, job};
use super::sized;
use super::slab_options::to_usize;
use super::status::tomocut_status;
use super::strings::{path, put_text};
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::networks::SegmentationModel;
use crate::predict::predict_and_find;
use crate::{Error, Result};

/// A segmentation network with its weights on one device. Immutable; may serve several engines and threads at once.
pub struct tomocut_predictor {
    _opaque: [u8; 0],
}

pub(super) struct Predictor {
    pub(super) model: SegmentationModel,
    engine: Arc<Engine>,
}

// SAFETY: no network has interior mutability: a pass at inference writes to no weight and no running statistic, libtorch
// allows concurrent reads of a tensor, its reference counts are atomic, and every pass runs without gradients, so that no
// graph is attached to the weights.
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
///
/// @param engine Gives the device and the log.
/// @param path   The file.
/// @param out    Receives the predictor, to be freed by tomocut_predictor_free; NULL on failure.
/// @return TOMOCUT_OK; TOMOCUT_E_IO (cannot be read); TOMOCUT_E_FORMAT (a tensor is missing or has another shape: the text
///         names it; a pickle: how to convert it); TOMOCUT_E_UNSUPPORTED (an unknown network); TOMOCUT_E_VERSION (the file
///         of a later version); TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_DEVICE; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
///
/// Threads: any.
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

/// The network that is compiled into the library, trained on simulated tomograms alone: membrane, molecule and molecule's
/// centre, at any voxel size.
///
/// @param engine Gives the device and the log.
/// @param out    Receives the predictor, to be freed by tomocut_predictor_free; NULL on failure.
/// @return TOMOCUT_OK; TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_DEVICE; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
///
/// Threads: any.
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

/// What a predictor is, as one JSON object: the network with its hyper-parameters and outputs, the number of its weights,
/// the voxel size that it was trained on (null: unknown), how grey values enter it, where the weights come from, the device.
///
/// @param predictor The predictor.
/// @param buffer    Receives NUL-terminated UTF-8, or NULL to ask for the size.
/// @param capacity  Bytes in buffer.
/// @param needed    Receives the bytes needed, NUL included; may be NULL when buffer is given.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
///
/// Threads: any.
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

/// The name of one output of the network, such as "membrane": part of the names of the files that it gives.
///
/// @param predictor The predictor.
/// @param index     Number of the output, counted from 0.
/// @param buffer    Receives NUL-terminated UTF-8, or NULL to ask for the size.
/// @param capacity  Bytes in buffer.
/// @param needed    Receives the bytes needed, NUL included; may be NULL when buffer is given.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT, also where the network has no such output; TOMOCUT_E_STATE.
///
/// Threads: any.
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
        let name = outputs.get(to_usize("index", index)?).ok_or_else(|| {
            let allowed = format!("must be below the network's {} outputs", outputs.len());
            Error::argument("index", index, &allowed)
        })?;
        // SAFETY: as documented for C.
        unsafe { put_text(name, buffer, capacity, needed) }
    })
}

/// Predicts a tomogram: writes NAME_OUTPUT.mrc, the probabilities of each output ("membrane", ...) but "background",
/// NAME_labels.mrc and NAME_OUTPUT_std.mrc, whichever are asked for, with start and origin set so that they overlay the
/// tomogram; NAME_OUTPUT.zarr and so on with the format "zarr". NAME is the tomogram's file name without its endings. The
/// volume is never in memory. Nothing is seen in the folder until all is done; a call that was stopped, even by a kill, is gone on with by the next one of the same settings
/// and gives the same bytes. Molecules and membranes that the options ask for are found in the volumes before these are put in
/// place, by the process that completes them, and written as NAME_points.csv, NAME_membrane_mask.mrc and so on.
///
/// @param engine    Computes; serves this call alone until it returns.
/// @param predictor The network; on the engine's device.
/// @param tomogram  The tomogram.
/// @param options   What differs from the defaults; NULL: nothing.
/// @param folder    Where the files go; made where it is missing.
/// @param report    Receives what was done; its struct_size must be set (tomocut_predict_report_init). May be NULL.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (an option out of its range, a region outside the tomogram);
///         TOMOCUT_E_FORMAT (voxels that are not finite, constant voxels); TOMOCUT_E_IO (a full disk; what is done is
///         kept); TOMOCUT_E_CANCELLED (the same); TOMOCUT_E_OUT_OF_MEMORY (also: less is allowed than the smallest tile
///         takes); TOMOCUT_E_DEVICE; TOMOCUT_E_STATE.
///
/// Same input, options and device: same result, to the byte, whatever the number of processes. Threads: any; one call at a
/// time per engine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_run(
    engine: *mut tomocut_engine,
    predictor: *const tomocut_predictor,
    tomogram: *const tomocut_tomogram,
    options: *const tomocut_predict_options,
    folder: *const c_char,
    report: *mut tomocut_predict_report,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let engine = unsafe { engine_to_compute(engine) }?;
        // SAFETY: as documented for C.
        let (predictor, tomogram, options) = unsafe {
            (
                self::predictor(predictor)?,
                self::tomogram(tomogram)?,
                sized::read_or_default(options)?,
            )
        };
        let picks = match options.picks.is_null() {
            true => None,
            // SAFETY: as documented for C.
            false => Some(unsafe { NewHandle::at(options.picks) }?),
        };
        check_device(&engine, &predictor)?;
        if !report.is_null() {
            // Before the work: a struct that was never initialised should not cost hours.
            // SAFETY: as documented for C.
            unsafe { sized::read(report.cast_const()) }?;
        }
        // SAFETY: as documented for C.
        let (settings, after) = unsafe { (translate(&options)?, translate_after(&options)?) };
        let logger = &engine.logger;
        // SAFETY: as documented for C.
        let (folder, job) = unsafe {
            (
                path(folder, "folder")?,
                job(logger, options.cancel, options.progress, options.progress_user_data)?,
            )
        };
        let done = compute(engine.n_threads, || {
            let after = after.asked();
            predict_and_find(&predictor.model, &tomogram.tomogram, &folder, &settings, &after, &job)
        })?;
        if !report.is_null() {
            // SAFETY: as documented for C.
            unsafe { sized::write(report, tomocut_predict_report::from(&done)) }?;
        }
        if let (Some(picks), Some(set)) = (picks, done.found.picks) {
            let engine = Arc::clone(&engine);
            picks.set(Picks { set, engine });
        }
        Ok(())
    })
}

/// Frees a predictor.
///
/// @param predictor The predictor; NULL is fine.
///
/// Threads: any, but not while a call that was given it runs. In a forked child: does nothing.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predictor_free(predictor: *mut tomocut_predictor) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(predictor) });
}
