//! What a file or folder of weights is.
use std::io::Read;
use std::path::Path;

use serde_json::{json, Map, Value};
use tch::Device;
use tomocut::diffusion::{DiffusionModel, LoadOptions};
use tomocut::networks::cpnet::CellPose;
use tomocut::networks::SegmentationModel;
use tomocut::runtime::Job;
use tomocut::Error;

use super::Description;
use crate::exit::{Exit, Failure, OrExit};

/// Longest header of a safetensors file that is looked at.
const MOST_HEADER: u64 = 100 << 20;

/// Whether a folder looks like one of diffusers.
pub fn is_folder_of_weights(folder: &Path) -> bool {
    ["model_index.json", "unet", "config.json"]
        .iter()
        .any(|name| folder.join(name).exists())
}

pub fn describe(path: &Path) -> Result<Description, Failure> {
    if path.is_dir() {
        return diffusion(path, &Map::new()).or_exit(Exit::BadInput);
    }
    if path
        .extension()
        .is_some_and(|ending| ending == "safetensors" || ending == "checkpoint")
    {
        let header = header(path)?;
        return known(path, &header);
    }
    // A pickle: the error says how to convert it.
    match SegmentationModel::open(path, Device::Cpu) {
        Ok(model) => Ok(segmentation(&model, &Map::new())),
        Err(error) => Err(Failure::of(&error, Exit::BadInput)),
    }
}

fn known(path: &Path, header: &Map<String, Value>) -> Result<Description, Failure> {
    if text_of(header, "tomocut-checkpoint").is_some() {
        let mut description = Description::new("checkpoint of a training, for tomocut train to go on from");
        sizes(header, &mut description);
        return Ok(description);
    }
    let unknown = |error: &Error| matches!(error, Error::Unsupported(_) | Error::Format { .. });
    match SegmentationModel::open(path, Device::Cpu) {
        Ok(model) => return Ok(segmentation(&model, header)),
        Err(error) if text_of(header, "tomocut-network").is_some() || !unknown(&error) => {
            return Err(Failure::of(&error, Exit::BadInput));
        }
        Err(_) => {}
    }
    if CellPose::check(path).is_ok() {
        let model = CellPose::open(path, Device::Cpu).or_exit(Exit::BadInput)?;
        let mut description = Description::new("CellPose network, for --cellpose of tomocut slab");
        description.fact("trained_diameter", format!("{} pixels", model.diam_mean()));
        sizes(header, &mut description);
        return Ok(description);
    }
    match diffusion(path, header) {
        Ok(description) => Ok(description),
        Err(error) if text_of(header, "tomocut").is_some() || !unknown(&error) => {
            Err(Failure::of(&error, Exit::BadInput))
        }
        Err(error) => {
            let mut description = Description::new("safetensors");
            sizes(header, &mut description);
            let names: Vec<&String> = header.keys().filter(|name| *name != "__metadata__").take(4).collect();
            description.fact("first_tensors", json!(names));
            description.odd(format!("no network that tomocut knows: {error}"));
            Ok(description)
        }
    }
}

fn segmentation(model: &SegmentationModel, header: &Map<String, Value>) -> Description {
    let about = model.description();
    let mut description = Description::new("segmentation network, for --model of tomocut predict");
    let mut layers = match serde_json::to_value(&about.network) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    if let Some(kind) = layers.remove("network") {
        description.fact("network", kind);
    }
    description.fact("outputs", json!(model.network().outputs()));
    description.fact("dimensions", about.network.dimensions());
    match about.voxel_nm {
        Some(edge) => description.fact("voxel_nm", edge),
        None => description.fact("voxel_nm", "unknown"),
    }
    description.fact("input", serde_json::to_value(about.input).unwrap_or_default());
    description.fact(
        "contrast",
        if about.bright {
            "structures are bright"
        } else {
            "structures are dark"
        },
    );
    if !about.origin.is_empty() {
        description.fact("origin", about.origin.as_str());
    }
    layers.remove("outputs");
    description.fact("layers", Value::Object(layers).to_string());
    description.fact("weights", model.count());
    sizes(header, &mut description);
    description
}

fn diffusion(path: &Path, header: &Map<String, Value>) -> tomocut::Result<Description> {
    let model = DiffusionModel::open(path, &LoadOptions::default(), &Job::quiet())?;
    let config = model.config();
    let mut description = Description::new("diffusion model, for --model of tomocut slab and tomocut ncut");
    description.fact("name", config.name.as_str());
    description.fact("attention", format!("{} layers", config.unet.attention_layers()));
    description.fact("widths", json!(config.unet.block_out_channels));
    description.fact("tile", format!("{} pixels", config.tile_pixels()));
    description.fact("token", format!("{} pixels", config.pixels_per_token()));
    description.fact(
        "latent_mode",
        serde_json::to_value(config.latent_mode).unwrap_or_default(),
    );
    match config.voxel_nm {
        Some([least, most]) => description.fact("voxel_nm", format!("{least} to {most}")),
        None => description.fact("voxel_nm", "any"),
    }
    if !config.structures.is_empty() {
        description.fact("predicts", serde_json::to_value(&config.structures).unwrap_or_default());
    }
    sizes(header, &mut description);
    Ok(description)
}

/// Tensors and bytes of a file.
fn sizes(header: &Map<String, Value>, description: &mut Description) {
    let mut types: Vec<&str> = Vec::new();
    let (mut tensors, mut numbers) = (0_u64, 0_u64);
    for (_, tensor) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let shape = tensor["shape"].as_array();
        let count = |shape: &Vec<Value>| shape.iter().filter_map(Value::as_u64).product::<u64>();
        tensors += 1;
        numbers += shape.map_or(0, count);
        if let Some(kind) = tensor["dtype"].as_str().filter(|kind| !types.contains(kind)) {
            types.push(kind);
        }
    }
    if tensors > 0 {
        description.fact(
            "tensors",
            format!("{tensors} of {numbers} numbers, {}", types.join(" and ")),
        );
    }
}

fn text_of<'a>(header: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    header.get("__metadata__")?.get(key)?.as_str()
}

/// The JSON at the beginning of a safetensors file.
fn header(path: &Path) -> Result<Map<String, Value>, Failure> {
    let refused = |why: String| Failure::new(Exit::BadInput, format!("{}: {why}", path.display()));
    let read = |file: &mut std::fs::File, bytes: u64| -> std::io::Result<Vec<u8>> {
        let mut all = Vec::new();
        file.take(bytes).read_to_end(&mut all)?;
        Ok(all)
    };
    let mut file = std::fs::File::open(path).map_err(|error| refused(error.to_string()))?;
    let length = read(&mut file, 8).map_err(|error| refused(error.to_string()))?;
    let length = <[u8; 8]>::try_from(length).map(u64::from_le_bytes).unwrap_or(u64::MAX);
    if length > MOST_HEADER {
        return Err(refused("not a safetensors file".to_owned()));
    }
    let text = read(&mut file, length).map_err(|error| refused(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refused(format!("not a safetensors file: {error}")))
}
