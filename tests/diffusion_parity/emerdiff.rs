//! Modulated denoising, decoders out of every layout of files, and the presets of `ncut` that need Stable Diffusion.
use std::path::Path;

use ndarray::Array3;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;
use tomocut::diffusion::{vae_tensor_shapes, DiffusionModel, LatentEncoder, Modulation, VaeConfig, VaeDecoder};
use tomocut::ncut::{segment_image, ImageInput, NcutOptions, Preset, Segmentation};
use tomocut::runtime::{Generator, Job, Result};

use crate::hashed::uniform;
use crate::networks::{early_names, fixture, weight, write, Network, Store, Tensors};
use crate::{encode, open, relative_error};

/// The layers of the block whose queries are clustered: the first on the way up, of four levels of two layers.
const BLOCK: [usize; 3] = [7, 8, 9];

/// Encoder and decoder of the network's autoencoder, by diffusers' names.
fn autoencoder(network: &Network, config: &VaeConfig) -> Tensors {
    let mut tensors = network.component("vae");
    for (name, shape) in vae_tensor_shapes(config).unwrap() {
        let shape: Vec<usize> = shape.iter().map(|n| *n as usize).collect();
        let values = weight(&format!("emerdiff/{name}"), &shape);
        tensors.entry(name).or_insert((shape, values));
    }
    tensors
}

fn config_of(model: &DiffusionModel) -> VaeConfig {
    match model.encoder() {
        LatentEncoder::Vae(encoder) => encoder.config().clone(),
        LatentEncoder::SpaceToDepth(_) => panic!("no autoencoder"),
    }
}

/// The small Stable Diffusion 1 in a folder, with a decoder.
fn stable_diffusion(folder: &Path) -> (Network, DiffusionModel) {
    let network = Network::new("sd1");
    network.write_folder(folder, &network.component("vae"), Store::F32);
    let config = config_of(&open(folder).unwrap());
    network.write_folder(folder, &autoencoder(&network, &config), Store::F32);
    let model = open(folder).unwrap();
    (network, model)
}

#[test]
fn the_decoder_is_read_from_every_layout() {
    let folder = TempDir::new().unwrap();
    let (network, model) = stable_diffusion(folder.path());
    let config = config_of(&model);
    let tensors = autoencoder(&network, &config);
    let own = VaeDecoder::from_tensors(&config, &mut |name, shape| {
        Ok(Tensor::from_slice(&tensors[name].1).reshape(shape))
    })
    .unwrap();
    let job = Job::quiet();
    let expected = own.decode(&network.noise(), &job).unwrap();
    let decoded = |model: &DiffusionModel| model.open_decoder(&job)?.decode(&network.noise(), &job);
    assert!(decoded(&model).unwrap().equal(&expected));

    network.write_folder(folder.path(), &early_names(&tensors, true), Store::F32);
    assert!(decoded(&open(folder.path()).unwrap()).unwrap().equal(&expected));

    // The original layout counts the decoder's levels from the finest and has 1x1 convolutions in its attention.
    let mut original = network.original();
    let levels = config.block_out_channels.len();
    for (name, (shape, values)) in tensors.iter().filter(|(name, _)| !name.starts_with("encoder.")) {
        let mut shape = shape.clone();
        if name.contains(".to_") && shape.len() == 2 {
            shape.extend([1, 1]);
        }
        let theirs = format!("first_stage_model.{}", original_name(name, levels));
        original.insert(theirs, (shape, values.clone()));
    }
    let file = folder.path().join("model.safetensors");
    write(&file, &original, Store::F32);
    assert!(decoded(&open(&file).unwrap()).unwrap().equal(&expected));

    original.remove("first_stage_model.decoder.conv_out.weight");
    write(&file, &original, Store::F32);
    let text = decoded(&open(&file).unwrap()).unwrap_err().to_string();
    assert!(text.contains("first_stage_model.decoder.conv_out.weight"), "{text}");
}

