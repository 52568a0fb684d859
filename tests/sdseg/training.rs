//! Training: what moves, what begins where, what a resumed run gives.
use std::collections::HashMap;

use tch::{Device, Tensor};
use tomocut::networks::{Conditioning, SdSegConfig, SegmentationModel};
use tomocut::runtime::{Generator, Job};
use tomocut::segmenter::LabelledTraining;

use crate::parity::{checkpoint, Layout};
use crate::{description, disc, options, tiny, training};

fn tensors(model: &SegmentationModel) -> HashMap<String, Tensor> {
    let all = model.weights().into_iter().chain(model.statistics());
    all.map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

#[test]
fn discs_are_learnt() {
    let mut training = training(tiny(), 60);
    training.train(60, None, &Job::quiet()).unwrap();
    let history: Vec<f32> = training.history().iter().map(|record| record.loss).collect();
    assert!(history[1] < 0.9 * history[0], "{history:?}");
    let scale = tensors(&training.model().unwrap())["scale_factor"].double_value(&[]);
    assert!(scale > 0.1 && scale < 10.0, "{scale}");
}

#[test]
fn a_resumed_run_has_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.checkpoint");
    let mut whole = training(tiny(), 6);
    whole.train(6, None, &Job::quiet()).unwrap();
    let mut first = training(tiny(), 6);
    first.train(3, None, &Job::quiet()).unwrap();
    first.save(&path).unwrap();
    drop(first);
    let mut second = training(tiny(), 6);
    second.resume(&path).unwrap();
    assert_eq!(second.step(), 3);
    second.train(6, None, &Job::quiet()).unwrap();
    assert!(whole.model().unwrap().to_bytes().unwrap() == second.model().unwrap().to_bytes().unwrap());
    // A checkpoint of another network is refused by name.
    let mut other = tiny();
    other.unet.model_channels = 32;
    let text = training(other, 6).resume(&path).unwrap_err().to_string();
    assert!(
        text.contains("description.unet.model_channels is 32, must be 16 as in the run"),
        "{text}"
    );
}

#[test]
fn ablations_change_what_they_say() {
    let job = Job::quiet();
    let moved = |config: SdSegConfig| -> Vec<String> {
        let mut training = training(config, 3);
        let before = tensors(&training.model().unwrap());
        training.train(3, None, &job).unwrap();
        let after = tensors(&training.model().unwrap());
        let differs = |(name, tensor): (&String, &Tensor)| (!tensor.equal(&after[name])).then(|| name.clone());
        before.iter().filter_map(differs).collect()
    };
    let has = |names: &[String], prefix: &str| names.iter().any(|name| name.starts_with(prefix));
    let usual = moved(tiny());
    assert!(has(&usual, "model.") && has(&usual, "cond_stage_model.") && !has(&usual, "first_stage_model."));
    let frozen = moved(SdSegConfig {
        frozen_encoder: true,
        ..tiny()
    });
    assert!(has(&frozen, "model.") && !has(&frozen, "cond_stage_model."));
    let crossed = moved(tiny().conditioned(Conditioning::CrossAttention));
    assert!(crossed.iter().any(|name| name.contains("attn2.to_k")));
    let loss = |config: SdSegConfig| {
        let mut training = training(config, 30);
        training.train(25, None, &job).unwrap();
        training.loss().unwrap()
    };
    let paper = SdSegConfig {
        mask_loss: 0.0,
        ..tiny()
    };
    let noise_alone = SdSegConfig {
        latent_loss: 0.0,
        ..paper.clone()
    };
    let (noise_alone, paper) = (loss(noise_alone), loss(paper));
    assert!(
        noise_alone < 0.8 * paper && paper < 0.8 * loss(tiny()),
        "{noise_alone} {paper}"
    );
}

#[test]
fn the_encoder_is_not_averaged() {
    let mut options = options(tiny(), 4);
    options.ema_decay = 1.0;
    let mut training = LabelledTraining::new(&options, Device::Cpu).unwrap();
    training.add_pairs(&[disc(0), disc(1)], false).unwrap();
    let before = tensors(&training.model().unwrap());
    training.train(4, None, &Job::quiet()).unwrap();
    let after = tensors(&training.model().unwrap());
    let share = |name: &str| (&after[name] - &before[name]).abs().max().double_value(&[]);
    // min(1, (1 + n) / (10 + n)): the average has gone part of the way, the encoder all of it.
    assert!(share("cond_stage_model.out.weight") > 0.0 && share("model.diffusion_model.input_blocks.0.0.weight") > 0.0);
    let text = format!(
        "{:?}",
        training
            .description()
            .network
            .is_averaged("cond_stage_model.out.weight")
    );
    assert_eq!(text, "false");
}

#[test]
fn weights_of_latent_diffusion_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ldm.safetensors");
    // The authors' own layout is one of latent diffusion, with a vision encoder.
    checkpoint(&path, Layout::Plain);
    let description = SegmentationModel::open(&path, Device::Cpu)
        .unwrap()
        .description()
        .clone();
    let mut gen = Generator::new(1, 0);
    let (model, taken) = SegmentationModel::from_latent_diffusion(
        description.clone(),
        std::slice::from_ref(&path),
        &mut gen,
        Device::Cpu,
    )
    .unwrap();
    assert_eq!(taken.tensors, taken.of_tensors - 1, "{taken}");
    assert_eq!(tensors(&model)["scale_factor"].double_value(&[]), 0.0);
    // Without the vision encoder it begins as the autoencoder's; `out` is random.
    checkpoint(&path, Layout::Without("nothing"));
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let kept: Vec<_> = file
        .tensors()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("cond_stage_model."))
        .collect();
    std::fs::write(&path, safetensors::serialize(kept, None).unwrap()).unwrap();
    let (model, taken) =
        SegmentationModel::from_latent_diffusion(description, std::slice::from_ref(&path), &mut gen, Device::Cpu)
            .unwrap();
    assert_eq!(taken.tensors, taken.of_tensors - 3, "{taken}");
    let all = tensors(&model);
    assert!(all["cond_stage_model.encoder.conv_in.weight"].equal(&all["first_stage_model.encoder.conv_in.weight"]));
    // Nothing of another size fits.
    let error = SegmentationModel::from_latent_diffusion(crate::description(tiny()), &[path], &mut gen, Device::Cpu);
    assert!(error
        .err()
        .unwrap()
        .to_string()
        .contains("no latent diffusion model of its size"));
    let (_, taken) =
        SegmentationModel::from_builtin_diffusion(description_of_builtin_width(), &mut gen, Device::Cpu).unwrap();
    assert!(taken.tensors > 20 && taken.tensors < taken.of_tensors, "{taken}");
}

/// Levels of 32, 64 and 96 channels and two blocks, as the built-in diffusion model's.
fn description_of_builtin_width() -> tomocut::networks::ModelDescription {
    let mut config = tiny();
    config.unet.model_channels = 32;
    config.unet.num_res_blocks = 2;
    config.unet.channel_mult = vec![1, 2, 3, 3];
    description(config)
}
