//! Seconds of the bare network: a pass over one resident tile, and a training step. Prints one JSON object;
//! benches/predict_peers.py sets it beside PyTorch's. Exit codes: 0 done, 1 failed, 2 wrong arguments.
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use lexopt::prelude::*;
use tch::{Device, Kind, Tensor};
use tomocut::networks::{Pass, SegmentationModel};
use tomocut::runtime::{Generator, Job, MemoryReuse};
use tomocut::segmenter::{SegmenterOptions, SegmenterTrainer};
use tomocut::train::{AugmentOptions, Example, ExampleSource, Windows};
use tomocut::Result;

const USAGE: &str =
    "usage: tomocut-measure-network [--model FILE] [--tile Z,Y,X] [--window Z,Y,X] [--runs N] [--threads N]
  --model FILE    a segmentation network of three dimensions (default: the built-in one)
  --tile Z,Y,X    voxels of the pass (default: 160,256,256)
  --window Z,Y,X  voxels of each of the two windows of a training step (default: 48,64,64)
  --runs N        of each, of which the median counts (default: 5)
  --threads N     (default: 2)";

struct Arguments {
    model: Option<PathBuf>,
    tile: [i64; 3],
    window: [i64; 3],
    runs: usize,
    threads: i32,
}

fn arguments() -> std::result::Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut a = Arguments {
        model: None,
        tile: [160, 256, 256],
        window: [48, 64, 64],
        runs: 5,
        threads: 2,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("model") => a.model = Some(parser.value()?.into()),
            Long("tile") => a.tile = extents(&parser.value()?.string()?)?,
            Long("window") => a.window = extents(&parser.value()?.string()?)?,
            Long("runs") => a.runs = parser.value()?.parse::<usize>()?.max(1),
            Long("threads") => a.threads = parser.value()?.parse()?,
            Long("help") => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(a))
}

fn extents(text: &str) -> std::result::Result<[i64; 3], lexopt::Error> {
    let list: Vec<i64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    list.try_into()
        .map_err(|_| "extents are three numbers, as in 48,64,64".into())
}

fn main() -> ExitCode {
    tomocut_lab::run("tomocut-measure-network", USAGE, arguments, print)
}

/// Windows of random numbers, the same at every step: only the time is asked for.
struct Fixed(Example);

impl ExampleSource for Fixed {
    fn advance(&mut self, _: u64, _: &Job) -> Result<()> {
        Ok(())
    }

    fn example(&self, _: &Windows, _: &mut Generator) -> Result<Example> {
        let Example { image, truth, weight } = &self.0;
        Ok(Example {
            image: image.shallow_clone(),
            truth: truth.shallow_clone(),
            weight: weight.shallow_clone(),
        })
    }
}

fn print(arguments: &Arguments) -> Result<()> {
    println!("{}", measure(arguments)?);
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<serde_json::Value> {
    tch::set_num_threads(arguments.threads);
    let job = Job::quiet();
    let model = match &arguments.model {
        Some(file) => SegmentationModel::open(file, Device::Cpu)?,
        None => SegmentationModel::builtin(Device::Cpu)?,
    };
    let mut gen = Generator::new(1, 0);
    let pass = {
        let _guard = tch::no_grad_guard();
        let _kept = MemoryReuse::start();
        let [z, y, x] = arguments.tile;
        let tile = gen.normal_tensor(&[1, 1, z, y, x], Device::Cpu)?;
        median(arguments.runs, || {
            model.network().forward(&tile, &mut Pass::Inference, &job)?;
            Ok(())
        })?
    };
    let [z, y, x] = arguments.window;
    let outputs = model.network().outputs().len() as i64;
    let source = Fixed(Example {
        image: gen.normal_tensor(&[1, z, y, x], Device::Cpu)?,
        truth: gen
            .normal_tensor(&[outputs, z, y, x], Device::Cpu)?
            .f_gt(1.0)?
            .f_to_kind(Kind::Float)?,
        weight: Tensor::f_ones([1, z, y, x], (Kind::Float, Device::Cpu))?,
    });
    let options = SegmenterOptions {
        window: Some(arguments.window.map(|n| n.max(0) as usize)),
        augmentation: AugmentOptions::none(),
        steps: arguments.runs as u64 + 2,
        ..SegmenterOptions::default()
    };
    let batch = options.batch;
    let mut trainer = SegmenterTrainer::new(&options, Some(&model), source, Device::Cpu)?;
    // As over the steps of one call.
    let _kept = MemoryReuse::start();
    let step = median(arguments.runs, || {
        let next = trainer.step() + 1;
        trainer.train(next, &job, &mut |_, _| true)
    })?;
    Ok(serde_json::json!({
        "tile": arguments.tile,
        "pass_s": pass,
        "voxels_per_s": arguments.tile.iter().product::<i64>() as f64 / pass,
        "window": arguments.window,
        "batch": batch,
        "step_s": step,
    }))
}

/// Median seconds of `runs` runs of `work`, after one that does not count.
fn median(runs: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?;
    let mut seconds = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[runs / 2])
}
