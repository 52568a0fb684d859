//! Original single-file checkpoints (CompVis, Stability AI): where they keep each tensor, and the architecture as it
//! follows from the shapes.
//!
//! The names follow from the two code bases' module trees; whole name components are mapped, never substrings.
use serde_json::{json, Map, Value};
use tch::{Device, Kind, Tensor};

use crate::runtime::{Error, Result};
use crate::weights::WeightFiles;

/// Prefix of the U-Net. `model_ema.*`, where present, is left alone: the plain weights are used as they are.
pub(super) const UNET: &str = "model.diffusion_model.";
/// Prefix of the autoencoder.
pub(super) const VAE: &str = "first_stage_model.";
/// Prefix of SD 1's text encoder (transformers' CLIP).
pub(super) const TEXT_CLIP: &str = "cond_stage_model.transformer.";
/// Prefix of SD 2's text encoder (OpenCLIP).
pub(super) const TEXT_OPENCLIP: &str = "cond_stage_model.model.";

/// First component of a dotted name that is a number, and what follows it.
fn numbered<'n>(name: &'n str, head: &str) -> Option<(i64, &'n str)> {
    let rest = name.strip_prefix(head)?.strip_prefix('.')?;
    let (number, tail) = rest.split_once('.')?;
    Some((number.parse().ok()?, tail))
}

/// Name inside a residual block.
fn residual(name: &str) -> Option<String> {
    let (module, leaf) = name.rsplit_once('.')?;
    let module = match module {
        "norm1" => "in_layers.0",
        "conv1" => "in_layers.2",
        "time_emb_proj" => "emb_layers.1",
        "norm2" => "out_layers.0",
        "conv2" => "out_layers.3",
        "conv_shortcut" => "skip_connection",
        _ => return None,
    };
    Some(format!("{module}.{leaf}"))
}

/// The checkpoint's name, without prefix, of the U-Net tensor that diffusers calls `name`; `layers` residual blocks per
/// level, and `up_attention` says which blocks on the way up have attention.
pub(crate) fn unet_name(name: &str, layers: i64, up_attention: &dyn Fn(i64) -> bool) -> Option<String> {
    for (ours, theirs) in [
        ("conv_in.", "input_blocks.0.0."),
        ("time_embedding.linear_1.", "time_embed.0."),
        ("time_embedding.linear_2.", "time_embed.2."),
        ("conv_norm_out.", "out.0."),
        ("conv_out.", "out.2."),
        ("mid_block.attentions.0.", "middle_block.1."),
    ] {
        if let Some(leaf) = name.strip_prefix(ours) {
            return Some(format!("{theirs}{leaf}"));
        }
    }
    if let Some((i, rest)) = numbered(name, "mid_block.resnets") {
        return Some(format!("middle_block.{}.{}", 2 * i, residual(rest)?));
    }
    if let Some((block, rest)) = numbered(name, "down_blocks") {
        let at = 1 + block * (layers + 1);
        if let Some((i, rest)) = numbered(rest, "resnets") {
            return Some(format!("input_blocks.{}.0.{}", at + i, residual(rest)?));
        }
        if let Some((i, rest)) = numbered(rest, "attentions") {
            return Some(format!("input_blocks.{}.1.{rest}", at + i));
        }
        let leaf = rest.strip_prefix("downsamplers.0.conv.")?;
        return Some(format!("input_blocks.{}.0.op.{leaf}", at + layers));
    }
    let (block, rest) = numbered(name, "up_blocks")?;
    let at = block * (layers + 1);
    if let Some((i, rest)) = numbered(rest, "resnets") {
        return Some(format!("output_blocks.{}.0.{}", at + i, residual(rest)?));
    }
    if let Some((i, rest)) = numbered(rest, "attentions") {
        return Some(format!("output_blocks.{}.1.{rest}", at + i));
    }
    let leaf = rest.strip_prefix("upsamplers.0.conv.")?;
    let child = if up_attention(block) { 2 } else { 1 };
    Some(format!("output_blocks.{}.{child}.conv.{leaf}", at + layers))
}

/// The checkpoint's name, without prefix, of the encoder tensor that diffusers calls `name`.
pub(super) fn vae_name(name: &str) -> Option<String> {
    autoencoder_name(name, 0)
}

