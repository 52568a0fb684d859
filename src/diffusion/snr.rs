//! Signal-to-noise ratio of a tomogram, as the matched model itself sees it.
use tch::{Kind, Tensor};

use super::model::DiffusionModel;
use crate::runtime::{Error, Job, Result, Stage};

/// Timesteps searched: outside, a matched model has seen next to nothing (SNR 9 and 0.006).
const SEARCH: (i64, i64) = (100, 930);

/// Bisections; the answer lies between the last two timesteps (26 apart, a fifth of the ratio) and is interpolated
/// there.
const BISECTIONS: usize = 5;

impl DiffusionModel {
    /// Signal variance over noise variance per voxel of what a matched model sees in `latents`, each [1, C, h, w]:
    /// parts of one tomogram in its own grey scale, where the voxels of the whole have zero mean and unit variance.
    /// Several parts from all over the tomogram: one may be all membrane or all ice.
    ///
    /// The model takes a latent as x_t = sqrt(abar) x0 + sqrt(1 - abar) eps. At the right timestep its noise estimate
    /// is the conditional mean of eps, for which E[x_t eps_hat] = E[x_t eps] = sqrt(1 - abar_t). At a timestep that
    /// claims too little noise the estimate must explain too much (the ratio exceeds 1), at one that claims too much it
    /// falls short: the timestep where the ratio crosses 1 is found by bisection, and SNR = abar / (1 - abar). The mean
    /// is over all parts together: the noise is the same everywhere, the signal is not.
    ///
    /// Errors: no latent, cancel, and whatever the passes report.
    pub fn estimate_snr(&self, latents: &[Tensor], job: &Job) -> Result<f64> {
        job.enter(Stage::Attention)?;
        if latents.is_empty() {
            return Err(Error::argument("latents", "none", "must be at least one"));
        }
        let (mut low, mut high) = SEARCH;
        // How far the ratios at `low` and `high` are from 1, once measured.
        let (mut above, mut below) = (None, None);
        for _ in 0..BISECTIONS {
            let middle = (low + high) / 2;
            let excess = self.noise_ratio(latents, middle, job)? - 1.0;
            if excess > 0.0 {
                (low, above) = (middle, Some(excess));
            } else {
                (high, below) = (middle, Some(-excess));
            }
        }
        let share = match (above, below) {
            (Some(above), Some(below)) => above / (above + below).max(f64::MIN_POSITIVE),
            // The ratio never crossed 1 inside: the end of the search.
            (Some(_), None) => 1.0,
            _ => 0.0,
        };
        let timestep = low + ((high - low) as f64 * share).round() as i64;
        let abar = self.schedule().alpha_cumprod(timestep)?;
        Ok(abar / (1.0 - abar))
    }

    /// E[x eps_hat] / sqrt(1 - abar) over the cells in the middle of `latents`, taken as noised to `timestep`.
    fn noise_ratio(&self, latents: &[Tensor], timestep: i64, job: &Job) -> Result<f64> {
        let middle_of = |tensor: &Tensor| self.cells().middle(tensor);
        let mut product = 0.0;
        for latent in latents {
            let pass = self.extract(latent, timestep, None, &[], job)?;
            let noise = self
                .schedule()
                .noise_of(&middle_of(&pass.input)?, &pass.output, timestep)?;
            product += middle_of(latent)?
                .f_mul(&noise)?
                .f_mean(Kind::Double)?
                .f_double_value(&[])?;
        }
        let noise_share = (1.0 - self.schedule().alpha_cumprod(timestep)?).sqrt();
        Ok(product / (latents.len() as f64 * noise_share))
    }
}
