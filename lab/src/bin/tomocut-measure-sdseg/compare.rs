//! Two networks trained for the same time on the same data, and one of them asked in several ways.
use std::collections::HashMap;
use std::time::Instant;

use ndarray::{s, Array2};
use tch::{Device, Tensor};
use tomocut::image::resize_nearest;
use tomocut::networks::{
    Conditioning, InputScale, ModelDescription, NetworkConfig, Sampler, Sampling, SdSeg, SdSegConfig,
    SegmentationModel, Unet2dConfig,
};
use tomocut::predict::{mask_dice, picture_mask, predict, predict_picture, Output, PredictOptions, Stability};
use tomocut::runtime::Job;
use tomocut::segmenter::{LabelledTraining, PicturePair, SegmenterOptions, SlabLabels};
use tomocut::settings::Settings;
use tomocut::volume::Tomogram;
use tomocut::Result;

use crate::data::{DataSet, Kind};

/// Name of what the masks are of.
const FOREGROUND: &str = "foreground";

/// Side of the windows: what two cores see often enough in minutes.
const WINDOW: usize = 128;

/// Steps by which the pace is taken, after as many that warm up.
const PACE: u64 = 6;

/// Turns that two trainings take: what else the machine does then slows both.
const TURNS: u64 = 12;

/// One network on one data set.
pub struct Trained {
    pub name: String,
    pub weights: usize,
    pub steps: u64,
    pub seconds: f64,
    pub loss: f64,
    pub dice: f64,
}

/// One way to ask SDSeg.
pub struct Asked {
    pub name: String,
    pub dice: f64,
    pub seconds: f64,
}

pub struct Row {
    pub name: String,
    pub about: String,
    pub trained: Vec<Trained>,
    pub asked: Vec<Asked>,
    pub stability: Option<Stability>,
    /// Dice of the mask that is white everywhere.
    pub floor: f64,
    /// Dice of what SDSeg's autoencoder gives back of the true masks.
    pub ceiling: f64,
}

fn settings(network: NetworkConfig, steps: u64) -> SegmenterOptions {
    let small = SegmenterOptions::of_preset("sdseg-small");
    let is_unet = matches!(network, NetworkConfig::Unet2d(_));
    let description = ModelDescription {
        network,
        input: if is_unet {
            InputScale::Slice
        } else {
            InputScale::Picture
        },
        ..ModelDescription::default()
    };
    SegmenterOptions {
        window: Some([1, WINDOW, WINDOW]),
        network: Some(description.into()),
        steps,
        warm_up: (steps / 20).max(5),
        rate: is_unet.then_some(2e-3),
        ..small
    }
}

fn unet(set: &DataSet) -> NetworkConfig {
    NetworkConfig::Unet2d(Unet2dConfig {
        in_channels: set.channels,
        window: WINDOW as i64,
        outputs: ["background", FOREGROUND].map(str::to_owned).to_vec(),
        ..Unet2dConfig::default()
    })
}

fn training(set: &DataSet, network: NetworkConfig, steps: u64) -> Result<LabelledTraining> {
    let mut training = LabelledTraining::new(&settings(network, steps), Device::Cpu)?;
    match &set.kind {
        Kind::Pictures { learnt, .. } => training.add_pairs(learnt, false)?,
        Kind::Slices {
            tomogram,
            labels,
            learnt,
            ..
        } => {
            let slab = SlabLabels {
                z: learnt.clone(),
                labels: Some(labels.slice(s![learnt.clone(), .., ..])),
                confidence: None,
                points: &[],
                names: &[FOREGROUND.to_owned()],
            };
            training.add(tomogram, &slab, false, &Job::quiet())?;
        }
    }
    Ok(training)
}

/// Seconds of a step.
fn pace(set: &DataSet, network: &NetworkConfig) -> Result<f64> {
    let mut training = training(set, network.clone(), 2 * PACE)?;
    training.train(PACE, None, &Job::quiet())?;
    let began = Instant::now();
    training.train(2 * PACE, None, &Job::quiet())?;
    Ok(began.elapsed().as_secs_f64() / PACE as f64)
}

