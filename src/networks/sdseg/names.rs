//! Prefixes and names of the tensors, those of the published checkpoints.

/// Prefix of the U-Net's tensors.
pub(in crate::networks) const UNET: &str = "model.diffusion_model.";
/// Prefix of the autoencoder's.
pub(in crate::networks) const FIRST_STAGE: &str = "first_stage_model.";
/// Prefix of the vision encoder's.
pub(in crate::networks) const ENCODER: &str = "cond_stage_model.";
/// The scale of the latents.
pub(in crate::networks) const SCALE: &str = "scale_factor";
