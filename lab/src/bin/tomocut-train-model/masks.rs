//! `--mask-autoencoder`: the first stage of SDSeg's small network, from shapes drawn at random.
use tomocut::denoiser::{MaskAutoencoderOptions, MaskAutoencoderTrainer};
use tomocut::runtime::{open_device, Job};
use tomocut::Result;

use crate::arguments::Arguments;
use crate::progress::{drive, Pace};

/// Trains it and writes its file. A run that was stopped goes on where it was.
pub fn run(arguments: &Arguments) -> Result<()> {
    let job = Job::quiet();
    let device = open_device(&arguments.device)?;
    let pace = Pace::new(&arguments.checkpoint, arguments.minutes);
    let mut options = MaskAutoencoderOptions {
        seed: arguments.options.seed,
        ..MaskAutoencoderOptions::default()
    };
    options.schedule.steps = arguments.steps.unwrap_or(options.schedule.steps);
    options.batch = arguments.network_batch.unwrap_or(options.batch);
    let mut trainer = match arguments.checkpoint.exists() {
        true => {
            let mut trainer = MaskAutoencoderTrainer::resume(&arguments.checkpoint, device)?;
            if let Some(steps) = arguments.steps {
                trainer.reschedule(steps)?;
            }
            trainer
        }
        false => MaskAutoencoderTrainer::new(&options, device)?,
    };
    drive(&mut trainer, &pace, &job, &|trainer| {
        trainer.export(&arguments.out, &job)
    })
}
