//! Adapting a model to a data set, on the data set's own voxels: no labels, minutes.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::matched_volume::MatchedVolume;
use super::own_batch::OwnBatch;
use super::own_data::{BlockRules, OwnBlock};
use super::start::weights_of;
use super::trainer::errors;
use super::{PhantomPool, CELLS};
use crate::diffusion::{ModelFile, NoiseSchedule, Unet};
use crate::phantom::{simulate_on, PhantomOptions};
use crate::runtime::{Error, Generator, Job, Result};
use crate::settings::Settings;
use crate::tensors::term;
use crate::train::run::{Objective, Run};
use crate::train::{AdamWOptions, CosineSchedule, Parameters, TrainingSchedule};
use crate::volume::Tomogram;

/// Streams of the seed.
const BLOCKS: u64 = 11;
const BATCHES: u64 = 12;
const PHANTOMS: u64 = 1 << 33;
/// Timesteps of phantom crops lie this far around the data's own.
const SPREAD: i64 = 120;
/// Decay of the weights' moving average: the runs are short.
const AVERAGE: f64 = 0.99;

/// Settings of an adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdaptOptions {
    /// Training steps; 200 take some minutes on two processor cores.
    #[schemars(range(min = 1, max = 100_000))]
    pub steps: u64,
    /// Crops per step: half phantoms, half the data's own.
    #[schemars(range(min = 2, max = 256))]
    pub batch: usize,
    /// Side of a crop in voxels, even.
    #[schemars(range(min = 32, max = 96))]
    pub crop: usize,
    /// Phantoms at the data's voxel size.
    #[schemars(range(min = 1, max = 64))]
    pub phantoms: usize,
    /// Blocks cut out of each tomogram.
    #[schemars(range(min = 1, max = 64))]
    pub blocks: usize,
    /// Largest extents (z, y, x) of blocks and phantoms, in voxels; at least what a crop sees is taken.
    #[schemars(inner(range(max = 1024)))]
    pub block_shape: [usize; 3],
    /// Seed of every random draw.
    pub seed: u64,
    /// Full learning rate.
    #[schemars(range(min = 1e-9, max = 1))]
    pub rate: f64,
    /// Edge of a voxel in nm, where the tomograms' own is wrong or unknown; null: their own.
    #[schemars(range(min = 0.01, max = 100))]
    pub voxel_nm: Option<f64>,
    /// Whether structures are brighter than their surroundings.
    pub bright: bool,
    /// Variance of the signal over variance of the noise, per voxel; null: estimated.
    #[schemars(range(min = 1e-4, max = 1e4))]
    pub snr: Option<f64>,
}

impl Default for AdaptOptions {
    fn default() -> Self {
        Self {
            steps: 200,
            batch: 12,
            crop: 64,
            phantoms: 8,
            blocks: 3,
            block_shape: [40, 192, 192],
            seed: 1,
            rate: 1.5e-4,
            voxel_nm: None,
            bright: false,
            snr: None,
        }
    }
}

impl AdaptOptions {
    /// How the weights move: warm-up over a twentieth of the steps, then down along a half cosine.
    fn schedule(&self) -> TrainingSchedule {
        CosineSchedule {
            steps: self.steps,
            adamw: AdamWOptions {
                rate: self.rate,
                ..AdamWOptions::default()
            },
            warm_up: self.steps / 20,
            cool_down: 1.0,
            clip: 1.0,
            ema_decay: AVERAGE,
        }
        .into()
    }
}

impl Settings for AdaptOptions {
    const FAMILY: &'static str = "adapt";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn validate_together(&self) -> Result<()> {
        if self.crop.is_multiple_of(2) {
            return Ok(());
        }
        Err(Error::argument("crop", self.crop, "must be even"))
    }
}

