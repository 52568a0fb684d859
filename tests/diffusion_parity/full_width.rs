//! Stable Diffusion 1.4 at full width beside diffusers: errors, times, peak memory, and how soon a cancel is heard.
//! See tests/oracle/diffusers_full_width.py for the three commands.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{open, relative_error};
use crate::hashed::uniform;
use tch::{Device, Kind, Tensor};
use tomocut::diffusion::{model_to_bytes, unet_tensor_shapes, CellShape, ModelFileConfig, PerLevel, UnetConfig};
use tomocut::diffusion::{DiffusionModel, LatentDraw, LoadOptions};
use tomocut::runtime::{CancelToken, Generator, Job, Logger};

/// Wall clock, and processor seconds of this process: the second one can be compared on a busy machine too.
fn now() -> (Instant, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    // User and system time, fields 14 and 15 of proc(5), in hundredths of a second.
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|n| n.parse::<f64>().unwrap())
        .sum();
    (Instant::now(), ticks / 100.0)
}

fn peak_gib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0 / 1024.0
}

/// Time from a cancel, `after` into `work`, to the end of `work`; none where `work` ended before.
fn cancel_latency(after: Duration, work: impl FnOnce(&Job)) -> Option<Duration> {
    let token = CancelToken::default();
    let request = token.clone();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(after);
        request.request();
        Instant::now()
    });
    let job = Job::new(token, Logger::default());
    work(&job);
    let ended = Instant::now();
    let stopped = canceller.join().unwrap();
    ended.checked_duration_since(stopped)
}

#[test]
#[ignore = "needs 4.3 GB of weights: tests/oracle/diffusers_full_width.py"]
fn full_width_beside_diffusers() {
    let Some(folder) = std::env::var_os("TOMOCUT_FULL_WIDTH").map(PathBuf::from) else {
        eprintln!("skipped: TOMOCUT_FULL_WIDTH is not set");
        return;
    };
    let job = Job::quiet();
    let began = now();
    let model = open(&folder).unwrap();
    let loaded = now();
    let image = (Tensor::from_slice(&uniform("full/image", 512 * 512)).reshape([1, 1, 512, 512]) + 1.0) / 2.0;
    let mut generator = Generator::new(0, 0);
    let latent = model.encode(&image, LatentDraw::Mean, &mut generator, &job).unwrap();
    let encoded = now();
    let all: Vec<usize> = (0..16).collect();
    let pass = model.extract(&latent, 50, None, &all, &job).unwrap();
    let passed = now();
    let took = |start: (Instant, f64), end: (Instant, f64)| {
        format!(
            "{:.1} s ({:.1} s of processor)",
            (end.0 - start.0).as_secs_f64(),
            end.1 - start.1
        )
    };
    eprintln!(
        "tomocut: load {}, encode {}, U-Net {}, peak {:.2} GiB, {} threads",
        took(began, loaded),
        took(loaded, encoded),
        took(encoded, passed),
        peak_gib(),
        tch::get_num_threads()
    );
    let expected: std::collections::HashMap<String, Tensor> =
        Tensor::read_safetensors(folder.join("expected.safetensors"))
            .unwrap()
            .into_iter()
            .collect();
    let error = |name: &str, tensor: &Tensor| {
        let error = relative_error(tensor, &expected[name]);
        assert!(error.is_finite(), "{name}");
        error
    };
    let mut attention: f64 = 0.0;
    for tap in &pass.taps {
        attention = attention.max(error(&format!("{}.q", tap.name), &tap.query));
        attention = attention.max(error(&format!("{}.k", tap.name), &tap.key));
    }
    let text = error("text", model.text_embedding().unwrap());
    let (latent_error, output) = (error("latent", &latent), error("output", &pass.output));
    eprintln!(
        "largest relative errors: \
         text {text:.1e}, latent {latent_error:.1e}, Q and K {attention:.1e}, output {output:.1e}"
    );
    for error in [text, latent_error, attention, output] {
        assert!(error <= 1e-4);
    }

    let (encode_time, pass_time) = (encoded.0 - loaded.0, passed.0 - encoded.0);
    for (part, time) in [("encode", encode_time), ("U-Net", pass_time)] {
        let mut worst = Duration::ZERO;
        for share in [0.05, 0.2, 0.4, 0.6, 0.8, 0.95] {
            let latency = cancel_latency(time.mul_f64(share), |job| {
                let mut generator = Generator::new(0, 0);
                let ended = match part {
                    "encode" => model.encode(&image, LatentDraw::Mean, &mut generator, job).map(drop),
                    _ => model.extract(&latent, 50, None, &all, job).map(drop),
                };
                drop(ended);
            });
            worst = worst.max(latency.unwrap_or_default());
        }
        eprintln!("cancel in {part}: longest wait {} ms", worst.as_millis());
    }
}

#[test]
#[ignore = "a measurement: how soon a model of the built-in size hears a cancel at 64x64 tokens"]
fn small_model_hears_a_cancel() {
    let blocks = |first: &str, second: &str| [first, second, second, second].map(str::to_owned).to_vec();
    let mut down = blocks("DownBlock2D", "CrossAttnDownBlock2D");
    down.reverse();
    let unet = UnetConfig {
        block_out_channels: vec![32, 64, 96, 96],
        down_block_types: down,
        up_block_types: blocks("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim: PerLevel::Same(4),
        cross_attention_dim: None,
        ..Default::default()
    };
    let mut generator = Generator::new(1, 0);
    let tensors: Vec<_> = unet_tensor_shapes(&unet)
        .unwrap()
        .into_iter()
        .map(|(name, shape)| (name, generator.normal_tensor(&shape, Device::Cpu).unwrap() * 0.05))
        .collect();
    let settings = ModelFileConfig::matched("random", unet, CellShape::SINGLE, &[], [0.5, 3.0]);
    let bytes = model_to_bytes(&settings, &tensors, Kind::Half).unwrap();
    eprintln!("file of {} bytes", bytes.len());
    let model = DiffusionModel::from_safetensors_bytes(&bytes, &LoadOptions::default()).unwrap();
    let latent = generator.normal_tensor(&[1, 4, 64, 64], Device::Cpu).unwrap();
    let all: Vec<usize> = (0..16).collect();
    let pass = |job: &Job| model.extract(&latent, 700, None, &all, job).map(drop);
    pass(&Job::quiet()).unwrap();
    let began = Instant::now();
    pass(&Job::quiet()).unwrap();
    let time = began.elapsed();
    let worst = (1..20)
        .filter_map(|i| cancel_latency(time.mul_f64(i as f64 / 20.0), |job| drop(pass(job))))
        .max();
    eprintln!(
        "U-Net pass {} ms, longest wait after a cancel {:?}",
        time.as_millis(),
        worst
    );
}
