//! Trainers: segmentation networks that learn from labelled slices.
use std::cell::{RefCell, RefMut};
use std::ffi::c_char;
use std::sync::Arc;

use super::engine::{engine_to_compute, engine_to_read, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{exclusive, free, InUse, NewHandle, Opaque};
use super::progress::{compute, job};
use super::sized::{self, SizedStruct};
use super::slab_options::{given, to_usize};
use super::status::tomocut_status;
use super::strings::{path, put_items};
use super::trainer_options::{tomocut_train_options, tomocut_trainer_options, translate};
use crate::segmenter::{LabelledTraining, OutputScore};
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

/// How far a training is. Set struct_size, by tomocut_trainer_state_init, before use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_trainer_state {
    /// sizeof(tomocut_trainer_state) of the caller's header.
    pub struct_size: usize,
    /// Steps done, of all rounds together. A round that ends early counts as whole once the next has begun.
    pub step: u64,
    /// Steps of all rounds together.
    pub steps: u64,
    /// Slabs that are learnt from.
    pub learnt: u64,
    /// Slabs that are held out, to be scored with.
    pub held_out: u64,
    /// Mean loss of the latest 25 steps that are done together; NaN before the first.
    pub loss: f64,
    /// Edge of the voxels that the network is for, in nm; 0: unknown.
    pub voxel_nm: f64,
    /// Latest validation score: mean Dice of the outputs, 0 to 1; NaN before the first and where nothing is held out.
    pub score: f64,
    /// The best of them; its weights are what is exported. NaN as above.
    pub best_score: f64,
    /// Step of the best score.
    pub best_step: u64,
    /// Round of self-training, from 0 on.
    pub round: u32,
    /// 1: nothing is left to do: all steps are done, or the patience is at an end.
    pub finished: i32,
}

// SAFETY: repr(C), struct_size first, numbers only, no padding.
unsafe impl SizedStruct for tomocut_trainer_state {
    const NAME: &'static str = "tomocut_trainer_state";
}

/// How well one output of a network does. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_output_score {
    /// Its name, NUL-terminated UTF-8, cut where it is longer.
    pub name: [c_char; 64],
    /// Dice of probability above one half with truth above one half, 0 to 1; 1 where both are empty.
    pub dice: f64,
    /// Mean probability.
    pub mean_probability: f64,
    /// Mean truth; the same where the network is neither too bold nor too shy.
    pub mean_truth: f64,
}

impl From<&OutputScore> for tomocut_output_score {
    fn from(score: &OutputScore) -> Self {
        let mut name = [0 as c_char; 64];
        let mut end = score.output.len().min(name.len() - 1);
        while !score.output.is_char_boundary(end) {
            end -= 1;
        }
        for (target, byte) in name.iter_mut().zip(&score.output.as_bytes()[..end]) {
            *target = *byte as c_char;
        }
        Self {
            name,
            dice: score.dice,
            mean_probability: score.mean_probability,
            mean_truth: score.mean_truth,
        }
    }
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
/// @param out     Receives the trainer, to be freed by tomocut_trainer_free; NULL on failure.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (an option out of its range); as tomocut_predictor_open where a start is
///         given.
///
/// Threads: any.
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

/// Takes steps. The first call ends the adding of labels.
///
/// @param engine  Computes; serves this call alone until it returns.
/// @param trainer The trainer; on the engine's device.
/// @param options How many steps or minutes; NULL: all steps.
/// @return TOMOCUT_OK, also where nothing was left to do (tomocut_trainer_state.finished says so); TOMOCUT_E_INVALID_ARGUMENT;
///         TOMOCUT_E_CANCELLED (the trainer is as after its last whole step: save it, or call again);
///         TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_DEVICE; TOMOCUT_E_STATE (no labels; a loss that is no number: the weights are
///         those of the step before, and the text names the latest checkpoint).
///
/// Same options, labels and thread count: same weights on a CPU, however the steps are divided into calls and whatever is
/// cancelled between. Threads: any; one
/// call at a time per engine and per trainer.
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

/// Sets all members to zero.
///
/// @param state The struct to fill.
/// @param size  sizeof(tomocut_trainer_state), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where state is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_state_init(state: *mut tomocut_trainer_state, size: usize) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(state, size) })
}

