//! Training images of an autoencoder: crops of enhanced slices, of phantoms and of the user's own tomograms.
use std::path::PathBuf;

use ndarray::{Array3, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::renewal::occupant;
use crate::image::{enhance, EnhanceOptions};
use crate::phantom::{simulate_on, PhantomOptions, MEMBRANE};
use crate::runtime::{Error, Generator, Job, Result, Stage};
use crate::settings::Settings;
use crate::tensors::from_array;
use crate::volume::Tomogram;

/// Streams of the seed: stack k has `STACKS + k`.
const STACKS: u64 = 1 << 33;
/// Contrast of a crop relative to its slice's: a slice's own depends on its brightest and darkest pixel, hence on its
/// size.
const CONTRAST: [f64; 2] = [0.5, 1.0];

/// Where the slices come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SliceOptions {
    /// Stacks of slices in memory at once.
    #[schemars(range(min = 1, max = 256))]
    pub stacks: usize,
    /// Extents (z, y, x) of a phantom; of a tomogram of the user's as many slices are taken, spread over its depth.
    #[schemars(inner(range(min = 8, max = 1024)))]
    pub shape: [usize; 3],
    /// Every so many steps the oldest stack makes room for a new one; 0: never.
    pub refresh: u64,
    /// Share of the phantoms that come without noise, as a stand-in for denoised tomograms; the others have an SNR of
    /// 0.03 to 2.
    #[schemars(range(min = 0, max = 1))]
    pub noise_free: f64,
    /// Tomograms to learn from beside the phantoms: MRC files. Nothing about them has to be known.
    pub tomograms: Vec<PathBuf>,
    /// Share of the stacks that are slices of the tomograms; without tomograms all are phantoms.
    #[schemars(range(min = 0, max = 1))]
    pub tomogram_share: f64,
    /// Structures in the tomograms are brighter than their surroundings.
    pub bright: bool,
}

impl Default for SliceOptions {
    fn default() -> Self {
        Self {
            stacks: 16,
            shape: [32, 256, 256],
            refresh: 15,
            noise_free: 0.25,
            tomograms: Vec::new(),
            tomogram_share: 0.75,
            bright: false,
        }
    }
}

impl Settings for SliceOptions {
    const FAMILY: &'static str = "slices";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }
}

impl SliceOptions {
    /// Slots that hold slices of tomograms: the first ones.
    fn tomogram_slots(&self) -> u64 {
        if self.tomograms.is_empty() {
            return 0;
        }
        (self.tomogram_share * self.stacks as f64).round() as u64
    }
}

/// Slices of one phantom or tomogram, uint8, (slice, y, x).
struct Stack {
    images: Tensor,
    /// The same slices without noise, and where membranes are (1), of phantoms whose truth was asked for.
    truth: Option<(Tensor, Tensor)>,
}

/// Stacks in memory. What it holds at a step depends on the options, the seed and the step alone, so that a resumed run
/// sees the same.
pub struct SlicePool {
    options: SliceOptions,
    seed: u64,
    device: Device,
    with_truth: bool,
    slots: Vec<(u64, Stack)>,
}

/// Crops of slices, [B, 1, side, side] in 0..=1, structures dark.
pub struct SliceBatch {
    /// What the encoder sees.
    pub images: Tensor,
    /// The same without noise, and 1 where there is a membrane; where the pool keeps the truth.
    pub truth: Option<(Tensor, Tensor)>,
}

impl SlicePool {
    /// The pool as it stands at `step`. Errors: those of simulating and of reading the tomograms.
    pub fn new(options: &SliceOptions, seed: u64, step: u64, device: Device, job: &Job) -> Result<Self> {
        Self::fill(options, seed, step, false, device, job)
    }

    /// Phantoms of another seed that keep their truth.
    pub fn with_truth(options: &SliceOptions, seed: u64, device: Device, job: &Job) -> Result<Self> {
        let options = SliceOptions {
            tomograms: Vec::new(),
            ..options.clone()
        };
        Self::fill(&options, seed, 0, true, device, job)
    }

    fn fill(options: &SliceOptions, seed: u64, step: u64, with_truth: bool, device: Device, job: &Job) -> Result<Self> {
        options.validate()?;
        let mut pool = Self {
            options: options.clone(),
            seed,
            device,
            with_truth,
            slots: Vec::new(),
        };
        for slot in 0..options.stacks as u64 {
            let number = pool.number_at(slot, step);
            let stack = pool.stack(slot, number, job)?;
            pool.slots.push((number, stack));
        }
        Ok(pool)
    }

