//! The U-Net of latent diffusion models (Rombach et al. 2022; `openaimodel.UNetModel`), after Dhariwal and Nichol 2021:
//! the time scales and shifts features (FiLM), residual blocks halve and double the resolution, attention is over
//! pixels alone. Names of tensors are those of its checkpoints, without the prefix `model.diffusion_model.`; no code of
//! it is used.

mod blocks;
mod config;
mod unet;

pub use config::LdmUnetConfig;
pub use unet::LdmUnet;
