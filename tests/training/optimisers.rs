//! Optimisers and learning rates beside PyTorch's. Numbers: tests/oracle/optimisers_golden.py.
use tch::Tensor;
use tomocut::train::{AdamW, AdamWOptions, RateCurve, Sgd, SgdOptions, TrainingSchedule};

use super::hashed::uniform;

const FINAL: [(&str, [f64; 6]); 4] = [
    (
        "sgd",
        [0.0407296, 0.5930283, 0.9490246, 0.7050940, -0.2752138, -0.0975042],
    ),
    (
        "nesterov",
        [-0.2113329, 0.7327750, 1.2240373, 0.7635509, -0.2871294, 0.2871099],
    ),
    (
        "no momentum",
        [0.3835196, 0.3691439, 0.5294592, 0.4109659, -0.1497746, -0.5384871],
    ),
    (
        "adamw",
        [0.1994186, 0.5158409, 0.5074009, 0.4840831, -0.1774501, -0.4581352],
    ),
];

const ONE_CYCLE: [f64; 12] = [
    0.03333333,
    0.3452743,
    0.8784469,
    0.9944173,
    0.933035,
    0.8118077,
    0.6474951,
    0.4628141,
    0.2832971,
    0.1337629,
    0.03488494,
    0.0003333333,
];
const POLY: [f64; 12] = [
    1.0, 0.9246775, 0.8486661, 0.7718895, 0.6942532, 0.6156376, 0.5358867, 0.4547889, 0.3720411, 0.2871746, 0.1993719,
    0.1068407,
];
const STEP: [f64; 12] = [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001];

fn hashed(name: &str, count: usize) -> Tensor {
    Tensor::from_slice(&uniform(&format!("optimiser/{name}"), count))
}

#[test]
fn six_steps_end_where_pytorch_ends() {
    let sgd = |momentum, weight_decay| SgdOptions {
        rate: 0.1,
        weight_decay,
        momentum,
    };
    let adamw = AdamWOptions {
        rate: 0.1,
        weight_decay: 0.1,
        beta2: 0.99,
        ..AdamWOptions::default()
    };
    for (name, expected) in FINAL {
        let mut parameters = vec![hashed("weight", 4), hashed("bias", 2)];
        let mut adam = AdamW::new(adamw, &parameters).unwrap();
        let settings = match name {
            "sgd" => sgd(0.9, 1e-2),
            "nesterov" => sgd(0.99, 3e-2),
            _ => sgd(0.0, 0.0),
        };
        let mut descent = Sgd::new(settings, name == "nesterov", &parameters).unwrap();
        for step in 0..6 {
            let gradients = [hashed(&format!("weight/{step}"), 4), hashed(&format!("bias/{step}"), 2)];
            match name {
                "adamw" => adam.step(&mut parameters, &gradients, 1.0, 1e6).unwrap(),
                _ => descent.step(&mut parameters, &gradients, 1.0, 1e6).unwrap(),
            };
        }
        let values: Vec<f32> = Vec::try_from(Tensor::cat(&parameters, 0)).unwrap();
        for (values, expected) in values.iter().zip(expected) {
            assert!(
                (f64::from(*values) - expected).abs() < 2e-6,
                "{name}: {values} is not {expected}"
            );
        }
    }
}

#[test]
fn gradients_that_are_no_numbers_move_nothing() {
    let mut parameters = vec![hashed("weight", 4)];
    let before = parameters[0].copy();
    let mut descent = Sgd::new(SgdOptions::default(), false, &parameters).unwrap();
    let norm = descent.step(&mut parameters, &[&before * f64::NAN], 1.0, 1.0).unwrap();
    assert!(norm.is_nan() && parameters[0] == before);
    // A norm of 8 is scaled to 1, and the weights move by the rate.
    let long = [Tensor::from_slice(&[8.0_f32, 0.0, 0.0, 0.0])];
    let mut plain = Sgd::new(
        SgdOptions {
            weight_decay: 0.0,
            ..SgdOptions::default()
        },
        false,
        &parameters,
    )
    .unwrap();
    assert_eq!(plain.step(&mut parameters, &long, 0.5, 1.0).unwrap(), 8.0);
    let moved = f64::try_from((&before - &parameters[0]).get(0)).unwrap();
    assert!((moved - 0.5e-2).abs() < 1e-7, "{moved}");
}

#[test]
fn rates_are_those_of_pytorch() {
    let curves = [
        (RateCurve::Step { every: 3, factor: 0.1 }, STEP),
        (RateCurve::Poly { power: 0.9, every: 1 }, POLY),
        (
            RateCurve::OneCycle {
                warm_up: 0.3,
                start: 30.0,
                end: 100.0,
                every: 1,
            },
            ONE_CYCLE,
        ),
    ];
    for (curve, expected) in curves {
        let schedule = TrainingSchedule {
            steps: 12,
            curve,
            ..TrainingSchedule::default()
        };
        for (step, expected) in expected.iter().enumerate() {
            let rate = schedule.rate(step as u64);
            assert!(
                (rate - expected).abs() < 1e-6 * expected,
                "{curve:?} {step}: {rate} is not {expected}"
            );
        }
    }
}