/// Trains all `networks` for as many steps as fill `minutes`, in turns.
fn train(set: &DataSet, networks: &[(&str, NetworkConfig)], minutes: f64) -> Result<Vec<(Trained, SegmentationModel)>> {
    let mut runs = Vec::new();
    for (name, network) in networks {
        let steps = ((60.0 * minutes / pace(set, network)?) as u64).max(2 * PACE);
        println!("{} {name}: {steps} steps", set.name);
        runs.push((name, steps, training(set, network.clone(), steps)?, 0.0));
    }
    for turn in 1..=TURNS {
        for (_, steps, training, seconds) in &mut runs {
            let began = Instant::now();
            training.train(*steps * turn / TURNS, None, &Job::quiet())?;
            *seconds += began.elapsed().as_secs_f64();
        }
        let losses: Vec<String> = runs
            .iter()
            .map(|run| format!("{:.4}", run.2.loss().unwrap_or(f64::NAN)))
            .collect();
        println!("{} turn {turn} of {TURNS}: losses {}", set.name, losses.join(", "));
    }
    let mut done = Vec::new();
    for (name, steps, mut training, seconds) in runs {
        let model = training.model()?;
        let (dice, _) = score(set, &model, &Sampling::default())?;
        let trained = Trained {
            name: (*name).to_owned(),
            weights: model.count(),
            steps,
            seconds,
            loss: training.loss().unwrap_or(f64::NAN),
            dice,
        };
        println!("{} {name}: Dice {dice:.4} after {seconds:.0} s", set.name);
        done.push((trained, model));
    }
    Ok(done)
}

/// Dice with the truth (mean over pictures; of a tomogram over all voxels of the slices) and the stability over
/// samples.
fn score(set: &DataSet, model: &SegmentationModel, sampling: &Sampling) -> Result<(f64, Option<Stability>)> {
    let options = PredictOptions {
        sampler: sampling.sampler,
        steps: sampling.steps,
        samples: sampling.samples,
        seed: sampling.seed,
        outputs: vec![Output::Probabilities],
        ..PredictOptions::default()
    };
    let index = model.network().outputs().len() - 1;
    let (mut sum, mut stable) = (0.0, Vec::new());
    match &set.kind {
        Kind::Pictures { scored, .. } => {
            for pair in scored {
                let answer = predict_picture(model, (&pair.name, &pair.image), &options, &Job::quiet())?;
                let mask = picture_mask(model, &answer, index, 0.5);
                sum += mask_dice(mask.iter().copied(), pair.mask.iter().copied());
                stable.extend(answer.stability);
            }
            Ok((sum / scored.len().max(1) as f64, Stability::mean(&stable)))
        }
        Kind::Slices {
            tomogram,
            labels,
            scored,
            ..
        } => {
            let [_, rows, cols] = tomogram.geometry().shape;
            let folder = tempfile::tempdir().map_err(|e| tomocut::Error::io("making", &std::env::temp_dir(), e))?;
            let options = PredictOptions {
                region_first: Some([scored.start, 0, 0]),
                region_end: Some([scored.end, rows, cols]),
                ..options
            };
            predict(model, tomogram, folder.path(), &options, &Job::quiet())?;
            let file = folder.path().join(format!("{}_{FOREGROUND}.mrc", tomogram.name()));
            let volume = Tomogram::open(&file, &Job::quiet())?.read_slices(0..scored.len())?;
            let truth = labels.slice(s![scored.clone(), .., ..]);
            let dice = mask_dice(volume.iter().map(|p| *p > 0.5), truth.iter().map(|l| *l > 0));
            Ok((dice, None))
        }
    }
}

fn floor(set: &DataSet) -> f64 {
    match &set.kind {
        Kind::Pictures { scored, .. } => {
            let one = |mask: &ndarray::Array2<bool>| mask_dice(mask.iter().map(|_| true), mask.iter().copied());
            scored.iter().map(|pair| one(&pair.mask)).sum::<f64>() / scored.len().max(1) as f64
        }
        Kind::Slices { labels, scored, .. } => {
            let truth = labels.slice(s![scored.clone(), .., ..]);
            mask_dice(truth.iter().map(|_| true), truth.iter().map(|l| *l > 0))
        }
    }
}

