//! Every setting of the denoiser's training.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diffusion::{unet_channels, unet_tensor_shapes, CellShape, PerLevel, Structure, UnetConfig};
use crate::runtime::{Error, Result};
use crate::settings::{within, Settings};
use crate::train::checkpoint::RunOptions;
use crate::train::{AdamWOptions, CosineSchedule, TrainingSchedule};

/// What the networks that are trained here predict beside the noise.
pub const STRUCTURES: [Structure; 4] = [
    Structure::Membrane,
    Structure::Molecule,
    Structure::Filament,
    Structure::MoleculeCentre,
];

/// Cells of 2 x 2 x 2 voxels, seen with two cells above and below: ten slices in, two out.
///
/// Two slices a pass halve the time, and what a membrane looks like four slices away tells it from noise.
pub const CELLS: CellShape = CellShape {
    factor: 2,
    slices: 2,
    context: 2,
};

/// Width of an attention head: at the finest level the softmax is most of the work on a CPU, and its cost goes with the
/// number of heads, so heads are as wide as in Stable Diffusion 2 rather than many.
const HEAD_WIDTH: i64 = 32;

/// An SD-shaped U-Net of any width on [`CELLS`] without cross-attention: attention at the three finest levels and in
/// the middle, heads of width 32.
///
/// With four levels and two residual blocks it has SD's 16 self-attention layers (6 + 1 + 9). Widths must be multiples
/// of 8; those that are no multiple of 32 have one head.
pub fn small_unet(channels: [i64; 4]) -> UnetConfig {
    let (in_channels, out_channels) = unet_channels(CELLS, STRUCTURES.len());
    UnetConfig {
        in_channels,
        out_channels,
        block_out_channels: channels.to_vec(),
        attention_head_dim: PerLevel::Each(channels.map(heads).to_vec()),
        cross_attention_dim: None,
        norm_num_groups: 8,
        ..UnetConfig::default()
    }
}

/// Heads of a level (diffusers' `attention_head_dim` holds their number).
fn heads(channels: i64) -> i64 {
    if channels % HEAD_WIDTH == 0 {
        channels / HEAD_WIDTH
    } else {
        1
    }
}

/// What to train, on what, and how long. Same options and seed, same weights (on one machine and thread count).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DenoiserOptions {
    /// Architecture.
    #[schemars(with = "Value")]
    pub unet: UnetConfig,
    /// Seed of weights, phantoms and batches.
    pub seed: u64,
    /// Steps of the whole schedule.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub steps: u64,
    /// Crops per step.
    #[schemars(range(min = 1, max = 256))]
    pub batch: usize,
    /// Side of a crop in voxels, a multiple of 2, at most the phantoms' sides.
    #[schemars(range(min = 8, max = 512))]
    pub crop: usize,
    /// Side of the occasional large crop, with the same limits; its batch has about as many voxels.
    #[schemars(range(min = 8, max = 512))]
    pub large_crop: usize,
    /// Share of the steps of the second half that take large crops.
    #[schemars(range(min = 0, max = 1))]
    pub large_share: f64,
    /// Phantoms in memory at once.
    #[schemars(range(min = 1, max = 256))]
    pub volumes: usize,
    /// Extents (z, y, x) of a phantom.
    #[schemars(inner(range(max = 1024)))]
    pub volume_shape: [usize; 3],
    /// Every so many steps the oldest phantom makes room for a new one; 0: never.
    pub refresh: u64,
    /// Timesteps drawn most of the time, from the first to the second: abar 0.67 to 0.03 in Stable Diffusion's
    /// schedule, SNR 2 to 0.03.
    #[schemars(inner(range(min = 0, max = 999)))]
    pub timesteps: [i64; 2],
    /// Share of timesteps drawn from the whole schedule instead.
    #[schemars(range(min = 0, max = 1))]
    pub any_timestep: f64,
    /// Share of the crops that miss some of the slices around, as at a tomogram's faces and in single images.
    #[schemars(range(min = 0, max = 1))]
    pub missing_share: f64,
    /// Weight of the structures' cross-entropy beside the noise's squared error.
    #[schemars(range(min = 0, max = 1000))]
    pub structure_weight: f64,
    /// Weight of the attention's loss beside the noise's squared error; 0: attention is left to itself. Of every token
    /// i of a chosen layer it takes -log of the share of its attention that stays within its own class of the truth
    /// (background or one of the structures), mean over the tokens of a class, over classes and over layers.
    #[schemars(range(min = 0, max = 1000))]
    pub attention_weight: f64,
    /// The classes of that loss are background and foreground alone, whatever structure it is. Attention within many
    /// classes has as many slow eigenvectors, none of which need be the foreground.
    pub attention_foreground: bool,
    /// Self-attention layers with that loss, by their place in execution order; empty: on the way up, the last two of
    /// the finest level and the last two of the next.
    #[schemars(inner(range(max = 10_000)))]
    pub attention_layers: Vec<usize>,
    /// Share below which a token's attention within its class counts as this much: it bounds the loss of one token.
    #[schemars(range(min = 1e-9, max = 0.5))]
    pub attention_floor: f64,
    /// The optimiser, at its full learning rate.
    pub adamw: AdamWOptions,
    /// Steps of linear warm-up.
    pub warm_up: u64,
    /// Share of the steps, at the end, in which the learning rate falls along a half cosine to 2 %.
    #[schemars(range(min = 0, max = 1))]
    pub cool_down: f64,
    /// Largest global norm of the gradient.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub clip: f64,
    /// Decay of the weights' moving average, which is what ships; min(decay, (1 + n) / (10 + n)) after n steps.
    #[schemars(range(min = 0, max = 1))]
    pub ema_decay: f64,
}