/// How far a training is.
///
/// @param trainer The trainer.
/// @param state   Receives the answer; its struct_size must be set (tomocut_trainer_state_init).
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE (another call has the trainer).
///
/// Threads: any; one call at a time per trainer.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_info(
    trainer: *mut tomocut_trainer,
    state: *mut tomocut_trainer_state,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let trainer = unsafe { self::trainer(trainer) }?;
        let training = training(&trainer)?;
        let (learnt, held_out) = training.counts();
        let answer = tomocut_trainer_state {
            struct_size: size_of::<tomocut_trainer_state>(),
            step: training.step(),
            steps: training.steps(),
            learnt: learnt as u64,
            held_out: held_out as u64,
            loss: training.loss().unwrap_or(f64::NAN),
            voxel_nm: training.settings().description.voxel_nm.unwrap_or(0.0),
            score: training.score_history().last().map_or(f64::NAN, |record| record.score),
            best_score: training.best().map_or(f64::NAN, |record| record.score),
            best_step: training.best().map_or(0, |record| record.step),
            round: training.round(),
            finished: i32::from(training.is_finished()),
        };
        // SAFETY: as documented for C.
        unsafe { sized::write(state, answer) }
    })
}

/// Scores what tomocut_trainer_export would write on windows of the slabs held out, the same windows every time; where none are held out,
/// of those it learns from, which says how well it fits them.
///
/// @param engine   Computes; serves this call alone until it returns.
/// @param trainer  The trainer; on the engine's device.
/// @param windows  Number of windows, 1 to 10000.
/// @param scores   Receives one score for each output of the network, or NULL to ask for their number.
/// @param capacity Entries in scores.
/// @param needed   Receives the number of outputs; may be NULL when scores is given.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where capacity is too small; TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_DEVICE;
///         TOMOCUT_E_STATE (no labels).
///
/// Threads: any; one call at a time per engine and per trainer.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_score(
    engine: *mut tomocut_engine,
    trainer: *mut tomocut_trainer,
    windows: u64,
    scores: *mut tomocut_output_score,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (engine, trainer) = unsafe { (engine_to_compute(engine)?, self::trainer(trainer)?) };
        check_device(&engine, &trainer)?;
        // SAFETY: no token, no callback.
        let job = unsafe { job(&engine.logger, std::ptr::null(), None, std::ptr::null_mut()) }?;
        let mut training = training(&trainer)?;
        let outputs = training.settings().description.network.outputs().len();
        let found = if scores.is_null() || capacity < outputs {
            // Asked for the number, or refused below: nothing is computed.
            vec![
                tomocut_output_score::from(&OutputScore {
                    output: String::new(),
                    dice: 0.0,
                    mean_probability: 0.0,
                    mean_truth: 0.0
                });
                outputs
            ]
        } else {
            let windows = to_usize("windows", windows)?;
            let found = compute(engine.n_threads, || training.scores(windows, &job))?;
            found.iter().map(tomocut_output_score::from).collect()
        };
        // SAFETY: as documented for C.
        unsafe { put_items(&found, scores, capacity, needed, "scores") }
    })
}

/// Writes a checkpoint: weights, optimiser, generator, scores, best weights, the round with its teacher, and settings, whole or
/// not at all. Labels are not in it.
///
/// @param trainer The trainer, with its labels.
/// @param path    The file; written under a temporary name and renamed when it is whole.
/// @return TOMOCUT_OK; TOMOCUT_E_IO; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE (no labels).
///
/// Threads: any; one call at a time per trainer.
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
/// training that never stopped.
///
/// @param trainer The trainer: of the same options as the checkpoint's (but for the numbers of steps and rounds, which are
///                the trainer's), given the same labels in the same order, before its first step.
/// @param path    The checkpoint.
/// @return TOMOCUT_OK; TOMOCUT_E_IO; TOMOCUT_E_FORMAT (no checkpoint, a damaged one); TOMOCUT_E_INVALID_ARGUMENT (one of
///         other options); TOMOCUT_E_STATE (no labels; the training has begun). After a failure the training may begin afresh.
///
/// Threads: any; one call at a time per trainer.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_resume(trainer: *mut tomocut_trainer, path: *const c_char) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (trainer, file) = unsafe { (self::trainer(trainer)?, self::path(path, "path")?) };
        let mut training = training(&trainer)?;
        compute(trainer.engine.n_threads, || training.resume(&file))
    })
}

/// Writes the network as it stands as a model file for tomocut_predictor_open: the moving average of its weights, that of the
/// best validation score where something is held out.
///
/// @param trainer The trainer, with its labels.
/// @param path    The file; written under a temporary name and renamed when it is whole.
/// @return TOMOCUT_OK; TOMOCUT_E_IO; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE (no labels).
///
/// Threads: any; one call at a time per trainer.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_export(trainer: *mut tomocut_trainer, path: *const c_char) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (trainer, file) = unsafe { (self::trainer(trainer)?, self::path(path, "path")?) };
        let mut training = training(&trainer)?;
        compute(trainer.engine.n_threads, || training.model()?.save(&file))
    })
}

/// Frees a trainer. What is not saved or exported is lost.
///
/// @param trainer The trainer; NULL is fine.
///
/// Threads: any, but not while a call that was given it runs. In a forked child: does nothing.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_free(trainer: *mut tomocut_trainer) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(trainer) });
}
