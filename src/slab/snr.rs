//! Signal-to-noise ratio of a tomogram, as the matched model itself sees it.
use ndarray::ArrayView3;
use tch::Kind;

use crate::diffusion::{DiffusionModel, LatentDraw};
use crate::runtime::{Generator, Job, Result, Stage};

use super::features::tile_tensor;

/// Timesteps searched: outside, a matched model has seen next to nothing (SNR 9 and 0.006).
const SEARCH: (i64, i64) = (100, 930);

/// The search ends when the bracket is this narrow; neighbouring timesteps look alike (matched-noise recipe).
const BRACKET: i64 = 16;

/// Signal variance over noise variance per voxel of a prepared `tile` (slices seen, rows, columns; zero mean, unit variance over the
/// slab).
///
/// A matched model takes the tile as x_t = sqrt(abar) x0 + sqrt(1 - abar) eps. At the right timestep its noise estimate is
/// the conditional mean of eps, for which E[x_t eps_hat] = E[x_t eps] = sqrt(1 - abar_t). At a timestep that claims too little noise
/// the estimate must explain too much (the ratio exceeds 1), at one that claims too much it falls short: the timestep where
/// the ratio crosses 1 is found by bisection, about six passes of the U-Net, and SNR = abar / (1 - abar).
pub fn estimate_snr(model: &DiffusionModel, tile: ArrayView3<f32>, job: &Job) -> Result<f64> {
    job.enter(Stage::Attention)?;
    let image = tile_tensor(tile, model.device())?;
    // Space-to-depth draws nothing; the generator only fills the signature.
    let latent = model.encode(&image, LatentDraw::Mean, &mut Generator::new(0, 0), job)?;
    let schedule = model.schedule();
    let middle_of = |tensor: &tch::Tensor| model.cells().middle(tensor);
    let image = middle_of(&latent)?;
    let power = mean(&image.f_square()?)?;
    let (mut low, mut high) = SEARCH;
    while high - low > BRACKET {
        let middle = (low + high) / 2;
        let pass = model.extract(&latent, middle, None, &[], job)?;
        let noise = schedule.noise_of(&middle_of(&pass.input)?, &pass.output, middle)?;
        let noise_share = (1.0 - schedule.alpha_cumprod(middle)?).sqrt();
        // A tile of other variance than the slab's mean is judged at its own scale.
        let ratio = mean(&image.f_mul(&noise)?)? / (noise_share * power.max(1e-6).sqrt());
        if ratio > 1.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let abar = schedule.alpha_cumprod((low + high) / 2)?;
    Ok(abar / (1.0 - abar))
}

fn mean(tensor: &tch::Tensor) -> Result<f64> {
    Ok(tensor.f_mean(Kind::Double)?.f_double_value(&[])?)
}