/// The decoder's names in CompVis' files (ldm/modules/diffusionmodules/model.py).
fn original_name(name: &str, levels: usize) -> String {
    let mut name = name
        .replace("mid_block.resnets.0", "mid.block_1")
        .replace("mid_block.resnets.1", "mid.block_2")
        .replace("mid_block.attentions.0", "mid.attn_1")
        .replace("group_norm", "norm")
        .replace("conv_norm_out", "norm_out")
        .replace("conv_shortcut", "nin_shortcut")
        .replace("to_out.0", "proj_out")
        .replace("to_q", "q")
        .replace("to_k", "k")
        .replace("to_v", "v");
    for block in 0..levels {
        let up = format!("up.{}", levels - 1 - block);
        name = name
            .replace(&format!("up_blocks.{block}.resnets"), &format!("{up}.block"))
            .replace(&format!("up_blocks.{block}.upsamplers.0"), &format!("{up}.upsample"));
    }
    name
}

fn modulated(model: &DiffusionModel, latent: &Tensor, masks: &Tensor, strength: f64) -> Result<Tensor> {
    let modulation = Modulation {
        timestep: 281,
        steps: 50,
        strength,
        layer: BLOCK[2],
    };
    let mut generator = Generator::new(5, 0);
    let noise = &mut || generator.normal_tensor(&latent.size(), Device::Cpu);
    model.modulated(latent, masks, &modulation, noise, &Job::quiet())
}

#[test]
fn modulated_denoising_is_that_of_diffusers() {
    let expected = Tensor::read_safetensors(fixture("modulation.safetensors")).unwrap();
    for (key, expected) in &expected {
        let network = Network::new(if key == "sd1" { "sd1" } else { "sd2" });
        let folder = TempDir::new().unwrap();
        network.write_folder(folder.path(), &network.component("vae"), Store::F32);
        let model = open(folder.path()).unwrap();
        let latent = encode(&model, &network);
        let (rows, columns) = network.latent_size();
        // Two masks, as tests/oracle/diffusers_modulation.py has them.
        let tokens = rows * columns / 16;
        let inside = |k: i64, n: i64| if k == 0 { n < (tokens + 1) / 3 } else { n % 2 == 1 };
        let masks: Vec<f32> = (0..2 * tokens)
            .map(|n| f32::from(u8::from(inside(n / tokens, n % tokens))))
            .collect();
        let masks = Tensor::from_slice(&masks).reshape([2, tokens]);
        let modulation = Modulation {
            timestep: 281,
            steps: 10,
            strength: 10.0,
            layer: BLOCK[2],
        };
        let mut timesteps = [81, 181, 281].into_iter();
        let noise = &mut || {
            let name = format!("{key}/modulation/{}", timesteps.next().unwrap());
            Ok(Tensor::from_slice(&uniform(&name, latent.numel())).reshape(latent.size()))
        };
        let pushed = model
            .modulated(&latent, &masks, &modulation, noise, &Job::quiet())
            .unwrap();
        let error = relative_error(&pushed, expected);
        // Three passes: the tolerance of one pass beside diffusers, 1e-4, and their steps back to the clean latent.
        assert!(error < 3e-4, "{key}: {error:.1e}");
    }
}

