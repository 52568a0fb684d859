//! The segmentation networks beside their originals, their files, and what tiles rely on.
//! Fixtures: tests/oracle/networks_parity.py.
#[path = "networks_parity/files.rs"]
mod files;
mod hashed;
#[path = "networks_parity/tiles.rs"]
mod tiles;

use std::collections::HashMap;
use std::path::Path;

use hashed::uniform;
use tch::{Device, Kind, Tensor};
use tomocut::networks::{
    CompactConfig, DynUnetConfig, ModelDescription, NetworkConfig, Pass, PickerConfig, SegmentationModel, Unet2dConfig,
};
use tomocut::runtime::{Generator, Job};

fn hashed_tensor(name: &str, shape: &[i64]) -> Tensor {
    Tensor::from_slice(&uniform(name, shape.iter().product::<i64>() as usize)).reshape(shape)
}

/// The weights that the oracle has.
fn hashed_weight(name: &str, shape: &[i64]) -> Tensor {
    let u = hashed_tensor(&format!("net/{name}"), shape);
    if shape.len() >= 2 {
        u * (3.0 / shape[1..].iter().product::<i64>() as f64).sqrt()
    } else if name.ends_with("running_var") {
        u * 0.5 + 1.0
    } else if name.ends_with("weight") {
        u * 0.2 + 1.0
    } else {
        u * 0.2
    }
}

fn hashed_model(network: NetworkConfig) -> SegmentationModel {
    let description = ModelDescription::new(network, Some(1.0));
    SegmentationModel::from_tensors(description, Device::Cpu, &mut |name, shape| {
        Ok(hashed_weight(name, shape))
    })
    .unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn dynunet(filters: &[i64], residual: bool, deep_heads: usize, outputs: &[&str]) -> NetworkConfig {
    NetworkConfig::DynUnet(DynUnetConfig {
        filters: filters.to_vec(),
        residual,
        deep_heads,
        outputs: names(outputs),
        ..DynUnetConfig::default()
    })
}

fn compact(widths: &[i64], down: &[usize], up: &[usize], outputs: &[&str]) -> CompactConfig {
    CompactConfig {
        in_channels: 1,
        widths: widths.to_vec(),
        blocks_down: down.to_vec(),
        blocks_up: up.to_vec(),
        outputs: names(outputs),
    }
}

fn picker_of_classes() -> NetworkConfig {
    NetworkConfig::Picker(PickerConfig {
        maps: vec![4, 6, 8],
        outputs: names(&["background", "ribosome", "proteasome"]),
        window: 72,
    })
}

fn unet2d_of_classes() -> NetworkConfig {
    NetworkConfig::Unet2d(Unet2dConfig {
        widths: vec![4, 6, 8],
        dropout: vec![0.0; 3],
        outputs: names(&["background", "membrane", "class 2"]),
        ..Unet2dConfig::default()
    })
}

/// One small network of each kind.
fn small() -> [NetworkConfig; 4] {
    [
        NetworkConfig::Compact(compact(&[4, 8], &[1, 1], &[1], &["membrane", "molecule"])),
        dynunet(&[4, 6, 8, 12], true, 2, &["membrane"]),
        picker_of_classes(),
        unet2d_of_classes(),
    ]
}

fn infer(model: &SegmentationModel, x: &Tensor) -> Tensor {
    let logits = model.network().forward(x, &mut Pass::Inference, &Job::quiet()).unwrap();
    assert!(logits.deep.is_empty());
    logits.main
}

struct Oracle(HashMap<String, Tensor>);

impl Oracle {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/networks/parity.safetensors");
        Self(Tensor::read_safetensors(path).unwrap().into_iter().collect())
    }

    /// Fails where `found`, thinned as the fixtures are, is not what the oracle has, to 1e-4.
    fn agrees(&self, name: &str, actual: &Tensor) {
        let thin = actual.contiguous().reshape([-1]).slice(0, None, None, 3);
        let expected = &self.0[name];
        assert_eq!(thin.size(), expected.size(), "{name}");
        let error = (&thin - expected).abs().max().double_value(&[]);
        let scale = expected.abs().max().double_value(&[]);
        println!("{name}: largest difference {error:.1e} of values up to {scale:.2}");
        assert!(error <= 1e-4, "{name}: {error}");
    }
}

fn input() -> Tensor {
    hashed_tensor("input/3d", &[2, 1, 16, 24, 32])
}

#[test]
fn the_originals_have_as_many_weights() {
    let counts = Oracle::read().0["counts"].shallow_clone();
    let originals = [
        NetworkConfig::DynUnet(DynUnetConfig::default()),
        NetworkConfig::Unet2d(Unet2dConfig::default()),
        NetworkConfig::Picker(PickerConfig::default()),
    ];
    for (n, network) in originals.iter().enumerate() {
        let shapes = network.tensor_shapes().unwrap();
        let learnt = shapes.iter().filter(|(name, _)| !name.contains("running"));
        let count: i64 = learnt.map(|(_, shape)| shape.iter().product::<i64>()).sum();
        assert_eq!(count as f64, counts.double_value(&[n as i64]));
    }
    // The default network: float32 weights well below 10 MB.
    let shapes = NetworkConfig::default().tensor_shapes().unwrap();
    let count: i64 = shapes.iter().map(|(_, shape)| shape.iter().product::<i64>()).sum();
    assert!((500_000..2_000_000).contains(&count), "{count}");
}

