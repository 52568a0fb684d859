//! Windows of phantoms, whose truth is exact, for segmentation networks.
use tch::{Device, Kind, Tensor};

use super::{DenoiserOptions, PhantomPool, STRUCTURES};
use crate::diffusion::Structure;
use crate::runtime::{Error, Generator, Job, Result};
use crate::train::{Example, ExampleSource, Windows, CERTAIN};

/// Signal-to-noise ratios of the phantoms' windows.
const SNR: [f64; 2] = [0.03, 3.0];

/// A rolling pool of phantoms: signal and noise are mixed anew for every window, at any signal-to-noise ratio.
pub struct PhantomExamples {
    pool: PhantomPool,
    rules: DenoiserOptions,
}

impl PhantomExamples {
    /// `volumes` phantoms of `shape` (z, y, x) of the numbers that follow from `seed`, as they stand at `step`; every
    /// `refresh` steps (0: never) the oldest makes room for a new one.
    pub fn new(
        seed: u64,
        (volumes, shape, refresh): (usize, [usize; 3], u64),
        step: u64,
        device: Device,
        job: &Job,
    ) -> Result<Self> {
        let rules = DenoiserOptions {
            seed,
            volumes,
            volume_shape: shape,
            refresh,
            ..DenoiserOptions::default()
        };
        Ok(Self {
            pool: PhantomPool::new(&rules, step, device, job)?,
            rules,
        })
    }
}

impl ExampleSource for PhantomExamples {
    fn advance(&mut self, step: u64, job: &Job) -> Result<()> {
        self.pool.advance(&self.rules, step, job)
    }

    fn example(&self, windows: &Windows, gen: &mut Generator) -> Result<Example> {
        let _guard = tch::no_grad_guard();
        let [signal, noise, truth] = self.pool.window(windows.extents.map(|n| n as i64), gen)?;
        let snr = gen.uniform(SNR[0].ln(), SNR[1].ln()).exp();
        let abar = snr / (1.0 + snr);
        let image = signal
            .f_mul_scalar(abar.sqrt())?
            .f_add(&noise.f_mul_scalar((1.0 - abar).sqrt())?)?
            .f_unsqueeze(0)?;
        // Phantoms are dark, as most tomograms are.
        let image = if windows.bright { image.f_neg()? } else { image };
        let outputs = planes(windows.outputs)?;
        let truth = truth
            .f_index_select(0, &Tensor::f_from_slice(&outputs)?.f_to_device(truth.device())?)?
            .f_to_kind(Kind::Float)?
            .f_mul_scalar(1.0 / f64::from(CERTAIN))?;
        let weight = image.f_ones_like()?;
        Ok(Example { image, truth, weight })
    }
}

/// Which of [`STRUCTURES`] each output is.
fn planes(outputs: &[String]) -> Result<Vec<i64>> {
    let plane = |name: &String| {
        let plane_index = STRUCTURES.iter().position(|structure| match name.as_str() {
            "centre" => *structure == Structure::MoleculeCentre,
            name => structure.name() == name,
        });
        plane_index.map(|plane| plane as i64).ok_or_else(|| {
            Error::Unsupported(format!(
                "phantoms say nothing of \"{name}\", they know membrane, molecule, filament and centre"
            ))
        })
    };
    outputs.iter().map(plane).collect()
}
