//! Crops of a user's tomogram with more of its own noise on them.
use tch::Tensor;

use super::crops::Place;
use super::own_data::OwnBlock;
use super::CELLS;
use crate::diffusion::{space_to_depth, NoiseSchedule};
use crate::runtime::{Generator, Result};
use crate::tensors::from_slice;

/// Ratio of abar after and before noise is added to the data: little added noise teaches nothing, much hides
/// everything.
const ADDED: [f64; 2] = [0.35, 0.8];

/// Crops of the data with more noise on them, and what their estimate is held against.
pub(super) struct OwnBatch {
    pub input: Tensor,
    pub timesteps: Vec<i64>,
    /// The middle cell of y.
    pub observed: Tensor,
    /// y_hat = a x + b eps_hat, [B, 1, 1, 1] each.
    pub a: Tensor,
    pub b: Tensor,
}

impl OwnBatch {
    /// `count` crops of `side` x `side` voxels of random blocks.
    pub fn draw(
        blocks: &[OwnBlock],
        (count, side): (usize, i64),
        schedule: &NoiseSchedule,
        gen: &mut Generator,
    ) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let last = blocks.len() as i64 - 1;
        let device = blocks.first().map_or(tch::Device::Cpu, |block| block.observed.device());
        let (mut input, mut observed, mut timesteps) = (Vec::new(), Vec::new(), Vec::new());
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let block = &blocks[gen.integer(0, last) as usize];
            let y =
                Place::random(block.observed.size3()?, [CELLS.slices_seen(), side, side], gen)?.cut(&block.observed)?;
            let other = &blocks[gen.integer(0, last) as usize];
            let mut n =
                Place::random(other.noise.size3()?, [CELLS.slices_seen(), side, side], gen)?.cut(&other.noise)?;
            if gen.chance(0.5) {
                n = n.f_neg()?;
            }
            let before = schedule.alpha_cumprod(block.timestep)?;
            let snr = before * gen.uniform(ADDED[0], ADDED[1]);
            let timestep = schedule.timestep_for_snr(snr / (1.0 - snr)).max(block.timestep + 1);
            let timestep = timestep.min(schedule.len() - 1);
            let after = schedule.alpha_cumprod(timestep)?.min(before);
            let r = after / before;
            input.push(y.f_mul_scalar(r.sqrt())?.f_add(&n.f_mul_scalar((1.0 - r).sqrt())?)?);
            observed.push(y);
            timesteps.push(timestep);
            a.push(r.sqrt().recip() as f32);
            b.push(((1.0 - before) * (r / (1.0 - after)).sqrt() - ((1.0 - after) / r).sqrt()) as f32);
        }
        let cells = |crops: &[Tensor]| space_to_depth(&Tensor::f_stack(crops, 0)?, CELLS.factor);
        let column = |values: &[f32]| -> Result<Tensor> {
            Ok(from_slice(values, [values.len(), 1, 1, 1])?.f_to_device(device)?)
        };
        Ok(Self {
            input: cells(&input)?,
            timesteps,
            observed: CELLS.middle(&cells(&observed)?)?,
            a: column(&a)?,
            b: column(&b)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_estimate_of_the_data_from_noised_data_is_the_datas_mean() {
        // With the true conditional means in place of the network's, y_hat = a x + b eps must be E[y | x]. In one
        // dimension with Gaussian x0 of unit variance, eps_hat = sqrt(1 - abar_1) x, so y_hat / x must be cov(y, x) /
        // var(x) = sqrt(r) as var(y) = var(x) = 1.
        let (before, r) = (0.3f64, 0.6f64);
        let after = before * r;
        let a = r.sqrt().recip();
        let b = (1.0 - before) * (r / (1.0 - after)).sqrt() - ((1.0 - after) / r).sqrt();
        assert!((a + b * (1.0 - after).sqrt() - r.sqrt()).abs() < 1e-12);
    }
}
