//! Training of a tiny autoencoder and of a denoiser on its latents.
use std::path::Path;

use ndarray::Array3;
use tch::Device;
use tomocut::denoiser::{
    small_autoencoder, small_unet, AutoencoderOptions, AutoencoderTrainer, DenoiserOptions, DenoiserTrainer,
    LatentPool, SliceOptions, SlicePool,
};
use tomocut::diffusion::{
    DiffusionModel, EncoderConfig, LatentDraw, LatentEncoder, LatentMode, LoadOptions, ModelFileConfig, VaeConfig,
    VaeDecoder,
};
use tomocut::runtime::{CancelToken, Error, Generator, Job, Logger};
use tomocut::slab::{segment, Preset, SlabOptions, SolverKind, SplitRule, ThresholdRule};
use tomocut::train::{AdamWOptions, CosineSchedule};
use tomocut::volume::{Geometry, Tomogram};

fn tiny() -> AutoencoderOptions {
    AutoencoderOptions {
        vae: small_autoencoder([8, 8, 8, 8]),
        seed: 6,
        slices: SliceOptions {
            stacks: 2,
            shape: [16, 48, 48],
            refresh: 2,
            ..SliceOptions::default()
        },
        batch: 2,
        crop: 16,
        schedule: CosineSchedule {
            steps: 200,
            warm_up: 5,
            adamw: AdamWOptions {
                rate: 5e-3,
                ..AdamWOptions::default()
            },
            ema_decay: 0.9,
            ..CosineSchedule::default()
        },
        ..AutoencoderOptions::default()
    }
}

fn autoencoder() -> AutoencoderTrainer {
    AutoencoderTrainer::new(&tiny(), Device::Cpu, &Job::quiet()).unwrap()
}

/// An autoencoder of a few steps and a denoiser on its latents.
fn latents() -> (AutoencoderTrainer, DenoiserTrainer<LatentPool>) {
    let job = Job::quiet();
    let mut trainer = autoencoder();
    trainer.train(2, &job, &mut |_, _| true).unwrap();
    trainer.measure_scale(&job).unwrap();
    let options = DenoiserOptions {
        batch: 2,
        crop: 32,
        large_crop: 32,
        volumes: 1,
        steps: 40,
        warm_up: 5,
        adamw: AdamWOptions {
            rate: 5e-3,
            ..AdamWOptions::default()
        },
        ..DenoiserOptions::on_latents(trainer.options(), small_unet([8, 8, 16, 16]))
    };
    let denoiser = DenoiserTrainer::on_latents(&options, &trainer, &job).unwrap();
    (trainer, denoiser)
}

fn bytes_of(folder: &Path, save: impl Fn(&Path)) -> Vec<u8> {
    let path = folder.join("state");
    save(&path);
    std::fs::read(path).unwrap()
}

#[test]
fn a_few_images_are_learnt_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    let voxels = Array3::from_shape_fn((8, 16, 16), |(_, y, x)| {
        if (4..12).contains(&y) && x > 6 {
            -1.0
        } else {
            (x + y) as f32 / 32.0
        }
    });
    let path = folder.path().join("own.mrc");
    tomocut::volume::write_f32(&path, &voxels, &Geometry::new([8, 16, 16], 10.0)).unwrap();
    let options = AutoencoderOptions {
        slices: SliceOptions {
            stacks: 1,
            refresh: 0,
            shape: [8, 16, 16],
            tomograms: vec![path],
            tomogram_share: 1.0,
            ..SliceOptions::default()
        },
        ..tiny()
    };
    let job = Job::quiet();
    let mut trainer = AutoencoderTrainer::new(&options, Device::Cpu, &job).unwrap();
    let mut losses = Vec::new();
    trainer
        .train(120, &job, &mut |_, loss| {
            losses.push(loss);
            true
        })
        .unwrap();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&losses[..3]), mean(&losses[110..]));
    assert!(last < first / 10.0, "loss {first} -> {last}");
}

