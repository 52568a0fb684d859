//! Training on tiny networks and tiny phantoms: here the matched-noise denoiser.
#[path = "training/attention.rs"]
mod attention;
#[path = "training/autoencoder.rs"]
mod autoencoder;
mod hashed;
#[path = "training/losses.rs"]
mod losses;
#[path = "training/optimisers.rs"]
mod optimisers;
#[path = "training/precision.rs"]
mod precision;
#[path = "training/rounds.rs"]
mod rounds;
#[path = "training/segmenter.rs"]
mod segmenter;
#[path = "training/slab_faults.rs"]
mod slab_faults;

use std::path::Path;

use tch::Device;
use tomocut::denoiser::{small_unet, DenoiserOptions, DenoiserTrainer};
use tomocut::diffusion::{DiffusionModel, LoadOptions};
use tomocut::runtime::{CancelToken, Error, Job, Logger, Progress, Stage};
use tomocut::train::AdamWOptions;

fn tiny() -> DenoiserOptions {
    DenoiserOptions {
        unet: small_unet([8, 8, 16, 16]),
        seed: 4,
        steps: 36,
        batch: 3,
        crop: 24,
        large_crop: 40,
        large_share: 0.3,
        volumes: 2,
        volume_shape: [12, 40, 40],
        refresh: 2,
        warm_up: 5,
        adamw: AdamWOptions {
            rate: 3e-3,
            ..AdamWOptions::default()
        },
        ema_decay: 0.9,
        ..DenoiserOptions::default()
    }
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Weights and averages of a run, as bytes.
fn checkpoint_bytes(trainer: &DenoiserTrainer, folder: &Path) -> Vec<u8> {
    let path = folder.join("state");
    trainer.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn the_loss_falls() {
    let job = Job::quiet();
    let mut trainer = DenoiserTrainer::new(&tiny(), Device::Cpu, &job).unwrap();
    let before = trainer.held_out(1, 4, &[500], &job).unwrap()[0].noise_error;
    let mut losses = Vec::new();
    trainer
        .train(36, &job, &mut |_, loss| {
            losses.push(loss);
            true
        })
        .unwrap();
    assert_eq!(losses.len(), 36);
    let after = trainer.held_out(1, 4, &[500], &job).unwrap()[0].noise_error;
    assert!(after < 0.75 * before, "held-out loss {before} -> {after}");
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[30..]) < 0.8 * mean(&losses[..5]));
}

#[test]
fn a_resumed_run_gives_the_same_bytes() {
    let (job, folder) = (Job::quiet(), tempfile::tempdir().unwrap());
    let mut straight = DenoiserTrainer::new(&tiny(), Device::Cpu, &job).unwrap();
    straight.train(8, &job, &mut |_, _| true).unwrap();

    let mut first = DenoiserTrainer::new(&tiny(), Device::Cpu, &job).unwrap();
    first.train(3, &job, &mut |_, _| true).unwrap();
    let path = folder.path().join("run.checkpoint");
    first.save(&path).unwrap();
    drop(first);
    let mut second = DenoiserTrainer::resume(&path, Device::Cpu, &job).unwrap();
    assert_eq!(second.step(), 3);
    second.train(8, &job, &mut |_, _| true).unwrap();
    assert_eq!(second.history(), straight.history());
    assert!(checkpoint_bytes(&second, folder.path()) == checkpoint_bytes(&straight, folder.path()));
}

#[test]
fn a_cancel_is_heard_and_leaves_no_half_file() {
    let (token, folder) = (CancelToken::default(), tempfile::tempdir().unwrap());
    let mut trainer = DenoiserTrainer::new(&tiny(), Device::Cpu, &Job::quiet()).unwrap();
    trainer.save(&folder.path().join("run.checkpoint")).unwrap();
    let raise = token.clone();
    let job = Job::new(token, Logger::default()).with_progress(move |progress: &Progress| {
        assert_eq!(progress.stage, Stage::Train);
        assert!(progress.loss.is_finite());
        raise.request();
        true
    });
    let error = trainer.train(36, &job, &mut |_, _| true).unwrap_err();
    assert!(matches!(error, Error::Cancelled { stage: "train" }), "{error}");
    assert!(trainer.step() < 36);
    assert_eq!(files_in(folder.path()), ["run.checkpoint"]);
    // A folder that is not there: an error, and nothing written beside it.
    assert!(trainer.save(&folder.path().join("absent/run.checkpoint")).is_err());
    assert_eq!(files_in(folder.path()), ["run.checkpoint"]);
}

#[test]
fn the_exported_model_opens_and_has_sixteen_layers() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = DenoiserTrainer::new(&tiny(), Device::Cpu, &Job::quiet()).unwrap();
    let path = folder.path().join("model.safetensors");
    trainer.export(&path, "tiny").unwrap();
    let model = DiffusionModel::open(&path, &LoadOptions::default(), &Job::quiet()).unwrap();
    assert_eq!(model.config().unet.attention_layers(), 16);
    assert_eq!(model.config().tile_pixels(), 128);
}

#[test]
fn what_is_not_a_checkpoint_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junk");
    std::fs::write(&path, b"not a checkpoint").unwrap();
    let error = DenoiserTrainer::resume(&path, Device::Cpu, &Job::quiet())
        .err()
        .unwrap();
    assert!(matches!(error, Error::Format { .. }), "{error}");
    let model = folder.path().join("model.safetensors");
    DenoiserTrainer::new(&tiny(), Device::Cpu, &Job::quiet())
        .unwrap()
        .export(&model, "tiny")
        .unwrap();
    let error = DenoiserTrainer::resume(&model, Device::Cpu, &Job::quiet())
        .err()
        .unwrap();
    assert!(error.to_string().contains("is not a checkpoint"), "{error}");
}
