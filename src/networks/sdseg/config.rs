//! Hyper-parameters of an SDSeg network.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mask_autoencoder;
use crate::diffusion::{LdmUnetConfig, NoiseSchedule, PredictionType, ScheduleConfig, VaeConfig};
use crate::networks::limits::{check_names, check_widths};
use crate::runtime::{Error, Result};

/// Conditioning of the U-Net on the image's latent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conditioning {
    /// As further channels beside the noisy latent: the paper's choice.
    #[default]
    Concatenation,
    /// As the tokens of cross-attention: an ablation of the paper.
    CrossAttention,
}

/// An SDSeg network. Names of tensors are those of the published checkpoints but for the two autoencoders, which have
/// diffusers' names behind `first_stage_model.` and `cond_stage_model.`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SdSegConfig {
    /// The U-Net; its channels follow from the other settings and are checked.
    pub unet: LdmUnetConfig,
    /// The frozen autoencoder of masks; its `scaling_factor` is not looked at, the scale is a tensor of its own.
    pub first_stage: VaeConfig,
    /// The vision encoder: as the autoencoder's encoder, then a 1x1 convolution to `latent_channels`.
    pub encoder: VaeConfig,
    /// Share of features that the vision encoder's residual blocks drop in training, 0..1.
    pub encoder_dropout: f64,
    /// Noise schedule, and what the U-Net predicts.
    pub schedule: ScheduleConfig,
    /// Conditioning of the U-Net on the image.
    pub conditioning: Conditioning,
    /// Weight of the latent's L1 error beside the noise's, 0..=1000; 0 leaves it out (an ablation).
    pub latent_loss: f64,
    /// Weight of the drawn mask's own loss beside them, Dice plus cross-entropy of its pixels, 0..=1000; 0 in the
    /// paper.
    pub mask_loss: f64,
    /// Freezes the vision encoder (an ablation).
    pub frozen_encoder: bool,
    /// Share of a batch that is trained at the last timestep, where the single step begins, 0..=1; the rest has uniform
    /// timesteps.
    pub last_step_share: f64,
    /// Name of the one output.
    pub outputs: Vec<String>,
    /// Side of the windows that it is trained on and that larger slices are blended from, in pixels.
    pub window: i64,
}

impl Default for SdSegConfig {
    /// The published network.
    fn default() -> Self {
        let autoencoder = VaeConfig {
            block_out_channels: vec![128, 256, 512, 512],
            layers_per_block: 2,
            ..VaeConfig::default()
        };
        Self {
            unet: LdmUnetConfig::default(),
            first_stage: autoencoder.clone(),
            encoder: autoencoder,
            encoder_dropout: 0.2,
            // betas = linspace(sqrt(.0015), sqrt(.0155), 1000)^2, "linear" in these models' own words.
            schedule: ScheduleConfig {
                beta_start: 0.0015,
                beta_end: 0.0155,
                ..ScheduleConfig::default()
            },
            conditioning: Conditioning::Concatenation,
            latent_loss: 1.0,
            mask_loss: 0.0,
            frozen_encoder: false,
            last_step_share: 0.0,
            outputs: vec!["foreground".to_owned()],
            window: 256,
        }
    }
}

impl SdSegConfig {
    /// A network that two cores train: 3.5 million parameters on the library's own mask autoencoder.
    ///
    /// Beside its size four things differ from the published one. The U-Net predicts v (Salimans and Ho 2022), not the
    /// noise: from random weights a network would first have to learn to pass its input through to a part in forty,
    /// because at the last timestep the noise's error counts 38.7-fold in the latent; v's counts once. Half of a batch
    /// is trained at the last timestep, where the single step begins. The drawn mask has a loss of its own: the L1
    /// errors alone have the commonest latent for their optimum wherever the image leaves doubt, an empty mask where
    /// things are few. It doubles the time of a step; docs/training.md has what it brings and costs. Latents of images
    /// have 16 channels, of masks 8.
    pub fn small() -> Self {
        let paper = Self::default();
        let encoder = VaeConfig {
            latent_channels: 16,
            block_out_channels: vec![16, 32, 64, 64],
            layers_per_block: 1,
            norm_num_groups: 8,
            ..VaeConfig::default()
        };
        Self {
            unet: LdmUnetConfig {
                in_channels: 24,
                out_channels: 8,
                model_channels: 48,
                num_res_blocks: 1,
                channel_mult: vec![1, 2, 2],
                attention_resolutions: vec![2, 4],
                num_heads: 4,
                norm_num_groups: 8,
                dropout: 0.0,
                ..LdmUnetConfig::default()
            },
            first_stage: mask_autoencoder(),
            encoder,
            encoder_dropout: 0.0,
            schedule: ScheduleConfig {
                prediction_type: PredictionType::VPrediction,
                ..paper.schedule
            },
            last_step_share: 0.5,
            mask_loss: 1.0,
            ..paper
        }
    }

