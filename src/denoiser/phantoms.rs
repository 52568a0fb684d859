//! Training data: a rolling pool of phantoms, and crops of signal, noise and truth drawn from it.
use tch::{Device, Kind, Tensor};

use super::crops::Place;
use super::matched_volume::MatchedVolume;
use super::renewal::occupant;
use super::{Batch, BatchSource, DenoiserOptions, CELLS, STRUCTURES};
use crate::diffusion::{space_to_depth, CellShape, Structure};
use crate::runtime::{Error, Generator, Job, Result};
use crate::train::CERTAIN;

/// Mean square of a crop of unit-variance signal below which it counts as empty.
const EMPTY: f64 = 0.12;
/// Redraws of an empty crop.
const REDRAWS: usize = 2;

/// Phantoms in memory. What it holds at a step depends on the seed and the step alone, so that a resumed run sees the
/// same.
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

    /// Number of the phantom that slot `slot` holds at `step`.
    fn index_at(options: &DenoiserOptions, slot: u64, step: u64) -> u64 {
        occupant(slot, options.volumes as u64, options.refresh, step)
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

    /// `count` crops of `side` x `side` voxels by the slices that the network sees. Signal and noise are flipped
    /// independently (the wedge allows mirrors along every axis, but no quarter turns), the noise has a random sign and
    /// comes from another volume half the time, `missing` of the crops lack some of the slices around.
    pub fn draw(&self, count: usize, side: usize, missing: f64, gen: &mut Generator) -> Result<Batch> {
        let _guard = tch::no_grad_guard();
        let mut parts: [Vec<Tensor>; 3] = Default::default();
        let mut present = Vec::new();
        for _ in 0..count {
            let side = side as i64;
            let [signal, noise, truth] = self.window([CELLS.slices_seen(), side, side], gen)?;
            let truth = truth
                .f_narrow(1, CELLS.context * CELLS.slices, CELLS.slices)?
                .f_reshape([-1, side, side])?
                .f_to_kind(Kind::Float)?
                .f_mul_scalar(1.0 / f64::from(CERTAIN))?;
            parts[0].push(signal);
            parts[1].push(noise);
            parts[2].push(truth);
            for there in slices_present(missing, gen) {
                present.extend([if there { 1f32 } else { 0.0 }; (CELLS.factor * CELLS.factor) as usize]);
            }
        }
        let [clean, noise, structures] =
            parts.map(|crops| -> Result<Tensor> { space_to_depth(&Tensor::f_stack(&crops, 0)?, CELLS.factor) });
        Ok(Batch {
            cells: CELLS,
            clean: clean?,
            noise: noise?,
            structures: structures?,
            present: Tensor::f_from_slice(&present)?
                .f_view([count as i64, -1, 1, 1])?
                .f_to_device(self.device)?,
        })
    }

    /// Signal and noise (z, y, x) and truth (structures, z, y, x; 0 to [`CERTAIN`]) of one random crop of `extent`
    /// voxels, mirrored.
    pub(super) fn window(&self, extent: [i64; 3], gen: &mut Generator) -> Result<[Tensor; 3]> {
        if self.slots.is_empty() {
            return Err(Error::State("no phantoms to train on".into()));
        }
        let last = self.slots.len() as i64 - 1;
        let (mut volume, mut place) = self.place(extent, gen)?;
        let mut signal = place.cut(&self.slots[volume].1.signal)?;
        for _ in 0..REDRAWS {
            if f64::try_from(signal.f_square()?.f_mean(None)?)? >= EMPTY {
                break;
            }
            (volume, place) = self.place(extent, gen)?;
            signal = place.cut(&self.slots[volume].1.signal)?;
        }
        let truth = place.cut(&self.slots[volume].1.truth)?;
        let source = if gen.chance(0.5) {
            gen.integer(0, last) as usize
        } else {
            volume
        };
        let (_, elsewhere) = self.place(extent, gen)?;
        let mut noise = elsewhere.cut(&self.slots[source].1.noise)?;
        if gen.chance(0.5) {
            noise = noise.f_neg()?;
        }
        if gen.chance(0.3) {
            let share = gen.uniform(0.0, 1.0);
            let white = gen.normal_tensor(&noise.size(), self.device)?;
            noise = noise
                .f_mul_scalar((1.0 - share).sqrt())?
                .f_add(&white.f_mul_scalar(share.sqrt())?)?;
        }
        Ok([signal, noise, truth])
    }

    /// A random volume and a place for a crop in it: all have one shape.
    fn place(&self, extent: [i64; 3], gen: &mut Generator) -> Result<(usize, Place)> {
        let volume = gen.integer(0, self.slots.len() as i64 - 1) as usize;
        let place = Place::random(self.slots[volume].1.signal.size3()?, extent, gen)?;
        Ok((volume, place))
    }
}

