//! Settings of membranes.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::closing::ClosingOptions;
use super::objects::ObjectRules;
use super::outputs::output_named;
use crate::runtime::Result;
use crate::settings::Settings;
use crate::volume::{class_name, MEMBRANE};

/// A file that is made of membranes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MembraneFile {
    /// NAME_OUTPUT_mask.mrc: 1 in membranes, else 0 (int8, mode 0).
    Mask,
    /// NAME_OUTPUT_objects.mrc: the number of the membrane, counted from 1 in scan order of its first voxel, else 0.
    /// int16 (mode 1) up to 32767 membranes, else float32 (mode 2), which holds whole numbers up to 16777216.
    Objects,
}

impl MembraneFile {
    /// The end of its name, without the dot.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Objects => "objects",
        }
    }
}

/// How the map of membranes is made a mask and objects.
///
/// Measured with the built-in network on four simulated tomograms (voxel SNR 0.8, three of 0.1, the last one crowded;
/// Dice of the mask): above 0.5 as it is 0.70, 0.57, 0.58, 0.69; above 0.3 0.69, 0.56, 0.59, 0.74; with gaps of 8 nm
/// closed and without what is below 1000 nm^3 0.69, 0.59, 0.63, 0.77. Hence the defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MembraneOptions {
    /// Output of the network that is taken; null: "membrane".
    #[schemars(length(min = 1))]
    pub output: Option<String>,
    /// Files that are written.
    #[schemars(length(min = 1))]
    pub files: Vec<MembraneFile>,
    /// Least probability.
    #[schemars(extend("exclusiveMinimum" = 0), extend("exclusiveMaximum" = 1))]
    pub threshold: f64,
    /// Widest gap that is closed, in nm, at most 64 voxels; 0: none is closed.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub gap_nm: f64,
    /// Thickest membrane that closing may give, in nm, so that membranes side by side stay two: a bilayer of 5 nm may
    /// be predicted up to 9 nm thick.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub thickness_nm: f64,
    /// Least volume of a membrane in nm^3: smaller ones are left out (a vesicle of 30 nm has 14000).
    #[schemars(range(min = 0.0))]
    pub least_nm3: f64,
    /// Largest volume of a membrane in nm^3; null: no limit.
    #[schemars(range(min = 0.0))]
    pub largest_nm3: Option<f64>,
    /// The stored number that is a probability of 1, in a map that is given; a prediction knows its own.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub certain: f64,
    /// Bytes that may be taken where a map is given; a prediction has its own limit.
    pub memory: u64,
}

impl Default for MembraneOptions {
    fn default() -> Self {
        let closing = ClosingOptions::default();
        Self {
            output: None,
            files: vec![MembraneFile::Mask, MembraneFile::Objects],
            threshold: 0.3,
            gap_nm: closing.gap_nm,
            thickness_nm: closing.thickness_nm,
            least_nm3: 1000.0,
            largest_nm3: None,
            certain: 1.0,
            memory: 1 << 30,
        }
    }
}

impl Settings for MembraneOptions {
    const FAMILY: &'static str = "membranes";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn validate_together(&self) -> Result<()> {
        self.volumes().validate()
    }
}

impl MembraneOptions {
    /// Volumes of membranes that are kept.
    pub fn volumes(&self) -> ObjectRules {
        ObjectRules::new(self.least_nm3, self.largest_nm3)
    }

    /// The closing; none where no gap is closed.
    pub fn closing(&self) -> Option<ClosingOptions> {
        (self.gap_nm > 0.0).then_some(ClosingOptions {
            gap_nm: self.gap_nm,
            thickness_nm: self.thickness_nm,
        })
    }

    /// Refuses a gap that is too wide for voxels of `voxel_nm`, None where that is unknown.
    pub fn check_gap(&self, voxel_nm: Option<f64>) -> Result<()> {
        match (self.closing(), voxel_nm) {
            (Some(closing), Some(voxel_nm)) => closing.validate(voxel_nm),
            _ => Ok(()),
        }
    }

    /// The output that is taken, among `outputs` of a network. Errors: it is not among them.
    pub fn output<'a>(&self, outputs: &'a [String]) -> Result<&'a str> {
        let membrane = class_name(MEMBRANE).unwrap_or_default();
        output_named(
            "membranes.output",
            &[self.output.as_deref().unwrap_or(membrane)],
            outputs,
        )
    }
}
