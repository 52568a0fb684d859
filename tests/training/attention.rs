//! Training of a tiny diffusion model whose attention is asked to follow objects.
use super::checkpoint_bytes;
use tch::Device;
use tomocut::denoiser::{small_unet, DenoiserOptions, DenoiserTrainer};
use tomocut::diffusion::ModelFile;
use tomocut::runtime::Job;
use tomocut::train::AdamWOptions;

fn options(attention_weight: f64) -> DenoiserOptions {
    DenoiserOptions {
        unet: small_unet([8, 8, 8, 8]),
        steps: 20,
        batch: 4,
        crop: 24,
        large_crop: 24,
        volumes: 2,
        volume_shape: [12, 40, 40],
        refresh: 0,
        attention_weight,
        adamw: AdamWOptions {
            rate: 1e-2,
            ..AdamWOptions::default()
        },
        warm_up: 4,
        ema_decay: 0.9,
        ..DenoiserOptions::default()
    }
}

#[test]
fn attention_comes_to_stay_within_classes_only_where_it_is_asked_to() {
    let job = Job::quiet();
    let error = |trainer: &DenoiserTrainer| trainer.held_out(2, 8, &[300], &job).unwrap()[0].attention_error;
    // So small a weight measures and moves nothing.
    let [asked, measured] = [1.0, 1e-9].map(|weight| {
        let mut trainer = DenoiserTrainer::new(&options(weight), Device::Cpu, &job).unwrap();
        trainer.train(20, &job, &mut |_, _| true).unwrap();
        error(&trainer).unwrap()
    });
    assert!(asked < 0.9 * measured, "{asked} {measured}");
    let plain = DenoiserTrainer::new(&options(0.0), Device::Cpu, &job).unwrap();
    assert_eq!(error(&plain), None);
}

#[test]
fn a_run_from_a_model_begins_with_its_weights_and_goes_on_from_its_checkpoint_with_the_same_bytes() {
    let job = Job::quiet();
    let folder = tempfile::tempdir().unwrap();
    let (file, checkpoint) = (folder.path().join("model"), folder.path().join("checkpoint"));
    let first = DenoiserTrainer::new(&options(0.0), Device::Cpu, &job).unwrap();
    first.export(&file, "first").unwrap();
    let model = ModelFile::open(&file).unwrap();

    // The network is the model's, whatever the options say.
    let asked = DenoiserOptions {
        unet: small_unet([16, 16, 16, 16]),
        ..options(0.3)
    };
    let mut trainer = DenoiserTrainer::from_model(&asked, &model, Device::Cpu, &job).unwrap();
    for ((name, weight), (_, kept)) in trainer.averaged().named().iter().zip(&model.tensors) {
        assert!(weight.equal(kept), "{name}");
    }
    trainer.train(2, &job, &mut |_, _| true).unwrap();
    trainer.save(&checkpoint).unwrap();
    trainer.train(4, &job, &mut |_, _| true).unwrap();
    let mut resumed = DenoiserTrainer::resume(&checkpoint, Device::Cpu, &job).unwrap();
    resumed.train(4, &job, &mut |_, _| true).unwrap();
    let bytes = |trainer: &DenoiserTrainer| checkpoint_bytes(trainer, folder.path());
    assert!(bytes(&trainer) == bytes(&resumed), "the resumed run differs");
}
