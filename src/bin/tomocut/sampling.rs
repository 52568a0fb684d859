//! What a file may say wrongly of its voxels: their size and which way round their greys are.
use crate::exit::Failure;
use crate::ranges::number;
use crate::settings::Given;

#[derive(Debug, clap::Args)]
pub struct SamplingArguments {
    /// Edge of a voxel in nm, where the file's is wrong or unknown
    #[arg(long, value_name = "X", value_parser = number)]
    pub voxel_nm: Option<f64>,
    /// Structures are brighter than their surroundings
    #[arg(long)]
    pub bright: bool,
}

impl SamplingArguments {
    /// Gives the settings `voxel_nm` and `bright`.
    pub fn give(&self, given: &mut Given) -> Result<(), Failure> {
        given.option("--voxel-nm", "voxel_nm", self.voxel_nm)?;
        given.flag("--bright", "bright", self.bright)
    }
}
