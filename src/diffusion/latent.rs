//! From an image to the U-Net's latent.
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::runtime::{Error, Result};

/// How a slice enters the U-Net.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatentMode {
    /// The latent itself, at whatever timestep.
    Clean,
    /// sqrt(abar_t) z + sqrt(1 - abar_t) eps: the slab paper's way.
    #[default]
    Noised,
    /// Carried to timestep t along the DDIM trajectory, without drawing noise.
    Inverted,
    /// The slice is x_t as it stands: its own noise is the diffusion noise, and t follows from its signal-to-noise ratio.
    Matched,
}

/// Which latent a variational encoder gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatentDraw {
    /// The mean of the posterior.
    #[default]
    Mean,
    /// One draw of the posterior.
    Sample,
}

/// The encoder's kind and its settings, as the built-in file writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// `factor` x `factor` pixels become the channels of one latent pixel: nothing is learned, nothing is scaled.
    SpaceToDepth {
        /// Pixels per latent pixel along each side.
        factor: i64,
    },
}

impl EncoderConfig {
    /// Pixels per latent pixel along each side.
    pub fn factor(&self) -> i64 {
        match self {
            Self::SpaceToDepth { factor } => *factor,
        }
    }
}

/// Pixel unshuffle of `image` [B, 1, H, W] to [B, factor^2, H/factor, W/factor]; channel = row * factor + column
/// within the cell. H and W must be multiples of `factor`.
pub fn space_to_depth(image: &Tensor, factor: i64) -> Result<Tensor> {
    let size = image.size();
    match size[..] {
        [_, 1, rows, columns]
            if factor > 0 && rows > 0 && columns > 0 && rows % factor == 0 && columns % factor == 0 =>
        {
            Ok(image.f_pixel_unshuffle(factor)?)
        }
        _ => {
            let allowed = format!("must be [B, 1, H, W] with H and W multiples of {factor}");
            Err(Error::argument("image", format_args!("{size:?}"), &allowed))
        }
    }
}

/// The inverse of [`space_to_depth`]: `latent` [B, factor^2, h, w] to [B, 1, h factor, w factor].
pub fn depth_to_space(latent: &Tensor, factor: i64) -> Result<Tensor> {
    let size = latent.size();
    match size[..] {
        [_, channels, _, _] if factor > 0 && factor.checked_mul(factor) == Some(channels) => {
            Ok(latent.f_pixel_shuffle(factor)?)
        }
        _ => {
            let allowed = format!("must be [B, {factor} x {factor}, h, w]");
            Err(Error::argument("latent", format_args!("{size:?}"), &allowed))
        }
    }
}
