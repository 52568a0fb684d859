//! Training data: a rolling pool of phantoms, and crops of signal and noise drawn from it.
use tch::{Device, Kind, Tensor};

use super::DenoiserOptions;
use crate::diffusion::space_to_depth;
use crate::phantom::{simulate_on, PhantomOptions};
use crate::runtime::{Error, Generator, Job, Result};

/// Streams of the seed: phantom k has `PHANTOMS + k`.
const PHANTOMS: u64 = 1 << 32;
/// Mean square of a crop of unit-variance signal below which it counts as empty.
const EMPTY: f64 = 0.15;
/// Redraws of an empty crop.
const REDRAWS: usize = 3;

/// Signal and noise reconstruction of one phantom, (z, y, x), zero mean and unit variance each.
pub struct MatchedVolume {
    /// Noise-free reconstruction.
    pub signal: Tensor,
    /// Reconstruction of pure noise.
    pub noise: Tensor,
}

impl MatchedVolume {
    /// Simulates the phantom number `index` of `seed`.
    pub fn simulate(seed: u64, index: u64, shape: [usize; 3], device: Device, job: &Job) -> Result<Self> {
        let mut gen = Generator::new(seed, PHANTOMS.wrapping_add(index));
        let options = PhantomOptions {
            shape,
            snr: 1.0,
            protein_dark: true,
            ..PhantomOptions::random(&mut gen)
        };
        let phantom = simulate_on(&options, device, job)?;
        let tensor = |volume: &ndarray::Array3<f32>| -> Result<Tensor> {
            let values = volume
                .as_slice()
                .ok_or_else(|| Error::Internal("phantom is not contiguous".into()))?;
            Ok(Tensor::f_from_slice(values)?
                .f_view(shape.map(|n| n as i64))?
                .f_to_device(device)?)
        };
        Ok(Self {
            signal: tensor(&phantom.signal)?,
            noise: tensor(&phantom.noise)?,
        })
    }
}

/// Clean latents and noise latents, [B, 4, crop / 2, crop / 2] each.
pub struct Batch {
    /// x0.
    pub clean: Tensor,
    /// eps.
    pub noise: Tensor,
}

/// Phantoms in memory. What it holds at a step depends on the seed and the step alone, so that a resumed run sees the same.
pub struct PhantomPool {
    seed: u64,
    shape: [usize; 3],
    device: Device,
    slots: Vec<(u64, MatchedVolume)>,
}

impl PhantomPool {
    /// The pool of `options` as it stands at `step`.
    pub fn new(options: &DenoiserOptions, step: u64, device: Device, job: &Job) -> Result<Self> {
        let mut pool = Self {
            seed: options.seed,
            shape: options.volume_shape,
            device,
            slots: Vec::new(),
        };
        for slot in 0..options.volumes {
            let index = Self::index_at(options, slot as u64, step);
            pool.slots.push((index, pool.simulate(index, job)?));
        }
        Ok(pool)
    }

    /// A pool of given volumes, for tests and for data from elsewhere.
    pub fn from_volumes(volumes: Vec<MatchedVolume>, device: Device) -> Self {
        let slots = (0..).zip(volumes).collect();
        Self {
            seed: 0,
            shape: [0; 3],
            device,
            slots,
        }
    }

    /// Number of the phantom that slot `slot` holds at `step`: every `refresh` steps the next slot moves on.
    fn index_at(options: &DenoiserOptions, slot: u64, step: u64) -> u64 {
        let volumes = options.volumes as u64;
        let renewals = step.checked_div(options.refresh).unwrap_or(0);
        // Slot s has been renewed once for every renewal number s, s + volumes, ... below `renewals`.
        let times = if renewals > slot {
            (renewals - slot - 1) / volumes + 1
        } else {
            0
        };
        slot + times * volumes
    }

    /// Brings the pool to `step`.
    pub fn advance(&mut self, options: &DenoiserOptions, step: u64, job: &Job) -> Result<()> {
        for slot in 0..self.slots.len() {
            let index = Self::index_at(options, slot as u64, step);
            if self.slots[slot].0 != index {
                let volume = self.simulate(index, job)?;
                self.slots[slot] = (index, volume);
            }
        }
        Ok(())
    }

    fn simulate(&self, index: u64, job: &Job) -> Result<MatchedVolume> {
        MatchedVolume::simulate(self.seed, index, self.shape, self.device, job)
    }