#[test]
fn the_kl_term_has_stable_diffusions_weight() {
    // Two runs that differ in the weight alone differ in their first loss by the divergence alone.
    let job = Job::quiet();
    let mut heavy = tiny();
    heavy.kl_weight = 1.0;
    let loss = |options: &AutoencoderOptions| {
        let mut trainer = AutoencoderTrainer::new(options, Device::Cpu, &job).unwrap();
        let mut last = f64::NAN;
        trainer
            .train(1, &job, &mut |_, loss| {
                last = loss;
                true
            })
            .unwrap();
        (last, trainer)
    };
    let (with, _) = loss(&heavy);
    let (without, _) = loss(&AutoencoderOptions {
        kl_weight: 0.0,
        ..tiny()
    });
    // The same first batch, drawn as the trainer draws it.
    let options = tiny();
    let pool = SlicePool::new(&options.slices, options.seed, 0, Device::Cpu, &job).unwrap();
    let images = pool
        .draw(options.batch, options.crop, &mut Generator::new(options.seed, 12))
        .unwrap()
        .images;
    let fresh = autoencoder();
    let names = &fresh.averaged().names;
    let encoder = tomocut::diffusion::VaeEncoder::from_tensors(&options.vae, &mut |name, _| {
        let at = names.iter().position(|n| n == name).unwrap();
        Ok(fresh.averaged().tensors[at].shallow_clone())
    })
    .unwrap();
    let (mean, log_variance) = encoder.posterior(&(images * 2.0 - 1.0), &job).unwrap();
    let mut divergence = 0.0;
    let (m, l) = (mean.flatten(0, -1), log_variance.flatten(0, -1));
    for i in 0..m.size()[0] {
        let (m, l) = (m.double_value(&[i]), l.double_value(&[i]));
        divergence += 0.5 * (m * m + l.exp() - 1.0 - l);
    }
    let pixels = (2 * 16 * 16) as f64;
    assert!(
        ((with - without) - divergence / pixels).abs() < 1e-5 * with,
        "{with} {without} {divergence}"
    );
}

#[test]
fn a_resumed_run_gives_the_same_bytes() {
    let (job, folder) = (Job::quiet(), tempfile::tempdir().unwrap());
    let mut straight = autoencoder();
    straight.train(6, &job, &mut |_, _| true).unwrap();
    let mut first = autoencoder();
    first.train(3, &job, &mut |_, _| true).unwrap();
    let path = folder.path().join("run.checkpoint");
    first.save(&path).unwrap();
    drop(first);
    let mut second = AutoencoderTrainer::resume(&path, Device::Cpu, &job).unwrap();
    assert_eq!(second.step(), 3);
    second.train(6, &job, &mut |_, _| true).unwrap();
    let bytes = |t: &AutoencoderTrainer| bytes_of(folder.path(), |path| t.save(path).unwrap());
    assert!(bytes(&second) == bytes(&straight));
    assert_eq!(
        second.measure_scale(&job).unwrap(),
        straight.measure_scale(&job).unwrap()
    );

    // The denoiser on its latents, too.
    let unet = DenoiserOptions {
        batch: 1,
        crop: 16,
        large_crop: 16,
        ..DenoiserOptions::on_latents(second.options(), small_unet([8, 8, 8, 8]))
    };
    let mut straight = DenoiserTrainer::on_latents(&unet, &second, &job).unwrap();
    straight.train(3, &job, &mut |_, _| true).unwrap();
    let mut first = DenoiserTrainer::on_latents(&unet, &second, &job).unwrap();
    first.train(1, &job, &mut |_, _| true).unwrap();
    first.save(&path).unwrap();
    let mut resumed = DenoiserTrainer::resume_on_latents(&path, &second, &job).unwrap();
    resumed.train(3, &job, &mut |_, _| true).unwrap();
    let bytes = |t: &DenoiserTrainer<LatentPool>| bytes_of(folder.path(), |path| t.save(path).unwrap());
    assert!(bytes(&resumed) == bytes(&straight));
}

