//! Device and type of a model's weights.
use tch::{Device, Kind};

/// Device and type of the weights.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// Device of the weights and of all work.
    pub device: Device,
    /// Type of the weights in memory: float32 (the fast one on a CPU), float16 or bfloat16. The file may have another.
    pub kind: Kind,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            kind: Kind::Float,
        }
    }
}
