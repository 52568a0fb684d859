//! One slice as a slab of its own.
use crate::diffusion::DiffusionModel;
use crate::runtime::{Job, Result};
use crate::settings::Settings;
use crate::volume::Tomogram;

use super::cell::CellRun;
use super::context::PreparedSlab;
use super::options::SlabOptions;
use super::stack::check_slices;

/// Prepares slice `z` of `tomogram` as a slab of its own and hands it to `work`. Errors: as [`super::segment`].
pub fn with_cell<T>(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: usize,
    options: &SlabOptions,
    job: &Job,
    work: impl FnOnce(&CellRun) -> Result<T>,
) -> Result<T> {
    let slab = z..z.saturating_add(1);
    options.validate()?;
    check_slices(&slab, tomogram.geometry().shape[0])?;
    let slab = PreparedSlab::read(model, tomogram, slab, options, job)?;
    work(&CellRun::new(&slab.context, &slab.stack, z)?)
}
