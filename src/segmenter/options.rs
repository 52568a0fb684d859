//! Every setting of a segmentation network's training.
use serde::{Deserialize, Serialize};

use super::{SelfTrainingOptions, ValidationOptions};
use crate::networks::{ModelDescription, Reach, SegmentationNetwork};
use crate::runtime::{Error, Result};
use crate::train::checkpoint::RunOptions;
use crate::train::ranges::check_ranges;
use crate::train::{AdamWOptions, AugmentOptions, LossOptions, TrainingSchedule, Windows};

/// What to train, from what kind of windows, and how long. Same options, seed and data, same weights on one machine's CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmenterOptions {
    /// The network, and what its input is.
    pub description: ModelDescription,
    /// Seed of weights and windows.
    pub seed: u64,
    /// Extents (z, y, x) of a window in voxels, multiples of the network's divisor, 8..=512 each (z of a 2D network: 1).
    pub window: [usize; 3],
    /// Windows per step, 1..=256.
    pub batch: usize,
    /// Share of the windows of labelled volumes that lie around a labelled voxel, 0..=1: most of a cell is ground.
    pub foreground: f64,
    /// Whether tomograms of other voxels than the network's are brought to its size; a network that has none takes the first
    /// tomogram's.
    pub rescale: bool,
    /// What windows are varied by.
    pub augment: AugmentOptions,
    /// The loss.
    pub loss: LossOptions,
    /// How the weights move.
    pub schedule: TrainingSchedule,
    /// How the run is scored on labels that it does not see.
    pub validation: ValidationOptions,
    /// Rounds in which the network labels more data for itself.
    pub self_training: SelfTrainingOptions,
    /// Whether convolutions of the forward pass are computed in bfloat16 on a GPU; weights, losses and the optimiser stay in float32.
    /// A CPU takes no notice of it.
    pub mixed_precision: bool,
}

impl Default for SegmenterOptions {
    fn default() -> Self {
        Self {
            description: ModelDescription::default(),
            seed: 1,
            window: [32, 80, 80],
            batch: 2,
            foreground: 0.67,
            rescale: true,
            augment: AugmentOptions::default(),
            loss: LossOptions::default(),
            schedule: TrainingSchedule {
                steps: 2000,
                adamw: AdamWOptions {
                    rate: 1e-3,
                    ..AdamWOptions::default()
                },
                ..TrainingSchedule::default()
            },
            validation: ValidationOptions::default(),
            self_training: SelfTrainingOptions::default(),
            mixed_precision: false,
        }
    }
}

impl SegmenterOptions {
    /// Refuses settings out of their documented ranges, by name.
    pub fn validate(&self) -> Result<()> {
        check_ranges(&[
            ("batch", self.batch as f64, 1.0, 256.0),
            ("foreground", self.foreground, 0.0, 1.0),
        ])?;
        self.augment.validate()?;
        self.loss.validate()?;
        self.validation.validate()?;
        self.self_training.validate()?;
        self.schedule.validate()
    }

    /// The windows that it asks its source for.
    pub fn windows(&self) -> Windows<'_> {
        Windows {
            extents: self.window,
            foreground: self.foreground,
            outputs: self.description.network.outputs(),
            bright: self.description.bright,
        }
    }

    /// The window that suits `network`: the default's extents or a little more, multiples of its divisor; in two dimensions a slice
    /// of 256 x 256, or of the side that the network blends.
    pub fn window_for(network: &dyn SegmentationNetwork) -> [usize; 3] {
        let divisor = network.divisor().max(1) as usize;
        match (network.dimensions(), network.reach()) {
            (_, Reach::Slice(side)) => [1, side.max(1) as usize, side.max(1) as usize],
            (2, _) => [1, 256, 256].map(|n: usize| if n == 1 { n } else { n.next_multiple_of(divisor) }),
            _ => Self::default().window.map(|n| n.next_multiple_of(divisor)),
        }
    }

    /// Refuses a window that `network` cannot take.
    pub fn validate_window(&self, network: &dyn SegmentationNetwork) -> Result<()> {
        let divisor = network.divisor().max(1) as usize;
        let [z, y, x] = self.window;
        let fits = |n: usize| (8..=512).contains(&n) && n.is_multiple_of(divisor);
        let flat = network.dimensions() == 2;
        let deep = if flat { z == 1 } else { fits(z) };
        if deep && fits(y) && fits(x) {
            return Ok(());
        }
        let depth = if flat { ", z 1" } else { "" };
        Err(Error::argument(
            "window",
            format!("{:?}", self.window),
            &format!("must be multiples of {divisor} in 8..=512{depth}"),
        ))
    }
}

impl RunOptions for SegmenterOptions {
    fn validate(&self) -> Result<()> {
        Self::validate(self)
    }

    fn tensor_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        self.description.network.weight_shapes()
    }

    fn statistic_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        self.description.network.statistic_shapes()
    }

    fn schedule(&self) -> TrainingSchedule {
        self.schedule
    }
}
