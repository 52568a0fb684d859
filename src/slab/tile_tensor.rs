//! Tiles as the model's encoder wants them.
use ndarray::{ArrayView3, Axis};
use tch::{Device, Tensor};

use crate::runtime::Result;
use crate::tensors::from_array;

/// A tile of the slices seen as [1, slices, rows, cols] on the model's device.
///
/// Matched models take the tile as it is (zero mean, unit variance over the slab); autoencoders take 0..=1.
pub fn tile_tensor(tile: ArrayView3<f32>, device: Device) -> Result<Tensor> {
    Ok(from_array(tile.insert_axis(Axis(0)))?.f_to_device(device)?)
}
