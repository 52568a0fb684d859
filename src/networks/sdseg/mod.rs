//! SDSeg (Lin et al., "Stable Diffusion Segmentation for Biomedical Images with Single-step Reverse Process", MICCAI
//! 2024): a latent diffusion model that draws the mask of an image, trained so that one step from pure noise is enough.
//!
//! The mask's latent z0 (a frozen autoencoder's, times a scale) is noised to z_t; the U-Net, which sees z_t beside what
//! a trained vision encoder makes of the image, estimates the noise; the loss is the L1 error of the noise plus that of
//! the z0 which follows from it. `config` says what the network is, `network` runs it, `objective` is the loss,
//! `sampler` goes from noise to a latent, `published` reads checkpoints of the authors' layout, `start` begins from
//! weights of latent diffusion models, `mask_autoencoder` is the first stage that comes with the library.

mod config;
mod mask_autoencoder;
mod names;
mod network;
mod objective;
pub(super) mod published;
mod sampler;
mod start;

pub use config::{Conditioning, SdSegConfig};
pub use mask_autoencoder::mask_autoencoder;
pub use network::SdSeg;
pub use objective::Draws;
pub use sampler::timesteps;
pub use start::Taken;

pub(super) use mask_autoencoder::tensors as first_stage_tensors;
pub(super) use names::UNET;
pub(super) use network::is_trained;
