//! Models: immutable weights on one device.
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use tch::Kind;

use super::cancel::tomocut_cancel;
use super::engine::{engine_to_read, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere};
use super::handle::{free, shared, InUse, NewHandle, Opaque};
use super::progress::{compute, job, tomocut_progress_fn};
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use super::strings::{optional_text, path, put_text};
use crate::diffusion::{DiffusionModel, LoadOptions};
use crate::runtime::Job;
use crate::{Error, Result};

/// A diffusion model on one device. Immutable; may serve several engines and threads at once.
pub struct tomocut_model {
    _opaque: [u8; 0],
}

pub(super) struct Model {
    pub(super) diffusion: DiffusionModel,
    pub(super) engine: Arc<Engine>,
}

// SAFETY: weights are tensors that nothing writes to after loading; libtorch allows concurrent reads of a tensor, its
// reference counts are atomic, and every pass runs without gradients, so that no graph is attached to them.
unsafe impl Sync for Model {}

impl Opaque for tomocut_model {
    type Value = Model;
    const TAG: [u8; 8] = *b"tmcmodel";
    const NAME: &'static str = "model";
}

/// Options of loading a model. Fill with tomocut_model_options_init, then change what differs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_model_options {
    /// sizeof(tomocut_model_options) of the caller's header.
    pub struct_size: usize,
    /// Type of the weights in memory: "float32" (the fast one on a CPU), "float16" or "bfloat16"; NULL: "float32". The
    /// file may have another.
    pub dtype: *const c_char,
    /// Stops the loading; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the loading; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, pointers only, no padding; NULL is the default of every field.
unsafe impl SizedStruct for tomocut_model_options {
    const NAME: &'static str = "tomocut_model_options";
}

/// The model behind a handle.
///
/// # Safety
/// `handle` is NULL or a model.
pub(super) unsafe fn model(handle: *const tomocut_model) -> Result<InUse<tomocut_model>> {
    // SAFETY: passed on.
    unsafe { shared(handle) }
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_model_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_options_init(
    options: *mut tomocut_model_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Opens Stable Diffusion weights, 1.x or 2.x: a folder in the layout of diffusers, an original checkpoint in one
/// .safetensors file, or tomocut's own single file. Files are mapped, nothing is downloaded.
///
/// @param engine  Gives the device and the log.
/// @param path    The folder or file.
/// @param options What differs from the defaults; NULL: nothing.
/// @param out     Receives the model, to be freed by tomocut_model_free; NULL on failure.
/// @return TOMOCUT_OK; TOMOCUT_E_IO (cannot be read); TOMOCUT_E_FORMAT (a tensor is missing or has another shape or
///         type: the text names it, what was expected and what was found; a pickle checkpoint: how to convert it);
///         TOMOCUT_E_UNSUPPORTED; TOMOCUT_E_CANCELLED; TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_DEVICE;
///         TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_open(
    engine: *const tomocut_engine,
    path: *const c_char,
    options: *const tomocut_model_options,
    out: *mut *mut tomocut_model,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        let file = unsafe { self::path(path, "path") }?;
        // SAFETY: as documented for C.
        unsafe {
            load(out, &engine, options, |load_options, job| {
                DiffusionModel::open(&file, load_options, job)
            })
        }
    })
}

/// The small model that is compiled into the library, trained on simulated tomograms.
///
/// @param engine  Gives the device and the log.
/// @param options What differs from the defaults; NULL: nothing.
/// @param out     Receives the model, to be freed by tomocut_model_free; NULL on failure.
/// @return TOMOCUT_OK; TOMOCUT_E_CANCELLED; TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_DEVICE; TOMOCUT_E_INVALID_ARGUMENT;
///         TOMOCUT_E_STATE; TOMOCUT_E_UNSUPPORTED where the library was built without it.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_builtin(
    engine: *const tomocut_engine,
    options: *const tomocut_model_options,
    out: *mut *mut tomocut_model,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_read(engine)?) };
        // SAFETY: as documented for C.
        unsafe {
            load(out, &engine, options, |load_options, job| {
                job.check()?;
                DiffusionModel::builtin(load_options)
            })
        }
    })
}

/// # Safety
/// `options` is as documented for C.
unsafe fn load(
    out: NewHandle<tomocut_model>,
    engine: &Arc<Engine>,
    options: *const tomocut_model_options,
    read: impl FnOnce(&LoadOptions, &Job) -> Result<DiffusionModel>,
) -> Result<()> {
    // SAFETY: passed on.
    let (options, dtype) = unsafe {
        let options = sized::read_or_default(options)?;
        (options, optional_text(options.dtype, "dtype")?)
    };
    // SAFETY: passed on.
    let job = unsafe {
        job(
            &engine.logger,
            options.cancel,
            options.progress,
            options.progress_user_data,
        )
    }?;
    let kind = match dtype.unwrap_or("float32") {
        "float32" => Kind::Float,
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        other => {
            return Err(Error::argument(
                "dtype",
                format!("\"{other}\""),
                "must be float32, float16 or bfloat16",
            ));
        }
    };
    let load_options = LoadOptions {
        device: engine.device,
        kind,
    };
    let diffusion = compute(engine.n_threads, || read(&load_options, &job))?;
    out.set(Model {
        diffusion,
        engine: Arc::clone(engine),
    });
    Ok(())
}

/// What a model is, as one JSON object: name, device, attention layers, pixels per token, tile size, how slices enter
/// it, the voxel sizes it was made for, and its U-Net's configuration in the words of diffusers.
///
/// @param model    The model.
/// @param buffer   Receives NUL-terminated UTF-8, or NULL to ask for the size.
/// @param capacity Bytes in buffer.
/// @param needed   Receives the bytes needed, NUL included; may be NULL when buffer is given.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_info(
    model: *const tomocut_model,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let model = unsafe { self::model(model) }?;
        let config = model.diffusion.config();
        let text = serde_json::json!({
            "name": config.name,
            "device": format!("{:?}", model.engine.device),
            "attention_layers": config.unet.attention_layers(),
            "pixels_per_token": config.pixels_per_token(),
            "tile_pixels": config.tile_pixels(),
            "latent_mode": config.latent_mode,
            "voxel_nm": config.voxel_nm,
            "unet": config.unet,
        })
        .to_string();
        // SAFETY: as documented for C.
        unsafe { put_text(&text, buffer, capacity, needed) }
    })
}

/// Frees a model.
///
/// @param model The model; NULL is fine.
///
/// Threads: any, but not while a call that was given it runs. In a forked child: does nothing.
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_free(model: *mut tomocut_model) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(model) });
}
