//! Every setting of the autoencoder's training.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DenoiserOptions, SliceOptions};
use crate::diffusion::{vae_tensor_shapes, UnetConfig, VaeConfig};
use crate::runtime::{Error, Result};
use crate::settings::{within, Settings};
use crate::train::checkpoint::RunOptions;
use crate::train::{AdamWOptions, CosineSchedule, TrainingSchedule};

/// An autoencoder of Stable Diffusion's shape for single-channel images, of any width: 8 x 8 pixels become 4 channels.
///
/// Widths must be multiples of 8. One residual block per level where Stable Diffusion has two: at full resolution,
/// where most of the time goes, that is a third less.
pub fn small_autoencoder(channels: [i64; 4]) -> VaeConfig {
    VaeConfig {
        in_channels: 1,
        latent_channels: 4,
        block_out_channels: channels.to_vec(),
        layers_per_block: 1,
        norm_num_groups: 8,
        ..VaeConfig::default()
    }
}

/// What to train, on what, and how long. Same options and seed, same weights (on one machine and thread count).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutoencoderOptions {
    /// Architecture; its scaling factor is what [`super::AutoencoderTrainer::measure_scale`] found.
    #[schemars(with = "Value")]
    pub vae: VaeConfig,
    /// Seed of weights, phantoms and batches.
    pub seed: u64,
    /// The images.
    pub slices: SliceOptions,
    /// Crops per step.
    #[schemars(range(min = 1, max = 256))]
    pub batch: usize,
    /// Side of a crop in pixels, a multiple of the autoencoder's factor, at most the phantoms' sides.
    #[schemars(range(min = 8, max = 512))]
    pub crop: usize,
    /// Weight of the KL divergence beside the squared error, both summed over an image: 1e-6 in Stable Diffusion. It
    /// only keeps the latents from growing without bound.
    #[schemars(range(min = 0, max = 1000))]
    pub kl_weight: f64,
    /// How long, and how the weights move.
    pub schedule: CosineSchedule,
}

impl Default for AutoencoderOptions {
    fn default() -> Self {
        Self {
            vae: small_autoencoder([16, 32, 64, 64]),
            seed: 1,
            slices: SliceOptions::default(),
            batch: 8,
            crop: 64,
            kl_weight: 1e-6,
            schedule: CosineSchedule {
                adamw: AdamWOptions {
                    rate: 1e-3,
                    ..AdamWOptions::default()
                },
                ..CosineSchedule::default()
            },
        }
    }
}

impl Settings for AutoencoderOptions {
    const FAMILY: &'static str = "autoencoder";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn validate_together(&self) -> Result<()> {
        self.vae.validate()?;
        if self.vae.in_channels != 1 {
            let image_channels = self.vae.in_channels;
            return Err(Error::argument(
                "autoencoder in_channels",
                image_channels,
                "must be 1: slices are grey",
            ));
        }
        let [_, height, width] = self.slices.shape;
        within("crop", self.crop, 8..=height.min(width))?;
        check_crop("crop", self.crop, &self.vae)
    }
}

impl RunOptions for AutoencoderOptions {
    fn check(&self) -> Result<()> {
        self.validate()
    }

    fn tensor_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        vae_tensor_shapes(&self.vae)
    }

    fn schedule(&self) -> TrainingSchedule {
        self.schedule.into()
    }
}

impl DenoiserOptions {
    /// Settings of an ordinary denoiser on the latents of an autoencoder, as Stable Diffusion was trained: white noise
    /// at uniform timesteps. `unet` is taken with the latents' channels; the images are the autoencoder's.
    pub fn on_latents(autoencoder: &AutoencoderOptions, unet: UnetConfig) -> Self {
        let channels = autoencoder.vae.latent_channels;
        let [_, height, width] = autoencoder.slices.shape;
        let crop = height.min(width).min(128);
        Self {
            unet: UnetConfig {
                in_channels: channels,
                out_channels: channels,
                ..unet
            },
            seed: autoencoder.seed,
            crop,
            large_crop: crop,
            large_share: 0.0,
            volume_shape: [autoencoder.slices.shape[0].max(16), height, width],
            timesteps: [0, 999],
            any_timestep: 0.0,
            missing_share: 0.0,
            structure_weight: 0.0,
            ..Self::default()
        }
    }
}

/// Refuses a crop whose side the autoencoder cannot halve evenly.
pub(super) fn check_crop(name: &str, side: usize, vae: &VaeConfig) -> Result<()> {
    let factor = vae.factor();
    if side as i64 % factor != 0 {
        return Err(Error::argument(name, side, &format!("must be a multiple of {factor}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::small_unet;

    #[test]
    fn defaults_are_stable_diffusions_shape() {
        let options = AutoencoderOptions::default();
        options.validate().unwrap();
        assert_eq!((options.vae.factor(), options.vae.latent_channels), (8, 4));
        let denoiser = DenoiserOptions::on_latents(&options, small_unet([32, 64, 96, 96]));
        denoiser.validate().unwrap();
        assert_eq!((denoiser.unet.in_channels, denoiser.unet.out_channels), (4, 4));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |options: AutoencoderOptions, part: &str| {
            let text = options.validate().unwrap_err().to_string();
            assert!(text.contains(part), "{text}");
        };
        let base = AutoencoderOptions::default;
        refused(
            AutoencoderOptions { crop: 60, ..base() },
            "crop is 60, must be a multiple of 8",
        );
        refused(AutoencoderOptions { crop: 264, ..base() }, "crop is 264");
        refused(
            AutoencoderOptions {
                kl_weight: f64::NAN,
                ..base()
            },
            "kl_weight",
        );
        let colour = VaeConfig {
            in_channels: 3,
            ..small_autoencoder([8; 4])
        };
        refused(AutoencoderOptions { vae: colour, ..base() }, "in_channels is 3");
    }
}
