//! The network beside PyTorch's, through a file of the authors' layout.
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::Dtype;
use tch::{Device, Kind, Tensor};
use tomocut::networks::sdseg::Draws;
use tomocut::networks::{NetworkConfig, Pass, Sampling, SdSeg, SegmentationModel};
use tomocut::runtime::{Generator, Job};
use tomocut::weights::read_tensor;

use crate::hashed::uniform;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/sdseg")
        .join(name)
}

fn hashed(name: &str, shape: &[i64]) -> Tensor {
    Tensor::from_slice(&uniform(name, shape.iter().product::<i64>() as usize)).reshape(shape)
}

/// The weights that the oracle has.
fn weight(name: &str, shape: &[i64]) -> Tensor {
    if name == "scale_factor" {
        return Tensor::from(0.75f32);
    }
    let u = hashed(&format!("net/{name}"), shape);
    if shape.len() >= 2 {
        u * (3.0 / shape[1..].iter().product::<i64>() as f64).sqrt()
    } else if name.ends_with("weight") {
        u * 0.2 + 1.0
    } else {
        u * 0.2
    }
}

/// How the file differs from the plain layout.
#[derive(Clone, Copy, PartialEq)]
pub enum Layout {
    Plain,
    /// Moving averages beside weights that are all zero.
    Averaged,
    /// Without the tensor whose name ends so.
    Without(&'static str),
    /// That tensor one row too long.
    Longer(&'static str),
}

/// A checkpoint in the authors' layout.
pub fn checkpoint(path: &Path, layout: Layout) {
    let text = std::fs::read_to_string(fixture("names.json")).unwrap();
    let names: Vec<(String, Vec<i64>)> = serde_json::from_str(&text).unwrap();
    let mut data: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut put = |name: String, tensor: &Tensor| {
        let values: Vec<f32> = Vec::try_from(&tensor.contiguous().view([-1])).unwrap();
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        data.push((name, tensor.size().iter().map(|n| *n as usize).collect(), bytes));
    };
    for (name, mut shape) in names {
        match layout {
            Layout::Without(ending) if name.ends_with(ending) => continue,
            Layout::Longer(ending) if name.ends_with(ending) => shape[0] += 1,
            _ => {}
        }
        let tensor = weight(&name, &shape);
        match name.strip_prefix("model.") {
            Some(rest) if layout == Layout::Averaged => {
                put(format!("model_ema.{}", rest.replace('.', "")), &tensor);
                put(name.clone(), &tensor.zeros_like());
            }
            _ => put(name, &tensor),
        }
    }
    let views = data.iter().map(|(name, shape, bytes)| {
        (
            name.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The network of `model` itself, on the same tensors.
fn network(model: &SegmentationModel) -> SdSeg {
    let NetworkConfig::SdSeg(config) = &model.description().network else {
        panic!("{:?}", model.description().network)
    };
    let tensors: HashMap<String, Tensor> = model.weights().into_iter().chain(model.statistics()).collect();
    SdSeg::from_tensors(config, &mut |name, _| Ok(tensors[name].shallow_clone())).unwrap()
}

/// Largest difference relative to the largest value.
fn off(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size());
    let largest = expected.abs().max().double_value(&[]).max(1e-12);
    (actual - expected).abs().max().double_value(&[]) / largest
}

#[test]
fn the_numbers_are_pytorch_s() {
    let folder = tempfile::tempdir().unwrap();
    let job = Job::quiet();
    let want = |name: &str| read_tensor(&fixture("parity.safetensors"), name).unwrap();
    let compare = |name: &str, actual: &Tensor| {
        let error = off(actual, &want(name));
        println!("{name}: {error:.1e}");
        assert!(error < 1e-4, "{name}: {error}");
    };
    let image = hashed("image", &[2, 3, 64, 64]);
    let mask = hashed("mask", &[2, 1, 64, 64]).gt(0.2).to_kind(Kind::Float);
    let normal = |name: &str| hashed(name, &[2, 4, 8, 8]) * 1.7;
    for layout in [Layout::Plain, Layout::Averaged] {
        let path = folder.path().join("sdseg.safetensors");
        checkpoint(&path, layout);
        let model = SegmentationModel::open(&path, Device::Cpu).unwrap();
        let net = network(&model);
        let config = net.config();
        assert_eq!((config.unet.model_channels, config.unet.num_res_blocks), (32, 1));
        assert_eq!(config.unet.channel_mult, [1, 2]);
        assert_eq!(config.unet.attention_resolutions, [2]);
        assert_eq!(config.first_stage.block_out_channels, [32, 32, 64, 64]);
        assert_eq!(net.scale_factor().unwrap(), 0.75);
        tch::no_grad(|| {
            let condition = net.condition(&image, &job).unwrap();
            compare("condition", &condition);
            compare(
                "unet",
                &net.prediction(&normal("noise"), &condition, 421, &job).unwrap(),
            );
            // From the same noise to the mask, in float32 throughout.
            let noise = normal("noise");
            let eps = net.prediction(&noise, &condition, 999, &job).unwrap();
            let clean = net.schedule().clean(&noise, &eps, 999).unwrap();
            let direct = ((net.draw(&clean, &job).unwrap() + 1.0) * 0.5)
                .clamp(0.0, 1.0)
                .mean_dim([1i64].as_slice(), true, Kind::Float);
            compare("direct", &direct.slice(2, 0, 64, 2).slice(3, 0, 64, 2));
            let decoded = net.draw(&noise, &job).unwrap();
            compare("decoded", &decoded.slice(2, 0, 64, 3).slice(3, 0, 64, 3));
        });
        let mut trained: Vec<Tensor> = model
            .weights()
            .into_iter()
            .map(|(_, tensor)| tensor.set_requires_grad(true))
            .collect();
        let draws = Draws {
            t: vec![999, 300],
            noise: normal("eps"),
            posterior: normal("normal"),
        };
        let weight = mask.ones_like();
        let loss = net
            .loss_of((&image, &mask, &weight), &draws, &mut Pass::Inference, &job)
            .unwrap();
        compare("loss", &loss.detach());
        let gradients = Tensor::f_run_backward(&[&loss], &trained, false, false).unwrap();
        let squares: f64 = gradients
            .iter()
            .map(|g| (g * g).sum(Kind::Double).double_value(&[]))
            .sum();
        compare("gradient", &Tensor::from(squares.sqrt() as f32));
        trained.clear();
    }
}

#[test]
fn samples_are_means_of_masks_and_windows_are_blended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sdseg.safetensors");
    checkpoint(&path, Layout::Plain);
    let model = SegmentationModel::open(&path, Device::Cpu).unwrap();
    let image = Generator::new(1, 0)
        .uniform_tensor(-1.0, 1.0, &[1, 3, 64, 64], Device::Cpu)
        .unwrap();
    let several = Sampling {
        samples: 3,
        ..Sampling::default()
    };
    let prediction = model
        .network()
        .sample(&image, [(0, 0); 3], &several, &Job::quiet())
        .unwrap();
    let squares = prediction.squares.unwrap();
    let variance = squares - prediction.mean.square();
    assert!(variance.min().double_value(&[]) > -1e-5 && variance.max().double_value(&[]) > 0.0);
    // A margin cuts, nothing else.
    let cut = model
        .network()
        .sample(&image, [(0, 0), (8, 0), (0, 16)], &several, &Job::quiet())
        .unwrap();
    assert!(cut.mean.equal(&prediction.mean.narrow(2, 8, 56).narrow(3, 0, 48)));
}

#[test]
fn what_a_checkpoint_lacks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sdseg.safetensors");
    let refused = |layout: Layout| {
        checkpoint(&path, layout);
        SegmentationModel::open(&path, Device::Cpu).err().unwrap().to_string()
    };
    for (layout, words) in [
        (Layout::Without("scale_factor"), "scale_factor: is missing"),
        (
            Layout::Without("middle_block.0.in_layers.2.bias"),
            "middle_block.0.in_layers.2.bias: is missing",
        ),
        (
            Layout::Longer("middle_block.0.in_layers.2.bias"),
            "has shape [65], expected [64]",
        ),
        (
            Layout::Without("cond_stage_model.out.weight"),
            "without SDSeg's vision encoder",
        ),
    ] {
        let text = refused(layout);
        assert!(text.contains(words), "{text}");
    }
}