impl BatchSource for PhantomPool {
    fn cells(&self) -> CellShape {
        CELLS
    }

    fn structures(&self) -> &'static [Structure] {
        &STRUCTURES
    }

    fn advance(&mut self, options: &DenoiserOptions, step: u64, job: &Job) -> Result<()> {
        Self::advance(self, options, step, job)
    }

    fn batch(&self, count: usize, side: usize, missing: f64, gen: &mut Generator, _: &Job) -> Result<Batch> {
        self.draw(count, side, missing, gen)
    }

    fn held_out(&self, options: &DenoiserOptions, job: &Job) -> Result<Self> {
        Self::new(options, 0, self.device, job)
    }
}

/// Which of the slices seen are there: all, or, for the share `missing`, a run around the middle cell's first. A fifth
/// of these are single images.
fn slices_present(missing: f64, gen: &mut Generator) -> Vec<bool> {
    let (seen, middle) = (CELLS.slices_seen(), CELLS.context * CELLS.slices);
    let (mut first, mut last) = (0, seen - 1);
    if gen.chance(missing) {
        (first, last) = if gen.chance(0.2) {
            (middle, middle)
        } else {
            (gen.integer(0, middle), gen.integer(middle, seen - 1))
        };
    }
    (0..seen).map(|slice| (first..=last).contains(&slice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A volume whose signal is its voxel's number, so that a crop tells where it was cut.
    fn numbered(gen: &mut Generator) -> MatchedVolume {
        let count = 16 * 40 * 44;
        let signal = Tensor::arange(count, (Kind::Float, Device::Cpu)).view([1, 16, 40, 44]);
        MatchedVolume {
            truth: signal.remainder(251.0).to_kind(Kind::Uint8).repeat([4, 1, 1, 1]),
            signal: signal.squeeze_dim(0),
            noise: gen.normal_tensor(&[16, 40, 44], Device::Cpu).unwrap(),
        }
    }

    #[test]
    fn crops_have_unit_noise_and_the_cells_of_the_encoder() {
        let mut gen = Generator::new(5, 0);
        let volumes = vec![numbered(&mut gen), numbered(&mut gen)];
        let batch = PhantomPool::from_volumes(volumes, Device::Cpu)
            .draw(24, 32, 0.5, &mut gen)
            .unwrap();
        assert_eq!(batch.clean.size(), [24, CELLS.input_channels(), 16, 16]);
        let channels = CELLS.cell_channels() * STRUCTURES.len() as i64;
        assert_eq!(batch.structures.size(), [24, channels, 16, 16]);
        let variance = batch.noise.square().mean(Kind::Float).double_value(&[]);
        assert!((variance - 1.0).abs() < 0.05, "noise variance {variance}");
        let middle = CELLS.middle(&batch.present).unwrap();
        assert_eq!(middle.narrow(1, 0, 4).min().double_value(&[]), 1.0);
        assert!(batch.present.min().double_value(&[]) < 0.5);
    }

    #[test]
    fn truth_and_signal_are_cut_at_the_same_place() {
        let mut gen = Generator::new(6, 0);
        let batch = PhantomPool::from_volumes(vec![numbered(&mut gen)], Device::Cpu)
            .draw(8, 16, 0.0, &mut gen)
            .unwrap();
        let signal = CELLS.middle(&batch.clean).unwrap().remainder(251.0);
        let membrane = batch.structures.narrow(1, 0, CELLS.cell_channels()) * f64::from(CERTAIN);
        let apart = (signal - membrane).abs().max().double_value(&[]);
        assert!(apart < 1e-2, "{apart}");
    }
}
