//! Calls that compute on slices of a tomogram: the handles and settings that all of them take.
use super::engine::{engine_to_compute, tomocut_engine, Engine};
use super::handle::InUse;
use super::model::{model, tomocut_model, Model};
use super::progress::{compute, job};
use super::slab_options::{tomocut_slab_options, translate};
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::runtime::Job;
use crate::slab::SlabOptions;
use crate::{Error, Result};

/// What a call that computes on slices of a tomogram was given.
pub(super) struct SliceCall<S> {
    pub(super) engine: InUse<tomocut_engine>,
    pub(super) model: InUse<tomocut_model>,
    pub(super) tomogram: InUse<tomocut_tomogram>,
    pub(super) settings: S,
    pub(super) job: Job<'static>,
}

impl<S> SliceCall<S> {
    /// The handles, and the settings and the job that `read` takes from the options.
    ///
    /// # Safety
    /// The handles are as documented for C.
    pub(super) unsafe fn new(
        engine: *mut tomocut_engine,
        model: *const tomocut_model,
        tomogram: *const tomocut_tomogram,
        read: impl FnOnce(&InUse<tomocut_engine>) -> Result<(S, Job<'static>)>,
    ) -> Result<Self> {
        // SAFETY: passed on.
        let engine = unsafe { engine_to_compute(engine) }?;
        // SAFETY: passed on.
        let (model, tomogram) = unsafe { (self::model(model)?, self::tomogram(tomogram)?) };
        check_device(&engine, &model)?;
        let (settings, job) = read(&engine)?;
        Ok(Self {
            engine,
            model,
            tomogram,
            settings,
            job,
        })
    }

    /// Runs work of libtorch with the engine's threads.
    pub(super) fn compute<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        compute(self.engine.n_threads, || work(self))
    }
}

impl SliceCall<SlabOptions> {
    /// A call whose options are those of a slab; also the options themselves.
    ///
    /// # Safety
    /// All pointers are as documented for C.
    pub(super) unsafe fn of_slab(
        engine: *mut tomocut_engine,
        model: *const tomocut_model,
        tomogram: *const tomocut_tomogram,
        options: &tomocut_slab_options,
    ) -> Result<Self> {
        // SAFETY: passed on.
        unsafe {
            Self::new(engine, model, tomogram, |engine| {
                let user_data = options.progress_user_data;
                let job = job(&engine.logger, options.cancel, options.progress, user_data)?;
                Ok((translate(options)?, job))
            })
        }
    }
}

/// Refuses a model whose weights are on another device than the engine's.
pub(super) fn check_device(engine: &Engine, model: &Model) -> Result<()> {
    if engine.device == model.engine.device {
        return Ok(());
    }
    Err(Error::argument(
        "model",
        format!("on {:?}", model.engine.device),
        &format!("must be on the engine's device, {:?}", engine.device),
    ))
}
