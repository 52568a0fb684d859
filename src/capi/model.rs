//! Models: immutable weights on one device.
use std::ffi::c_char;
use std::sync::Arc;

use super::call_options::{call, tomocut_call_options};
use super::engine::{engine_to_read, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere};
use super::handle::{free, shared, InUse, NewHandle, Opaque};
use super::progress::compute;
use super::status::tomocut_status;
use super::strings::{path, put_text};
use crate::diffusion::{DiffusionModel, LoadOptions, ModelSettings};
use crate::runtime::Job;
use crate::Result;

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

/// The model behind a handle.
///
/// # Safety
/// `handle` is NULL or a model.
pub(super) unsafe fn model(handle: *const tomocut_model) -> Result<InUse<tomocut_model>> {
    // SAFETY: passed on.
    unsafe { shared(handle) }
}

/// Opens Stable Diffusion weights, 1.x or 2.x: a folder in the layout of diffusers, an original checkpoint in one
/// .safetensors file, or tomocut's own single file. Files are mapped, nothing is downloaded.
///
/// A tensor that is missing or has another shape or type is TOMOCUT_E_FORMAT: the text names it, the shape that is
/// expected and the one that is there; of a pickle checkpoint the text says how to convert it.
///
/// @param engine  Gives the device and the log.
/// @param path    The folder or file.
/// @param options Settings of the family "model"; NULL: the defaults.
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_open(
    engine: *const tomocut_engine,
    path: *const c_char,
    options: *const tomocut_call_options,
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
/// @param options Settings of the family "model"; NULL: the defaults.
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_builtin(
    engine: *const tomocut_engine,
    options: *const tomocut_call_options,
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
    engine: &InUse<tomocut_engine>,
    options: *const tomocut_call_options,
    read: impl FnOnce(&LoadOptions, &Job) -> Result<DiffusionModel>,
) -> Result<()> {
    // SAFETY: passed on.
    let (given, job) = unsafe { call(engine, options) }?;
    let load_options = LoadOptions {
        device: engine.device,
        kind: given.resolve::<ModelSettings>()?.dtype.kind(),
    };
    let diffusion = compute(engine.n_threads, || read(&load_options, &job))?;
    let engine = Arc::clone(engine);
    out.set(Model { diffusion, engine });
    Ok(())
}

/// What a model is, as one JSON object: name, device, attention layers, pixels per token, tile size, how slices enter
/// it, the voxel sizes it was made for, and its U-Net's configuration in the words of diffusers.
///
/// @param model    The model.
/// @param buffer   Receives NUL-terminated UTF-8, or NULL to ask for the size.
/// @param capacity Bytes in buffer.
/// @param needed   Receives the bytes needed, NUL included; may be NULL when buffer is given.
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
#[no_mangle]
pub unsafe extern "C" fn tomocut_model_free(model: *mut tomocut_model) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(model) });
}
