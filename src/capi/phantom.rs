//! Simulated tomograms with exact truth.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::{guard, guard_anywhere};
use super::progress::{compute, job, tomocut_progress_fn};
use super::sized::{self, SizedStruct};
use super::slab_options::to_usize;
use super::status::tomocut_status;
use super::strings::{optional_text, path, text};
use crate::phantom::{simulate_on, PhantomOptions};
use crate::runtime::Stage;
use crate::{Error, Result};

/// Options of a simulated tomogram. Fill with tomocut_phantom_options_init, then change what differs; zero and NULL mean
/// the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_phantom_options {
    /// sizeof(tomocut_phantom_options) of the caller's header.
    pub struct_size: usize,
    /// Extents z, y, x in voxels, 8 to 1024 each; all zero: 128, 256, 256.
    pub shape: [u64; 3],
    /// Edge of a voxel in nm, 0.2 to 10; 0: 1.
    pub voxel_nm: f64,
    /// Variance of the signal over variance of the noise, per voxel, 1e-4 to 1e4; 0: 0.2.
    pub snr: f64,
    /// Seed of specimen, optics and noise; 0 stands for 1.
    pub seed: u64,
    /// Any further setting, as one JSON object with the names that the written STEM_parameters.json has, such as
    /// {"membranes": 3, "crowding": 0.1}; the members above win where both are given. Molecules of known structure are
    /// placed by "densities": [{"path": "ribosome.mrc"}], where each may also have "threshold", "diameter_nm", "voxel_nm"
    /// and "copies"; {"species": 0} then leaves the drawn ones out. NULL: none.
    pub parameters_json: *const c_char,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_phantom_options {
    const NAME: &'static str = "tomocut_phantom_options";
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_phantom_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_phantom_options_init(
    options: *mut tomocut_phantom_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// # Safety
/// `options` is as documented for C.
unsafe fn translate(options: &tomocut_phantom_options) -> Result<PhantomOptions> {
    // SAFETY: passed on.
    let mut settings = match unsafe { optional_text(options.parameters_json, "parameters_json") }? {
        None => PhantomOptions::default(),
        Some(json) => serde_json::from_str(json)
            .map_err(|error| Error::argument("parameters_json", format!("\"{json}\""), &format!("but {error}")))?,
    };
    if options.shape != [0; 3] {
        for (axis, (target, &extent)) in settings.shape.iter_mut().zip(&options.shape).enumerate() {
            *target = to_usize(&format!("shape[{axis}]"), extent)?;
        }
    }
    for (target, value) in [
        (&mut settings.voxel_nm, options.voxel_nm),
        (&mut settings.snr, options.snr),
    ] {
        if value != 0.0 {
            *target = value;
        }
    }
    if options.seed != 0 {
        settings.seed = options.seed;
    }
    Ok(settings)
}

/// Simulates a tomogram of membranes, molecules and filaments and writes it with its truth: STEM.mrc (float32),
/// STEM_signal.mrc and STEM_noise.mrc (its two parts), STEM_labels.mrc (0 background, 1 membrane, 2 molecule, 3
/// filament), STEM_instances.csv (every object), STEM_parameters.json (the settings) and STEM_preview.png (tomogram, signal
/// and labels of the middle slice, and below of the middle section across y). No file is ever half-written.
///
/// @param engine  Computes; serves this call alone until it returns.
/// @param options What differs from the defaults; NULL: nothing.
/// @param folder  Where the files go; made where it is missing.
/// @param stem    How their names begin; no slashes.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_CANCELLED; TOMOCUT_E_IO; TOMOCUT_E_OUT_OF_MEMORY;
///         TOMOCUT_E_DEVICE; TOMOCUT_E_STATE.
///
/// Same options and device: same bytes. Threads: any; one call at a time per engine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_phantom_simulate(
    engine: *mut tomocut_engine,
    options: *const tomocut_phantom_options,
    folder: *const c_char,
    stem: *const c_char,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (engine, options) = unsafe { (engine_to_compute(engine)?, sized::read_or_default(options)?) };
        // SAFETY: as documented for C.
        let (settings, folder, stem) = unsafe { (translate(&options)?, path(folder, "folder")?, text(stem, "stem")?) };
        if stem.is_empty() || stem.contains('/') {
            return Err(Error::argument(
                "stem",
                format!("\"{stem}\""),
                "must be a file name without folders",
            ));
        }
        let logger = &engine.logger;
        // SAFETY: as documented for C.
        let job = unsafe { job(logger, options.cancel, options.progress, options.progress_user_data) }?;
        // Before the work: a folder that cannot be made should not cost minutes.
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("creating", &folder, error))?;
        let phantom = compute(engine.n_threads, || simulate_on(&settings, engine.device, &job))?;
        job.enter(Stage::Write)?;
        phantom.write(&folder, stem)?;
        Ok(())
    })
}