impl Default for DenoiserOptions {
    fn default() -> Self {
        Self {
            unet: small_unet([32, 64, 96, 96]),
            seed: 1,
            steps: 2000,
            batch: 12,
            crop: 64,
            large_crop: 128,
            large_share: 0.2,
            volumes: 20,
            volume_shape: [56, 192, 192],
            refresh: 15,
            timesteps: [250, 830],
            any_timestep: 0.12,
            missing_share: 0.15,
            structure_weight: 1.0,
            attention_weight: 0.0,
            attention_foreground: false,
            attention_layers: Vec::new(),
            attention_floor: 1e-4,
            adamw: AdamWOptions::default(),
            warm_up: 60,
            cool_down: 0.3,
            clip: 1.0,
            ema_decay: 0.998,
        }
    }
}

impl Settings for DenoiserOptions {
    const FAMILY: &'static str = "denoiser";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn validate_together(&self) -> Result<()> {
        self.unet.validate()?;
        if self.unet.cross_attention_dim.is_some() {
            return Err(Error::argument(
                "cross_attention_dim",
                "set",
                "must be null: there is no text",
            ));
        }
        let [depth, height, width] = self.volume_shape;
        within("volume_shape.z", depth as i64, CELLS.slices_seen()..=1024)?;
        for (name, side) in [("crop", self.crop), ("large_crop", self.large_crop)] {
            within(name, side, 8..=height.min(width))?;
            if side % 2 != 0 {
                return Err(Error::argument(name, side, "must be even"));
            }
        }
        within("timesteps[1]", self.timesteps[1], self.timesteps[0]..=999)
    }
}

impl DenoiserOptions {
    /// Refuses a U-Net whose channels are not those of `cells` and `structures` logits per voxel.
    pub(super) fn validate_channels(&self, cells: CellShape, structures: usize) -> Result<()> {
        let own_channels = (self.unet.in_channels, self.unet.out_channels);
        let expected = unet_channels(cells, structures);
        if own_channels != expected {
            return Err(Error::argument(
                "U-Net channels",
                format_args!("{own_channels:?}"),
                &format!("must be {expected:?}, in and out"),
            ));
        }
        Ok(())
    }

    /// How the weights move.
    pub fn schedule(&self) -> TrainingSchedule {
        CosineSchedule {
            steps: self.steps,
            adamw: self.adamw,
            warm_up: self.warm_up,
            cool_down: self.cool_down,
            clip: self.clip,
            ema_decay: self.ema_decay,
        }
        .into()
    }
}

impl RunOptions for DenoiserOptions {
    fn check(&self) -> Result<()> {
        self.validate()
    }

    fn tensor_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        unet_tensor_shapes(&self.unet)
    }

    fn schedule(&self) -> TrainingSchedule {
        Self::schedule(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_network_has_sixteen_attention_layers() {
        assert_eq!(small_unet([32, 64, 96, 96]).attention_layers(), 16);
        DenoiserOptions::default().validate().unwrap();
    }

    #[test]
    fn odd_crops_and_text_are_refused() {
        let odd = DenoiserOptions {
            crop: 63,
            ..DenoiserOptions::default()
        };
        assert!(odd.validate().unwrap_err().to_string().contains("crop is 63"));
        let mut text = DenoiserOptions::default();
        text.unet.cross_attention_dim = Some(768);
        assert!(text.validate().is_err());
    }
}
