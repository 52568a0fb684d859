//! Description of a network for its use on data.
use serde::{Deserialize, Serialize};

use super::{Axis, NetworkConfig};
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
    /// Least and largest edge, in nanometres, of the voxels that it was made for; `None` where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_nm: Option<[f64; 2]>,
    /// Scale of its input.
    #[serde(default)]
    pub input: InputScale,
    /// Rows and columns that every slice is resized to (linearly) before a network of slices sees it, whatever its
    /// voxels; None: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice_side: Option<[usize; 2]>,
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

    /// Both samplings of each axis (z, y, x) of a tomogram of `shape` voxels of `data_nm`: its own and the network's,
    /// which is brought to the network's voxel size where `rescales` and the two differ.
    pub fn axes(&self, shape: [usize; 3], data_nm: Option<f64>, rescales: bool) -> [Axis; 3] {
        let network_nm = self.voxel_nm.filter(|_| rescales);
        let flat = self.network.dimensions() == 2;
        std::array::from_fn(|axis| match (axis, self.slice_side) {
            // A network of slices takes the slices that there are.
            (0, _) if flat => Axis::new(shape[0], None, None),
            (1 | 2, Some(side)) => Axis {
                data: shape[axis],
                network: side[axis - 1].max(1),
            },
            _ => Axis::new(shape[axis], data_nm, network_nm),
        })
    }

    /// What is to be said of data with voxels of `edge` nanometres, which are brought to the network's voxel size where
    /// `rescales`; nothing where the network was made for them.
    pub fn doubt(&self, edge: f64, rescales: bool) -> Option<String> {
        let (low, high) = match (self.voxel_nm, self.range_nm) {
            _ if self.slice_side.is_some() => return None,
            (Some(_), _) if rescales => return None,
            // Where sizes differ by more than a fifth data are rescaled, if that is wanted.
            (Some(own), _) => (own / 1.2, own * 1.2),
            (None, Some([low, high])) => (low, high),
            (None, None) => return None,
        };
        let fits = edge >= low * 0.999 && edge <= high * 1.001;
        (!fits).then(|| {
            format!(
                "voxel size is {edge:.4} nm, the network was made for {low:.3} to {high:.3} nm: expect poor results"
            )
        })
    }

    pub(super) fn validate(&self) -> Result<()> {
        if let Some([rows, cols]) = self.slice_side {
            within("slice_side", rows.min(cols), 16..=8192)?;
            within("slice_side", rows.max(cols), 16..=8192)?;
        }
        self.voxel_nm
            .map_or(Ok(()), |edge| within("voxel_nm", edge, 1e-3..=1e3))
    }
}
