//! Checkpoints in the authors' layout: where they keep each tensor, and the architecture as it follows from the shapes.
use super::names::{ENCODER, FIRST_STAGE, SCALE, UNET};
use super::SdSegConfig;
use crate::diffusion::{autoencoder_name, LdmUnetConfig, VaeConfig};
use crate::networks::{InputScale, ModelDescription, NetworkConfig};
use crate::runtime::{Error, Result};
use crate::weights::TensorFile;

/// A tensor that every checkpoint of a latent diffusion model has.
pub(in crate::networks) const MARK: &str = "model.diffusion_model.input_blocks.0.0.weight";

/// The name in `file`, a checkpoint, of the network's tensor `name`: moving averages (`model_ema.`, the rest of the
/// name without its dots) before the weights themselves, the autoencoders by their original names.
pub(in crate::networks) fn stored_name(file: &TensorFile, name: &str, levels: i64) -> String {
    if let Some(rest) = name.strip_prefix("model.") {
        let averaged = format!("model_ema.{}", rest.replace('.', ""));
        return if file.contains(&averaged) {
            averaged
        } else {
            name.to_owned()
        };
    }
    plain_name(name, levels)
}

/// The same without moving averages.
pub(super) fn plain_name(name: &str, levels: i64) -> String {
    for prefix in [FIRST_STAGE, ENCODER] {
        if let Some(known) = name
            .strip_prefix(prefix)
            .and_then(|rest| autoencoder_name(rest, levels))
        {
            return format!("{prefix}{known}");
        }
    }
    name.to_owned()
}

/// The network that follows from the shapes of an SDSeg checkpoint. Shapes do not tell the heads, which are 8, and the
/// groups, 32.
///
/// Errors: [`Error::Unsupported`] for a model of several classes and for one without a vision encoder;
/// [`Error::Format`] that names a tensor that is missing or odd.
pub(in crate::networks) fn description(file: &TensorFile) -> Result<ModelDescription> {
    if file.contains(&format!("{UNET}label_emb.weight")) {
        let text = format!("{} has several classes; SDSeg models of one are supported", file.name());
        return Err(Error::Unsupported(text));
    }
    if !file.contains("cond_stage_model.out.weight") {
        let text = format!(
            "{} is a latent diffusion model without SDSeg's vision encoder: a training can begin with it, \
             nothing can be \
             segmented by it",
            file.name()
        );
        return Err(Error::Unsupported(text));
    }
    if !file.contains(SCALE) {
        let subject = format!("{}: tensor {SCALE}", file.name());
        return Err(Error::format(
            subject,
            "is missing: without it the latents' scale is not known",
        ));
    }
    let config = SdSegConfig {
        unet: unet(file)?,
        first_stage: autoencoder(file, FIRST_STAGE)?,
        encoder: autoencoder(file, ENCODER)?,
        ..SdSegConfig::default()
    };
    let conditioning = match config.unet.context_dim {
        Some(_) => super::Conditioning::CrossAttention,
        None => super::Conditioning::Concatenation,
    };
    let config = SdSegConfig { conditioning, ..config };
    Ok(ModelDescription {
        input: InputScale::Picture,
        origin: "SDSeg".into(),
        ..ModelDescription::new(NetworkConfig::SdSeg(Box::new(config)), None)
    })
}

fn side(file: &TensorFile, name: &str, axis: usize) -> Result<i64> {
    let side = file.shape(name).and_then(|shape| shape.get(axis).copied());
    side.ok_or_else(|| {
        let detail = format!("is missing or has fewer than {} axes", axis + 1);
        Error::format(format!("{}: tensor {name}", file.name()), detail)
    })
}

fn unet(file: &TensorFile) -> Result<LdmUnetConfig> {
    let has = |name: String| file.contains(&format!("{UNET}{name}"));
    let size = |name: String, axis| side(file, &format!("{UNET}{name}"), axis);
    let count = (0..4096)
        .take_while(|n| has(format!("output_blocks.{n}.0.in_layers.2.weight")))
        .count();
    // The block that doubles the resolution ends a level: the first one says how long a level is.
    let doubles = |n: usize| (1..=2).any(|at| has(format!("output_blocks.{n}.{at}.in_layers.2.weight")));
    let per_level = (0..count).find(|n| doubles(*n)).map_or(count, |n| n + 1);
    if count == 0 || count % per_level != 0 {
        let detail = format!("has {count} blocks on the way up, of which every {per_level} should be a level");
        return Err(Error::format(format!("{}: U-Net", file.name()), detail));
    }
    let levels = count / per_level;
    let first = |level: usize| 1 + level * per_level;
    let channels = size("input_blocks.0.0.weight".into(), 0)?;
    let mut config = LdmUnetConfig {
        in_channels: size("input_blocks.0.0.weight".into(), 1)?,
        out_channels: size("out.2.weight".into(), 0)?,
        model_channels: channels,
        num_res_blocks: per_level as i64 - 1,
        channel_mult: Vec::new(),
        attention_resolutions: Vec::new(),
        ..LdmUnetConfig::default()
    };
    for level in 0..levels {
        let width = size(format!("input_blocks.{}.0.in_layers.2.weight", first(level)), 0)?;
        if channels == 0 || width % channels != 0 {
            let detail = format!("level {level} has {width} channels, no multiple of the finest level's {channels}");
            return Err(Error::format(format!("{}: U-Net", file.name()), detail));
        }
        config.channel_mult.push(width / channels);
        let block = format!("input_blocks.{}.1", first(level));
        if has(format!("{block}.norm.weight")) {
            config.attention_resolutions.push(1 << level);
        }
    }
    let tokens = "middle_block.1.transformer_blocks.0.attn2.to_k.weight".to_owned();
    if has(tokens.clone()) {
        config.context_dim = Some(size(tokens, 1)?);
    }
    Ok(config)
}

/// The autoencoder under `prefix`; of a vision encoder, whose 1x1 convolution is named `out`, the encoder.
fn autoencoder(file: &TensorFile, prefix: &str) -> Result<VaeConfig> {
    let block = |i: usize, j: usize| format!("{prefix}encoder.down.{i}.block.{j}.conv1.weight");
    let levels = (0..16).take_while(|i| file.contains(&block(*i, 0))).count();
    let widths = (0..levels)
        .map(|i| side(file, &block(i, 0), 0))
        .collect::<Result<Vec<_>>>()?;
    Ok(VaeConfig {
        in_channels: side(file, &format!("{prefix}encoder.conv_in.weight"), 1)?,
        latent_channels: side(file, &format!("{prefix}encoder.conv_out.weight"), 0)? / 2,
        block_out_channels: widths,
        layers_per_block: (0..64).take_while(|j| file.contains(&block(0, *j))).count() as i64,
        ..VaeConfig::default()
    })
}
