//! Trainers: segmentation networks that learn from labelled slices.
use std::cell::{RefCell, RefMut};
use std::ffi::c_char;
use std::sync::Arc;

use super::cancel::tomocut_cancel;
use super::engine::{engine_to_compute, engine_to_read, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{exclusive, free, InUse, NewHandle, Opaque};
use super::numbers::{given, to_usize};
use super::progress::{compute, job};
use super::report::{tomocut_report, ReportTo};
use super::sized;
use super::status::tomocut_status;
use super::strings::path;
use super::trainer_options::{tomocut_train_options, tomocut_trainer_options, translate};
use crate::runtime::{Job, Stage};
use crate::segmenter::LabelledTraining;
use crate::{Error, Result};

/// A training: a network, labels, and how far it is. Labels are added first (tomocut_trainer_add_slab,
/// tomocut_trainer_add_labels), then tomocut_trainer_run takes steps, in one call or many. Mutable: one call at a time.
pub struct tomocut_trainer {
    _opaque: [u8; 0],
}

pub(super) struct Trainer {
    training: RefCell<LabelledTraining>,
    pub(super) engine: Arc<Engine>,
}

impl Opaque for tomocut_trainer {
    type Value = Trainer;
    const TAG: [u8; 8] = *b"tmctrain";
    const NAME: &'static str = "trainer";
}

/// The trainer behind a handle, for this call alone.
///
/// # Safety
/// `handle` is NULL or a trainer.
pub(super) unsafe fn trainer(handle: *mut tomocut_trainer) -> Result<InUse<tomocut_trainer>> {
    // SAFETY: passed on.
    let trainer = unsafe { exclusive(handle) }?;
    log_panics_to(&trainer.engine.logger);
    Ok(trainer)
}

/// The training of a handle that is this call's alone.
pub(super) fn training(trainer: &InUse<tomocut_trainer>) -> Result<RefMut<'_, LabelledTraining>> {
    let taken = |_| Error::State("trainer is in use by the call whose callback this is".into());
    trainer.training.try_borrow_mut().map_err(taken)
}

/// The job of a call that reads what is learnt from.
///
/// # Safety
/// `cancel` is as documented for C.
pub(super) unsafe fn reading(trainer: &Trainer, cancel: *const tomocut_cancel) -> Result<Job<'static>> {
    // SAFETY: passed on.
    let job = unsafe { job(&trainer.engine.logger, cancel, None, std::ptr::null_mut()) }?;
    job.enter(Stage::Read)?;
    Ok(job)
}

fn check_device(engine: &Engine, trainer: &Trainer) -> Result<()> {
    if engine.device == trainer.engine.device {
        return Ok(());
    }
    Err(Error::argument(
        "trainer",
        format!("on {:?}", trainer.engine.device),
        &format!("must be on the engine's device, {:?}", engine.device),
    ))
}

/// Makes a trainer without labels.
///
/// @param engine  Gives the device and the log.
/// @param options What differs from the defaults; NULL: nothing.
/// @param out     Receives the trainer, to be freed by tomocut_trainer_free.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_create(
    engine: *const tomocut_engine,
    options: *const tomocut_trainer_options,
    out: *mut *mut tomocut_trainer,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        let settings = unsafe { translate(&sized::read_or_default(options)?) }?;
        let training = compute(engine.n_threads, || LabelledTraining::new(&settings, engine.device))?;
        if let Some(taken) = training.taken() {
            engine.logger.info("train", &format!("pretrained weights: {taken}"));
        }
        out.set(Trainer {
            training: RefCell::new(training),
            engine: Arc::clone(&engine),
        });
        Ok(())
    })
}

/// Takes steps. The first call ends the adding of labels. Same options, labels and thread count: same weights on a CPU,
/// however the steps are divided into calls and whatever is cancelled between.
///
/// TOMOCUT_OK also where nothing was left to do (the member "finished" of tomocut_trainer_info says so). After
/// TOMOCUT_E_CANCELLED the trainer is as after its last whole step: save it, or call again. TOMOCUT_E_STATE: no labels,
/// or a loss that is no number; the weights are those of the step before, and the text names the latest checkpoint.
///
/// @param engine  Computes; serves this call alone until it returns.
/// @param trainer The trainer; on the engine's device.
/// @param options How many steps or minutes; NULL: all steps.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_run(
    engine: *mut tomocut_engine,
    trainer: *mut tomocut_trainer,
    options: *const tomocut_train_options,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (engine, trainer, options) = unsafe {
            (
                engine_to_compute(engine)?,
                self::trainer(trainer)?,
                sized::read_or_default(options)?,
            )
        };
        check_device(&engine, &trainer)?;
        let logger = &engine.logger;
        // SAFETY: as documented for C.
        let job = unsafe { job(logger, options.cancel, options.progress, options.progress_user_data) }?;
        let until = match options.until_step {
            0 => u64::MAX,
            step => step,
        };
        let mut training = training(&trainer)?;
        compute(engine.n_threads, || training.train(until, given(options.minutes), &job))
    })
}

