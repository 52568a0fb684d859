//! The segmentation network that is compiled into the library; `models/README.md` says how it was made.
use tch::Device;

use super::SegmentationModel;
use crate::runtime::Result;

/// The file `models/segmentation.safetensors`, float16. A static, because a constant is copied into every object file
/// that uses it.
static MODEL: [u8; include_bytes!("../../models/segmentation.safetensors").len()] =
    *include_bytes!("../../models/segmentation.safetensors");

impl SegmentationModel {
    /// The built-in network on `device`: the compact one of the default configuration, trained on phantoms alone;
    /// membrane, molecule and molecule's centre, at any voxel size.
    pub fn builtin(device: Device) -> Result<Self> {
        Self::from_bytes("built-in segmentation network", &MODEL, device)
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
