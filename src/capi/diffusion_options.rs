//! The trainer's options that concern SDSeg alone.
use super::slab_options::{flag, one_of, switch};
use super::strings::{optional_text, path};
use super::trainer_options::tomocut_trainer_options;
use crate::networks::{Conditioning, ModelDescription, NetworkConfig};
use crate::segmenter::Start;
use crate::{Error, Result};

/// What stands for the built-in diffusion model.
const BUILTIN: &str = "builtin";

/// What concerns SDSeg alone: its ablations, and the weights that it begins with.
///
/// # Safety
/// `options` is as documented for C.
pub(super) unsafe fn diffusion(description: &mut ModelDescription, options: &tomocut_trainer_options) -> Result<Start> {
    // SAFETY: passed on.
    let conditioning = unsafe { optional_text(options.conditioning, "conditioning") }?;
    let frozen = flag("frozen_encoder", options.frozen_encoder)?;
    let latent_loss = switch("latent_loss", options.latent_loss, true)?;
    let has_mask_loss = matches!(&description.network, NetworkConfig::SdSeg(config) if config.mask_loss > 0.0);
    let mask_loss = switch("mask_loss", options.mask_loss, has_mask_loss)?;
    let NetworkConfig::SdSeg(config) = &mut description.network else {
        for (name, given) in [
            ("pretrained", !options.pretrained.is_null()),
            ("first_stage", !options.first_stage.is_null()),
            ("conditioning", conditioning.is_some()),
            ("frozen_encoder", frozen),
            ("latent_loss", !latent_loss),
            ("mask_loss", mask_loss),
        ] {
            if given {
                return Err(Error::argument(
                    name,
                    "given",
                    "must be left alone where the network is not SDSeg",
                ));
            }
        }
        return Ok(Start::Random);
    };
    if let Some(name) = conditioning {
        let known = [
            ("concatenation", Conditioning::Concatenation),
            ("cross-attention", Conditioning::CrossAttention),
        ];
        let conditioning = one_of("conditioning", name, &known)?;
        **config = config.as_ref().clone().conditioned(conditioning);
    }
    config.frozen_encoder |= frozen;
    if !latent_loss {
        config.latent_loss = 0.0;
    }
    if mask_loss != has_mask_loss {
        config.mask_loss = f64::from(u8::from(mask_loss));
    }
    if options.pretrained.is_null() && options.first_stage.is_null() {
        return Ok(Start::Random);
    }
    // SAFETY: passed on.
    if unsafe { optional_text(options.pretrained, "pretrained") }? == Some(BUILTIN) {
        return Ok(Start::BuiltinDiffusion);
    }
    let mut files = Vec::new();
    for (pointer, name) in [(options.pretrained, "pretrained"), (options.first_stage, "first_stage")] {
        if !pointer.is_null() {
            // SAFETY: passed on.
            files.push(unsafe { path(pointer, name) }?);
        }
    }
    Ok(Start::LatentDiffusion(files))
}
