//! Tiles to tensors and back.
use ndarray::{Array2, ArrayView3};
use tch::{Device, Kind, Tensor};

use crate::runtime::{Error, Result};

/// A tile of the slices seen as the model's encoder wants it, [1, slices, rows, cols] on the model's device.
///
/// Matched models take the tile as it is (zero mean, unit variance over the slab); autoencoders take 0..=1.
pub fn tile_tensor(tile: ArrayView3<f32>, device: Device) -> Result<Tensor> {
    let (slices, rows, cols) = tile.dim();
    let values: Vec<f32> = tile.iter().copied().collect();
    Ok(Tensor::f_from_slice(&values)?
        .f_reshape([1, slices as i64, rows as i64, cols as i64])?
        .f_to_device(device)?)
}

/// A [rows, cols] tensor as an array.
pub fn tensor_to_image(tensor: &Tensor) -> Result<Array2<f32>> {
    let (rows, cols) = tensor.size2()?;
    let flat = tensor
        .f_to_kind(Kind::Float)?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?
        .f_reshape([-1])?;
    let values = Vec::<f32>::try_from(&flat)?;
    Array2::from_shape_vec((rows as usize, cols as usize), values)
        .map_err(|error| Error::Internal(format!("tensor to image: {error}")))
}