/// How far a training is, as a report: "step" and "steps" of all rounds together, "round" of self-training, from 0 on,
/// "finished" (all steps are done, or the patience is at an end), "learnt" and "held_out" (slabs or pictures), "loss"
/// (mean of the latest 25 steps that are done together), "score", "best_score" and "best_step" (validations: mean Dice
/// of the outputs; the weights of the best are exported), "voxel_nm" and "window" (of the network) and "settings".
/// null: not known yet.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_info(
    trainer: *mut tomocut_trainer,
    report: *mut *mut tomocut_report,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (trainer, report) = unsafe { (self::trainer(trainer)?, ReportTo::at(report)?) };
        let state = training(&trainer)?.state();
        report.set(&state)
    })
}

/// Scores what tomocut_trainer_export would write on windows of the slabs held out, the same windows every time; where
/// none are held out, of those it learns from, which says how well it fits them. The report has "mean_dice" and, for
/// each of "outputs", its name "output", "dice" (of probability above one half with truth above one half, 1 where both
/// are empty), "mean_probability" and "mean_truth".
///
/// @param engine  Computes; serves this call alone until it returns.
/// @param trainer The trainer, with its labels; on the engine's device.
/// @param windows Number of windows, 1 to 10000.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_score(
    engine: *mut tomocut_engine,
    trainer: *mut tomocut_trainer,
    windows: u64,
    report: *mut *mut tomocut_report,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (engine, trainer, report) = unsafe {
            (
                engine_to_compute(engine)?,
                self::trainer(trainer)?,
                ReportTo::at(report)?,
            )
        };
        check_device(&engine, &trainer)?;
        // SAFETY: no token, no callback.
        let job = unsafe { job(&engine.logger, std::ptr::null(), None, std::ptr::null_mut()) }?;
        let windows = to_usize("windows", windows)?;
        let mut training = training(&trainer)?;
        let scores = compute(engine.n_threads, || training.score_report(windows, &job))?;
        report.set(&scores)
    })
}

/// Writes a checkpoint: weights, optimiser, generator, scores, best weights, the round with its teacher, and settings,
/// whole or not at all. Labels are not in it.
///
/// @param trainer The trainer, with its labels.
/// @param path    The file; written under a temporary name and renamed when it is whole.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_save(trainer: *mut tomocut_trainer, path: *const c_char) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (trainer, file) = unsafe { (self::trainer(trainer)?, self::path(path, "path")?) };
        let mut training = training(&trainer)?;
        compute(trainer.engine.n_threads, || training.save(&file))
    })
}

/// Goes on from a checkpoint: on a CPU, at the same number of threads, the rest of the steps gives the same bytes as a
/// training that never stopped. TOMOCUT_E_VERSION: a checkpoint of another version of the library;
/// TOMOCUT_E_INVALID_ARGUMENT: of other settings or labels, the first of which is named. After a failure the training
/// may begin afresh.
///
/// @param trainer The trainer: of the same options as the checkpoint's (but for the numbers of steps and rounds, which
///                are
///                the trainer's), given the same labels in the same order, before its first step.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_resume(trainer: *mut tomocut_trainer, path: *const c_char) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (trainer, file) = unsafe { (self::trainer(trainer)?, self::path(path, "path")?) };
        let mut training = training(&trainer)?;
        compute(trainer.engine.n_threads, || training.resume(&file))
    })
}

/// Writes the network as it stands as a model file for tomocut_predictor_open: the moving average of its weights, that
/// of the best validation score where something is held out.
///
/// @param trainer The trainer, with its labels.
/// @param path    The file; written under a temporary name and renamed when it is whole.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_export(trainer: *mut tomocut_trainer, path: *const c_char) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (trainer, file) = unsafe { (self::trainer(trainer)?, self::path(path, "path")?) };
        let mut training = training(&trainer)?;
        compute(trainer.engine.n_threads, || training.model()?.save(&file))
    })
}

/// Frees a trainer; NULL is fine. What is not saved or exported is lost.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_free(trainer: *mut tomocut_trainer) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(trainer) });
}
