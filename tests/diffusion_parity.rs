//! Stable Diffusion 1 and 2 of reduced width beside diffusers: both file layouts, both namings of the autoencoder, all
//! storage types, and every file that must be refused. Fixtures: tests/oracle/diffusers_parity.py.
#[path = "diffusion_parity/autoencoder.rs"]
mod autoencoder;
#[path = "diffusion_parity/emerdiff.rs"]
mod emerdiff;
#[path = "diffusion_parity/full_width.rs"]
mod full_width;
mod hashed;
#[path = "diffusion_parity/networks.rs"]
mod networks;
#[path = "diffusion_parity/slab_released.rs"]
mod slab_released;
#[path = "diffusion_parity/walk_and_cut.rs"]
mod walk_and_cut;

use std::path::Path;
use std::sync::{Arc, Mutex};

use networks::{early_names, write, Network, Store, Tensors};
use tch::{Kind, Tensor};
use tempfile::TempDir;
use tomocut::diffusion::{DiffusionModel, LatentDraw, LoadOptions};
use tomocut::runtime::{CancelToken, Error, Generator, Job, Logger, Result};

/// Largest difference as a share of the largest expected value.
fn relative_error(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size());
    let error = f64::try_from((actual - expected).abs().max()).unwrap();
    error / f64::try_from(expected.abs().max()).unwrap()
}

fn open(path: &Path) -> Result<DiffusionModel> {
    DiffusionModel::open(path, &LoadOptions::default(), &Job::quiet())
}

fn encode(model: &DiffusionModel, network: &Network) -> Tensor {
    let mut generator = Generator::new(0, 0);
    model
        .encode(&network.image(), LatentDraw::Mean, &mut generator, &Job::quiet())
        .unwrap()
}

/// Every quantity of the fixture within `tolerance`; returns the largest error.
fn compare(model: &DiffusionModel, network: &Network, tolerance: f64) -> f64 {
    let expected = network.expected();
    let job = Job::quiet();
    let latent = encode(model, network);
    let all: Vec<usize> = (0..16).collect();
    let pass = model.extract(&latent, 300, Some(&network.noise()), &all, &job).unwrap();
    assert_eq!(pass.taps.len(), 16);
    let inverted = model.invert(&latent, 181, 10, &job).unwrap();
    let mut outputs = vec![
        ("text".to_owned(), model.text_embedding().unwrap().to_kind(Kind::Float)),
        ("latent".to_owned(), latent),
        ("input".to_owned(), pass.input),
        ("output".to_owned(), pass.output),
        ("clean".to_owned(), pass.clean),
        ("inverted".to_owned(), inverted),
    ];
    for tap in pass.taps {
        outputs.push((format!("{}.q", tap.name), tap.query));
        outputs.push((format!("{}.k", tap.name), tap.key));
    }
    assert_eq!(outputs.len(), expected.len());
    let mut worst: f64 = 0.0;
    for (name, tensor) in &outputs {
        let error = relative_error(tensor, &expected[name]);
        assert!(error <= tolerance, "{} {name}: relative error {error:.2e}", network.key);
        worst = worst.max(error);
    }
    worst
}

#[test]
fn both_layouts_compute_what_diffusers_computes() {
    for key in ["sd1", "sd2"] {
        let network = Network::new(key);
        let folder = TempDir::new().unwrap();
        network.write_folder(folder.path(), &network.component("vae"), Store::F32);
        let model = open(folder.path()).unwrap();
        let config = model.config();
        assert_eq!(config.name, format!("Stable Diffusion {}", &key[2..]));
        assert_eq!(
            (config.pixels_per_token(), config.tile_pixels(), config.granularity()),
            (8, 512, 64)
        );
        let worst = compare(&model, &network, 1e-4);
        eprintln!("{key}, folder: largest relative error {worst:.1e}");

        let file = folder.path().join("model.safetensors");
        write(&file, &network.original(), Store::F32);
        if key == "sd2" {
            // An original SD 2 file does not say that it predicts velocity.
            let warnings = Arc::new(Mutex::new(Vec::new()));
            let sink = warnings.clone();
            let logger = Logger::new(move |_, _, text| sink.lock().unwrap().push(text.to_owned()));
            let job = Job::new(CancelToken::default(), logger);
            DiffusionModel::open(&file, &LoadOptions::default(), &job).unwrap();
            assert!(warnings.lock().unwrap()[0].contains("v_prediction"));
            let text = r#"{"scheduler": {"prediction_type": "v_prediction"}}"#;
            std::fs::write(folder.path().join("model.json"), text).unwrap();
        }
        let worst = compare(&open(&file).unwrap(), &network, 1e-4);
        eprintln!("{key}, single file: largest relative error {worst:.1e}");
    }
}