#[test]
fn a_latent_that_is_not_pushed_comes_back_and_masks_do_not_see_each_other() {
    let folder = TempDir::new().unwrap();
    let (network, model) = stable_diffusion(folder.path());
    let latent = encode(&model, &network);
    let tokens = model.extract(&latent, 1, None, &BLOCK, &Job::quiet()).unwrap().taps[2]
        .query
        .size()[1];
    let none = Tensor::zeros([1, tokens], (Kind::Float, Device::Cpu));
    let back = modulated(&model, &latent, &none, 10.0).unwrap();
    for k in 0..2 {
        // The steps add up float32's rounding only.
        let error = relative_error(&back.narrow(0, k, 1), &latent);
        assert!(error < 1e-4, "{error:.1e}");
    }
    // Nine masks: two batches of each sign. Each is what it is alone.
    let masks = Tensor::eye(9, (Kind::Float, Device::Cpu)).constant_pad_nd([0, tokens - 9]);
    let all = modulated(&model, &latent, &masks, 10.0).unwrap();
    assert_eq!(all.size()[0], 18);
    for k in [0, 8] {
        let alone = modulated(&model, &latent, &masks.narrow(0, k, 1), 10.0).unwrap();
        for (sign, of_all) in [k, 9 + k].into_iter().enumerate() {
            let error = relative_error(&alone.narrow(0, sign as i64, 1), &all.narrow(0, of_all, 1));
            assert!(error < 1e-4, "mask {k}: {error:.1e}");
        }
    }
    let moved = relative_error(&all.narrow(0, 0, 1), &latent);
    let pair = relative_error(&all.narrow(0, 0, 1), &all.narrow(0, 9, 1));
    assert!(moved > 1e-3 && pair > 1e-3, "{moved:.1e} {pair:.1e}");

    let refused = |masks: &Tensor, change: &dyn Fn(&mut Modulation), part: &str| {
        let mut modulation = Modulation {
            timestep: 281,
            steps: 50,
            strength: 10.0,
            layer: BLOCK[2],
        };
        change(&mut modulation);
        let noise = &mut || Ok(latent.zeros_like());
        let answer = model.modulated(&latent, masks, &modulation, noise, &Job::quiet());
        let text = answer.unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    refused(&none, &|m| m.timestep = 0, "must be 1..=999");
    refused(&none, &|m| m.steps = 0, "must be 1..=1000");
    refused(&none, &|m| m.layer = 16, "must be below 16");
    refused(&none.constant_pad_nd([0, 1]), &|_| (), "tokens of layer 9");
}

/// A picture of three flat parts.
fn picture() -> Array3<f32> {
    Array3::from_shape_fn((3, 48, 96), |(k, r, c)| match (r < 20, c < 50) {
        (true, _) => 40.0 * k as f32,
        (false, true) => 200.0,
        (false, false) => 120.0 - 30.0 * k as f32,
    })
}

fn segmented(model: &DiffusionModel, options: &NcutOptions) -> Result<Segmentation> {
    let pixels = picture();
    let image = ImageInput::new(pixels.view(), Some([0.0, 255.0])).unwrap();
    segment_image(model, image, options, &Job::quiet())
}

#[test]
fn presets_run_as_published_with_stable_diffusion() {
    let folder = TempDir::new().unwrap();
    let (_, model) = stable_diffusion(folder.path());
    let run = |preset, change: &dyn Fn(&mut NcutOptions)| {
        let mut options = NcutOptions::new(preset);
        options.working_tokens = 16;
        options.clusters = 3;
        // Three steps from 281 on instead of fifteen.
        options.modulation_steps = 10;
        change(&mut options);
        segmented(&model, &options).unwrap()
    };
    let whole = run(Preset::WalkAndCut, &|_| ());
    let report = &whole.report;
    assert_eq!((report.latent_mode, report.timestep), (Some("inverted"), Some(181)));
    // A square, whatever the picture's aspect.
    assert_eq!(
        (report.working_shape, whole.labels.dim()),
        (Some([128, 128]), (1, 48, 96))
    );
    let clean = run(Preset::WalkAndCutClean, &|_| ());
    assert_eq!(
        (clean.report.latent_mode, clean.report.timestep),
        (Some("clean"), Some(181))
    );
    assert_eq!(clean.report.working_shape, Some([64, 192]));
    let clean = run(Preset::WalkAndCutClean, &|o| o.square = Some(true));
    assert_eq!(clean.report.working_shape, Some([128, 128]));
    // Ten passes of inversion and one of denoising: the walk is that of the inverted latent, and so are the segments.
    assert!(whole.settings.square == Some(true) && clean.features != whole.features);

    let emerdiff = run(Preset::EmerDiff, &|_| ());
    assert_eq!(emerdiff.report.timestep, Some(1));
    assert_eq!(emerdiff.labels, run(Preset::EmerDiff, &|_| ()).labels);
    assert_eq!(emerdiff.segments.len(), 3);
    let kmeans = run(Preset::EmerDiffKmeans, &|_| ());
    assert_eq!(kmeans.features, emerdiff.features);
    assert_ne!(kmeans.labels, emerdiff.labels);
    // Another layer of the same block, and one whose grid is another.
    assert_ne!(
        run(Preset::EmerDiff, &|o| o.modulation_layer = Some(BLOCK[0])).labels,
        emerdiff.labels
    );
    let mut options = NcutOptions::new(Preset::EmerDiff);
    (options.working_tokens, options.clusters, options.modulation_layer) = (16, 3, Some(15));
    let text = segmented(&model, &options).unwrap_err().to_string();
    assert!(text.contains("tokens of layer 15"), "{text}");
}
