//! Behaviour of small random networks: training, files, taps, cancel.
use tch::{Device, Kind, Tensor};

use super::*;
use crate::runtime::{CancelToken, Error, Generator, Job, Logger, Result};

fn tiny() -> UnetConfig {
    UnetConfig {
        block_out_channels: vec![8, 16, 16],
        down_block_types: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]
            .map(str::to_owned)
            .to_vec(),
        up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]
            .map(str::to_owned)
            .to_vec(),
        attention_head_dim: PerLevel::Same(2),
        cross_attention_dim: None,
        norm_num_groups: 4,
        ..Default::default()
    }
}

fn random_tensors(config: &UnetConfig, seed: u64) -> Vec<(String, Tensor)> {
    let mut generator = Generator::new(seed, 0);
    let shapes = unet_tensor_shapes(config).unwrap();
    shapes
        .into_iter()
        .map(|(name, shape)| {
            let tensor = generator.normal_tensor(&shape, Device::Cpu).unwrap() * 0.1;
            (name, tensor)
        })
        .collect()
}

fn build(config: &UnetConfig, tensors: &[(String, Tensor)]) -> Result<Unet> {
    Unet::from_tensors(config, &mut |name, _| {
        let tensor = tensors.iter().find(|(n, _)| n == name);
        Ok(tensor
            .ok_or_else(|| Error::format(name, "is missing"))?
            .1
            .shallow_clone())
    })
}

fn model(seed: u64) -> DiffusionModel {
    let settings = ModelFileConfig::matched("tiny", tiny(), CellShape::SINGLE, &[], [0.5, 3.0]);
    let bytes = model_to_bytes(&settings, &random_tensors(&tiny(), seed), Kind::Float).unwrap();
    DiffusionModel::from_safetensors_bytes(&bytes, &LoadOptions::default()).unwrap()
}

#[test]
fn gradients_reach_every_tensor() {
    let config = tiny();
    let tensors: Vec<_> = random_tensors(&config, 1)
        .into_iter()
        .map(|(name, tensor)| (name, tensor.set_requires_grad(true)))
        .collect();
    let unet = build(&config, &tensors).unwrap();
    let mut generator = Generator::new(2, 0);
    let x = generator.normal_tensor(&[2, 4, 8, 8], Device::Cpu).unwrap();
    let t = Tensor::from_slice(&[10i64, 700]);
    let job = Job::quiet();
    let loss = |unet: &Unet| {
        unet.forward(&x, &t, None, None, &job)
            .unwrap()
            .square()
            .mean(Kind::Float)
    };
    loss(&unet).backward();
    for (name, tensor) in &tensors {
        let gradient = tensor.grad();
        assert!(gradient.defined(), "{name} has no gradient");
        // A key bias does not exist here, so nothing is exactly flat.
        assert!(
            f64::try_from(gradient.abs().sum(Kind::Float)).unwrap() > 0.0,
            "{name} has a zero gradient"
        );
    }
    // The gradient of one weight against a central difference.
    let (name, tensor) = tensors
        .iter()
        .find(|(n, _)| n.ends_with("mid_block.attentions.0.proj_in.weight"))
        .unwrap();
    let step = 1e-2;
    let shifted = |by: f64| {
        let moved: Vec<_> = tensors
            .iter()
            .map(|(n, t)| {
                (
                    n.clone(),
                    if n == name {
                        t.detach() + Tensor::from_slice(&[by as f32])
                    } else {
                        t.detach()
                    },
                )
            })
            .collect();
        f64::try_from(loss(&build(&config, &moved).unwrap())).unwrap()
    };
    let slope = (shifted(step) - shifted(-step)) / (2.0 * step);
    let exact = f64::try_from(tensor.grad().sum(Kind::Float)).unwrap();
    assert!(
        (slope - exact).abs() <= 0.02 * exact.abs().max(1e-3),
        "slope {slope}, gradient {exact}"
    );
}

