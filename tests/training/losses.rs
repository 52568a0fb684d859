//! Losses beside MONAI's and PyTorch's. Numbers: tests/oracle/losses_golden.py.
use tch::{Device, Kind, Tensor};
use tomocut::networks::{Activation, Logits};
use tomocut::runtime::Error;
use tomocut::train::{segmentation_loss, LossKind, LossOptions, Target};

use super::hashed::uniform;

const GOLDEN: [(&str, f64); 18] = [
    ("dice sigmoid", 0.6330594),
    ("dice sigmoid batch", 0.6327620),
    ("dice softmax", 0.6822290),
    ("dice softmax foreground", 0.6963583),
    ("dice picker", 0.6295198),
    ("dice squared", 0.5491385),
    ("dice masked", 0.6527655),
    ("dice and bce", 1.6832666),
    ("dice and ce", 2.5982285),
    ("dice and ce halves", 1.2991142),
    ("dice and ce smoothed", 2.5929396),
    ("bce smoothed", 1.0465134),
    ("bce weighted", 1.0529817),
    ("ce weighted", 2.0199215),
    ("focal sigmoid", 0.6807557),
    ("focal sigmoid alpha", 0.4279659),
    ("focal softmax", 0.5197973),
    ("focal softmax alpha", 0.3225686),
];

fn hashed(name: &str, shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    Tensor::from_slice(&uniform(&format!("loss/{name}"), count)).reshape(shape)
}

struct Batch {
    logits: Logits,
    /// Several outputs at once.
    many: Tensor,
    /// One of three.
    hot: Tensor,
    mask: Tensor,
    weight: Tensor,
}

fn batch() -> Batch {
    let (all, one) = ([2, 3, 4, 5, 6], [2, 1, 4, 5, 6]);
    let class = ((hashed("one", &one) + 1.0) * 1.5).to_kind(Kind::Int64).clamp(0, 2);
    let classes = Tensor::arange(3, (Kind::Int64, Device::Cpu)).view([1, 3, 1, 1, 1]);
    Batch {
        logits: Logits {
            main: hashed("logits", &all) * 3.0,
            deep: Vec::new(),
        },
        many: hashed("many", &all).gt(0.4).to_kind(Kind::Float),
        hot: class.eq_tensor(&classes).to_kind(Kind::Float),
        mask: hashed("mask", &one).gt(0.0).to_kind(Kind::Float),
        weight: hashed("weight", &one).abs(),
    }
}

fn loss(batch: &Batch, activation: Activation, weight: Option<&Tensor>, options: &LossOptions) -> f64 {
    let truth = match activation {
        Activation::Sigmoid | Activation::Picture => &batch.many,
        Activation::Softmax => &batch.hot,
    };
    let target = Target { truth, weight };
    segmentation_loss(&batch.logits, activation, &target, options)
        .unwrap()
        .double_value(&[])
}

#[test]
fn losses_are_those_of_monai() {
    use Activation::{Sigmoid, Softmax};
    let batch = batch();
    let per_sample = |kind: LossKind| LossOptions {
        kind,
        dice_over_batch: false,
        ..LossOptions::default()
    };
    let mixed = |dice: f64, cross_entropy: f64| per_sample(LossKind::DiceCrossEntropy { dice, cross_entropy });
    let smoothed = |options: LossOptions| LossOptions {
        label_smoothing: 0.1,
        ..options
    };
    let focal = |gamma: f64, alpha: Option<f64>| per_sample(LossKind::Focal { gamma, alpha });
    let dice = per_sample(LossKind::Dice);
    let over_batch = LossOptions {
        kind: LossKind::Dice,
        ..LossOptions::default()
    };
    let foreground = LossOptions {
        background: false,
        ..dice.clone()
    };
    let losses = [
        loss(&batch, Sigmoid, None, &dice),
        loss(&batch, Sigmoid, None, &over_batch),
        loss(&batch, Softmax, None, &dice),
        loss(&batch, Softmax, None, &foreground),
        loss(&batch, Sigmoid, None, &LossOptions::picker()),
        loss(&batch, Sigmoid, None, &LossOptions::deepict()),
        loss(&batch, Sigmoid, Some(&batch.mask), &dice),
        loss(&batch, Sigmoid, None, &LossOptions::membrain()),
        loss(&batch, Softmax, None, &mixed(1.0, 1.0)),
        loss(&batch, Softmax, None, &LossOptions::slab_paper()),
        loss(&batch, Softmax, None, &smoothed(mixed(1.0, 1.0))),
        loss(&batch, Sigmoid, None, &smoothed(mixed(0.0, 1.0))),
        loss(&batch, Sigmoid, Some(&batch.weight), &mixed(0.0, 1.0)),
        loss(&batch, Softmax, Some(&batch.weight), &mixed(0.0, 1.0)),
        loss(&batch, Sigmoid, None, &focal(2.0, None)),
        loss(&batch, Sigmoid, None, &focal(1.5, Some(0.25))),
        loss(&batch, Softmax, None, &focal(2.0, None)),
        loss(&batch, Softmax, None, &focal(2.0, Some(0.75))),
    ];
    for ((name, expected), losses) in GOLDEN.iter().zip(losses) {
        assert!((losses - expected).abs() < 2e-6, "{name}: {losses} is not {expected}");
    }
}

