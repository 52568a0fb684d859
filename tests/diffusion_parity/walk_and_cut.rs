//! Walk-and-cut from an image to its labels, beside diffusers, numpy and scipy
//! (tests/oracle/diffusers_walk_and_cut.py).
use ndarray::Array3;
use tempfile::TempDir;
use tomocut::ncut::{segment_image, ImageInput, NcutOptions, Preset, Segmentation};
use tomocut::runtime::Job;

use crate::hashed::uniform;
use crate::networks::{fixture, Network, Store};
use crate::open;

const SIDE: usize = 64;

/// Grey levels in 0..1: a ground, a dark block, and noise.
fn image() -> Array3<f32> {
    let noise = uniform("walk_and_cut/image", SIDE * SIDE);
    Array3::from_shape_fn((1, SIDE, SIDE), |(_, r, c)| {
        let inside = (16..40).contains(&r) && (24..56).contains(&c);
        0.75 - (if inside { 0.5 } else { 0.0 }) + 0.125 * noise[r * SIDE + c]
    })
}

#[test]
fn an_image_becomes_the_labels_of_the_paper_s_steps() {
    let text = std::fs::read_to_string(fixture("walk_and_cut.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let network = Network::new("sd1");
    let folder = TempDir::new().unwrap();
    network.write_folder(folder.path(), &network.component("vae"), Store::F32);
    let model = open(folder.path()).unwrap();
    let pixels = image();
    let run = |segments: usize| -> Segmentation {
        let options = NcutOptions {
            working_tokens: 8,
            segments: Some(segments),
            ..NcutOptions::new(Preset::WalkAndCut)
        };
        let image = ImageInput::new(pixels.view(), Some([0.0, 1.0])).unwrap();
        segment_image(&model, image, &options, &Job::quiet()).unwrap()
    };

    // The paper's own rule: random weights attend so evenly that it leaves the image whole.
    let whole = run(0);
    assert_eq!(
        (whole.report.latent_mode, whole.report.timestep),
        (Some("inverted"), Some(181))
    );
    let root = &whole.cells[0].tree[0];
    for (own, key) in [(root.ncut, "ncut"), (root.limit, "bound")] {
        let (own, expected) = (own.unwrap(), expected[key].as_f64().unwrap());
        // Eleven passes of the U-Net in float32, each 1e-4 of diffusers at most; attention averages that out.
        assert!((own - expected).abs() < 1e-5, "{key}: {own}, not {expected}");
    }
    let cut = run(expected["segments"].as_u64().unwrap() as usize);
    let labels = expected["labels"]
        .as_str()
        .unwrap()
        .bytes()
        .map(|b| u32::from(b - b'0'));
    let differing = cut
        .labels
        .iter()
        .zip(labels)
        .filter(|(own, expected)| *own != expected)
        .count();
    // Pixels whose best two segments are within rounding of each other.
    assert!(differing <= SIDE * SIDE / 1000, "{differing} of {} pixels", SIDE * SIDE);
}
