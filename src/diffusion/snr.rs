//! Signal-to-noise ratio of a tomogram, as the matched model itself sees it.
use tch::{Kind, Tensor};

use super::model::DiffusionModel;
use crate::runtime::{Job, Result, Stage};

/// Timesteps searched: outside, a matched model has seen next to nothing (SNR 9 and 0.006).
const SEARCH: (i64, i64) = (100, 930);

/// The search ends when the bracket is this narrow; neighbouring timesteps look alike (matched-noise recipe).
const BRACKET: i64 = 16;

impl DiffusionModel {
    /// Signal variance over noise variance per voxel of what a matched model sees in `latent` [1, C, h, w] (voxels of zero mean and
    /// unit variance over the tomogram).
    ///
    /// The model takes the latent as x_t = sqrt(abar) x0 + sqrt(1 - abar) eps. At the right timestep its noise estimate is the
    /// conditional mean of eps, for which E[x_t eps_hat] = E[x_t eps] = sqrt(1 - abar_t). At a timestep that claims too little noise
    /// the estimate must explain too much (the ratio exceeds 1), at one that claims too much it falls short: the timestep where
    /// the ratio crosses 1 is found by bisection, about six passes of the U-Net, and SNR = abar / (1 - abar).
    pub fn estimate_snr(&self, latent: &Tensor, job: &Job) -> Result<f64> {
        job.enter(Stage::Attention)?;
        let middle_of = |tensor: &Tensor| self.cells().middle(tensor);
        let image = middle_of(latent)?;
        let power = mean(&image.f_square()?)?;
        let (mut low, mut high) = SEARCH;
        while high - low > BRACKET {
            let middle = (low + high) / 2;
            let pass = self.extract(latent, middle, None, &[], job)?;
            let noise = self
                .schedule()
                .noise_of(&middle_of(&pass.input)?, &pass.output, middle)?;
            let noise_share = (1.0 - self.schedule().alpha_cumprod(middle)?).sqrt();
            // A tile of other variance than the slab's mean is judged at its own scale.
            let ratio = mean(&image.f_mul(&noise)?)? / (noise_share * power.max(1e-6).sqrt());
            if ratio > 1.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let abar = self.schedule().alpha_cumprod((low + high) / 2)?;
        Ok(abar / (1.0 - abar))
    }
}

fn mean(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.f_mean(Kind::Double)?.f_double_value(&[])?)
}
