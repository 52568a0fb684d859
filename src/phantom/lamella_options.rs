//! Settings of the lamella that a specimen is cut to.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::Generator;

/// A lamella within the volume. Off by default: the ice ends with `ice_fraction`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LamellaOptions {
    /// Thickness as a share of z; 1: no face is cut.
    #[schemars(range(min = 0.1, max = 1.0))]
    pub thickness: f64,
    /// Tilt of each face against the slices, in degrees.
    #[schemars(range(min = 0.0, max = 30.0))]
    pub tilt: f64,
    /// Height of the bend across the field in nm.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub bend_nm: f64,
    /// Depth of the grooves that the beam leaves (curtaining), in nm.
    #[schemars(range(min = 0.0, max = 50.0))]
    pub curtain_nm: f64,
    /// Density of ice above vacuum, in units of protein above ice. By weight it is about 2; a reconstruction loses
    /// most of so slow a step.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub vacuum: f64,
    /// Number of ice crystals on the faces; labelled background.
    #[schemars(range(min = 0, max = 64))]
    pub crystals: usize,
}

impl Default for LamellaOptions {
    fn default() -> Self {
        Self {
            thickness: 1.0,
            tilt: 0.0,
            bend_nm: 0.0,
            curtain_nm: 0.0,
            vacuum: 1.0,
            crystals: 0,
        }
    }
}

impl LamellaOptions {
    /// A third of the specimens are lamellae.
    pub(super) fn random(gen: &mut Generator) -> Self {
        if gen.chance(0.65) {
            return Self::default();
        }
        Self {
            thickness: gen.uniform(0.35, 0.9),
            tilt: gen.uniform(0.0, 12.0),
            bend_nm: if gen.chance(0.5) { 0.0 } else { gen.uniform(0.0, 25.0) },
            curtain_nm: if gen.chance(0.5) { 0.0 } else { gen.uniform(0.0, 10.0) },
            vacuum: gen.uniform(0.2, 2.0),
            crystals: if gen.chance(0.3) { gen.integer(1, 6) as usize } else { 0 },
        }
    }
}
