//! Hyper-parameters of the default network.
use serde::{Deserialize, Serialize};

use crate::networks::limits::{check_names, check_widths};
use crate::runtime::{Error, Result};

/// Most blocks of a level.
const MOST_BLOCKS: usize = 16;

/// Hyper-parameters of a [`super::CompactUnet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompactConfig {
    /// Channels of the input.
    pub in_channels: i64,
    /// Channels of each level; level i has cells of 2^(i + 1) voxels. 1 to 6 levels.
    pub widths: Vec<i64>,
    /// Residual blocks on the way down, per level; those of the last level are its bottom.
    pub blocks_down: Vec<usize>,
    /// Residual blocks on the way up, per level but the last.
    pub blocks_up: Vec<usize>,
    /// Names of the outputs.
    pub outputs: Vec<String>,
}

impl Default for CompactConfig {
    /// 32 channels at 2 voxels and 96 at 4: 0.9 million weights, a halo of 20 voxels; membrane, molecule, molecule
    /// centre.
    fn default() -> Self {
        Self {
            in_channels: 1,
            widths: vec![32, 96],
            blocks_down: vec![1, 3],
            blocks_up: vec![1],
            outputs: ["membrane", "molecule", "centre"].map(str::to_owned).to_vec(),
        }
    }
}

impl CompactConfig {
    pub(in crate::networks) fn validate(&self) -> Result<()> {
        check_widths("widths", &self.widths, 1..=6)?;
        check_widths("in_channels", &[self.in_channels], 1..=1)?;
        check_names(&self.outputs)?;
        let (down, up, levels) = (&self.blocks_down, &self.blocks_up, self.widths.len());
        if down.len() != levels || up.len() + 1 != levels || down.iter().chain(up).any(|n| *n > MOST_BLOCKS) {
            return Err(Error::argument(
                "blocks_down, blocks_up",
                format!("{down:?}, {up:?}"),
                &format!("must be {levels} and {} numbers, each 0..={MOST_BLOCKS}", levels - 1),
            ));
        }
        Ok(())
    }

    /// Multiple of voxels that extents must be: the coarsest cell.
    pub fn divisor(&self) -> i64 {
        1 << self.widths.len()
    }

    /// Voxels around a window of whole coarsest cells that its outputs depend on, rounded up to such cells.
    ///
    /// Followed from the outputs to the input: a 3^3 convolution, of which a block has one, adds one cell of its level,
    /// going to a coarser level rounds up to whole cells of it.
    pub fn halo(&self) -> i64 {
        let cell = |level: usize| 2_i64 << level;
        let round = |halo: i64, level: usize| (halo + cell(level) - 1) / cell(level) * cell(level);
        let mut halo = 0;
        for (level, blocks) in self.blocks_up.iter().enumerate() {
            halo = round(halo + *blocks as i64 * cell(level), level + 1);
        }
        for (level, blocks) in self.blocks_down.iter().enumerate().rev() {
            halo += *blocks as i64 * cell(level);
        }
        round(halo + cell(0), self.widths.len() - 1)
    }
}