#[test]
fn early_names_of_the_autoencoder() {
    let network = Network::new("sd1");
    let vae = network.component("vae");
    for kernels in [false, true] {
        let folder = TempDir::new().unwrap();
        let renamed = early_names(&vae, kernels);
        assert!(renamed.contains_key("encoder.mid_block.attentions.0.proj_attn.bias"));
        network.write_folder(folder.path(), &renamed, Store::F32);
        let error = relative_error(
            &encode(&open(folder.path()).unwrap(), &network),
            &network.expected()["latent"],
        );
        assert!(error <= 1e-4, "{error:.2e}");
    }
}

#[test]
fn half_precision_files_load_exactly() {
    let network = Network::new("sd1");
    let output = |store: Store| {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("a.safetensors");
        write(&file, &network.original(), store);
        let model = open(&file).unwrap();
        let pass = model.extract(&network.noise(), 50, None, &[15], &Job::quiet()).unwrap();
        (encode(&model, &network), pass.output, pass.taps[0].key.shallow_clone())
    };
    for (stored, rounded) in [(Store::F16, Store::RoundedF16), (Store::BF16, Store::RoundedBF16)] {
        let (a, b) = (output(stored), output(rounded));
        assert!(a.0.equal(&b.0) && a.1.equal(&b.1) && a.2.equal(&b.2));
    }
}

#[test]
fn half_precision_variant_shards_and_working_types() {
    let network = Network::new("sd1");
    let folder = TempDir::new().unwrap();
    network.write_folder(folder.path(), &network.component("vae"), Store::F16);
    for (part, stem) in [("unet", "diffusion_pytorch_model"), ("text_encoder", "model")] {
        let at = |name: String| folder.path().join(part).join(name);
        std::fs::rename(
            at(format!("{stem}.safetensors")),
            at(format!("{stem}.fp16.safetensors")),
        )
        .unwrap();
    }
    compare(&open(folder.path()).unwrap(), &network, 2e-2);

    // The U-Net in two shards.
    let unet = folder.path().join("unet");
    std::fs::remove_file(unet.join("diffusion_pytorch_model.fp16.safetensors")).unwrap();
    let (mut first, mut second) = (network.component("unet"), Tensors::new());
    first.retain(|name, tensor| {
        let stays = name.starts_with("down");
        if !stays {
            second.insert(name.clone(), tensor.clone());
        }
        stays
    });
    let table: serde_json::Map<_, _> = [(&first, "a.safetensors"), (&second, "b.safetensors")]
        .into_iter()
        .flat_map(|(tensors, file)| {
            write(&unet.join(file), tensors, Store::F32);
            tensors.keys().map(move |name| (name.clone(), file.into()))
        })
        .collect();
    let index = serde_json::json!({ "weight_map": table });
    std::fs::write(
        unet.join("diffusion_pytorch_model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    compare(&open(folder.path()).unwrap(), &network, 2e-2);
    // As diffusers names the index of a variant.
    for variant in ["fp16", "bf16"] {
        let index = |middle: &str| unet.join(format!("diffusion_pytorch_model.safetensors.index{middle}.json"));
        std::fs::rename(index(""), index(&format!(".{variant}"))).unwrap();
        compare(&open(folder.path()).unwrap(), &network, 2e-2);
        std::fs::rename(index(&format!(".{variant}")), index("")).unwrap();
    }

    // Working types other than float32; bfloat16 has 8 bits.
    for (kind, tolerance) in [(Kind::Half, 3e-2), (Kind::BFloat16, 2e-1)] {
        let options = LoadOptions {
            kind,
            ..Default::default()
        };
        let model = DiffusionModel::open(folder.path(), &options, &Job::quiet()).unwrap();
        compare(&model, &network, tolerance);
    }
}

#[test]
fn settings_as_others_write_them_are_the_same_model() {
    let network = Network::new("sd1");
    let folder = TempDir::new().unwrap();
    network.write_folder(folder.path(), &network.component("vae"), Store::F32);
    let config = folder.path().join("unet/config.json");
    let written = std::fs::read_to_string(&config).unwrap();
    let change = |key: &str, value: serde_json::Value| {
        let mut table: serde_json::Value = serde_json::from_str(&written).unwrap();
        table[key] = value;
        std::fs::write(&config, table.to_string()).unwrap();
    };
    let width = serde_json::from_str::<serde_json::Value>(&written).unwrap()["cross_attention_dim"].clone();
    for (key, value) in [
        ("upcast_attention", serde_json::Value::Null),
        ("only_cross_attention", serde_json::json!([false, false])),
        ("cross_attention_dim", serde_json::json!([width, width])),
    ] {
        change(key, value);
        compare(&open(folder.path()).unwrap(), &network, 1e-4);
    }
    change("only_cross_attention", serde_json::json!([true, false]));
    let refused = refusal(folder.path());
    assert!(refused.contains("only_cross_attention is [true,false]"), "{refused}");
    change("cross_attention_dim", serde_json::json!(48));
    let refused = refusal(folder.path());
    let expected = format!("hidden_size is {width}, the U-Net's cross_attention_dim expects width 48");
    assert!(refused.contains(&expected), "{refused}");

    // An inpainting model also sees a mask and a masked latent, which are zero here.
    change("in_channels", serde_json::json!(9));
    let mut unet = network.component("unet");
    let (shape, values) = unet.get_mut("conv_in.weight").unwrap();
    let kernel: usize = shape[2] * shape[3];
    *values = values
        .chunks(shape[1] * kernel)
        .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(1.0, 5 * kernel)))
        .collect();
    shape[1] += 5;
    write(
        &folder.path().join("unet/diffusion_pytorch_model.safetensors"),
        &unet,
        Store::F32,
    );
    compare(&open(folder.path()).unwrap(), &network, 1e-4);
}

