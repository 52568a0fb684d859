//! Stable Diffusion as a feature extractor: weight files, image to latent, U-Net with taps on its self-attention.
//!
//! A [`DiffusionModel`] turns an image into a latent ([`DiffusionModel::encode`]) and a latent into the queries and
//! keys of its self-attention layers, the U-Net's output and a one-step denoised latent ([`DiffusionModel::extract`]).
//! The same [`Unet`] trains: it is built from any source of tensors and autograd runs through it.
//! Names of layers and tensors are those of the `diffusers` library; no code of it is used.

mod attend;
mod attention;
mod builtin;
mod compvis;
pub mod config;
mod decoder_file;
mod inversion;
pub mod latent;
mod ldm;
mod load_options;
mod loading;
pub mod model;
mod model_file;
mod model_settings;
mod modulation;
mod open;
mod resnet;
pub mod schedule;
pub mod single_file;
mod snr;
mod taps;
pub mod text;
pub mod unet;
pub mod vae;
mod vae_config;
pub mod vae_decoder;
mod vae_folder;
mod vae_mid;
mod vae_trunk;
mod vision_encoder;

#[cfg(test)]
mod tests;

pub use builtin::builtin_model_bytes;
pub use config::{PerLevel, UnetConfig};
pub use latent::{depth_to_space, space_to_depth, CellShape, EncoderConfig, LatentDraw, LatentMode, Structure};
pub use ldm::{LdmUnet, LdmUnetConfig};
pub use load_options::LoadOptions;
pub use model::{DiffusionModel, Extraction, LatentEncoder, ModelConfig};
pub use model_file::ModelFile;
pub use model_settings::{ModelSettings, WeightType};
pub use modulation::Modulation;
pub use schedule::{NoiseSchedule, PredictionType, ScheduleConfig};
pub use single_file::{model_to_bytes, unet_channels, with_autoencoder, write_model, ModelFileConfig};
pub use taps::{AttentionTap, TapParts, Taps};
pub use text::TextConfig;
pub use unet::{unet_tensor_shapes, Unet};
pub use vae::VaeEncoder;
pub use vae_config::VaeConfig;
pub use vae_decoder::{vae_tensor_shapes, VaeDecoder};
pub use vae_folder::write_autoencoder;
pub use vision_encoder::VisionEncoder;

pub(crate) use compvis::{autoencoder_name, unet_name};
pub(crate) use resnet::Dropout;

pub use crate::weights::{read_tensor, FetchTensor};