#[test]
fn file_round_trip_and_taps() {
    let model = model(3);
    let config = model.config();
    assert_eq!(
        (config.pixels_per_token(), config.tile_pixels(), config.granularity()),
        (2, 128, 8)
    );
    assert_eq!(config.unet.attention_layers(), 2 + 2 + 1 + 3 + 3);
    let mut generator = Generator::new(4, 0);
    let image = generator.normal_tensor(&[1, 1, 24, 32], Device::Cpu).unwrap();
    let job = Job::quiet();
    let latent = model.encode(&image, LatentDraw::Mean, &mut generator, &job).unwrap();
    assert_eq!(latent.size(), [1, 4, 12, 16]);
    let all: Vec<usize> = (0..11).collect();
    let pass = model.extract(&latent, 500, None, &all, &job).unwrap();
    let names: Vec<&str> = pass.taps.iter().map(|tap| tap.name.as_str()).collect();
    assert_eq!(names[0], "down_blocks.0.attentions.0.transformer_blocks.0.attn1");
    assert_eq!(names[4], "mid_block.attentions.0.transformer_blocks.0.attn1");
    assert_eq!(names[10], "up_blocks.2.attentions.2.transformer_blocks.0.attn1");
    let levels = config.unet.attention_levels();
    for (tap, level) in pass.taps.iter().zip(levels) {
        assert_eq!(tap.grid, (12 >> level, 16 >> level));
        let channels = config.unet.block_out_channels[level];
        let tokens = (tap.grid.0 * tap.grid.1) as i64;
        assert_eq!(tap.query.size(), [2, tokens, channels / 2]);
        assert_eq!(tap.key.size(), tap.query.size());
    }
    let rows = pass.taps[0].probabilities(5..9).unwrap();
    assert_eq!(rows.size(), [2, 4, 192]);
    assert!(rows.sum_dim_intlist(-1, false, Kind::Float).allclose(
        &Tensor::ones([2, 4], (Kind::Float, Device::Cpu)),
        1e-5,
        1e-6,
        false
    ));
    assert!(pass.taps[0].probabilities(5..193).is_err());
    // The same bytes again, and only the layers asked for.
    let again = model.extract(&latent, 500, None, &[4], &job).unwrap();
    assert_eq!(again.taps.len(), 1);
    assert!(again.taps[0].query.equal(&pass.taps[4].query));
    assert!(again.output.equal(&pass.output));
    assert!(model.extract(&latent, 500, None, &[11], &job).is_err());
    assert!(model.extract(&latent, 1000, None, &[], &job).is_err());
}

#[test]
fn odd_sides_keep_their_size() {
    let model = model(5);
    let latent = Generator::new(6, 0).normal_tensor(&[1, 4, 7, 13], Device::Cpu).unwrap();
    let pass = model.extract(&latent, 3, None, &[0], &Job::quiet()).unwrap();
    assert_eq!(pass.output.size(), [1, 4, 7, 13]);
    assert_eq!(pass.taps[0].grid, (7, 13));
}

#[test]
fn cancel_stops_a_pass() {
    let model = model(7);
    let token = CancelToken::default();
    token.request();
    let job = Job::new(token, Logger::default());
    let latent = Tensor::zeros([1, 4, 8, 8], (Kind::Float, Device::Cpu));
    let error = model.extract(&latent, 3, None, &[], &job).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }));
}

#[test]
fn blocks_of_attention_are_the_whole() {
    let mut generator = Generator::new(8, 0);
    let mut draw = || generator.normal_tensor(&[1, 2, 4352, 8], Device::Cpu).unwrap();
    let (q, k, v) = (draw(), draw(), draw());
    let blocks = attend::attend(&q, &k, &v, &Job::quiet()).unwrap();
    let whole = Tensor::scaled_dot_product_attention(&q, &k, &v, None::<&Tensor>, 0.0, false, None, false);
    assert!(blocks.allclose(&whole, 1e-5, 1e-6, false));
}

