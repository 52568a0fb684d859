//! Weight files of other programs, told by their tensors.
use super::sdseg::published;
use super::{DynUnetConfig, InputScale, ModelDescription, NetworkConfig, PickerConfig, Unet2dConfig};
use crate::runtime::{Error, Result};
use crate::volume::{class_name, BACKGROUND, MEMBRANE, MOLECULE};
use crate::weights::TensorFile;

/// Name under which a file has the network's tensor of the given name.
pub(super) type StoredName = Box<dyn Fn(&TensorFile, &str) -> String>;

/// Voxel edge that MemBrain-seg's published weights were trained at.
const MEMBRAIN_VOXEL_NM: f64 = 1.0;

/// Rows and columns that the slab paper's code resizes slices to.
const SLAB_PAPER_SIDE: [usize; 2] = [1024, 1024];

/// The first tensor of DeepETPicker's network.
const PICKER_MARK: &str = "encoders.0.basic_module.conv1.conv.weight";

/// Which network `file` holds, and how it calls the tensors.
///
/// Errors: [`Error::Unsupported`] for a network that is not known, [`Error::Format`] where a tensor that tells the
/// hyper-parameters is missing or odd.
pub(super) fn recognise(file: &TensorFile) -> Result<(ModelDescription, StoredName)> {
    let prefix_before = |ending: &str| {
        let mut prefixes: Vec<String> = file
            .names()
            .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
            .collect();
        prefixes.sort_by_key(|prefix| (prefix.len(), prefix.clone()));
        prefixes.into_iter().next()
    };
    // DynUNet repeats every block as a part of skip_layers; files without repetitions may keep either name.
    for first in [
        "input_block.conv1.conv.weight",
        "skip_layers.downsample.conv1.conv.weight",
    ] {
        if let Some(prefix) = prefix_before(first) {
            return dynunet(file, prefix);
        }
    }
    if let Some(prefix) = prefix_before("encoder.in_conv.conv_conv.0.weight") {
        return unet2d(file, prefix);
    }
    if let Some(prefix) = prefix_before(PICKER_MARK) {
        return picker(file, prefix);
    }
    if file.contains(published::MARK) {
        let description = published::description(file)?;
        let levels = match &description.network {
            NetworkConfig::SdSeg(config) => config.first_stage.block_out_channels.len() as i64,
            _ => 0,
        };
        let stored = move |file: &TensorFile, name: &str| published::stored_name(file, name, levels);
        return Ok((description, Box::new(stored)));
    }
    Err(Error::Unsupported(format!(
        "{} is no segmentation network that is known: it has no header of this engine and no tensors of a DynUNet \
         (MemBrain-seg), of the slab paper's 2D U-Net, of DeepETPicker or of SDSeg",
        file.name()
    )))
}

/// A DynUNet under `prefix` (MemBrain-seg's checkpoints: `_model.`).
fn dynunet(file: &TensorFile, prefix: String) -> Result<(ModelDescription, StoredName)> {
    let stored = |levels: usize| -> StoredName {
        let prefix = prefix.clone();
        Box::new(move |file, name| {
            let plain = format!("{prefix}{name}");
            match nested(name, levels) {
                Some(nested) if !file.contains(&plain) => format!("{prefix}{nested}"),
                _ => plain,
            }
        })
    };
    // The number of levels decides the other names, so it is found by trying.
    let has = |levels: usize, name: &str| file.contains(&stored(levels)(file, name));
    let count = |levels: usize, part: &str, leaf: &str| {
        (0..8)
            .take_while(|n| has(levels, &format!("{part}.{n}.{leaf}")))
            .count()
    };
    let fits = |levels: &usize| {
        count(*levels, "upsamples", "transp_conv.conv.weight") == levels - 1
            && has(*levels, "bottleneck.conv1.conv.weight")
    };
    let levels = (3..=8).find(fits).ok_or_else(|| {
        let detail = "is a DynUNet whose ways up are not 2 to 7 or whose bottleneck is missing";
        Error::format(file.name(), detail)
    })?;
    let stored = stored(levels);
    let outer = |name: &str, axis: usize| -> Result<i64> {
        let name = stored(file, name);
        match file.shape(&name).as_deref() {
            Some(shape @ [_, _, _, _, _]) => Ok(shape[axis]),
            shape => Err(Error::format(
                format_args!("{}: tensor {name}", file.name()),
                format_args!("has shape {shape:?}, expected that of a 3D convolution"),
            )),
        }
    };
    let mut filters = vec![outer("input_block.conv1.conv.weight", 0)?];
    for level in 1..levels - 1 {
        filters.push(outer(&format!("downsamples.{}.conv1.conv.weight", level - 1), 0)?);
    }
    filters.push(outer("bottleneck.conv1.conv.weight", 0)?);
    let outputs = outer("output_block.conv.conv.weight", 0)?;
    let network = NetworkConfig::DynUnet(DynUnetConfig {
        in_channels: outer("input_block.conv1.conv.weight", 1)?,
        filters,
        residual: has(levels, "bottleneck.conv3.conv.weight"),
        deep_heads: count(levels, "deep_supervision_heads", "conv.conv.weight"),
        outputs: output_names(outputs),
        ..DynUnetConfig::default()
    });
    let mut description = ModelDescription::new(network, None);
    if prefix.ends_with("_model.") {
        description.voxel_nm = Some(MEMBRAIN_VOXEL_NM);
        description.origin = "MemBrain-seg".into();
    }
    Ok((description, stored))
}

