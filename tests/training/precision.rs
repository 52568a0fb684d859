//! Mixed precision: every network runs in it, and trains in it on a GPU.
use ndarray::s;
use tch::{Device, Kind, Tensor};
use tomocut::networks::{
    DynUnetConfig, ModelDescription, NetworkConfig, Pass, PickerConfig, SegmentationModel, Unet2dConfig,
};
use tomocut::runtime::{open_device, Autocast, Generator, Job};
use tomocut::segmenter::{mean_dice, LabelledTraining, SlabLabels};
use tomocut::train::{segmentation_loss, LossOptions, Target};

use super::segmenter::{names, options, scene, small, tomogram};

fn networks() -> [(NetworkConfig, Vec<i64>); 4] {
    let flat = Unet2dConfig {
        widths: vec![8, 16],
        dropout: vec![0.1, 0.1],
        window: 32,
        ..Unet2dConfig::default()
    };
    let dynamic = DynUnetConfig {
        filters: vec![8, 16, 16],
        deep_heads: 1,
        window: 16,
        ..DynUnetConfig::default()
    };
    let picker = PickerConfig {
        maps: vec![8, 16],
        window: 16,
        ..PickerConfig::default()
    };
    [
        (small(), vec![1, 1, 16, 16, 16]),
        (NetworkConfig::DynUnet(dynamic), vec![1, 1, 16, 16, 16]),
        (NetworkConfig::Picker(picker), vec![1, 1, 16, 16, 16]),
        (NetworkConfig::Unet2d(flat), vec![2, 1, 32, 32]),
    ]
}

/// Loss and gradients in bfloat16 are those in float32 to its three digits; what they move stays float32.
fn nearly_the_same(device: Device) {
    for (network, shape) in networks() {
        let name = format!("{network:?}");
        let mut gen = Generator::new(5, 0);
        let model = SegmentationModel::random(ModelDescription::new(network, None), &mut gen, device).unwrap();
        let weights: Vec<Tensor> = model
            .weights()
            .into_iter()
            .map(|(_, w)| w.set_requires_grad(true))
            .collect();
        let image = gen.normal_tensor(&shape, device).unwrap();
        let losses = |reduced: bool| {
            let logits = {
                let _guard = reduced.then(|| Autocast::begin(device));
                let mut draws = Generator::new(6, 0);
                let mut logits = model
                    .network()
                    .forward(&image, &mut Pass::Training(&mut draws), &Job::quiet())
                    .unwrap();
                logits.main = logits.main.to_kind(Kind::Float);
                logits.deep = logits.deep.iter().map(|deep| deep.to_kind(Kind::Float)).collect();
                logits
            };
            let truth = image.gt(0.0).to_kind(Kind::Float).expand_as(&logits.main);
            let target = Target {
                truth: &truth,
                weight: None,
            };
            let activation = model.network().activation();
            let loss = segmentation_loss(&logits, activation, &target, &LossOptions::membrain()).unwrap();
            let gradients = Tensor::run_backward(&[&loss], &weights, false, false);
            assert!(gradients.iter().all(|g| g.kind() == Kind::Float), "{name}");
            let flat: Vec<Tensor> = gradients.iter().map(|g| g.reshape([-1])).collect();
            (loss.double_value(&[]), Tensor::cat(&flat, 0))
        };
        let ((full, exact), (short, rounded)) = (losses(false), losses(true));
        assert!(full != short, "{name}: nothing was rounded");
        assert!((full - short).abs() < 0.03 * full.abs(), "{name}: {full} and {short}");
        let alike = (&exact * &rounded).sum(Kind::Float) / (exact.norm() * rounded.norm());
        assert!(alike.double_value(&[]) > 0.97, "{name}: {}", alike.double_value(&[]));
    }
}

#[test]
fn every_network_runs_in_mixed_precision() {
    nearly_the_same(Device::Cpu);
}

/// Needs a GPU: `cargo xtask gpu-test`.
#[test]
#[ignore = "needs a GPU"]
fn gpu_mixed_precision_trains_as_full_precision_does() {
    let device = open_device("cuda").unwrap();
    nearly_the_same(device);
    let dice = |mixed_precision: bool| {
        let mut settings = options(small(), 120);
        settings.mixed_precision = mixed_precision;
        let mut training = LabelledTraining::new(&settings, device).unwrap();
        let (labels, names) = (scene().1, names());
        let slab = SlabLabels {
            z: 4..20,
            labels: Some(labels.slice(s![4..20, .., ..])),
            confidence: None,
            points: &[],
            names: &names,
        };
        training.add(&tomogram(), &slab, false, &Job::quiet()).unwrap();
        training.train(u64::MAX, None, &Job::quiet()).unwrap();
        for (name, weight) in training.model().unwrap().weights() {
            assert_eq!(weight.kind(), Kind::Float, "{name}");
        }
        mean_dice(&training.scores(6, &Job::quiet()).unwrap())
    };
    let (full, mixed) = (dice(false), dice(true));
    assert!(mixed > full - 0.05, "Dice {mixed} in mixed precision, {full} in full");
}
