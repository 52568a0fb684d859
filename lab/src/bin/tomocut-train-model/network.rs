//! `--network`: the 3D segmentation network that ships, on phantoms alone.
use std::collections::HashMap;
use std::path::Path;

use tch::{Device, Tensor};
use tomocut::denoiser::PhantomExamples;
use tomocut::networks::{CompactConfig, ModelDescription, NetworkConfig, SegmentationModel};
use tomocut::runtime::{open_device, Generator, Job};
use tomocut::segmenter::{SegmenterOptions, SegmenterTrainer};
use tomocut::train::LossRecord;
use tomocut::{Error, Result};

use crate::arguments::Arguments;
use crate::progress::{drive, Pace, Training};

/// Added to the seed of the phantoms that are never trained on.
const HELD_OUT_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Phantoms that are never trained on, and windows of them that are looked at.
const HELD_OUT: (usize, usize) = (4, 24);
/// Extents of a phantom.
const SHAPE: [usize; 3] = [64, 192, 192];
/// Steps after which a phantom makes room for a new one.
const REFRESH: u64 = 12;

/// Extents of a window.
const WINDOW: [usize; 3] = [48, 64, 64];
/// Full learning rate: the network is small and starts from nothing.
const RATE: f64 = 2e-3;

/// A run with the phantoms that judge it.
struct Judged {
    trainer: SegmenterTrainer<PhantomExamples>,
    held_out: PhantomExamples,
}

/// Trains the network and writes it. A run that was stopped goes on where it was.
pub fn run(arguments: &Arguments) -> Result<()> {
    let job = Job::quiet();
    let device = open_device(&arguments.device)?;
    let volumes = arguments.options.volumes;
    let source = |seed: u64, step: u64| PhantomExamples::new(seed, (volumes, SHAPE, REFRESH), step, device, &job);
    let pace = Pace::new(&arguments.checkpoint, arguments.minutes);
    let mut trainer = if arguments.checkpoint.exists() {
        SegmenterTrainer::resume(&arguments.checkpoint, device, |plan, step| {
            source(plan.settings.seed, step)
        })?
    } else {
        let mut options = SegmenterOptions {
            seed: arguments.options.seed,
            ..SegmenterOptions::default()
        };
        options.batch = arguments.network_batch.unwrap_or(options.batch);
        options.window = Some(WINDOW);
        options.adamw.rate = arguments.network_rate.unwrap_or(RATE);
        // No window is seen twice: turning it would only blur it.
        options.augmentation.turn = 0.0;
        (options.loss_terms.dice, options.loss_terms.cross_entropy) = (Some(0.5), Some(2.0));
        // Phantoms come in any voxel size; so does what the network is used on.
        let description = ModelDescription {
            origin: arguments.name.clone(),
            ..ModelDescription::new(config(arguments.wide), None)
        };
        let start = match &arguments.start {
            Some(path) => Some(grown(&description, &open(path, device)?, options.seed, device)?),
            None => None,
        };
        options.network = Some(description.into());
        let source = source(options.seed, 0)?;
        SegmenterTrainer::new(&options, start.as_ref(), source, device)?
    };
    if let Some(steps) = arguments.steps {
        trainer.reschedule(steps)?;
    }
    let seed = trainer.plan().settings.seed ^ HELD_OUT_SEED;
    let mut judged = Judged {
        held_out: PhantomExamples::new(seed, (HELD_OUT.0, SHAPE, 0), 0, device, &job)?,
        trainer,
    };
    drive(&mut judged, &pace, &job, &|judged| {
        judged
            .trainer
            .model()?
            .duplicate(Device::Cpu)?
            .save_half(&arguments.out)
    })
}

/// The network that ships, or one with a third level: 192 channels on cells of 8 voxels, 3.5 million weights, a halo of
/// 40 voxels.
fn config(wide: bool) -> NetworkConfig {
    let narrow = CompactConfig::default();
    if !wide {
        return NetworkConfig::Compact(narrow);
    }
    NetworkConfig::Compact(CompactConfig {
        widths: vec![32, 96, 192],
        blocks_down: vec![1, 3, 2],
        blocks_up: vec![1, 1],
        ..narrow
    })
}

fn open(path: &Path, device: Device) -> Result<SegmentationModel> {
    if path.as_os_str() == "builtin" {
        return SegmentationModel::builtin(device);
    }
    SegmentationModel::open(path, device)
}

/// A network as described that begins as `start`: it has the weights of that where names and shapes agree. Of what only
/// it has, the ways back from a coarser level are zero, so that they add nothing yet, and the rest is random.
fn grown(
    description: &ModelDescription,
    start: &SegmentationModel,
    seed: u64,
    device: Device,
) -> Result<SegmentationModel> {
    let by_name = |model: &SegmentationModel| model.weights().into_iter().collect::<HashMap<String, Tensor>>();
    let known = by_name(start);
    let random = SegmentationModel::random(description.clone(), &mut Generator::new(seed, 0), device)?;
    let mut random = by_name(&random);
    SegmentationModel::from_tensors(description.clone(), device, &mut |name, shape| {
        let drawn = random
            .remove(name)
            .ok_or_else(|| Error::Internal(format!("no tensor {name}")))?;
        Ok(match known.get(name).filter(|tensor| tensor.size() == shape) {
            Some(tensor) => tensor.f_detach_copy()?,
            None if name.contains(".from_coarser.") => drawn.f_zeros_like()?,
            None => drawn,
        })
    })
}

impl Training for Judged {
    fn weights(&self) -> usize {
        self.trainer.averaged().count()
    }

    fn step(&self) -> u64 {
        self.trainer.step()
    }

    fn steps(&self) -> u64 {
        self.trainer.plan().settings.steps
    }

    fn history(&self) -> &[LossRecord] {
        self.trainer.history()
    }

    fn train_until(&mut self, step: u64, job: &Job) -> Result<()> {
        self.trainer.train(step, job, &mut |_, _| true)
    }

    fn save(&self, path: &Path) -> Result<()> {
        self.trainer.save(path)
    }

    fn look(&self, job: &Job) -> Result<Vec<String>> {
        let scores = self.trainer.held_out(&self.held_out, HELD_OUT.1, job)?;
        let line = |score: &tomocut::segmenter::OutputScore| {
            format!(
                "held out, {}: Dice {:.3}, mean probability {:.4} of true {:.4}",
                score.output, score.dice, score.mean_probability, score.mean_truth
            )
        };
        Ok(scores.iter().map(line).collect())
    }
}