    /// `count` crops of `side` x `side` voxels of single slices. Signal and noise are flipped independently (180-degree turns are
    /// two flips; the wedge forbids 90), the noise has a random sign and comes from another volume half the time.
    pub fn draw(&self, count: usize, side: usize, gen: &mut Generator) -> Result<Batch> {
        if self.slots.is_empty() {
            return Err(Error::State("no phantoms to train on".into()));
        }
        let _guard = tch::no_grad_guard();
        let (mut clean, mut noise) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (signal, eps) = self.pair(side as i64, gen)?;
            clean.push(signal);
            noise.push(eps);
        }
        let cells = |crops: &[Tensor]| space_to_depth(&Tensor::f_stack(crops, 0)?.f_unsqueeze(1)?, 2);
        Ok(Batch {
            clean: cells(&clean)?,
            noise: cells(&noise)?,
        })
    }

    fn pair(&self, side: i64, gen: &mut Generator) -> Result<(Tensor, Tensor)> {
        let last = self.slots.len() as i64 - 1;
        let first = gen.integer(0, last) as usize;
        let mut volume = first;
        // A third of the crops are averages of neighbouring slices or resampled, as pipelines do before they look.
        let slices = if gen.chance(0.2) { gen.integer(2, 3) } else { 1 };
        let zoom = if gen.chance(0.2) { gen.uniform(0.75, 1.5) } else { 1.0 };
        let mut signal = crop(&self.slots[volume].1.signal, side, slices, zoom, gen)?;
        for _ in 0..REDRAWS {
            if f64::try_from(signal.f_square()?.f_mean(None)?)? >= EMPTY {
                break;
            }
            volume = gen.integer(0, last) as usize;
            signal = crop(&self.slots[volume].1.signal, side, slices, zoom, gen)?;
        }
        let source = if gen.chance(0.5) {
            gen.integer(0, last) as usize
        } else {
            volume
        };
        let noise = crop(&self.slots[source].1.noise, side, slices, zoom, gen)?;
        let mut noise = if slices > 1 || zoom != 1.0 {
            unit(&noise)?
        } else {
            noise
        };
        if gen.chance(0.5) {
            noise = noise.f_neg()?;
        }
        if gen.chance(0.3) {
            let share = gen.uniform(0.0, 1.0);
            let white = gen.normal_tensor(&[side, side], self.device)?;
            noise = noise
                .f_mul_scalar((1.0 - share).sqrt())?
                .f_add(&white.f_mul_scalar(share.sqrt())?)?;
        }
        Ok((signal, noise))
    }
}

/// A random crop (side, side): the mean of `slices` neighbouring slices, enlarged by `zoom`, randomly flipped along y and x.
fn crop(volume: &Tensor, side: i64, slices: i64, zoom: f64, gen: &mut Generator) -> Result<Tensor> {
    let (depth, height, width) = volume.size3()?;
    let source = ((side as f64 / zoom).round() as i64).clamp(4, height.min(width));
    let slices = slices.min(depth);
    let z = gen.integer(0, depth - slices);
    let (y, x) = (gen.integer(0, height - source), gen.integer(0, width - source));
    let part = volume
        .f_narrow(0, z, slices)?
        .f_narrow(1, y, source)?
        .f_narrow(2, x, source)?;
    let mut part = part.f_mean_dim([0i64].as_slice(), false, Kind::Float)?;
    if source != side {
        part = part
            .f_unsqueeze(0)?
            .f_unsqueeze(0)?
            .f_internal_upsample_bilinear2d_aa([side, side], false, None, None)?
            .f_squeeze_dim(0)?
            .f_squeeze_dim(0)?;
    }
    for axis in [0i64, 1] {
        if gen.chance(0.5) {
            part = part.f_flip([axis])?;
        }
    }
    Ok(part)
}

/// Zero mean, unit variance.
fn unit(image: &Tensor) -> Result<Tensor> {
    let centred = image.f_sub(&image.f_mean(None)?)?;
    let deviation = centred.f_square()?.f_mean(None)?.f_sqrt()?.f_clamp_min(1e-12)?;
    Ok(centred.f_div(&deviation)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_renewed_in_turn() {
        let options = DenoiserOptions {
            volumes: 3,
            refresh: 10,
            ..DenoiserOptions::default()
        };
        let at = |step| [0, 1, 2].map(|slot| PhantomPool::index_at(&options, slot, step));
        assert_eq!(at(9), [0, 1, 2]);
        assert_eq!(at(10), [3, 1, 2]);
        assert_eq!(at(39), [3, 4, 5]);
        assert_eq!(at(40), [6, 4, 5]);
        let never = DenoiserOptions { refresh: 0, ..options };
        assert_eq!(PhantomPool::index_at(&never, 2, 1000), 2);
    }

    #[test]
    fn crops_have_unit_noise_and_the_cells_of_the_encoder() {
        let mut gen = Generator::new(5, 0);
        let volume = |gen: &mut Generator| MatchedVolume {
            signal: gen.normal_tensor(&[9, 40, 44], Device::Cpu).unwrap(),
            noise: gen.normal_tensor(&[9, 40, 44], Device::Cpu).unwrap(),
        };
        let pool = PhantomPool::from_volumes(vec![volume(&mut gen), volume(&mut gen)], Device::Cpu);
        let batch = pool.draw(24, 32, &mut gen).unwrap();
        assert_eq!(batch.clean.size(), [24, 4, 16, 16]);
        let variance = batch.noise.square().mean(Kind::Float).double_value(&[]);
        assert!((variance - 1.0).abs() < 0.05, "noise variance {variance}");
    }
}