/// The same for encoder and decoder of an autoencoder of `levels` levels, of which the decoder counts its own from the
/// finest.
pub(crate) fn autoencoder_name(name: &str, levels: i64) -> Option<String> {
    if name.starts_with("quant_conv.") || name.starts_with("post_quant_conv.") {
        return Some(name.to_owned());
    }
    let (half, rest) = name.split_once('.')?;
    if !["encoder", "decoder"].contains(&half) {
        return None;
    }
    let inside = |rest: &str| rest.replacen("conv_shortcut.", "nin_shortcut.", 1);
    let mapped = if let Some(leaf) = rest.strip_prefix("conv_norm_out.") {
        format!("norm_out.{leaf}")
    } else if let Some((i, rest)) = numbered(rest, "mid_block.resnets") {
        format!("mid.block_{}.{}", i + 1, inside(rest))
    } else if let Some(rest) = rest.strip_prefix("mid_block.attentions.0.") {
        let (module, leaf) = rest.rsplit_once('.')?;
        let module = match module {
            "group_norm" => "norm",
            "to_q" => "q",
            "to_k" => "k",
            "to_v" => "v",
            "to_out.0" => "proj_out",
            _ => return None,
        };
        format!("mid.attn_1.{module}.{leaf}")
    } else if let Some((block, rest)) = numbered(rest, "down_blocks") {
        match numbered(rest, "resnets") {
            Some((i, rest)) => format!("down.{block}.block.{i}.{}", inside(rest)),
            None => format!("down.{block}.downsample.{}", rest.strip_prefix("downsamplers.0.")?),
        }
    } else if let Some((block, rest)) = numbered(rest, "up_blocks") {
        let level = levels - 1 - block;
        match numbered(rest, "resnets") {
            Some((i, rest)) => format!("up.{level}.block.{i}.{}", inside(rest)),
            None => format!("up.{level}.upsample.{}", rest.strip_prefix("upsamplers.0.")?),
        }
    } else {
        rest.to_owned()
    };
    Some(format!("{half}.{mapped}"))
}

/// OpenCLIP's name, without prefix, of the tensor that transformers calls `name`; the number says which third of a
/// joint query-key-value tensor it is.
pub(super) fn openclip_name(name: &str) -> Option<(String, Option<i64>)> {
    let whole = |name: String| Some((name, None));
    match name {
        "embeddings.token_embedding.weight" => return whole("token_embedding.weight".into()),
        "embeddings.position_embedding.weight" => return whole("positional_embedding".into()),
        _ => {}
    }
    if let Some(leaf) = name.strip_prefix("final_layer_norm.") {
        return whole(format!("ln_final.{leaf}"));
    }
    let (i, rest) = numbered(name, "encoder.layers")?;
    let (module, leaf) = rest.rsplit_once('.')?;
    let block = format!("transformer.resblocks.{i}");
    let third = |n| Some((format!("{block}.attn.in_proj_{leaf}"), Some(n)));
    match module {
        "self_attn.q_proj" => third(0),
        "self_attn.k_proj" => third(1),
        "self_attn.v_proj" => third(2),
        "self_attn.out_proj" => whole(format!("{block}.attn.out_proj.{leaf}")),
        "layer_norm1" => whole(format!("{block}.ln_1.{leaf}")),
        "layer_norm2" => whole(format!("{block}.ln_2.{leaf}")),
        "mlp.fc1" => whole(format!("{block}.mlp.c_fc.{leaf}")),
        "mlp.fc2" => whole(format!("{block}.mlp.c_proj.{leaf}")),
        _ => None,
    }
}

/// Tensor `name` (transformers' name) of an OpenCLIP text encoder.
pub(super) fn openclip_tensor(
    files: &WeightFiles,
    name: &str,
    shape: &[i64],
    kind: Kind,
    device: Device,
) -> Result<Tensor> {
    let (theirs, third) = openclip_name(name).unwrap_or_else(|| (name.to_owned(), None));
    let names = [format!("{TEXT_OPENCLIP}{theirs}")];
    match (third, shape) {
        (Some(third), [rows, rest @ ..]) => {
            let joint: Vec<i64> = std::iter::once(3 * rows).chain(rest.iter().copied()).collect();
            let joint = files.tensor(&names, &joint, kind, device)?;
            Ok(joint.f_narrow(0, third * rows, *rows)?)
        }
        _ => files.tensor(&names, shape, kind, device),
    }
}

/// Configurations that follow from the shapes of a checkpoint, in the words of diffusers. Null stands for what shapes
/// cannot tell: heads, where the widths are not those of Stable Diffusion.
pub(super) struct Architecture {
    /// OpenCLIP text encoder and linear projections: Stable Diffusion 2.
    pub second: bool,
    pub unet: Map<String, Value>,
    pub vae: Map<String, Value>,
    pub text: Map<String, Value>,
}

/// Side of a tensor's shape, or a format error that names it.
fn side(files: &WeightFiles, name: &str, axis: usize) -> Result<i64> {
    files
        .shape(name)
        .and_then(|shape| shape.get(axis).copied())
        .ok_or_else(|| {
            let detail = format!("is missing or has fewer than {} axes", axis + 1);
            Error::format(format_args!("{}: tensor {name}", files.name()), detail)
        })
}

/// Number of consecutive i = 0, 1, ... for which `name(i)` exists.
fn count(files: &WeightFiles, name: impl Fn(i64) -> String) -> i64 {
    (0..4096).take_while(|i| files.contains(&name(*i))).count() as i64
}

/// Reads the architecture off the shapes.
pub(super) fn architecture(files: &WeightFiles) -> Result<Architecture> {
    let second = files.contains(&format!("{TEXT_OPENCLIP}token_embedding.weight"));
    Ok(Architecture {
        second,
        unet: unet_architecture(files)?,
        vae: vae_architecture(files)?,
        text: text_architecture(files, second)?,
    })
}