#[test]
fn sampling_and_repeating() {
    let network = Network::new("sd1");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.safetensors");
    write(&file, &network.original(), Store::F32);
    let (model, again) = (open(&file).unwrap(), open(&file).unwrap());
    let job = Job::quiet();
    let draw = |model: &DiffusionModel, seed| {
        let mut generator = Generator::new(seed, 0);
        model
            .encode(&network.image(), LatentDraw::Sample, &mut generator, &job)
            .unwrap()
    };
    assert!(draw(&model, 1).equal(&draw(&again, 1)));
    assert!(!draw(&model, 1).equal(&draw(&model, 2)));
    let pass = |model: &DiffusionModel| {
        model
            .extract(&draw(model, 1), 50, Some(&network.noise()), &[0], &job)
            .unwrap()
    };
    assert!(pass(&model).output.equal(&pass(&again).output));
    // Colour images are taken as they are; a third of the channels twice is not an image.
    let mut generator = Generator::new(0, 0);
    let colour = network.image().expand([-1, 3, -1, -1], false);
    assert!(model
        .encode(&colour, LatentDraw::Mean, &mut generator, &job)
        .unwrap()
        .equal(&encode(&model, &network)));
    for shape in [[1, 2, 64, 64], [1, 1, 60, 64], [0, 1, 64, 64]] {
        let image = Tensor::zeros(shape, (Kind::Float, tch::Device::Cpu));
        assert!(model.encode(&image, LatentDraw::Mean, &mut generator, &job).is_err());
    }

    let token = CancelToken::default();
    token.request();
    let stopped = Job::new(token, Logger::default());
    let cancelled = |error: Error| assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    cancelled(
        DiffusionModel::open(&file, &LoadOptions::default(), &stopped)
            .err()
            .unwrap(),
    );
    cancelled(
        model
            .encode(&network.image(), LatentDraw::Mean, &mut generator, &stopped)
            .unwrap_err(),
    );
    cancelled(model.extract(&network.noise(), 50, None, &[], &stopped).unwrap_err());
    cancelled(model.invert(&network.noise(), 50, 5, &stopped).unwrap_err());
}

/// The text of the error that `path` is refused with.
fn refusal(path: &Path) -> String {
    match open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error @ (Error::Format { .. } | Error::Unsupported(_) | Error::Io { .. })) => error.to_string(),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn bad_tensors_are_named() {
    let network = Network::new("sd1");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.safetensors");
    let whole = network.original();
    let refuse = |change: &dyn Fn(&mut Tensors), parts: &[&str]| {
        let mut tensors = whole.clone();
        change(&mut tensors);
        write(&file, &tensors, Store::F32);
        let text = refusal(&file);
        for part in parts {
            assert!(text.contains(part), "{text}: no {part:?}");
        }
    };
    let query = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.attn1.to_q.weight";
    refuse(&|t| drop(t.remove(query)), &[query, "missing", "[32, 32]"]);
    refuse(
        &|t| t.get_mut(query).unwrap().0 = vec![16, 64],
        &[query, "[16, 64]", "expected [32, 32]"],
    );
    let norm = "first_stage_model.encoder.mid.attn_1.norm.weight";
    refuse(&|t| drop(t.remove(norm)), &[norm, "missing"]);
    refuse(
        &|t| t.retain(|name, _| !name.starts_with("first_stage_model.")),
        &["has no autoencoder"],
    );
    refuse(
        &|t| t.retain(|name, _| !name.starts_with("cond_stage_model.")),
        &["has no text encoder"],
    );
    refuse(
        &|t| t.retain(|name, _| name.starts_with("cond_stage_model.")),
        &["has no U-Net"],
    );
    let first = "model.diffusion_model.input_blocks.0.0.weight";
    refuse(
        &|t| drop(t.insert(first.into(), (vec![32, 5, 3, 3], vec![0.0; 1440]))),
        &["makes 4 channels", "the U-Net takes 5"],
    );
    let xl = "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias";
    refuse(
        &|t| drop(t.insert(xl.into(), (vec![1], vec![0.0]))),
        &["Stable Diffusion XL"],
    );

    // One tensor of another type.
    let bytes = [0u8; 32 * 32 * 8];
    let mut tensors = whole.clone();
    let odd = tensors.remove(query).unwrap().0;
    write(&file, &tensors, Store::F32);
    let rest = std::fs::read(&file).unwrap();
    let rest = safetensors::SafeTensors::deserialize(&rest).unwrap();
    let mut views = rest.tensors();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::I64, odd, &bytes).unwrap();
    views.push((query.to_owned(), view));
    let other = folder.path().join("b.safetensors");
    safetensors::serialize_to_file(views, None, &other).unwrap();
    let text = refusal(&other);
    assert!(
        text.contains(query) && text.contains("I64") && text.contains("F32"),
        "{text}"
    );
}