/// Trains `model` on for a few minutes on the voxels of `tomograms`, which should be of one kind (microscope, voxel
/// size, sample).
///
/// Half of every batch are phantoms of the data's voxel size under the data's own noise (what the model takes for noise
/// in it, cut elsewhere, mirrored, of random sign), at about the data's noise level; from them the network learns noise
/// and structures as in its first training. The other half are crops of the data itself, y = sqrt(abar_0) x0 + sqrt(1 -
/// abar_0) eps0, to which more of that noise is added, x = sqrt(r) y + sqrt(1 - r) n with r = abar_1 / abar_0: the
/// network's estimate of y from x, sqrt(abar_0) x0_hat + (1 - abar_0) sqrt(r / (1 - abar_1)) eps_hat, is held against
/// y, which needs no clean image (Moran et al. 2020, "Noisier2Noise"; Daras et al. 2024, "Consistent Diffusion Meets
/// Tweedie", eq. 5).
///
/// `go_on(steps done, loss)` may end it early. Returns the moving average of the weights. On the CPU the same input
/// gives the same weights at the same thread count. Errors: settings out of range, unreadable or too small tomograms, a
/// model that is not of [`CELLS`], cancel.
pub fn adapt(
    model: &ModelFile,
    tomograms: &[&Tomogram],
    options: &AdaptOptions,
    device: Device,
    job: &Job,
    go_on: &mut dyn FnMut(u64, f64) -> bool,
) -> Result<ModelFile> {
    options.validate()?;
    let mut weights = weights_of(model, device)?;
    if tomograms.is_empty() {
        return Err(Error::argument("tomograms", "an empty list", "must hold at least one"));
    }
    weights.require_gradients()?;
    let mut adapter = Adapter::new(model, &weights, tomograms, options, job)?;
    let schedule = options.schedule();
    let mut run = Run::new(weights, &schedule, Generator::new(options.seed, BATCHES))?;
    run.train(&mut adapter, &schedule, options.steps, job, go_on)?;
    let mut config = model.config.clone();
    let names: Vec<&str> = tomograms.iter().map(|tomogram| tomogram.name()).collect();
    config.name = format!("{}, adapted to {}", model.config.name, names.join(", "));
    Ok(ModelFile {
        config,
        tensors: run.average.named(),
    })
}

/// What an adaptation makes small.
struct Adapter {
    options: AdaptOptions,
    schedule: NoiseSchedule,
    network: Unet,
    phantoms: PhantomPool,
    blocks: Vec<OwnBlock>,
    device: Device,
}

impl Adapter {
    /// `weights` are those of `model`, where they are trained.
    fn new(
        model: &ModelFile,
        weights: &Parameters,
        tomograms: &[&Tomogram],
        options: &AdaptOptions,
        job: &Job,
    ) -> Result<Self> {
        let rules = BlockRules {
            shape: options.block_shape,
            count: options.blocks,
            bright: options.bright,
            snr: options.snr,
        };
        let device = weights.tensors.first().map_or(Device::Cpu, Tensor::device);
        let before = model.load(device)?;
        let mut gen = Generator::new(options.seed, BLOCKS);
        let mut blocks = Vec::new();
        for tomogram in tomograms {
            blocks.extend(OwnBlock::cut(&before, tomogram, &rules, &mut gen, job)?);
        }
        Ok(Self {
            schedule: NoiseSchedule::new(&model.config.schedule)?,
            phantoms: simulate(&blocks, tomograms, options, device, job)?,
            network: weights.network(&model.config.unet)?,
            options: options.clone(),
            blocks,
            device,
        })
    }
}

impl Objective for Adapter {
    fn advance(&mut self, _: u64, _: &Job) -> Result<()> {
        Ok(())
    }

    fn loss(&self, _: u64, gen: &mut Generator, job: &Job) -> Result<Tensor> {
        let side = self.options.crop;
        let own = (self.options.batch / 2).max(1);
        let simulated = (self.options.batch - own).max(1);
        let batch = self.phantoms.draw(simulated, side, 0.1, gen)?;
        let around = self.blocks[gen.integer(0, self.blocks.len() as i64 - 1) as usize].timestep;
        let mut timesteps: Vec<i64> = (0..simulated)
            .map(|_| (around + gen.integer(-SPREAD, SPREAD)).clamp(0, self.schedule.len() - 1))
            .collect();
        let own = OwnBatch::draw(&self.blocks, (own, side as i64), &self.schedule, gen)?;
        let input = Tensor::f_cat(&[batch.noised(&self.schedule, &timesteps)?, own.input], 0)?;
        timesteps.extend(&own.timesteps);
        let times = Tensor::f_from_slice(&timesteps)?.f_to_device(self.device)?;
        let data_crops = own.timesteps.len() as i64;
        let predicted = self.network.forward(&input, &times, None, None, job)?;
        let (noise, structure) = errors(&predicted.f_narrow(0, 0, simulated as i64)?, &batch)?;
        let guess = predicted
            .f_narrow(0, simulated as i64, data_crops)?
            .f_narrow(1, 0, CELLS.cell_channels())?;
        let noisy = CELLS.middle(&input.f_narrow(0, simulated as i64, data_crops)?)?;
        let estimate = term(noisy) * own.a + term(guess) * own.b;
        let data = (estimate - own.observed).square().map(|x| x.f_mean(Kind::Float));
        (term(noise) + structure + data).tensor()
    }
}

