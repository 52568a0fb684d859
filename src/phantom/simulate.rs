//! From settings to a phantom: specimen, projections, reconstruction of signal and noise.
use ndarray::Array3;
use tch::Device;

use super::imaging::{image_projections, noise_projections, project, reconstruct};
use super::instance::Instance;
use super::options::PhantomOptions;
use super::processing::standardised;
use super::series::TiltSeries;
use super::specimen::Specimen;
use crate::runtime::{Generator, Job, Result, Stage};
use crate::settings::Settings;
use crate::tensors::{from_array, to_array};

/// A simulated tomogram and its truth. All volumes are (z, y, x) of one shape.
#[derive(Clone, Debug)]
pub struct Phantom {
    /// Signal plus noise.
    pub tomogram: Array3<f32>,
    /// Reconstruction of the noise-free projections (contrast transfer, tilt errors and missing wedge in it), zero
    /// mean, unit variance.
    pub signal: Array3<f32>,
    /// Reconstruction of pure noise, zero mean, variance 1 / SNR; with it what clipping and rounding change.
    pub noise: Array3<f32>,
    /// 0 background, 1 membrane, 2 molecule, 3 filament.
    pub labels: Array3<u8>,
    /// Every object, in the order of drawing.
    pub instances: Vec<Instance>,
    /// The settings that made it.
    pub parameters: PhantomOptions,
}

/// Simulates a tomogram on the CPU. Same options, same bytes. Errors: options out of range, cancel.
pub fn simulate(options: &PhantomOptions, job: &Job) -> Result<Phantom> {
    simulate_on(options, Device::Cpu, job)
}

/// Simulates a tomogram; projection and reconstruction run on `device`.
pub fn simulate_on(options: &PhantomOptions, device: Device, job: &Job) -> Result<Phantom> {
    options.validate()?;
    job.enter(Stage::Simulate)?;
    // Independent streams, so that another noise draw or optics leaves the specimen as it is.
    let specimen = Specimen::draw(options, &mut Generator::new(options.seed, 0), job)?;
    job.advance(0.3)?;
    let density = from_array(specimen.density.view())?.f_to_device(device)?;
    let series = TiltSeries::new(options, &mut Generator::new(options.seed, 1));
    let clean = project(&density, &series, job)?;
    job.advance(0.6)?;
    let clean = image_projections(&clean, options, &series, job)?;
    let signal = reconstruct(&clean, &series, options.shape, job)?;
    let signal = options.processing.linear(signal, Some(&density), options, job)?;
    drop(density);
    job.advance(0.75)?;
    let noise = noise_projections(options, &series, &mut Generator::new(options.seed, 2), device, job)?;
    let noise = reconstruct(&noise, &series, options.shape, job)?;
    let noise = options.processing.linear(noise, None, options, job)?;
    job.advance(0.95)?;

    let sign = if options.protein_dark { -1.0 } else { 1.0 };
    let signal = standardised(&signal)?.f_mul_scalar(sign)?;
    let noise = standardised(&noise)?.f_mul_scalar(options.snr.recip().sqrt())?;
    let tomogram = signal.f_add(&noise)?;
    let (mut tomogram, signal, mut noise): (Array3<f32>, Array3<f32>, Array3<f32>) =
        (to_array(&tomogram)?, to_array(&signal)?, to_array(&noise)?);
    if options.processing.reduces() {
        options.processing.reduce(&mut tomogram);
        noise = &tomogram - &signal;
    }
    Ok(Phantom {
        tomogram,
        signal,
        noise,
        labels: specimen.labels,
        instances: specimen.instances,
        parameters: options.clone(),
    })
}
