//! Slices and arrays to tensors and back. The order of the numbers is always row-major, the last axis fastest.
use ndarray::{Array, ArrayView, Dimension, IxDyn};
use tch::kind::Element;
use tch::{Device, Tensor};

use crate::runtime::{Error, Result};

/// The numbers `values` as a tensor of `shape` on the CPU, of the kind of `T`; copied once.
///
/// Errors: [`Error::Internal`] where `shape` has another number of elements.
pub fn from_slice<T: Element>(values: &[T], shape: impl AsRef<[usize]>) -> Result<Tensor> {
    let shape = shape.as_ref();
    if shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n)) != Some(values.len()) {
        let count = values.len();
        return Err(Error::Internal(format!(
            "{count} numbers are no tensor of shape {shape:?}"
        )));
    }
    let size: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
    Ok(Tensor::f_from_slice(values)?.f_view(size.as_slice())?)
}

/// `array` as a tensor of its shape on the CPU, of the kind of `T`. A contiguous array is copied once; another is
/// gathered first.
pub fn from_array<T: Element + Copy, D: Dimension>(array: ArrayView<T, D>) -> Result<Tensor> {
    match array.as_slice() {
        Some(values) => from_slice(values, array.shape()),
        None => from_slice(&array.iter().copied().collect::<Vec<T>>(), array.shape()),
    }
}

/// The numbers of `tensor`, whatever its shape, device and kind, as `T`.
pub fn to_vec<T: Element + Copy>(tensor: &Tensor) -> Result<Vec<T>> {
    let mut values = vec![T::ZERO; tensor.numel()];
    copy_to_slice(tensor, &mut values)?;
    Ok(values)
}

/// [`to_vec`] into memory that is there already.
///
/// Errors: [`Error::Internal`] where `values` has another number of elements than `tensor`.
pub fn copy_to_slice<T: Element>(tensor: &Tensor, values: &mut [T]) -> Result<()> {
    let count = tensor.numel();
    if values.len() != count {
        let room = values.len();
        return Err(Error::Internal(format!("{count} numbers do not fit a slice of {room}")));
    }
    // Each of the three returns the tensor itself where there is nothing to change.
    let plain = tensor.f_to_device(Device::Cpu)?.f_to_kind(T::KIND)?.f_contiguous()?;
    Ok(plain.f_copy_data(values, count)?)
}

/// `tensor` as an array of its shape, whatever its device and kind.
///
/// Errors: [`Error::Internal`] where it has another number of axes than `D`.
pub fn to_array<T: Element + Copy, D: Dimension>(tensor: &Tensor) -> Result<Array<T, D>> {
    let shape: Vec<usize> = tensor.size().iter().map(|n| *n as usize).collect();
    let misshapen = |e| Error::Internal(format!("a tensor of shape {:?} as an array: {e}", tensor.size()));
    Array::from_shape_vec(IxDyn(&shape), to_vec(tensor)?)
        .and_then(Array::into_dimensionality)
        .map_err(misshapen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{s, Array2, Array3, Ix2, Ix3};
    use tch::Kind;

    fn counted(shape: (usize, usize, usize)) -> Array3<f32> {
        let count = shape.0 * shape.1 * shape.2;
        Array3::from_shape_vec(shape, (0..count).map(|n| n as f32).collect()).unwrap()
    }

    #[test]
    fn arrays_come_back_as_they_went() {
        let volume = counted((2, 3, 4));
        let tensor = from_array(volume.view()).unwrap();
        assert_eq!((tensor.size(), tensor.kind()), (vec![2, 3, 4], Kind::Float));
        assert_eq!(tensor.double_value(&[1, 2, 3]), 23.0);
        assert_eq!(to_array::<f32, Ix3>(&tensor).unwrap(), volume);
        // Neither the view nor the tensor is contiguous.
        let part = volume.slice(s![.., 1.., ..;2]);
        let tensor = from_array(part).unwrap();
        assert_eq!(to_array::<f32, Ix3>(&tensor).unwrap(), part);
        let turned = part.permuted_axes([2, 0, 1]);
        assert_eq!(to_array::<f32, Ix3>(&tensor.permute([2, 0, 1])).unwrap(), turned);
        let labels = Array2::from_shape_fn((2, 2), |(row, col)| row == col);
        assert_eq!(from_array(labels.view()).unwrap().kind(), Kind::Bool);
        let empty = Array2::<u8>::zeros((0, 3));
        assert_eq!(from_array(empty.view()).unwrap().size(), [0, 3]);
    }

    #[test]
    fn numbers_are_converted_on_the_way_out() {
        let tensor = from_slice(&[1.0f64, -2.5, 3.0, 4.0], [2, 2]).unwrap();
        assert_eq!(to_vec::<f32>(&tensor).unwrap(), [1.0, -2.5, 3.0, 4.0]);
        assert_eq!(to_vec::<i64>(&tensor.transpose(0, 1)).unwrap(), [1, 3, -2, 4]);
        let mut kept = [0.0f32; 4];
        copy_to_slice(&tensor, &mut kept).unwrap();
        assert_eq!(kept, [1.0, -2.5, 3.0, 4.0]);
        let scalar = from_slice(&[7i64], []).unwrap();
        assert_eq!((scalar.dim(), to_vec::<i64>(&scalar).unwrap()), (0, vec![7]));
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert!(matches!(from_slice(&[1.0f32; 5], [2, 3]), Err(Error::Internal(text)) if text.contains("[2, 3]")));
        assert!(from_slice(&[1u8; 4], [usize::MAX, 4]).is_err());
        let tensor = from_slice(&[1.0f32; 6], [2, 3]).unwrap();
        assert!(copy_to_slice(&tensor, &mut [0.0f32; 5]).is_err());
        assert!(to_array::<f32, Ix3>(&tensor).is_err());
        assert!(to_array::<f32, Ix2>(&tensor).is_ok());
    }
}