/// Phantoms of the data's voxel size, most of them under the data's own noise.
fn simulate(
    blocks: &[OwnBlock],
    tomograms: &[&Tomogram],
    options: &AdaptOptions,
    device: Device,
    job: &Job,
) -> Result<PhantomPool> {
    let smallest = blocks
        .iter()
        .try_fold([i64::MAX; 3], |least, block| -> Result<[i64; 3]> {
            let (z, y, x) = block.noise.size3()?;
            Ok([least[0].min(z), least[1].min(y), least[2].min(x)])
        })?;
    let voxel_nm = match options.voxel_nm {
        Some(voxel) => voxel,
        None => tomograms
            .iter()
            .find_map(|tomogram| tomogram.geometry().voxel_nm())
            .ok_or_else(|| Error::argument("voxel_nm", "unknown", "must be given: no tomogram says it"))?,
    };
    let mut volumes = Vec::with_capacity(options.phantoms);
    for index in 0..options.phantoms {
        let mut gen = Generator::new(options.seed, PHANTOMS.wrapping_add(index as u64));
        let phantom = PhantomOptions {
            shape: smallest.map(|n| n as usize),
            voxel_nm,
            snr: 1.0,
            protein_dark: true,
            ..PhantomOptions::random(&mut gen)
        };
        let mut volume = MatchedVolume::of(&simulate_on(&phantom, device, job)?, device)?;
        // The rest keep the simulation's noise, so that what the model takes for noise need not be all of it.
        if index % 4 != 3 {
            let [z, y, x] = smallest;
            let noise = &blocks[index % blocks.len()].noise;
            volume.noise = noise.f_narrow(0, 0, z)?.f_narrow(1, 0, y)?.f_narrow(2, 0, x)?;
        }
        volumes.push(volume);
    }
    Ok(PhantomPool::from_volumes(volumes, device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::{small_unet, STRUCTURES};
    use crate::diffusion::ModelFileConfig;
    use crate::phantom::simulate;
    use crate::volume::Geometry;

    fn tiny() -> ModelFile {
        let unet = small_unet([8, 8, 8, 8]);
        let config = ModelFileConfig::matched("tiny", unet.clone(), CELLS, &STRUCTURES, [0.4, 3.2]);
        let parameters = Parameters::random(&unet, &mut Generator::new(1, 0), Device::Cpu).unwrap();
        ModelFile {
            config,
            tensors: parameters.named(),
        }
    }

    fn tomogram() -> Tomogram {
        let options = PhantomOptions {
            shape: [16, 96, 96],
            voxel_nm: 1.5,
            ..PhantomOptions::default()
        };
        let voxels = simulate(&options, &Job::quiet()).unwrap().tomogram;
        Tomogram::from_array(voxels, Geometry::new([16, 96, 96], 15.0)).unwrap()
    }

    fn options() -> AdaptOptions {
        AdaptOptions {
            steps: 48,
            batch: 4,
            crop: 32,
            phantoms: 1,
            blocks: 1,
            rate: 1e-2,
            snr: Some(0.2),
            ..AdaptOptions::default()
        }
    }

    #[test]
    fn a_few_steps_lower_the_loss_even_where_the_caller_has_gradients_off() {
        let (model, data) = (tiny(), tomogram());
        let mut losses = Vec::new();
        let _guard = tch::no_grad_guard();
        let adapted = adapt(
            &model,
            &[&data],
            &options(),
            Device::Cpu,
            &Job::quiet(),
            &mut |_, loss| {
                losses.push(loss);
                true
            },
        )
        .unwrap();
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        // Every step draws its own noise levels, so single losses scatter by a quarter.
        assert!(mean(&losses[32..]) < 0.92 * mean(&losses[..8]), "{losses:?}");
        assert_eq!(adapted.config.unet, model.config.unet);
        assert!(
            adapted.config.name.contains("adapted to tomogram"),
            "{}",
            adapted.config.name
        );
        let moved = adapted.tensors.iter().zip(&model.tensors).any(|(a, b)| a.1 != b.1);
        assert!(moved, "no weight moved");
        // The caller's choice stands again.
        assert!(!(Tensor::ones([1], (Kind::Float, Device::Cpu)).set_requires_grad(true) * 2.0).requires_grad());
    }

    #[test]
    fn what_cannot_be_adapted_is_refused_by_name() {
        let (model, data) = (tiny(), tomogram());
        let run = |model: &ModelFile, data: &[&Tomogram], options: AdaptOptions| {
            adapt(model, data, &options, Device::Cpu, &Job::quiet(), &mut |_, _| true)
                .err()
                .unwrap()
                .to_string()
        };
        assert!(run(&model, &[], options()).contains("tomograms"));
        let odd = AdaptOptions { crop: 33, ..options() };
        assert!(run(&model, &[&data], odd).contains("crop is 33"));
        let mut other = tiny();
        other.config.structures.pop();
        assert!(run(&other, &[&data], options()).contains("cannot be trained further"));
        let small =
            Tomogram::from_array(ndarray::Array3::zeros((4, 96, 96)), Geometry::new([4, 96, 96], 15.0)).unwrap();
        assert!(run(&model, &[&small], options()).contains("at least"));
    }
}
