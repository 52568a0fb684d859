//! SDSeg: parity with an independent PyTorch construction (tests/oracle/sdseg_parity.py), checkpoints of the authors'
//! layout, training, prediction, and what goes wrong.
#[path = "sdseg/faults.rs"]
mod faults;
mod hashed;
#[path = "sdseg/lpips.rs"]
mod lpips;
#[path = "sdseg/parity.rs"]
mod parity;
#[path = "sdseg/prediction.rs"]
mod prediction;
#[path = "sdseg/training.rs"]
mod training;

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3};
use tch::Device;
use tomocut::image::{grey_png, PictureFile};
use tomocut::networks::{InputScale, ModelDescription, NetworkConfig, SdSegConfig};
use tomocut::segmenter::{LabelledTraining, PicturePair, SegmenterOptions};
use tomocut::settings::Settings;

/// A network of some 10^5 weights on the library's mask autoencoder.
fn tiny() -> SdSegConfig {
    let mut config = SdSegConfig::small();
    config.unet.model_channels = 16;
    config.unet.channel_mult = vec![1, 2];
    config.unet.attention_resolutions = vec![2];
    config.unet.num_heads = 2;
    config.unet.in_channels = 12;
    config.encoder.latent_channels = 4;
    config.encoder.block_out_channels = vec![8, 8, 16, 16];
    config.window = 64;
    config
}

fn description(config: SdSegConfig) -> ModelDescription {
    ModelDescription {
        input: InputScale::Picture,
        ..ModelDescription::new(NetworkConfig::SdSeg(Box::new(config)), None)
    }
}

fn options(config: SdSegConfig, steps: u64) -> SegmenterOptions {
    SegmenterOptions {
        network: Some(description(config).into()),
        window: Some([1, 64, 64]),
        batch: 2,
        steps,
        ..SegmenterOptions::of_preset("sdseg-small")
    }
}

/// A picture with a bright disc, whose mask it is.
fn disc(n: usize) -> PicturePair {
    let inside = |r: usize, c: usize| {
        let (y, x) = (r as f64 - 20.0 - 3.0 * n as f64, c as f64 - 30.0 - 2.0 * n as f64);
        y * y + x * x < 150.0
    };
    let noise = hashed::uniform(&format!("disc {n}"), 72 * 80);
    PicturePair {
        name: format!("disc {n}"),
        image: PictureFile {
            pixels: Array3::from_shape_fn((1, 72, 80), |(_, r, c)| {
                128.0 + 60.0 * if inside(r, c) { 1.0 } else { -1.0 } + 30.0 * noise[80 * r + c]
            }),
            range: Some([0.0, 255.0]),
        },
        mask: Array2::from_shape_fn((72, 80), |(r, c)| inside(r, c)),
    }
}

fn training(config: SdSegConfig, steps: u64) -> LabelledTraining {
    let mut training = LabelledTraining::new(&options(config, steps), Device::Cpu).unwrap();
    training
        .add_pairs(&[disc(0), disc(1), disc(2), disc(3)], false)
        .unwrap();
    training
}

/// Writes grey levels as a PNG file.
fn write_png(folder: &Path, name: &str, levels: &Array2<u8>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, grey_png(levels.view()).unwrap()).unwrap();
    path
}
