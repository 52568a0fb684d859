//! Weight files and the configurations in them.
#![no_main]
use libfuzzer_sys::fuzz_target;
use tch::Device;
use tomocut::diffusion::{DiffusionModel, LoadOptions};
use tomocut::networks::SegmentationModel;

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    match which % 2 {
        0 => drop(SegmentationModel::from_bytes("input", rest, Device::Cpu)),
        _ => drop(DiffusionModel::from_safetensors_bytes(rest, &LoadOptions::default())),
    }
});