fn unet_architecture(files: &WeightFiles) -> Result<Map<String, Value>> {
    let has = |name: &str| files.contains(&format!("{UNET}{name}"));
    let size = |name: &str, axis| side(files, &format!("{UNET}{name}"), axis);
    let mut widths = Vec::new();
    let mut down = Vec::new();
    let mut layers = Vec::new();
    let mut n = 1;
    loop {
        let (mut in_level, mut width, mut attention) = (0, 0, false);
        while has(&format!("input_blocks.{n}.0.in_layers.2.weight")) {
            width = size(&format!("input_blocks.{n}.0.in_layers.2.weight"), 0)?;
            attention |= has(&format!("input_blocks.{n}.1.norm.weight"));
            in_level += 1;
            n += 1;
        }
        if in_level == 0 {
            break;
        }
        widths.push(width);
        layers.push(in_level);
        down.push(if attention {
            "CrossAttnDownBlock2D"
        } else {
            "DownBlock2D"
        });
        if !has(&format!("input_blocks.{n}.0.op.weight")) {
            break;
        }
        n += 1;
    }
    let per_level = layers.first().copied().unwrap_or(0);
    if per_level == 0 || layers.iter().any(|l| *l != per_level) {
        let detail = format!("residual blocks per level are {layers:?}, expected the same number at every level");
        return Err(Error::format(format_args!("{}: U-Net", files.name()), detail));
    }
    let up: Vec<&str> = (0..widths.len() as i64)
        .map(
            |block| match has(&format!("output_blocks.{}.1.norm.weight", block * (per_level + 1))) {
                true => "CrossAttnUpBlock2D",
                false => "UpBlock2D",
            },
        )
        .collect();
    let linear = files
        .shape(&format!("{UNET}middle_block.1.proj_in.weight"))
        .is_some_and(|shape| shape.len() == 2);
    let context = size("middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1)?;
    let depth = count(files, |i| {
        format!("{UNET}middle_block.1.transformer_blocks.{i}.norm1.weight")
    });
    // SD 1 has 8 heads of any width, SD 2 heads of width 64.
    let heads = match linear {
        false => json!(8),
        true if widths.iter().all(|c| c % 64 == 0) => json!(widths.iter().map(|c| c / 64).collect::<Vec<_>>()),
        true => Value::Null,
    };
    let table = json!({
        "in_channels": size("input_blocks.0.0.weight", 1)?,
        "out_channels": size("out.2.weight", 0)?,
        "block_out_channels": widths,
        "layers_per_block": per_level,
        "down_block_types": down,
        "up_block_types": up,
        "attention_head_dim": heads,
        "cross_attention_dim": context,
        "transformer_layers_per_block": depth,
        "use_linear_projection": linear,
    });
    Ok(into_map(table))
}

fn vae_architecture(files: &WeightFiles) -> Result<Map<String, Value>> {
    let block = |i: i64, j: i64| format!("{VAE}encoder.down.{i}.block.{j}.conv1.weight");
    let widths = (0..count(files, |i| block(i, 0)))
        .map(|i| side(files, &block(i, 0), 0))
        .collect::<Result<Vec<_>>>()?;
    Ok(into_map(json!({
        "latent_channels": side(files, &format!("{VAE}quant_conv.weight"), 0)? / 2,
        "block_out_channels": widths,
        "layers_per_block": count(files, |j| block(0, j)),
    })))
}

/// Prefix of SD 1's text encoder inside `files`: with or without transformers' old `text_model.`.
pub(super) fn clip_prefix(files: &WeightFiles) -> String {
    let old = format!("{TEXT_CLIP}text_model.");
    if files.contains_prefix(&old) {
        old
    } else {
        TEXT_CLIP.to_owned()
    }
}

fn text_architecture(files: &WeightFiles, second: bool) -> Result<Map<String, Value>> {
    let (table, positions, inner, layers) = if second {
        let block = |i: i64| format!("{TEXT_OPENCLIP}transformer.resblocks.{i}.mlp.c_fc.weight");
        (
            format!("{TEXT_OPENCLIP}token_embedding.weight"),
            format!("{TEXT_OPENCLIP}positional_embedding"),
            block(0),
            // SD 2 was trained on the hidden state before the last layer.
            count(files, block) - 1,
        )
    } else {
        let prefix = clip_prefix(files);
        let block = |i: i64| format!("{prefix}encoder.layers.{i}.mlp.fc1.weight");
        (
            format!("{prefix}embeddings.token_embedding.weight"),
            format!("{prefix}embeddings.position_embedding.weight"),
            block(0),
            count(files, block),
        )
    };
    let width = side(files, &table, 1)?;
    Ok(into_map(json!({
        "vocab_size": side(files, &table, 0)?,
        "hidden_size": width,
        "intermediate_size": side(files, &inner, 0)?,
        "num_hidden_layers": layers,
        // Heads of width 64 in both CLIP-L and OpenCLIP-H.
        "num_attention_heads": if width % 64 == 0 { json!(width / 64) } else { Value::Null },
        "max_position_embeddings": side(files, &positions, 0)?,
        "hidden_act": if second { "gelu" } else { "quick_gelu" },
    })))
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