    /// Brings the pool to `step`.
    pub fn advance(&mut self, step: u64, job: &Job) -> Result<()> {
        for slot in 0..self.slots.len() {
            let number = self.number_at(slot as u64, step);
            if self.slots[slot].0 != number {
                let stack = self.stack(slot as u64, number, job)?;
                self.slots[slot] = (number, stack);
            }
        }
        Ok(())
    }

    /// `count` crops of `side` x `side` pixels, mirrored and with less contrast at random. No quarter turns: the
    /// missing wedge would have to turn too.
    pub fn draw(&self, count: usize, side: usize, gen: &mut Generator) -> Result<SliceBatch> {
        let _guard = tch::no_grad_guard();
        let side = side as i64;
        let mut parts: [Vec<Tensor>; 3] = Default::default();
        for _ in 0..count {
            let stack = &self.slots[gen.integer(0, self.slots.len() as i64 - 1) as usize].1;
            let (depth, height, width) = stack.images.size3()?;
            if height < side || width < side {
                let extents = format!("{height}x{width}");
                return Err(Error::argument(
                    "slice",
                    extents,
                    &format!("must be at least {side}x{side}"),
                ));
            }
            let z = gen.integer(0, depth - 1);
            let (top, left) = (gen.integer(0, height - side), gen.integer(0, width - side));
            let flips: Vec<i64> = [0, 1].into_iter().filter(|_| gen.chance(0.5)).collect();
            let contrast = gen.uniform(CONTRAST[0], CONTRAST[1]);
            let cut = |volume: &Tensor| -> Result<Tensor> {
                let crop = volume
                    .f_get(z)?
                    .f_narrow(0, top, side)?
                    .f_narrow(1, left, side)?
                    .f_to_kind(Kind::Float)?;
                Ok(if flips.is_empty() { crop } else { crop.f_flip(&flips)? })
            };
            let grey = |volume: &Tensor| -> Result<Tensor> {
                let scaled = cut(volume)?.f_mul_scalar(contrast / 255.0)?;
                Ok(scaled.f_add_scalar(0.5 - 0.5 * contrast)?)
            };
            parts[0].push(grey(&stack.images)?);
            if let Some((signal, membrane)) = &stack.truth {
                parts[1].push(grey(signal)?);
                parts[2].push(cut(membrane)?);
            }
        }
        let [images, signal, membrane] = parts;
        let stacked = |crops: &[Tensor]| -> Result<Tensor> { Ok(Tensor::f_stack(crops, 0)?.f_unsqueeze(1)?) };
        let truth = if self.with_truth {
            Some((stacked(&signal)?, stacked(&membrane)?))
        } else {
            None
        };
        Ok(SliceBatch {
            images: stacked(&images)?,
            truth,
        })
    }

    fn number_at(&self, slot: u64, step: u64) -> u64 {
        occupant(slot, self.options.stacks as u64, self.options.refresh, step)
    }

    /// Stack number `number`, which goes to `slot`.
    fn stack(&self, slot: u64, number: u64, job: &Job) -> Result<Stack> {
        let mut gen = Generator::new(self.seed, STACKS.wrapping_add(number));
        // Both enhancements that the presets of the slab have.
        let rule = if gen.chance(0.5) {
            EnhanceOptions::default()
        } else {
            EnhanceOptions::released_code()
        };
        let slots = self.options.tomogram_slots();
        if slot < slots {
            let rounds = number / self.options.stacks as u64;
            self.read(rounds * slots + slot, &rule, &mut gen, job)
        } else {
            self.simulate(&rule, &mut gen, job)
        }
    }

    fn simulate(&self, rule: &EnhanceOptions, gen: &mut Generator, job: &Job) -> Result<Stack> {
        let noise_free = gen.chance(self.options.noise_free);
        let options = PhantomOptions {
            shape: self.options.shape,
            protein_dark: true,
            ..PhantomOptions::random(gen)
        };
        let phantom = simulate_on(&options, self.device, job)?;
        let voxels = if noise_free { &phantom.signal } else { &phantom.tomogram };
        let truth = if self.with_truth {
            let membrane = phantom.labels.mapv(|label| u8::from(label == MEMBRANE));
            Some((self.enhanced(&phantom.signal, rule, job)?, self.tensor(&membrane)?))
        } else {
            None
        };
        Ok(Stack {
            images: self.enhanced(voxels, rule, job)?,
            truth,
        })
    }