#[test]
fn settings_are_checked() {
    let parse = |text: &str| UnetConfig::from_json(&serde_json::from_str(text).unwrap());
    let stable_diffusion = parse(r#"{"cross_attention_dim": 768, "attention_head_dim": 8}"#).unwrap();
    assert_eq!(stable_diffusion.attention_layers(), 16);
    let second =
        parse(r#"{"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": true}"#);
    assert_eq!(second.unwrap().heads(3), 20);
    for (text, part) in [
        (
            r#"{"addition_embed_type": "text_time"}"#,
            "addition_embed_type is \"text_time\"",
        ),
        (
            r#"{"down_block_types": ["A", "B", "C", "D"]}"#,
            "down_block_types has A",
        ),
        (r#"{"class_embed_type": "timestep"}"#, "class_embed_type"),
        (r#"{"attention_head_dim": 7}"#, "must divide"),
        (r#"{"layers_per_block": [1]}"#, "layers_per_block"),
        (r#"{"block_out_channels": "x"}"#, "U-Net config"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn own_files_are_written_whole_and_checked() {
    let settings = ModelFileConfig::matched("tiny", tiny(), CellShape::SINGLE, &[], [0.5, 3.0]);
    let tensors = random_tensors(&tiny(), 9);
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("model.safetensors");
    write_model(&file, &settings, &tensors, Kind::Half).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(bytes, model_to_bytes(&settings, &tensors, Kind::Half).unwrap());
    let model = DiffusionModel::open(&file, &LoadOptions::default(), &Job::quiet()).unwrap();
    assert_eq!(
        (model.config().latent_mode, model.config().voxel_nm),
        (LatentMode::Matched, Some([0.5, 3.0]))
    );
    assert_eq!(model.config().name, "tiny");

    // Nothing is written where a tensor is wrong, or the folder does not exist.
    let other = folder.path().join("other.safetensors");
    let mut wrong: Vec<_> = tensors.iter().map(|(n, t)| (n.clone(), t.shallow_clone())).collect();
    wrong[3].1 = Tensor::zeros([5], (Kind::Float, Device::Cpu));
    let error = write_model(&other, &settings, &wrong, Kind::Half)
        .unwrap_err()
        .to_string();
    assert!(error.contains(&wrong[3].0) && error.contains("[5]"), "{error}");
    drop(wrong.remove(3));
    assert!(write_model(&other, &settings, &wrong, Kind::Half).is_err());
    assert!(write_model(
        &folder.path().join("no/model.safetensors"),
        &settings,
        &tensors,
        Kind::Half
    )
    .is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let refused = |change: &dyn Fn(&mut ModelFileConfig), part: &str| {
        let mut changed = settings.clone();
        change(&mut changed);
        // The same header with other settings.
        let old = serde_json::to_string(&serde_json::to_string(&settings).unwrap()).unwrap();
        let new = serde_json::to_string(&serde_json::to_string(&changed).unwrap()).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap().trim_end();
        let mut header = header.replace(&old, &new);
        header.push_str(&" ".repeat((8 - header.len() % 8) % 8));
        let changed = [
            &(header.len() as u64).to_le_bytes(),
            header.as_bytes(),
            &bytes[8 + length..],
        ]
        .concat();
        let error = DiffusionModel::from_safetensors_bytes(&changed, &LoadOptions::default())
            .err()
            .unwrap();
        assert!(error.to_string().contains(part), "{error}");
        error
    };
    assert!(matches!(refused(&|s| s.format = 2, "format 2"), Error::Version(_)));
    refused(
        &|s| {
            s.encoder = EncoderConfig::SpaceToDepth(CellShape {
                factor: 3,
                ..CellShape::SINGLE
            })
        },
        "needs a U-Net of (9, 9)",
    );
    refused(&|s| s.unet.norm_num_groups = 5, "norm_num_groups = 5");
    refused(&|s| s.unet.block_out_channels[0] = 16, "conv_in.weight");
    refused(&|s| s.unet.layers_per_block = PerLevel::Same(1 << 40), "must be 1..=32");
    refused(&|s| s.unet.cross_attention_dim = Some(8), "cross_attention_dim");
    refused(&|s| s.schedule.beta_schedule = "linear".into(), "beta_schedule");
    refused(&|s| s.voxel_nm = Some([2.0, 1.0]), "voxel_nm");
    let cut = DiffusionModel::from_safetensors_bytes(&bytes[..bytes.len() - 1], &LoadOptions::default());
    assert!(matches!(cut, Err(Error::Format { .. })));
}

#[test]
fn latent_cells_and_back() {
    let image = Tensor::arange(16, (Kind::Float, Device::Cpu)).reshape([1, 1, 4, 4]);
    let latent = space_to_depth(&image, 2).unwrap();
    // The second cell of the first row: pixels (0,2), (0,3), (1,2), (1,3).
    let cell: Vec<f32> = latent.select(3, 1).select(2, 0).reshape([4]).try_into().unwrap();
    assert_eq!(cell, [2.0, 3.0, 6.0, 7.0]);
    assert!(depth_to_space(&latent, 2).unwrap().equal(&image));
    assert!(space_to_depth(&image, 3).is_err());
    assert!(depth_to_space(&latent, 3).is_err());
}

#[test]
fn inversion_without_steps_is_the_latent() {
    let model = model(10);
    let latent = Generator::new(11, 0).normal_tensor(&[1, 4, 4, 4], Device::Cpu).unwrap();
    let job = Job::quiet();
    assert!(model.invert(&latent, 0, 1, &job).unwrap().equal(&latent));
    assert!(model.invert(&latent, 5, 6, &job).is_err());
    assert!(model.invert(&latent, 5, 0, &job).is_err());
    assert_eq!(model.invert(&latent, 5, 5, &job).unwrap().size(), latent.size());
}

/// Published tensor lists, where a checkout has them beside it.
#[test]
fn tensor_lists_of_the_published_networks() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/spec/manifests");
    let first = UnetConfig {
        cross_attention_dim: Some(768),
        ..Default::default()
    };
    let second = UnetConfig {
        cross_attention_dim: Some(1024),
        use_linear_projection: true,
        ..Default::default()
    };
    for (name, config) in [("sd1_unet_diffusers.tsv", first), ("sd2_unet_diffusers.tsv", second)] {
        let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
            eprintln!("skipped: no {name}");
            return;
        };
        let mut expected: Vec<(String, Vec<i64>)> = text
            .lines()
            .map(|line| line.split_once('\t').unwrap())
            .map(|(name, shape)| (name.to_owned(), serde_json::from_str(shape).unwrap()))
            .collect();
        let mut shapes = unet_tensor_shapes(&config).unwrap();
        expected.sort();
        shapes.sort();
        assert_eq!(shapes, expected);
    }
}

#[test]
fn taps_keep_outputs_and_cross_queries_where_asked() {
    let config = UnetConfig {
        cross_attention_dim: Some(5),
        ..tiny()
    };
    let layer = "up_blocks.1.attentions.0.transformer_blocks.0";
    let mut tensors = random_tensors(&config, 6);
    let mut set = |name: &str, to: f64| {
        let tensor = tensors.iter_mut().find(|(n, _)| *n == format!("{layer}.{name}"));
        let _ = tensor.unwrap().1.fill_(to);
    };
    // The output is then the bias, and the queries of the cross-attention the sums of a normalised token: zero.
    set("attn1.to_out.0.weight", 0.0);
    set("attn1.to_out.0.bias", 0.75);
    set("norm2.weight", 1.0);
    set("norm2.bias", 0.0);
    set("attn2.to_q.weight", 1.0);
    let unet = build(&config, &tensors).unwrap();
    let mut generator = Generator::new(7, 0);
    let x = generator.normal_tensor(&[1, 4, 8, 8], Device::Cpu).unwrap();
    let context = generator.normal_tensor(&[1, 3, 5], Device::Cpu).unwrap();
    let tapped = |parts: TapParts| {
        let mut taps = Taps::new(&[0, 5], parts);
        let t = Tensor::from_slice(&[100i64]);
        let _ = unet
            .forward(&x, &t, Some(&context), Some(&mut taps), &Job::quiet())
            .unwrap();
        taps.into_taken()
    };
    assert!(tapped(TapParts::default())
        .iter()
        .all(|tap| tap.output.is_none() && tap.cross_query.is_none()));
    let taps = tapped(TapParts {
        output: true,
        cross_query: true,
    });
    assert!(taps[1].name.starts_with(layer), "{}", taps[1].name);
    let output = taps[1].output.as_ref().unwrap();
    assert_eq!(output.size(), [16, 16]);
    assert!(output.allclose(&(output.ones_like() * 0.75), 1e-6, 1e-6, false));
    let query = taps[1].cross_query.as_ref().unwrap();
    assert_eq!(query.size(), taps[1].query.size());
    assert!(query.abs().max().double_value(&[]) < 1e-4);
    // The first layer's are its own.
    assert_eq!(taps[0].output.as_ref().unwrap().size(), [64, 8]);
    assert!(taps[0].cross_query.as_ref().unwrap().abs().max().double_value(&[]) > 1e-3);
}
