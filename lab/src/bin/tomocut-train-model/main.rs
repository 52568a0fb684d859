//! Makes a model: simulated tomograms, then a network that learns from them, then one file. Exit codes: 0 done, 1
//! failed, 2 wrong arguments.
mod arguments;
mod autoencoder;
mod masks;
mod network;
mod progress;

use std::path::Path;
use std::process::ExitCode;

use arguments::Arguments;
use progress::{drive, Pace};
use tomocut::denoiser::{DenoiserOptions, DenoiserTrainer};
use tomocut::diffusion::ModelFile;
use tomocut::runtime::{open_device, Job};
use tomocut::Result;

fn main() -> ExitCode {
    tomocut_lab::run("tomocut-train-model", arguments::HELP, arguments::parse, train)
}

fn train(arguments: &Arguments) -> tomocut::Result<()> {
    if arguments.network {
        network::run(arguments)
    } else if arguments.masks {
        masks::run(arguments)
    } else if arguments.autoencoder.is_some() {
        autoencoder::run(arguments)
    } else {
        matched(arguments)
    }
}

/// The matched-noise denoiser, whose latents are the voxels.
fn matched(arguments: &Arguments) -> Result<()> {
    let job = Job::quiet();
    let device = open_device(&arguments.device)?;
    let export = |trainer: &DenoiserTrainer, path: &Path| trainer.export(path, &arguments.name);
    if arguments.random {
        let options = DenoiserOptions {
            volumes: 1,
            volume_shape: [16, 128, 128],
            ..arguments.options.clone()
        };
        return export(&DenoiserTrainer::new(&options, device, &job)?, &arguments.out);
    }
    let pace = Pace::new(&arguments.checkpoint, arguments.minutes);
    let mut trainer = if arguments.checkpoint.exists() {
        let mut trainer = DenoiserTrainer::resume(&arguments.checkpoint, device, &job)?;
        if let Some(steps) = arguments.steps {
            trainer.reschedule(steps)?;
        }
        trainer
    } else if let Some(start) = &arguments.start {
        let model = if start.as_os_str() == "builtin" {
            ModelFile::builtin()?
        } else {
            ModelFile::open(start)?
        };
        DenoiserTrainer::from_model(&arguments.options, &model, device, &job)?
    } else {
        DenoiserTrainer::new(&arguments.options, device, &job)?
    };
    drive(&mut trainer, &pace, &job, &|trainer| export(trainer, &arguments.out))
}
