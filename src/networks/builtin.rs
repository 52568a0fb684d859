//! The segmentation network that is compiled into the library; `models/README.md` says how it was made.
use tch::Device;

use super::SegmentationModel;
use crate::runtime::Result;

/// The file `models/segmentation.safetensors`, float16. A static, because a constant is copied into every object file
/// that uses it.
static MODEL: [u8; include_bytes!("../../models/segmentation.safetensors").len()] =
    *include_bytes!("../../models/segmentation.safetensors");

/// Edges of the phantoms' voxels in nm.
const RANGE_NM: [f64; 2] = [0.4, 3.2];

impl SegmentationModel {
    /// The built-in network on `device`: the compact one of the default configuration, trained on phantoms alone;
    /// membrane, molecule and molecule's centre, for voxels of 0.4 to 3.2 nm.
    pub fn builtin(device: Device) -> Result<Self> {
        let mut model = Self::from_bytes("built-in segmentation network", &MODEL, device)?;
        model.describe_range(RANGE_NM);
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::NetworkConfig;

    #[test]
    fn the_builtin_network_is_small_and_the_default_one() {
        assert!(MODEL.len() <= 10 << 20);
        let model = SegmentationModel::builtin(Device::Cpu).unwrap();
        assert_eq!(model.description().network, NetworkConfig::default());
        assert_eq!(model.description().voxel_nm, None);
    }
}
