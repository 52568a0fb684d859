//! Weights of networks: safetensors files read and written, the source a network asks for its tensors, and the layers
//! they share.
//!
//! Names of tensors are those of the library that each network was published with; no code of those is used.

mod layers;
mod store;
mod volume_layers;
mod write;

pub use layers::FetchTensor;
pub use store::read_tensor;

pub(crate) use layers::{wrong_shape, Conv2d, GroupNorm, LayerNorm, Linear, Scope};
pub(crate) use store::{TensorFile, WeightFiles};
pub(crate) use volume_layers::{BatchNorm, Conv3d, Doubling3d, InstanceNorm};
pub(crate) use write::{metadata, tensors_to_bytes, write_tensors};