    /// The same with the image as tokens of cross-attention, or as channels.
    pub fn conditioned(mut self, conditioning: Conditioning) -> Self {
        let (latent, condition) = (self.first_stage.latent_channels, self.encoder.latent_channels);
        self.conditioning = conditioning;
        (self.unet.in_channels, self.unet.context_dim) = match conditioning {
            Conditioning::Concatenation => (latent + condition, None),
            Conditioning::CrossAttention => (latent, Some(condition)),
        };
        self
    }

    /// Multiple of pixels that the sides of an image must be.
    pub fn divisor(&self) -> i64 {
        self.first_stage.factor() * self.unet.factor()
    }

    /// Refuses settings that are out of range or do not fit each other, by name.
    pub fn validate(&self) -> Result<()> {
        self.unet.validate()?;
        self.first_stage.validate()?;
        self.encoder.validate()?;
        NoiseSchedule::new(&self.schedule)?;
        check_names(&self.outputs)?;
        if self.outputs.len() != 1 {
            let allowed = "must be one name: SDSeg tells one thing from its surroundings";
            return Err(Error::argument("outputs", format!("{:?}", self.outputs), allowed));
        }
        check_widths("window", &[self.window], 1..=1)?;
        for (name, value, most) in [
            ("latent_loss", self.latent_loss, 1e3),
            ("mask_loss", self.mask_loss, 1e3),
            ("last_step_share", self.last_step_share, 1.0),
            ("encoder_dropout", self.encoder_dropout, 0.999),
        ] {
            if !(0.0..=most).contains(&value) {
                return Err(Error::argument(name, value, &format!("must be 0..={most}")));
            }
        }
        if self.encoder.factor() != self.first_stage.factor() {
            let allowed = format!("must be the first stage's {}", self.first_stage.factor());
            return Err(Error::argument("encoder's factor", self.encoder.factor(), &allowed));
        }
        let fitting = self.clone().conditioned(self.conditioning).unet;
        let latent = self.first_stage.latent_channels;
        for (name, actual, expected) in [
            (
                "unet.in_channels",
                Some(self.unet.in_channels),
                Some(fitting.in_channels),
            ),
            ("unet.out_channels", Some(self.unet.out_channels), Some(latent)),
            ("unet.context_dim", self.unet.context_dim, fitting.context_dim),
        ] {
            if actual != expected {
                let allowed = format!("must be {expected:?}, which follows from the autoencoders and the conditioning");
                return Err(Error::argument(name, format!("{actual:?}"), &allowed));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::NetworkConfig;

    #[test]
    fn sizes_are_those_of_the_paper_and_of_two_cores() {
        let count = |config: SdSegConfig, prefix: &str| -> i64 {
            let shapes = NetworkConfig::SdSeg(Box::new(config)).tensor_shapes().unwrap();
            let part = shapes.iter().filter(|(name, _)| name.starts_with(prefix));
            part.map(|(_, shape)| shape.iter().product::<i64>()).sum()
        };
        assert_eq!(count(SdSegConfig::default(), "model.diffusion_model."), 294_973_828);
        assert_eq!(count(SdSegConfig::default(), "first_stage_model."), 83_653_863);
        let all = count(SdSegConfig::small(), "");
        assert!((2_000_000..5_000_000).contains(&all), "{all}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut config = SdSegConfig::small();
        config.unet.in_channels = 8;
        assert!(config.validate().unwrap_err().to_string().contains("unet.in_channels"));
        let mut config = SdSegConfig::small();
        config.outputs.push("other".into());
        assert!(config.validate().unwrap_err().to_string().contains("must be one name"));
        SdSegConfig::small()
            .conditioned(Conditioning::CrossAttention)
            .validate()
            .unwrap();
    }
}
