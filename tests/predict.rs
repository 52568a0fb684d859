//! Prediction in tiles against the whole volume at once; ranks, resuming, faults.
#[path = "predict/outputs.rs"]
mod outputs;
#[path = "predict/runs.rs"]
mod runs;
#[path = "predict/tiles.rs"]
mod tiles;

use std::fs;
use std::path::Path;

use ndarray::Array3;
use tch::Device;
use tomocut::networks::{CompactConfig, ModelDescription, NetworkConfig, SegmentationModel};
use tomocut::predict::{predict, PredictOptions, PredictReport};
use tomocut::runtime::{Generator, Job};
use tomocut::volume::{Geometry, Tomogram};

const SHAPE: [usize; 3] = [45, 70, 83];

fn voxels() -> Array3<f32> {
    let mut state = 7u32;
    Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
        100.0 + 20.0 * noise + 15.0 * ((z as f32 / 9.0).sin() + (y as f32 / 7.0).cos() * (x as f32 / 11.0).sin())
    })
}

fn tomogram(voxel_angstrom: f64) -> Tomogram {
    Tomogram::from_array(voxels(), Geometry::new(SHAPE, voxel_angstrom)).unwrap()
}

fn model(network: NetworkConfig, voxel_nm: Option<f64>) -> SegmentationModel {
    tch::set_num_threads(2);
    let description = ModelDescription::new(network, voxel_nm);
    SegmentationModel::random(description, &mut Generator::new(5, 1), Device::Cpu).unwrap()
}

fn compact() -> SegmentationModel {
    let config = CompactConfig {
        widths: vec![16, 24],
        blocks_down: vec![1, 1],
        blocks_up: vec![1],
        ..CompactConfig::default()
    };
    model(NetworkConfig::Compact(config), None)
}

fn options(core: [usize; 3]) -> PredictOptions {
    PredictOptions {
        core: Some(core),
        ..PredictOptions::default()
    }
}

fn run(model: &SegmentationModel, folder: &Path, options: &PredictOptions) -> PredictReport {
    predict(model, &tomogram(10.0), folder, options, &Job::quiet()).unwrap()
}

fn read(folder: &Path, name: &str) -> Array3<f32> {
    let path = folder.join(format!("tomogram_{name}.mrc"));
    let volume = Tomogram::open(&path, &Job::quiet()).unwrap();
    volume.read_slices(0..volume.geometry().shape[0]).unwrap()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

fn files_seen(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}