/// Whatever a network says where the weight is zero changes neither loss nor gradient.
#[test]
fn what_is_left_out_does_not_count() {
    let kinds = [
        LossKind::Dice,
        LossKind::DiceCrossEntropy {
            dice: 1.0,
            cross_entropy: 1.0,
        },
        LossKind::Focal {
            gamma: 2.0,
            alpha: Some(0.3),
        },
    ];
    for kind in kinds {
        for activation in [Activation::Sigmoid, Activation::Softmax] {
            let mut batch = batch();
            let options = LossOptions {
                kind,
                ..LossOptions::default()
            };
            let mask = batch.mask.shallow_clone();
            let before = loss(&batch, activation, Some(&mask), &options);
            let rest = mask.ones_like() - &mask;
            batch.logits.main = (&batch.logits.main * &mask + &rest * 9.0).set_requires_grad(true);
            let truth = match activation {
                Activation::Sigmoid | Activation::Picture => &batch.many,
                Activation::Softmax => &batch.hot,
            };
            let target = Target {
                truth,
                weight: Some(&mask),
            };
            let after = segmentation_loss(&batch.logits, activation, &target, &options).unwrap();
            assert!((after.double_value(&[]) - before).abs() < 1e-6, "{kind:?}");
            let gradient = Tensor::run_backward(&[&after], &[&batch.logits.main], false, false).remove(0);
            assert_eq!((&gradient * &rest).abs().max().double_value(&[]), 0.0);
            assert!((&gradient * &mask).abs().max().double_value(&[]) > 0.0);
            let nothing = mask.zeros_like();
            let empty = loss(&batch, activation, Some(&nothing), &options);
            assert!(empty.abs() < 1e-6, "{kind:?}: {empty}");
        }
    }
}

/// Logits that are far out: large, but a number, and with gradients.
#[test]
fn extreme_logits_overflow_nothing() {
    let far = Tensor::from_slice(&[400.0_f32, -400.0, -400.0, 400.0]).view([1, 2, 2]);
    let truth = Tensor::from_slice(&[0.0_f32, 1.0, 1.0, 0.0]).view([1, 2, 2]);
    for kind in [
        LossKind::DiceCrossEntropy {
            dice: 1.0,
            cross_entropy: 1.0,
        },
        LossKind::Focal {
            gamma: 2.0,
            alpha: None,
        },
    ] {
        for activation in [Activation::Sigmoid, Activation::Softmax] {
            let logits = Logits {
                main: far.copy().set_requires_grad(true),
                deep: Vec::new(),
            };
            let target = Target {
                truth: &truth,
                weight: None,
            };
            let options = LossOptions {
                kind,
                ..LossOptions::default()
            };
            let loss = segmentation_loss(&logits, activation, &target, &options).unwrap();
            let value = loss.double_value(&[]);
            assert!(value.is_finite() && value > 50.0, "{value}");
            let gradient = Tensor::run_backward(&[&loss], &[&logits.main], false, false).remove(0);
            assert!(bool::try_from(gradient.isfinite().all()).unwrap());
        }
    }
}

#[test]
fn deep_logits_count_by_their_factors() {
    let mut batch = batch();
    let options = LossOptions {
        deep_weights: vec![1.0, 0.5],
        ..LossOptions::default()
    };
    let main = loss(&batch, Activation::Sigmoid, None, &options);
    batch.logits.deep = vec![batch.logits.main.shallow_clone(), batch.logits.main.full_like(f64::NAN)];
    let both = loss(&batch, Activation::Sigmoid, None, &options);
    assert!((both - 1.5 * main).abs() < 1e-5);
}

#[test]
fn wrong_shapes_and_factors_are_named() {
    let batch = batch();
    let run = |truth: &Tensor, weight: Option<&Tensor>, options: &LossOptions| {
        let loss = segmentation_loss(&batch.logits, Activation::Softmax, &Target { truth, weight }, options);
        match loss {
            Err(error @ Error::InvalidArgument { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let usual = LossOptions::default();
    assert!(run(&batch.mask, None, &usual).starts_with("truth is [2, 1, 4, 5, 6]"));
    // A softmax has one label per voxel, hence one weight.
    assert!(run(&batch.hot, Some(&batch.many), &usual).starts_with("weight is [2, 3, 4, 5, 6]"));
    let none = LossOptions {
        deep_weights: vec![],
        ..LossOptions::default()
    };
    assert!(run(&batch.hot, None, &none).contains("must not be all 0"));
}