    /// Slices of the user's tomograms; `draw` counts how many stacks were read before.
    fn read(&self, draw: u64, rule: &EnhanceOptions, gen: &mut Generator, job: &Job) -> Result<Stack> {
        job.enter(Stage::Read)?;
        let options = &self.options;
        let tomogram = Tomogram::open(&options.tomograms[draw as usize % options.tomograms.len()], job)?;
        let [depth, height, width] = tomogram.geometry().shape;
        let count = options.shape[0].min(depth);
        let mut slices = Array3::<f32>::zeros((count, height, width));
        let sign = if options.bright { -1.0 } else { 1.0 };
        for (index, mut slice) in slices.outer_iter_mut().enumerate() {
            job.check()?;
            // One slice out of each of `count` equal parts of the depth.
            let at = (index as f64 + gen.uniform(0.0, 1.0)) / count as f64;
            let z = ((at * depth as f64) as usize).min(depth - 1);
            slice.assign(&tomogram.read_slices(z..z + 1)?.index_axis(ndarray::Axis(0), 0));
            slice *= sign;
        }
        Ok(Stack {
            images: self.enhanced(&slices, rule, job)?,
            truth: None,
        })
    }

    /// Every slice as the slab hands it to an encoder.
    fn enhanced(&self, slices: &Array3<f32>, rule: &EnhanceOptions, job: &Job) -> Result<Tensor> {
        job.enter(Stage::Enhance)?;
        let mut images = Array3::<u8>::zeros(slices.dim());
        for (mut image, slice) in images.outer_iter_mut().zip(slices.outer_iter()) {
            job.check()?;
            let slice: ArrayView2<f32> = slice;
            image.assign(&enhance(slice, rule));
        }
        self.tensor(&images)
    }

    fn tensor(&self, bytes: &Array3<u8>) -> Result<Tensor> {
        Ok(from_array(bytes.view())?.f_to_device(self.device)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{write_f32, Geometry};

    fn small() -> SliceOptions {
        SliceOptions {
            stacks: 2,
            shape: [8, 32, 40],
            refresh: 3,
            ..SliceOptions::default()
        }
    }

    #[test]
    fn crops_are_grey_images_beside_their_truth() {
        let options = SliceOptions {
            noise_free: 1.0,
            ..small()
        };
        let pool = SlicePool::with_truth(&options, 3, Device::Cpu, &Job::quiet()).unwrap();
        let batch = pool.draw(6, 24, &mut Generator::new(1, 0)).unwrap();
        assert_eq!(batch.images.size(), [6, 1, 24, 24]);
        let (low, high) = (batch.images.min(), batch.images.max());
        assert!(low.double_value(&[]) >= 0.0 && high.double_value(&[]) <= 1.0);
        let (signal, membrane) = batch.truth.unwrap();
        // Without noise a phantom is its own signal, cut at the same place with the same contrast.
        assert!(signal.equal(&batch.images));
        assert!(membrane.square().equal(&membrane));
    }

    #[test]
    fn the_users_slices_come_in_turn_and_the_right_way_round() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (name, dark) in [("a.mrc", 5usize), ("b.mrc", 25)] {
            // One dark column tells which file a slice is from.
            let voxels = Array3::from_shape_fn((9, 32, 40), |(_, _, x)| if x == dark { -3.0 } else { 1.0 });
            let path = folder.path().join(name);
            write_f32(&path, &voxels, &Geometry::new([9, 32, 40], 10.0)).unwrap();
            files.push(path);
        }
        let options = SliceOptions {
            tomograms: files,
            tomogram_share: 1.0,
            stacks: 1,
            ..small()
        };
        let column = |pool: &SlicePool| {
            pool.slots[0]
                .1
                .images
                .get(0)
                .get(16)
                .argmin(None, false)
                .int64_value(&[])
        };
        let job = Job::quiet();
        let mut pool = SlicePool::new(&options, 1, 0, Device::Cpu, &job).unwrap();
        assert_eq!(pool.slots[0].1.images.size(), [8, 32, 40]);
        assert_eq!(column(&pool), 5);
        pool.advance(3, &job).unwrap();
        assert_eq!(column(&pool), 25);
        let bright = SliceOptions {
            bright: true,
            ..options
        };
        let pool = SlicePool::new(&bright, 1, 0, Device::Cpu, &job).unwrap();
        let image = pool.slots[0].1.images.get(0).get(16);
        assert_eq!(image.argmax(None, false).int64_value(&[]), 5);
        // A resumed pool holds what the first one held.
        let again = SlicePool::new(&bright, 1, 3, Device::Cpu, &job).unwrap();
        assert_eq!(
            again.slots[0]
                .1
                .images
                .get(0)
                .get(16)
                .argmax(None, false)
                .int64_value(&[]),
            25
        );
    }
}