/// Where `skip_layers` repeats the tensor `name` of a DynUNet of `levels` levels; `None` for the last head, which it
/// lacks.
fn nested(name: &str, levels: usize) -> Option<String> {
    let (block, rest) = name.split_once('.')?;
    let deeper = |level: usize| format!("skip_layers.{}", "next_layer.".repeat(level));
    let numbered = || -> Option<(usize, &str)> {
        let (n, leaf) = rest.split_once('.')?;
        Some((n.parse().ok()?, leaf))
    };
    Some(match block {
        "input_block" => format!("{}downsample.{rest}", deeper(0)),
        "bottleneck" => format!("{}{rest}", deeper(levels - 1)),
        "downsamples" => numbered().map(|(n, leaf)| format!("{}downsample.{leaf}", deeper(n + 1)))?,
        "upsamples" => {
            let (n, leaf) = numbered()?;
            format!("{}upsample.{leaf}", deeper((levels - 2).checked_sub(n)?))
        }
        "deep_supervision_heads" => numbered().map(|(n, leaf)| format!("{}super_head.{leaf}", deeper(n + 1)))?,
        _ => return None,
    })
}

/// The slab paper's network under `prefix` (nothing, or `net.`).
fn unet2d(file: &TensorFile, prefix: String) -> Result<(ModelDescription, StoredName)> {
    let shape = |name: &str| file.shape(&format!("{prefix}{name}.weight"));
    let mut widths = Vec::new();
    let mut in_channels = 1;
    for level in 0..8 {
        let name = match level {
            0 => "encoder.in_conv.conv_conv.0".to_owned(),
            level => format!("encoder.down{level}.maxpool_conv.1.conv_conv.0"),
        };
        match shape(&name).as_deref() {
            Some(&[to, from, 3, 3]) => {
                if level == 0 {
                    in_channels = from;
                }
                widths.push(to);
            }
            Some(shape) => {
                return Err(Error::format(
                    format_args!("{}: tensor {prefix}{name}.weight", file.name()),
                    format_args!("has shape {shape:?}, expected that of a 3x3 convolution"),
                ))
            }
            None => break,
        }
    }
    let outputs = shape("decoder.out_conv")
        .and_then(|shape| shape.first().copied())
        .unwrap_or(2);
    let mut names = vec![BACKGROUND.to_owned()];
    names.extend(output_names(outputs - 1));
    let usual = Unet2dConfig::default();
    let network = NetworkConfig::Unet2d(Unet2dConfig {
        in_channels,
        // Rates are in no file: the authors', as far as there are levels.
        dropout: (0..widths.len())
            .map(|n| usual.dropout.get(n).copied().unwrap_or(0.5))
            .collect(),
        widths,
        outputs: names,
        ..usual
    });
    let mut description = ModelDescription::new(network, None);
    description.input = InputScale::Slice;
    description.slice_side = Some(SLAB_PAPER_SIDE);
    description.origin = "2D U-Net of the slab paper".into();
    Ok((description, Box::new(move |_, name| format!("{prefix}{name}"))))
}

/// DeepETPicker's network under `prefix` (its checkpoints: `model.`): one class, or the background and the classes.
fn picker(file: &TensorFile, prefix: String) -> Result<(ModelDescription, StoredName)> {
    let outer = |name: &str| match file.shape(&format!("{prefix}{name}.weight")).as_deref() {
        Some(&[to, _, _, _, _]) => Ok(Some(to)),
        Some(shape) => Err(Error::format(
            format_args!("{}: tensor {prefix}{name}.weight", file.name()),
            format_args!("has shape {shape:?}, expected that of a 3D convolution"),
        )),
        None => Ok(None),
    };
    let mut maps = Vec::new();
    while let Some(to) = outer(&format!("encoders.{}.basic_module.conv1.conv", maps.len()))? {
        maps.push(to);
    }
    let outputs = match outer("final_conv")?.unwrap_or(1) {
        1 => classes_from(MOLECULE, 1),
        several => [vec![BACKGROUND.to_owned()], classes_from(MOLECULE, several - 1)].concat(),
    };
    let network = NetworkConfig::Picker(PickerConfig {
        maps,
        outputs,
        ..PickerConfig::default()
    });
    let mut description = ModelDescription::new(network, None);
    description.origin = "DeepETPicker".into();
    Ok((description, Box::new(move |_, name| format!("{prefix}{name}"))))
}

/// "membrane", then numbered classes: all that a foreign file lets one say.
fn output_names(count: i64) -> Vec<String> {
    classes_from(MEMBRANE, count)
}

/// The class of the label `first`, then numbered classes.
fn classes_from(first: i8, count: i64) -> Vec<String> {
    let name = |n| match n {
        0 => class_name(first).unwrap_or_default().to_owned(),
        n => format!("class {}", n + 1),
    };
    (0..count.clamp(0, 256)).map(name).collect()
}