#[test]
fn checkpoints_are_told_apart_and_whole() {
    let (job, folder) = (Job::quiet(), tempfile::tempdir().unwrap());
    let path = folder.path().join("run.checkpoint");
    let (trainer, denoiser) = latents();
    denoiser.save(&path).unwrap();
    assert!(matches!(
        AutoencoderTrainer::resume(&path, Device::Cpu, &job).err(),
        Some(Error::Format { .. })
    ));
    // A denoiser of latents is none of cells.
    let error = DenoiserTrainer::resume(&path, Device::Cpu, &job).err().unwrap();
    assert!(error.to_string().contains("U-Net channels"), "{error}");
    // What a kill in the middle of writing leaves is the old file and a part that nobody reads; a cut file is refused.
    trainer.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(folder.path().join(".tomocut-x.part"), &whole[..whole.len() / 2]).unwrap();
    AutoencoderTrainer::resume(&path, Device::Cpu, &job).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(AutoencoderTrainer::resume(&path, Device::Cpu, &job).is_err());
}

#[test]
fn a_cancel_is_heard_and_the_checkpoint_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.checkpoint");
    let mut trainer = autoencoder();
    trainer.save(&path).unwrap();
    let token = CancelToken::default();
    let raise = token.clone();
    let job = Job::new(token, Logger::default()).with_progress(move |progress| {
        assert!(progress.loss.is_finite());
        raise.request();
        true
    });
    let error = trainer.train(200, &job, &mut |_, _| true).unwrap_err();
    assert!(matches!(error, Error::Cancelled { stage: "train" }), "{error}");
    assert!(trainer.step() < 200);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(
        AutoencoderTrainer::resume(&path, Device::Cpu, &Job::quiet())
            .unwrap()
            .step(),
        0
    );
}

#[test]
fn the_denoiser_learns_on_latents_of_unit_variance() {
    let job = Job::quiet();
    let (trainer, mut denoiser) = latents();
    let scale = trainer.options().vae.scaling_factor;
    assert!(scale > 0.0 && scale != 0.18215);
    let batch = {
        use tomocut::denoiser::BatchSource;
        denoiser
            .source()
            .batch(16, 32, 0.0, &mut Generator::new(1, 0), &job)
            .unwrap()
    };
    assert_eq!(batch.clean.size(), [16, 4, 4, 4]);
    let deviation = batch.clean.std(true).double_value(&[]);
    assert!((deviation - 1.0).abs() < 0.2, "latents of deviation {deviation}");
    let before = denoiser.held_out(1, 8, &[800], &job).unwrap()[0];
    denoiser.train(40, &job, &mut |_, _| true).unwrap();
    let after = denoiser.held_out(1, 8, &[800], &job).unwrap()[0];
    assert!(after.noise_error < 0.8 * before.noise_error, "{before:?} -> {after:?}");
    assert_eq!(after.structure_error, 0.0);
}

