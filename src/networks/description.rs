//! Description of a network for its use on data.
use serde::{Deserialize, Serialize};

use super::NetworkConfig;
use crate::runtime::Result;
use crate::settings::within;

/// Scale of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputScale {
    /// Mean 0 and deviation 1 over the whole tomogram.
    #[default]
    Tomogram,
    /// Mean 0 and deviation 1 over each slice.
    Slice,
    /// -1 where black and 1 where white: of a picture's levels; of a tomogram three deviations of its voxels from their
    /// mean.
    Picture,
}

/// Description of a network for its use on data; written into its file.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelDescription {
    /// The network.
    #[serde(flatten)]
    pub network: NetworkConfig,
    /// Edge of the voxels that it was trained on, in nanometres; `None` where unknown.
    #[serde(default)]
    pub voxel_nm: Option<f64>,
    /// Scale of its input.
    #[serde(default)]
    pub input: InputScale,
    /// Whether structures are brighter than their surroundings in its input; most tomograms have them dark.
    #[serde(default)]
    pub bright: bool,
    /// Origin of the weights, for people.
    #[serde(default)]
    pub origin: String,
}

impl ModelDescription {
    /// A description of `network` on voxels of `voxel_nm`, with the other settings at their defaults.
    pub fn new(network: NetworkConfig, voxel_nm: Option<f64>) -> Self {
        Self {
            network,
            voxel_nm,
            ..Self::default()
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.voxel_nm
            .map_or(Ok(()), |edge| within("voxel_nm", edge, 1e-3..=1e3))
    }
}
