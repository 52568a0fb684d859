//! Simulated tomograms with exact truth.
use std::ffi::c_char;

use super::call_options::{call, tomocut_call_options};
use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::guard;
use super::progress::compute;
use super::status::tomocut_status;
use super::strings::{path, text};
use crate::phantom::{simulate_on, PhantomOptions};
use crate::runtime::Stage;
use crate::{Error, Result};

/// A file name's beginning.
///
/// # Safety
/// `stem` is as documented for C.
pub(super) unsafe fn stem_of<'a>(stem: *const c_char) -> Result<&'a str> {
    // SAFETY: passed on.
    let stem = unsafe { text(stem, "stem") }?;
    if stem.is_empty() || stem.contains('/') {
        let allowed = "must be a file name without folders";
        return Err(Error::argument("stem", format!("\"{stem}\""), allowed));
    }
    Ok(stem)
}

/// Simulates a tomogram of membranes, molecules and filaments and writes it with its truth to folder: STEM.mrc
/// (float32), STEM_signal.mrc and STEM_noise.mrc (its two parts), STEM_labels.mrc (0 background, 1 membrane, 2
/// molecule, 3 filament), STEM_instances.csv (every object), STEM_parameters.json (the settings) and STEM_preview.png
/// (tomogram, signal and labels of the middle slice, and below of the middle section across y). Settings of family
/// "phantom". Same settings and device: same bytes.
#[no_mangle]
pub unsafe extern "C" fn tomocut_phantom_simulate(
    engine: *mut tomocut_engine,
    options: *const tomocut_call_options,
    folder: *const c_char,
    stem: *const c_char,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (engine, folder, stem) = unsafe { (engine_to_compute(engine)?, path(folder, "folder")?, stem_of(stem)?) };
        // SAFETY: as documented for C.
        let (given, job) = unsafe { call(&engine, options) }?;
        let settings: PhantomOptions = given.resolve()?;
        // Before the work: a folder that cannot be made should not cost minutes.
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("creating", &folder, error))?;
        let phantom = compute(engine.n_threads, || simulate_on(&settings, engine.device, &job))?;
        job.enter(Stage::Write)?;
        phantom.write(&folder, stem)?;
        Ok(())
    })
}
