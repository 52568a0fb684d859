//! `--autoencoder`: an autoencoder, then a U-Net on its latents.
use tomocut::denoiser::{AutoencoderTrainer, DenoiserOptions, DenoiserTrainer};
use tomocut::runtime::{open_device, Job};
use tomocut::Result;

use crate::arguments::{Arguments, AutoencoderArguments};
use crate::progress::{drive, Pace};

/// Trains both, one after the other, and writes the model. A run that was stopped goes on where it was.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Some(request) = &arguments.autoencoder else {
        return Ok(());
    };
    let job = Job::quiet();
    let autoencoder = train_autoencoder(arguments, request, &job)?;
    let pace = Pace::new(&arguments.checkpoint, arguments.minutes);
    let mut trainer = if arguments.checkpoint.exists() && !arguments.random {
        let mut trainer = DenoiserTrainer::resume_on_latents(&arguments.checkpoint, &autoencoder, &job)?;
        if let Some(steps) = arguments.steps {
            trainer.reschedule(steps)?;
        }
        trainer
    } else {
        let asked = &arguments.options;
        let options = DenoiserOptions {
            steps: asked.steps,
            batch: asked.batch,
            ..DenoiserOptions::on_latents(autoencoder.options(), asked.unet.clone())
        };
        DenoiserTrainer::on_latents(&options, &autoencoder, &job)?
    };
    if arguments.random {
        return trainer.export(&arguments.out, &arguments.name);
    }
    drive(&mut trainer, &pace, &job, &|trainer| {
        trainer.export(&arguments.out, &arguments.name)
    })
}

fn train_autoencoder(arguments: &Arguments, request: &AutoencoderArguments, job: &Job) -> Result<AutoencoderTrainer> {
    let device = open_device(&arguments.device)?;
    let checkpoint = &request.checkpoint;
    let pace = Pace::new(checkpoint, request.minutes);
    let mut trainer = if checkpoint.exists() && !arguments.random {
        let mut trainer = AutoencoderTrainer::resume(checkpoint, device, job)?;
        if let Some(steps) = request.steps {
            trainer.reschedule(steps)?;
        }
        trainer
    } else {
        AutoencoderTrainer::new(&request.options, device, job)?
    };
    if !arguments.random {
        drive(&mut trainer, &pace, job, &|_| Ok(()))?;
    }
    // The U-Net's checkpoint counts on it, so it is measured once, when the autoencoder is finished.
    let scale = trainer.measure_scale(job)?;
    println!("latents are scaled by {scale:.4}");
    if let Some(folder) = &request.folder {
        trainer.export(folder)?;
    }
    if !arguments.random {
        trainer.save(checkpoint)?;
    }
    Ok(trainer)
}
