//! What a denoiser learns from: batches of clean latents and the noise that is added to them, wherever they come from.
use tch::Tensor;

use super::DenoiserOptions;
use crate::diffusion::{CellShape, NoiseSchedule, Structure};
use crate::runtime::{Generator, Job, Result};
use crate::tensors::{from_slice, term};

/// Latents of a batch: h = w = the crop's side over the pixels of a latent pixel.
pub struct Batch {
    /// What the channels are.
    pub cells: CellShape,
    /// x0, [B, input channels, h, w].
    pub clean: Tensor,
    /// eps, [B, input channels, h, w].
    pub noise: Tensor,
    /// 1 where the slice of a channel is there, 0 where it is missing, [B, input channels, 1, 1].
    pub present: Tensor,
    /// Truth of the middle cell, 0..=1, [B, structures x cell channels, h, w].
    pub structures: Tensor,
}

impl Batch {
    /// x_t of every crop at its own timestep, missing slices zero.
    pub fn noised(&self, schedule: &NoiseSchedule, timesteps: &[i64]) -> Result<Tensor> {
        let (mut signal, mut noise) = (Vec::new(), Vec::new());
        for t in timesteps {
            let alpha = schedule.alpha_cumprod(*t)?;
            signal.push(alpha.sqrt() as f32);
            noise.push((1.0 - alpha).sqrt() as f32);
        }
        let column = |values: &[f32]| -> Result<Tensor> {
            Ok(from_slice(values, [values.len(), 1, 1, 1])?.f_to_device(self.clean.device())?)
        };
        let noised = term(&self.clean) * column(&signal) + term(&self.noise) * column(&noise);
        (noised * &self.present).tensor()
    }
}

/// A source of batches. What it holds at a step depends on its settings and the step alone, so that a resumed run sees
/// the same.
pub trait BatchSource: Sized {
    /// What the channels of a latent are.
    fn cells(&self) -> CellShape;

    /// What is learnt beside the noise.
    fn structures(&self) -> &'static [Structure];

    /// Brings the data to `step`.
    fn advance(&mut self, options: &DenoiserOptions, step: u64, job: &Job) -> Result<()>;

    /// `count` crops of `side` x `side` voxels, `missing` (a share) of which lack some of the slices around.
    fn batch(&self, count: usize, side: usize, missing: f64, gen: &mut Generator, job: &Job) -> Result<Batch>;

    /// Data of the same kind that are never trained on; `options` holds their seed and their number.
    fn held_out(&self, options: &DenoiserOptions, job: &Job) -> Result<Self>;
}
