//! Encoder and decoder of the autoencoder beside diffusers. Fixtures: tests/oracle/diffusers_autoencoder.py.
use std::collections::BTreeMap;

use super::networks::{fixture, weight};
use super::relative_error;
use crate::hashed::uniform;
use tch::{Kind, Tensor};
use tomocut::diffusion::{vae_tensor_shapes, LatentDraw, VaeConfig, VaeDecoder, VaeEncoder};
use tomocut::runtime::{CancelToken, Error, Generator, Job, Logger, Result};

const ROWS: i64 = 2;
const COLUMNS: i64 = 3;

fn config(key: &str) -> VaeConfig {
    let text = match key {
        "sd" => r#"{"block_out_channels": [32, 64, 128, 128], "layers_per_block": 2}"#,
        _ => r#"{"in_channels": 1, "block_out_channels": [8, 16, 16, 24], "norm_num_groups": 4}"#,
    };
    VaeConfig::from_json(&serde_json::from_str(text).unwrap()).unwrap()
}

fn fetch(key: &str, name: &str, shape: &[i64]) -> Result<Tensor> {
    let size: Vec<usize> = shape.iter().map(|n| *n as usize).collect();
    Ok(Tensor::from_slice(&weight(&format!("{key}/vae/{name}"), &size)).reshape(shape))
}

fn networks(key: &str) -> (VaeEncoder, VaeDecoder) {
    let config = config(key);
    (
        VaeEncoder::from_tensors(&config, &mut |name, shape| fetch(key, name, shape)).unwrap(),
        VaeDecoder::from_tensors(&config, &mut |name, shape| fetch(key, name, shape)).unwrap(),
    )
}

#[test]
fn both_halves_compute_what_diffusers_computes() {
    let expected: BTreeMap<String, Tensor> = Tensor::read_safetensors(fixture("autoencoder.safetensors"))
        .unwrap()
        .into_iter()
        .collect();
    let job = Job::quiet();
    for key in ["sd", "grey"] {
        let (encoder, decoder) = networks(key);
        let channels = encoder.config().in_channels;
        let draw = |part: &str, shape: [i64; 4]| {
            let count = shape.iter().product::<i64>() as usize;
            Tensor::from_slice(&uniform(&format!("{key}/{part}"), count)).reshape(shape)
        };
        let latent = draw("latent", [1, 4, ROWS, COLUMNS]);
        let image = draw("image", [1, channels, 8 * ROWS, 8 * COLUMNS]);
        let (mean, log_variance) = encoder.posterior(&image, &job).unwrap();
        let decoded = decoder.reconstruct(&latent, &job).unwrap();
        for (name, actual) in [("image", &decoded), ("mean", &mean), ("logvar", &log_variance)] {
            let error = relative_error(actual, &expected[&format!("{key}.{name}")]);
            assert!(error < 1e-5, "{key} {name}: relative error {error:.2e}");
        }
        // The scaled forms are the same thing in grey values 0..=1.
        let grey = (image + 1.0) / 2.0;
        let mut generator = Generator::new(0, 0);
        let scaled = encoder.encode(&grey, LatentDraw::Mean, &mut generator, &job).unwrap();
        assert!(relative_error(&scaled, &(mean * 0.18215)) < 1e-5);
        let again = decoder.decode(&(latent * 0.18215), &job).unwrap();
        assert!(relative_error(&again, &((decoded + 1.0) / 2.0)) < 1e-5);
    }
}

#[test]
fn the_tensors_are_those_of_diffusers() {
    let text = std::fs::read_to_string(fixture("autoencoder.json")).unwrap();
    let lists: BTreeMap<String, Vec<(String, Vec<i64>)>> = serde_json::from_str(&text).unwrap();
    for (key, mut expected) in lists {
        let mut shapes = vae_tensor_shapes(&config(&key)).unwrap();
        shapes.sort();
        expected.sort();
        assert_eq!(shapes, expected, "{key}");
    }
}

#[test]
fn gradients_reach_every_tensor() {
    let config = config("grey");
    let tensors: BTreeMap<String, Tensor> = vae_tensor_shapes(&config)
        .unwrap()
        .into_iter()
        .map(|(name, shape)| {
            let tensor = fetch("grey", &name, &shape).unwrap().set_requires_grad(true);
            (name, tensor)
        })
        .collect();
    let mut take = |name: &str, _: &[i64]| Ok(tensors[name].shallow_clone());
    let encoder = VaeEncoder::from_tensors(&config, &mut take).unwrap();
    let decoder = VaeDecoder::from_tensors(&config, &mut take).unwrap();
    let image = Tensor::from_slice(&uniform("image", 2 * 16 * 24)).reshape([2, 1, 16, 24]);
    let job = Job::quiet();
    let (mean, log_variance) = encoder.posterior(&image, &job).unwrap();
    let z = mean + log_variance.exp();
    decoder
        .reconstruct(&z, &job)
        .unwrap()
        .square()
        .mean(Kind::Float)
        .backward();
    for (name, tensor) in &tensors {
        let gradient = tensor.grad();
        assert!(gradient.defined(), "{name} has no gradient");
        // A softmax does not notice what is added to every key.
        let flat = name.ends_with("to_k.bias");
        assert!(
            flat || gradient.abs().sum(Kind::Float).double_value(&[]) > 0.0,
            "{name}"
        );
    }
}

#[test]
fn bad_latents_and_a_cancel_stop_it() {
    let (encoder, decoder) = networks("grey");
    for shape in [[1, 3, 2, 2], [0, 4, 2, 2], [1, 4, 0, 2]] {
        let latent = Tensor::zeros(shape, (Kind::Float, tch::Device::Cpu));
        let error = decoder.decode(&latent, &Job::quiet()).unwrap_err().to_string();
        assert!(error.contains("must be [B, 4, h, w]"), "{error}");
    }
    // Three channels are not what a single-channel network takes.
    let colour = Tensor::zeros([1, 3, 8, 8], (Kind::Float, tch::Device::Cpu));
    assert!(encoder
        .encode(&colour, LatentDraw::Mean, &mut Generator::new(0, 0), &Job::quiet())
        .is_err());
    let token = CancelToken::default();
    token.request();
    let latent = Tensor::zeros([1, 4, 2, 2], (Kind::Float, tch::Device::Cpu));
    let error = decoder
        .decode(&latent, &Job::new(token, Logger::default()))
        .unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
}