#[test]
fn a_model_with_an_autoencoder_opens_and_segments() {
    let (folder, job) = (tempfile::tempdir().unwrap(), Job::quiet());
    let path = folder.path().join("model.safetensors");
    let (trainer, denoiser) = latents();
    denoiser.export(&path, "tiny latent").unwrap();
    let model = DiffusionModel::open(&path, &LoadOptions::default(), &job).unwrap();
    let config = model.config();
    assert_eq!(
        (config.name.as_str(), config.latent_mode),
        ("tiny latent", LatentMode::Noised)
    );
    assert_eq!((config.pixels_per_token(), config.tile_pixels()), (8, 512));
    assert_eq!(config.unet.attention_layers(), 16);
    let LatentEncoder::Vae(encoder) = model.encoder() else {
        panic!("no autoencoder");
    };
    assert_eq!(encoder.config().scaling_factor, trainer.options().vae.scaling_factor);

    // Image to latent and back through the file is what the trainer's weights give, to float16.
    let decoder = VaeDecoder::open(&path, &LoadOptions::default(), &job).unwrap();
    let mut generator = Generator::new(3, 0);
    let image = generator
        .uniform_tensor(0.0, 1.0, &[1, 1, 32, 48], Device::Cpu)
        .unwrap();
    let latent = model.encode(&image, LatentDraw::Mean, &mut generator, &job).unwrap();
    assert_eq!(latent.size(), [1, 4, 4, 6]);
    let decoded = decoder.decode(&latent, &job).unwrap();
    let export = folder.path().join("vae");
    trainer.export(&export).unwrap();
    let text = std::fs::read_to_string(export.join("config.json")).unwrap();
    let theirs = VaeConfig::from_json(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(theirs, trainer.options().vae);
    let tensors = tch::Tensor::read_safetensors(export.join("diffusion_pytorch_model.safetensors")).unwrap();
    let exact = VaeDecoder::from_tensors(&theirs, &mut |name, _| {
        Ok(tensors.iter().find(|(n, _)| n == name).unwrap().1.shallow_clone())
    })
    .unwrap();
    let expected = exact.decode(&latent, &job).unwrap();
    assert!(decoded.allclose(&expected, 1e-2, 1e-2, false));

    let voxels = Array3::from_shape_fn((2, 64, 64), |(z, y, x)| {
        let d = (y as f32 - 32.0).hypot(x as f32 - 30.0);
        ((7 * z + 3 * y + 5 * x) % 11) as f32 * 0.1 - if d < 9.0 { 2.0 } else { 0.0 }
    });
    let tomogram = Tomogram::from_array(voxels, Geometry::new([2, 64, 64], 10.0)).unwrap();
    let options = SlabOptions {
        tile_cells: 16,
        solver: SolverKind::Krylov,
        split: SplitRule::Circularity,
        ..SlabOptions::new(Preset::Cvpr2026Code)
    };
    let segmentation = segment(&model, &tomogram, 0..2, &options, &job).unwrap();
    assert_eq!(segmentation.labels.dim(), (2, 64, 64));
    assert_eq!(segmentation.report.tiles_per_slice, 4);

    // By default a model with an autoencoder takes the paper's threshold, not that of likelihoods.
    let default = SlabOptions {
        tile_cells: 16,
        ..SlabOptions::new(Preset::Default)
    };
    let papers = SlabOptions {
        binarisation: ThresholdRule::Adaptive,
        split: SplitRule::Shape3d,
        ..default.clone()
    };
    let labels = |options: &SlabOptions| segment(&model, &tomogram, 0..2, options, &job).unwrap().labels;
    assert_eq!(labels(&default), labels(&papers));
}

#[test]
fn settings_that_do_not_fit_an_autoencoder_are_refused() {
    let latent = |change: &dyn Fn(&mut ModelFileConfig), part: &str| {
        let unet = DenoiserOptions::on_latents(&tiny(), small_unet([8, 8, 8, 8])).unet;
        let mut config = ModelFileConfig::latent("tiny", unet, tiny().vae, [0.5, 3.0]);
        config.validate().unwrap();
        change(&mut config);
        let text = config.validate().unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    latent(&|c| c.latent_mode = LatentMode::Matched, "matched");
    latent(&|c| c.structures = tomocut::denoiser::STRUCTURES.to_vec(), "structures");
    latent(&|c| c.unet.in_channels = 8, "needs a U-Net of (4, 4)");
    let broken = |vae: VaeConfig| move |c: &mut ModelFileConfig| c.encoder = EncoderConfig::Autoencoder(vae.clone());
    let huge = VaeConfig {
        layers_per_block: 1 << 40,
        ..tiny().vae
    };
    latent(&broken(huge), "layers_per_block");
    let unscaled = VaeConfig {
        scaling_factor: 0.0,
        ..tiny().vae
    };
    latent(&broken(unscaled), "scaling_factor");
}