#[test]
fn dynunet_computes_what_monai_computes() {
    let oracle = Oracle::read();
    let residual = hashed_model(dynunet(&[4, 6, 8, 12], true, 2, &["membrane"]));
    oracle.agrees("dynunet/residual", &infer(&residual, &input()).narrow(0, 0, 1));
    let basic = hashed_model(dynunet(&[4, 8, 12], false, 0, &["membrane", "class 2"]));
    oracle.agrees("dynunet/basic", &infer(&basic, &input()).narrow(0, 0, 1));
    let mut generator = Generator::new(1, 0);
    let mut pass = Pass::Training(&mut generator);
    let logits = residual.network().forward(&input(), &mut pass, &Job::quiet()).unwrap();
    let all: Vec<&Tensor> = std::iter::once(&logits.main).chain(&logits.deep).collect();
    let stacked = Tensor::stack(&all, 1).get(1).slice(2, None, None, 2);
    oracle.agrees("dynunet/deep", &stacked);
}

#[test]
fn picker_computes_what_its_description_says() {
    let oracle = Oracle::read();
    let full = hashed_model(NetworkConfig::Picker(PickerConfig::default()));
    let wide = hashed_tensor("input/picker", &[1, 1, 16, 24, 16]);
    oracle.agrees("picker/full", &infer(&full, &wide));
    let model = hashed_model(picker_of_classes());
    let part = |x: Tensor| x.narrow(0, 1, 1).slice(2, None, None, 2);
    oracle.agrees("picker/classes", &part(infer(&model, &input())));
    let mut generator = Generator::new(1, 0);
    let mut pass = Pass::Training(&mut generator);
    let logits = model.network().forward(&input(), &mut pass, &Job::quiet()).unwrap();
    oracle.agrees("picker/training", &part(logits.main));
    let statistics: HashMap<String, Tensor> = model.statistics().into_iter().collect();
    let mean = &statistics["decoders.1.basic_module.conv3.batchnorm.running_mean"];
    oracle.agrees("picker/mean", mean);
    oracle.agrees(
        "picker/variance",
        &statistics["encoders.2.basic_module.conv2.batchnorm.running_var"],
    );
}

#[test]
fn unet2d_computes_what_its_description_says() {
    let oracle = Oracle::read();
    let flat = hashed_tensor("input/2d", &[2, 1, 48, 64]);
    let full = hashed_model(NetworkConfig::Unet2d(Unet2dConfig::default()));
    oracle.agrees("unet2d/full", &infer(&full, &flat));
    let model = hashed_model(unet2d_of_classes());
    let mut generator = Generator::new(1, 0);
    let mut pass = Pass::Training(&mut generator);
    let logits = model.network().forward(&flat, &mut pass, &Job::quiet()).unwrap();
    oracle.agrees("unet2d/training", &logits.main);
    let statistics: HashMap<String, Tensor> = model.statistics().into_iter().collect();
    let variance = &statistics["encoder.down2.maxpool_conv.1.conv_conv.5.running_var"];
    oracle.agrees("unet2d/variance", variance);
}

#[test]
fn dropout_is_drawn_from_the_generator_alone() {
    let network = NetworkConfig::Unet2d(Unet2dConfig {
        widths: vec![4, 8],
        dropout: vec![0.0, 0.5],
        ..Unet2dConfig::default()
    });
    let flat = hashed_tensor("input/2d", &[1, 1, 16, 16]);
    let run = |seed: u64| {
        let model = hashed_model(network.clone());
        let mut generator = Generator::new(seed, 0);
        let mut pass = Pass::Training(&mut generator);
        model.network().forward(&flat, &mut pass, &Job::quiet()).unwrap().main
    };
    assert_eq!(run(1), run(1));
    assert!(!run(1).allclose(&run(2), 1e-4, 1e-4, false));
}

#[test]
fn the_compact_network_computes_what_its_description_says() {
    let oracle = Oracle::read();
    let model = hashed_model(NetworkConfig::default());
    oracle.agrees(
        "compact/default",
        &infer(&model, &input().narrow(0, 0, 1).narrow(4, 0, 24)),
    );
    let deep = compact(&[4, 6, 8], &[1, 0, 2], &[2, 1], &["a", "b"]);
    let model = hashed_model(NetworkConfig::Compact(deep));
    let x = hashed_tensor("input/deep", &[1, 1, 16, 16, 24]);
    oracle.agrees("compact/deep", &infer(&model, &x));
}

#[test]
fn every_weight_learns() {
    for network in small() {
        let mut generator = Generator::new(3, 0);
        let model =
            SegmentationModel::random(ModelDescription::new(network, None), &mut generator, Device::Cpu).unwrap();
        let flat = model.network().dimensions() == 2;
        let x = if flat {
            hashed_tensor("input/2d", &[2, 1, 48, 64])
        } else {
            input()
        };
        let weights: Vec<Tensor> = model
            .weights()
            .into_iter()
            .map(|(_, w)| w.set_requires_grad(true))
            .collect();
        let logits = model
            .network()
            .forward(&x, &mut Pass::Training(&mut generator), &Job::quiet())
            .unwrap();
        let mut loss = (&logits.main * hashed_tensor("target", &logits.main.size())).sum(Kind::Float);
        for deep in &logits.deep {
            loss += (deep * hashed_tensor("target", &deep.size())).sum(Kind::Float);
        }
        let spread = logits.main.std(true).double_value(&[]);
        assert!((1e-2..10.0).contains(&spread), "{spread}");
        let gradients = Tensor::run_backward(&[&loss], &weights, false, false);
        for ((name, _), gradient) in model.weights().iter().zip(gradients) {
            let largest = gradient.abs().max().double_value(&[]);
            assert!(largest.is_finite() && largest > 0.0, "{name}: {largest}");
        }
    }
}