/// Whole windows of the masks as SDSeg sees them, through its autoencoder and back.
fn ceiling(set: &DataSet, model: &SegmentationModel) -> Result<f64> {
    let NetworkConfig::SdSeg(config) = &model.description().network else {
        return Ok(f64::NAN);
    };
    let mut tensors: HashMap<String, Tensor> = model.weights().into_iter().chain(model.statistics()).collect();
    let lacking = |name: &str| tomocut::Error::Internal(format!("the trained network has no tensor {name}"));
    let network = SdSeg::from_tensors(config, &mut |name, _| tensors.remove(name).ok_or_else(|| lacking(name)))?;
    let masks: Vec<Array2<bool>> = match &set.kind {
        Kind::Pictures { scored, .. } => {
            let small = |pair: &PicturePair| resize_nearest(pair.mask.view(), (WINDOW, WINDOW));
            scored.iter().map(small).collect()
        }
        Kind::Slices { labels, scored, .. } => {
            let (_, rows, cols) = labels.dim();
            let whole = |z| {
                labels
                    .slice(s![z, ..rows / 8 * 8, ..cols / 8 * 8])
                    .mapv(|label| label > 0)
            };
            scored.clone().map(whole).collect()
        }
    };
    let mut sum = 0.0;
    for mask in &masks {
        let (rows, cols) = mask.dim();
        let values: Vec<f32> = mask.iter().map(|inside| f32::from(u8::from(*inside))).collect();
        let truth = Tensor::f_from_slice(&values)?.f_view([1, 1, rows as i64, cols as i64])?;
        let drawn = Vec::<f32>::try_from(network.redrawn(&truth, &Job::quiet())?.f_flatten(0, 3)?)?;
        sum += mask_dice(drawn.iter().map(|p| *p > 0.5), mask.iter().copied());
    }
    Ok(sum / masks.len().max(1) as f64)
}

/// Both networks, the ways to ask SDSeg, its stability and, where wanted, its ablations.
pub fn compare(set: &DataSet, minutes: f64, ablations: bool) -> Result<Row> {
    let sdseg = SdSegConfig::small();
    let boxed = |config: SdSegConfig| NetworkConfig::SdSeg(Box::new(config));
    let mut networks = vec![("SDSeg, small", boxed(sdseg.clone())), ("2D U-Net", unet(set))];
    if ablations {
        networks.extend([
            (
                "SDSeg without the mask's loss",
                boxed(SdSegConfig {
                    mask_loss: 0.0,
                    ..sdseg.clone()
                }),
            ),
            (
                "SDSeg without the latent's loss",
                boxed(SdSegConfig {
                    latent_loss: 0.0,
                    ..sdseg.clone()
                }),
            ),
            (
                "SDSeg with a frozen encoder",
                boxed(SdSegConfig {
                    frozen_encoder: true,
                    ..sdseg.clone()
                }),
            ),
            (
                "SDSeg with cross-attention",
                boxed(sdseg.conditioned(Conditioning::CrossAttention)),
            ),
        ]);
    }
    let done = train(set, &networks, minutes)?;
    let (_, model) = &done[0];
    let ways = [
        ("one direct step", Sampler::Ddim, 1),
        ("DDIM, 50 steps", Sampler::Ddim, 50),
        ("DPM-Solver++, 10 steps", Sampler::DpmSolver, 10),
    ];
    let mut asked = Vec::new();
    for (name, sampler, steps) in ways {
        let sampling = Sampling {
            sampler,
            steps,
            ..Sampling::default()
        };
        let began = Instant::now();
        let (dice, _) = score(set, model, &sampling)?;
        asked.push(Asked {
            name: name.to_owned(),
            dice,
            seconds: began.elapsed().as_secs_f64(),
        });
    }
    let samples = Sampling {
        samples: 5,
        ..Sampling::default()
    };
    let stability = match &set.kind {
        Kind::Pictures { .. } => score(set, model, &samples)?.1,
        Kind::Slices { .. } => None,
    };
    let ceiling = ceiling(set, model)?;
    Ok(Row {
        name: set.name.clone(),
        about: set.about.clone(),
        trained: done.into_iter().map(|(trained, _)| trained).collect(),
        asked,
        stability,
        floor: floor(set),
        ceiling,
    })
}
