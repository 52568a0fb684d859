//! A training's settings with what they leave to the start and to the network.
use serde::{Deserialize, Serialize};

use super::SegmenterOptions;
use crate::networks::{ModelDescription, Reach, SegmentationNetwork};
use crate::runtime::{Error, Result};
use crate::settings::Settings;
use crate::train::checkpoint::RunOptions;
use crate::train::{TrainingSchedule, Windows};

/// The window of a network of three dimensions, (z, y, x), before its divisor is looked at.
const WINDOW: [usize; 3] = [32, 80, 80];

/// Largest extent of a window, of a network of three dimensions and of one of slices.
const LARGEST: usize = 512;
const LARGEST_FLAT: usize = 2048;

/// What is trained: the settings, the network that they or the start say, and the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The settings.
    pub settings: SegmenterOptions,
    /// The network, and what its input is.
    pub description: ModelDescription,
    /// Extents (z, y, x) of a window in voxels; all zero until a network says what suits it.
    pub window: [usize; 3],
}

impl Plan {
    /// The plan of a training of `description`.
    pub(super) fn new(settings: &SegmenterOptions, description: ModelDescription) -> Self {
        Self {
            window: settings.window.or(settings.preset_window()).unwrap_or([0; 3]),
            settings: settings.clone(),
            description,
        }
    }

    /// The plan with a window that suits `network`, where none is said. Errors: a window that the network cannot take.
    pub(super) fn suited_to(mut self, network: &dyn SegmentationNetwork) -> Result<Self> {
        if self.window.contains(&0) {
            self.window = window_for(network);
        }
        let divisor = network.divisor().max(1) as usize;
        let [z, y, x] = self.window;
        let flat = network.dimensions() == 2;
        let largest = if flat { LARGEST_FLAT } else { LARGEST };
        let fits = |n: usize| (8..=largest).contains(&n) && n.is_multiple_of(divisor);
        let deep = if flat { z == 1 } else { fits(z) };
        if deep && fits(y) && fits(x) {
            return Ok(self);
        }
        let depth = if flat { ", z 1" } else { "" };
        Err(Error::argument(
            "window",
            format!("{:?}", self.window),
            &format!("must be multiples of {divisor} in 8..={largest}{depth}"),
        ))
    }

    /// The windows that a source is asked for.
    pub fn windows(&self) -> Windows<'_> {
        Windows {
            extents: self.window,
            foreground: self.settings.foreground,
            shift: self.settings.window_shift,
            outputs: self.description.network.outputs(),
            bright: self.description.bright,
        }
    }
}

/// The window that suits `network`: the usual extents or a little more, multiples of its divisor; in two dimensions a
/// slice of 256 x 256, or of the side that the network blends.
fn window_for(network: &dyn SegmentationNetwork) -> [usize; 3] {
    let divisor = network.divisor().max(1) as usize;
    match (network.dimensions(), network.reach()) {
        (_, Reach::Slice(side)) => [1, side.max(1) as usize, side.max(1) as usize],
        (2, _) => [1, 256, 256].map(|n: usize| if n == 1 { n } else { n.next_multiple_of(divisor) }),
        _ => WINDOW.map(|n| n.next_multiple_of(divisor)),
    }
}

impl RunOptions for Plan {
    fn check(&self) -> Result<()> {
        self.settings.validate()
    }

    fn tensor_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        self.description.network.weight_shapes()
    }

    fn statistic_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        self.description.network.statistic_shapes()
    }

    fn schedule(&self) -> TrainingSchedule {
        self.settings.schedule()
    }
}
