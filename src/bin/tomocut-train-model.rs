//! Makes the built-in model: simulated tomograms, then the matched-noise denoiser, then one float16 file.
//!
//! `tomocut-train-model --out FILE [--seed S] [--steps N] [--minutes M] [--volumes K] [--checkpoint FILE] [--random]`
//!
//! Goes on from the checkpoint where there is one; of the options only `--steps` then counts. `--minutes` stops early (and leaves the checkpoint) without changing the
//! schedule; `--random` writes untrained weights, for comparison. Exit codes: 0 done, 1 failed, 2 wrong arguments.
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use tomocut::runtime::{open_device, Job};
use tomocut::train::{small_unet, DenoiserOptions, DenoiserTrainer};
use tomocut::Result;

const USAGE: &str =
    "usage: tomocut-train-model --out FILE [--seed S] [--steps N] [--minutes M] [--volumes K] [--batch B]
       [--width A,B,C,D] [--checkpoint FILE] [--device cpu|cuda:N] [--name TEXT] [--random]";

struct Arguments {
    out: PathBuf,
    checkpoint: PathBuf,
    minutes: f64,
    device: String,
    name: String,
    random: bool,
    steps: Option<u64>,
    options: DenoiserOptions,
}

fn arguments() -> std::result::Result<Arguments, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut out: Option<PathBuf> = None;
    let mut checkpoint = None;
    let mut minutes = f64::INFINITY;
    let (mut device, mut name, mut random) = ("cpu".to_owned(), "tomocut built-in".to_owned(), false);
    let mut options = DenoiserOptions::default();
    let mut steps = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") => out = Some(parser.value()?.into()),
            Long("checkpoint") => checkpoint = Some(PathBuf::from(parser.value()?)),
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("steps") => steps = Some(parser.value()?.parse()?),
            Long("minutes") => minutes = parser.value()?.parse()?,
            Long("volumes") => options.volumes = parser.value()?.parse()?,
            Long("batch") => options.batch = parser.value()?.parse()?,
            Long("width") => options.unet = small_unet(widths(&parser.value()?.string()?)?),
            Long("device") => device = parser.value()?.string()?,
            Long("name") => name = parser.value()?.string()?,
            Long("random") => random = true,
            Long("help") | Short('h') => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    let out = out.ok_or("--out FILE is missing")?;
    options.steps = steps.unwrap_or(options.steps);
    let checkpoint = checkpoint.unwrap_or_else(|| out.with_extension("checkpoint"));
    Ok(Arguments {
        out,
        checkpoint,
        minutes,
        device,
        name,
        random,
        steps,
        options,
    })
}

fn widths(text: &str) -> std::result::Result<[i64; 4], lexopt::Error> {
    let list: Vec<i64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    list.try_into()
        .map_err(|_| "--width takes four numbers, as in 32,64,96,96".into())
}

fn run(arguments: &Arguments) -> Result<()> {
    let job = Job::quiet();
    let device = open_device(&arguments.device)?;
    let start = Instant::now();
    if arguments.random {
        let options = DenoiserOptions {
            volumes: 1,
            volume_shape: [16, 128, 128],
            ..arguments.options.clone()
        };
        return DenoiserTrainer::new(&options, device, &job)?.export(&arguments.out, &arguments.name);
    }
    let mut trainer = if arguments.checkpoint.exists() {
        let mut trainer = DenoiserTrainer::resume(&arguments.checkpoint, device, &job)?;
        if let Some(steps) = arguments.steps {
            trainer.reschedule(steps)?;
        }
        trainer
    } else {
        DenoiserTrainer::new(&arguments.options, device, &job)?
    };
    let steps = trainer.options().steps;
    println!(
        "{} weights, step {} of {steps}; phantoms after {:.0} s",
        trainer.averaged().count(),
        trainer.step(),
        start.elapsed().as_secs_f64()
    );
    let budget = Duration::from_secs_f64((arguments.minutes * 60.0).clamp(0.0, 1e9));
    let (mut saved, first) = (Instant::now(), Instant::now());
    let begun = trainer.step();
    while trainer.step() < steps && start.elapsed() < budget {
        let until = trainer.step() + 25 - trainer.step() % 25;
        trainer.train(until, &job, &mut |_, _| true)?;
        let pace = first.elapsed().as_secs_f64() / (trainer.step() - begun).max(1) as f64;
        let loss = trainer.history().last().map_or(f32::NAN, |record| record.loss);
        println!(
            "step {:5}  loss {loss:.4}  {pace:.2} s per step  {:.1} min",
            trainer.step(),
            start.elapsed().as_secs_f64() / 60.0
        );
        if trainer.step() % 200 == 0 {
            for loss in trainer.held_out(3, 24, &[250, 388, 550, 710, 800], &job)? {
                println!(
                    "  held out, t {}: noise {:.4}, clean {:.4}, structures {:.4}",
                    loss.timestep, loss.noise_error, loss.clean_error, loss.structure_error
                );
            }
        }
        if saved.elapsed() > Duration::from_secs(240) {
            trainer.save(&arguments.checkpoint)?;
            trainer.export(&arguments.out, &arguments.name)?;
            saved = Instant::now();
        }
    }
    trainer.save(&arguments.checkpoint)?;
    trainer.export(&arguments.out, &arguments.name)?;
    println!(
        "{} written after {:.1} min",
        arguments.out.display(),
        start.elapsed().as_secs_f64() / 60.0
    );
    Ok(())
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tomocut-train-model: {error}");
            ExitCode::FAILURE
        }
    }
}
