//! Settings of what happens to a tomogram after its reconstruction.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::Generator;

/// Processing after the reconstruction. Everything is off by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessingOptions {
    /// Standard deviation of a Gaussian low pass in voxels, as simple denoising leaves it.
    #[schemars(range(min = 0.0, max = 4.0))]
    pub blur: f64,
    /// Strength of a Wiener deconvolution of the contrast transfer (Tegunov and Cramer 2019, the formula of `deconv`):
    /// the assumed signal-to-noise ratio at frequency 0 is 10^(3 strength); 0: none.
    #[schemars(range(min = 0.0, max = 1.5))]
    pub deconvolution: f64,
    /// Share of the missing wedge's signal that is filled in, as networks for this do.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub wedge_fill: f64,
    /// Width of the border along y and x that holds nothing of its own, as a share of the extents.
    #[schemars(range(min = 0.0, max = 0.3))]
    pub border: f64,
    /// Whether the border is the mirrored inside; else it is grey.
    pub border_mirrored: bool,
    /// Standard deviations beyond which grey values are clipped; 0: none, else 1..=20.
    #[schemars(range(min = 0.0, max = 20.0))]
    pub clip: f64,
    /// Whether grey values are reduced to 256 levels over plus and minus four standard deviations.
    pub eight_bit: bool,
}

impl Default for ProcessingOptions {
    fn default() -> Self {
        Self {
            blur: 0.0,
            deconvolution: 0.0,
            wedge_fill: 0.0,
            border: 0.0,
            border_mirrored: false,
            clip: 0.0,
            eight_bit: false,
        }
    }
}

impl ProcessingOptions {
    /// Half of the tomograms are processed in one way or another.
    pub(super) fn random(gen: &mut Generator) -> Self {
        if gen.chance(0.5) {
            return Self::default();
        }
        let sometimes = |gen: &mut Generator, chance: f64, low: f64, high: f64| match gen.chance(chance) {
            true => gen.uniform(low, high),
            false => 0.0,
        };
        Self {
            blur: sometimes(gen, 0.35, 0.4, 1.6),
            deconvolution: sometimes(gen, 0.3, 0.4, 1.2),
            wedge_fill: sometimes(gen, 0.25, 0.1, 0.8),
            border: sometimes(gen, 0.15, 0.01, 0.08),
            border_mirrored: gen.chance(0.5),
            clip: sometimes(gen, 0.3, 2.5, 6.0),
            eight_bit: gen.chance(0.2),
        }
    }

    /// Whether grey values are clipped or rounded.
    pub(super) fn reduces(&self) -> bool {
        self.clip > 0.0 || self.eight_bit
    }
}