#[test]
fn bad_files_are_refused() {
    let network = Network::new("sd1");
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&at("good.safetensors"), &network.original(), Store::F16);
    let good = std::fs::read(at("good.safetensors")).unwrap();
    let mut endless = good.clone();
    endless[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut odd = good.clone();
    odd[..8].copy_from_slice(&12u64.to_le_bytes());
    let cases: [(&str, &[u8], &str); 9] = [
        ("zip.ckpt", b"PK\x03\x04archive/data.pkl", "save_file"),
        ("old.pt", b"\x80\x02}q\x00(X\x05\x00\x00", "save_file"),
        (
            "cut.safetensors",
            &good[..good.len() / 2],
            "not a whole safetensors file",
        ),
        ("header.safetensors", &good[..1000], "not a whole safetensors file"),
        ("endless.safetensors", &endless, "not a whole safetensors file"),
        ("odd.safetensors", &odd, "not a whole safetensors file"),
        ("empty.safetensors", b"", "shorter than a header"),
        ("short.safetensors", b"\x00\x00\x00", "shorter than a header"),
        (
            "text.safetensors",
            b"this is a text, no weights",
            "not a whole safetensors file",
        ),
    ];
    for (name, bytes, part) in cases {
        std::fs::write(at(name), bytes).unwrap();
        let text = refusal(&at(name));
        assert!(text.contains(part) && text.contains(name), "{text}");
    }
    assert!(matches!(open(&at("absent.safetensors")), Err(Error::Io { .. })));

    // Folders.
    let model = at("model");
    network.write_folder(&model, &network.component("vae"), Store::F16);
    let component = model.join("unet/diffusion_pytorch_model.safetensors");
    let text = refusal(&component);
    assert!(text.contains("component of a diffusers model"), "{text}");
    std::fs::rename(&component, model.join("unet/other.safetensors")).unwrap();
    let text = refusal(&model);
    assert!(text.contains("has no diffusion_pytorch_model.safetensors"), "{text}");
    std::fs::write(
        model.join("unet/diffusion_pytorch_model.bin"),
        b"PK\x03\x04archive/data.pkl",
    )
    .unwrap();
    assert!(refusal(&model).contains("save_file"));
    std::fs::rename(model.join("unet/other.safetensors"), &component).unwrap();
    let scheduler = model.join("scheduler/scheduler_config.json");
    std::fs::write(&scheduler, r#"{"prediction_type": "sample"}"#).unwrap();
    assert!(refusal(&model).contains("prediction_type is \"sample\""));
    std::fs::remove_file(&scheduler).unwrap();
    std::fs::write(model.join("vae/config.json"), r#"{"shift_factor": 0.1}"#).unwrap();
    assert!(refusal(&model).contains("shift_factor is 0.1"));
    std::fs::write(model.join("vae/config.json"), "{").unwrap();
    assert!(refusal(&model).contains("not valid JSON"));
    std::fs::remove_dir_all(model.join("vae")).unwrap();
    assert!(refusal(&model).contains("has no folder vae"));

    // Overrides of what shapes cannot tell.
    let groups = r#"{"unet": {"norm_num_groups": 16, "norm_eps": 1e-4}}"#;
    std::fs::write(at("good.json"), groups).unwrap();
    let unet = open(&at("good.safetensors")).unwrap().config().unet.clone();
    assert_eq!((unet.norm_num_groups, unet.norm_eps), (16, 1e-4));
    std::fs::write(at("good.json"), r#"{"unet": {"norm_num_groups": 24}}"#).unwrap();
    assert!(refusal(&at("good.safetensors")).contains("norm_num_groups = 24"));
}
