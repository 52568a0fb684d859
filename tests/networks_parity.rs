//! The segmentation networks beside their originals, their files, and what tiles rely on.
//! Fixtures: tests/oracle/networks_parity.py.
mod hashed;

use std::collections::HashMap;
use std::path::Path;

use hashed::uniform;
use safetensors::tensor::TensorView;
use safetensors::Dtype;
use tch::{Device, Kind, Tensor};
use tomocut::networks::{
    CompactConfig, DynUnetConfig, InputScale, ModelDescription, NetworkConfig, Pass, PickerConfig, Reach,
    SegmentationModel, Unet2dConfig,
};
use tomocut::runtime::{CancelToken, Error, Generator, Job, Logger};

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
    fn agrees(&self, name: &str, found: &Tensor) {
        let thin = found.contiguous().reshape([-1]).slice(0, None, None, 3);
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
    assert!((1_000_000..2_000_000).contains(&count), "{count}");
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

/// The halo is what the outputs depend on: not less, and not a whole cell more.
#[test]
fn the_reach_is_true() {
    let configs = [
        compact(&[4, 8], &[1, 1], &[1], &["a"]),
        compact(&[4], &[1], &[], &["a"]),
        compact(&[3, 4, 5], &[1, 0, 1], &[0, 1], &["a"]),
    ];
    for config in configs {
        let model = hashed_model(NetworkConfig::Compact(config.clone()));
        let cell = model.network().divisor();
        let Reach::Halo(halo) = model.network().reach() else {
            panic!("no halo");
        };
        assert_eq!(halo % cell, 0);
        let side = (2 * halo + 3 * cell).min(96);
        let x = hashed_tensor("input/reach", &[1, 1, side, 16, 16]).set_requires_grad(true);
        let middle = side / 2 / cell * cell;
        // A whole coarsest cell in the middle.
        let sum = infer(&model, &x).narrow(2, middle, cell).abs().sum(Kind::Float);
        let gradient = Tensor::run_backward(&[&sum], &[&x], false, false).remove(0);
        let lines = gradient.abs().amax([0, 1, 3, 4].as_slice(), false);
        let seen: Vec<f64> = Vec::try_from(lines.to_kind(Kind::Double)).unwrap();
        let first = seen.iter().position(|v| *v > 0.0).unwrap() as i64;
        let last = seen.iter().rposition(|v| *v > 0.0).unwrap() as i64;
        let reach = (middle - first).max(last - (middle + cell - 1));
        println!("{:?}: halo {halo}, seen {reach}", config.widths);
        assert!(reach <= halo && reach > halo - cell, "{reach} of {halo}");
    }
}

#[test]
fn tiles_with_the_halo_give_the_numbers_of_the_whole() {
    let model = hashed_model(NetworkConfig::Compact(compact(&[4, 8], &[1, 1], &[1], &["a", "b"])));
    let Reach::Halo(halo) = model.network().reach() else {
        panic!("no halo");
    };
    let shape = [48_i64, 52, 64];
    let x = hashed_tensor("input/tiles", &[1, 1, 48, 52, 64]);
    let whole = infer(&model, &x);
    for tile in [[16, 52, 24], [20, 20, 20], [48, 12, 40]] {
        let joined = whole.full_like(f64::NAN);
        let starts = |axis: usize| (0..shape[axis]).step_by(tile[axis] as usize);
        for z in starts(0) {
            for y in starts(1) {
                for col in starts(2) {
                    let (mut window, mut target) = (x.shallow_clone(), joined.shallow_clone());
                    let mut margin = [(0, 0); 3];
                    for (axis, start) in [z, y, col].into_iter().enumerate() {
                        let end = (start + tile[axis]).min(shape[axis]);
                        let (low, high) = ((start - halo).max(0), (end + halo).min(shape[axis]));
                        window = window.narrow(axis as i64 + 2, low, high - low);
                        target = target.narrow(axis as i64 + 2, start, end - start);
                        margin[axis] = (start - low, high - end);
                    }
                    let inner = model.network().forward_inner(&window, margin, &Job::quiet()).unwrap();
                    target.copy_(&inner);
                }
            }
        }
        let error = (&joined - &whole).abs().max().double_value(&[]);
        println!("tiles of {tile:?}: largest difference {error:.1e}");
        assert!(error < 1e-5, "{tile:?}: {error}");
    }
}

#[test]
fn inner_parts_are_parts_of_the_whole() {
    for network in small() {
        let model = hashed_model(network);
        let flat = model.network().dimensions() == 2;
        let x = if flat {
            hashed_tensor("input/2d", &[2, 1, 48, 64])
        } else {
            input()
        };
        let whole = infer(&model, &x);
        for margin in [[(0, 0), (3, 5), (0, 1)], [(0, 0), (8, 8), (16, 3)], [(0, 0); 3]] {
            let inner = model.network().forward_inner(&x, margin, &Job::quiet()).unwrap();
            let rank = whole.dim() as i64;
            let mut expected = whole.shallow_clone();
            for (axis, (before, after)) in [(rank - 2, margin[1]), (rank - 1, margin[2])] {
                expected = expected.narrow(axis, before, expected.size()[axis as usize] - before - after);
            }
            assert_eq!(inner.size(), expected.size());
            assert!(inner.allclose(&expected, 1e-5, 1e-5, false));
        }
        for margin in [[(0, 0), (-1, 0), (0, 0)], [(0, 0), (0, 0), (40, 24)]] {
            let refused = model.network().forward_inner(&x, margin, &Job::quiet());
            assert!(matches!(refused, Err(Error::InvalidArgument { .. })));
        }
    }
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

#[test]
fn a_file_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for network in small() {
        let description = ModelDescription {
            voxel_nm: Some(1.348),
            input: InputScale::Slice,
            bright: true,
            origin: "hashes".into(),
            ..ModelDescription::new(network, None)
        };
        let model = SegmentationModel::from_tensors(description.clone(), Device::Cpu, &mut |name, shape| {
            Ok(hashed_weight(name, shape))
        })
        .unwrap();
        let path = folder.path().join("model.safetensors");
        model.save(&path).unwrap();
        let back = SegmentationModel::open(&path, Device::Cpu).unwrap();
        assert_eq!(back.description(), &description);
        assert_eq!(back.to_bytes().unwrap(), std::fs::read(&path).unwrap());
        assert_eq!(back.count(), model.count());
        let copy = model.duplicate(Device::Cpu).unwrap();
        let (_, mut weight) = copy.weights().remove(0);
        let _ = weight.zero_();
        assert_ne!(copy.to_bytes().unwrap(), model.to_bytes().unwrap());
        assert_eq!(back.to_bytes().unwrap(), model.to_bytes().unwrap());
    }
}

/// Writes `tensors` as another program would: without a header of ours.
fn foreign(tensors: &[(String, Tensor)], header: Option<(&str, &str)>) -> Vec<u8> {
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let values: Vec<f32> = Vec::try_from(tensor.reshape([-1])).unwrap();
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name.clone(), tensor.size().iter().map(|n| *n as usize).collect(), bytes)
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        (
            name.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    let metadata = header.map(|(key, text)| HashMap::from([(key.to_owned(), text.to_owned())]));
    safetensors::serialize(views, metadata).unwrap()
}

#[test]
fn files_of_membrain_and_of_the_paper_are_known() {
    let network = dynunet(&[4, 6, 8, 12], true, 2, &["membrane"]);
    let model = hashed_model(network.clone());
    let expected = infer(&model, &input());
    let rename = |name: &dyn Fn(&str) -> String| -> Vec<(String, Tensor)> {
        let tensors = model.weights().into_iter();
        tensors.map(|(n, tensor)| (name(&n), tensor)).collect()
    };
    // A Lightning checkpoint; a file whose writer dropped the first of two names for the same tensor.
    let nested = |name: &str| match name.split_once('.').unwrap() {
        ("input_block", rest) => format!("skip_layers.downsample.{rest}"),
        ("downsamples", rest) if rest.starts_with('0') => format!("skip_layers.next_layer.downsample{}", &rest[1..]),
        ("bottleneck", rest) => format!("skip_layers.next_layer.next_layer.next_layer.{rest}"),
        ("upsamples", rest) if rest.starts_with('2') => format!("skip_layers.upsample{}", &rest[1..]),
        ("upsamples", rest) if rest.starts_with('0') => {
            format!("skip_layers.next_layer.next_layer.upsample{}", &rest[1..])
        }
        ("deep_supervision_heads", rest) if rest.starts_with('1') => {
            format!("skip_layers.next_layer.next_layer.super_head{}", &rest[1..])
        }
        _ => name.to_owned(),
    };
    for (voxel, tensors) in [
        (Some(1.0), rename(&|name| format!("_model.{name}"))),
        (Some(1.0), rename(&|name| format!("_model.{}", nested(name)))),
        (None, rename(&nested)),
    ] {
        let found = SegmentationModel::from_bytes("file", &foreign(&tensors, None), Device::Cpu).unwrap();
        assert_eq!(
            (&found.description().network, found.description().voxel_nm),
            (&network, voxel)
        );
        assert_eq!(infer(&found, &input()), expected);
    }

    let paper = hashed_model(unet2d_of_classes());
    let mut tensors = paper.weights();
    tensors.extend(paper.statistics());
    for prefix in ["", "net."] {
        let named: Vec<_> = tensors
            .iter()
            .map(|(n, t)| (format!("{prefix}{n}"), t.shallow_clone()))
            .collect();
        let found = SegmentationModel::from_bytes("file", &foreign(&named, None), Device::Cpu).unwrap();
        assert_eq!(found.description().input, InputScale::Slice);
        let flat = hashed_tensor("input/2d", &[1, 1, 48, 64]);
        assert_eq!(infer(&found, &flat), infer(&paper, &flat));
    }
}

#[test]
fn wrong_files_and_wrong_inputs_are_named() {
    let model = hashed_model(dynunet(&[4, 6, 8], true, 1, &["membrane"]));
    let reason = |bytes: Vec<u8>| match SegmentationModel::from_bytes("file", &bytes, Device::Cpu) {
        Ok(_) => panic!("a wrong file was taken"),
        Err(error) => error.to_string(),
    };
    let key = "tomocut-network";
    let text = |json: &str| foreign(&model.weights(), Some((key, json)));
    assert!(reason(text(r#"{"version":2}"#)).contains("version 2, this engine reads up to 1"));
    assert!(reason(text(r#"{"version":1,"network":"transformer"}"#)).contains("transformer"));
    assert!(reason(text(
        r#"{"version":1,"network":"picker","maps":[4,0],"outputs":["a"],"window":8}"#
    ))
    .contains("maps"));
    assert!(reason(text(
        r#"{"version":1,"network":"picker","maps":[4,8],"outputs":["a"],"window":8}"#
    ))
    .contains("is missing"));
    let mut tensors = model.weights();
    tensors[3].1 = tensors[3].1.narrow(0, 0, 1).contiguous();
    assert!(reason(foreign(&tensors, None)).contains(&tensors[3].0));
    tensors.retain(|(name, _)| !name.starts_with("bottleneck"));
    assert!(reason(foreign(&tensors, None)).contains("bottleneck"));
    tensors.retain(|(name, _)| name.starts_with("upsamples"));
    assert!(reason(foreign(&tensors, None)).contains("no segmentation network that is known"));
    assert!(reason(b"PK\x03\x04 and so on, a pickle".to_vec()).contains("pickle"));

    for shape in [
        &[1, 1, 8, 8, 6][..],
        &[1, 2, 8, 8, 8],
        &[1, 1, 8, 8],
        &[1, 1, 0, 8, 8],
        &[0, 1, 8, 8, 8],
    ] {
        let x = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let refused = model.network().forward(&x, &mut Pass::Inference, &Job::quiet());
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{shape:?}");
    }
    let cancel = CancelToken::default();
    cancel.request();
    let job = Job::new(cancel, Logger::default());
    let refused = model.network().forward(&input(), &mut Pass::Inference, &job);
    assert!(matches!(refused, Err(Error::Cancelled { .. })));
}
