//! Windows that overlap by half, blended by tents: for networks whose outputs depend on the whole window.
use tch::{Device, Kind, Tensor};

use crate::runtime::Result;
use crate::tensors::{from_slice, term};

/// First voxels of windows of `window` that overlap by half, the last flush with the end.
pub(crate) fn starts(extent: i64, window: i64) -> Vec<i64> {
    let last = (extent - window).max(0);
    let step = (window / 2).max(1);
    let mut starts: Vec<i64> = (0..).map(|n| n * step).take_while(|start| *start < last).collect();
    starts.push(last);
    starts
}

/// Weights of a window's voxels, highest in the middle, above zero everywhere, [1, z, y, x].
pub(crate) fn tent(extents: [i64; 3]) -> Result<Tensor> {
    let mut product = Tensor::f_ones([1, 1, 1, 1], (Kind::Float, Device::Cpu))?;
    for (axis, extent) in extents.into_iter().enumerate() {
        let side: Vec<f32> = (0..extent).map(|n| (n.min(extent - 1 - n) + 1) as f32).collect();
        let mut shape = [1; 4];
        shape[axis + 1] = side.len();
        product = (term(product) * from_slice(&side, shape)).tensor()?;
    }
    Ok(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_everything_and_end_flush() {
        assert_eq!(starts(10, 16), [0]);
        assert_eq!(starts(16, 16), [0]);
        assert_eq!(starts(30, 16), [0, 8, 14]);
        assert_eq!(starts(3, 1), [0, 1, 2]);
        let tent = tent([1, 4, 3]).unwrap();
        assert_eq!(
            (tent.double_value(&[0, 0, 0, 0]), tent.double_value(&[0, 0, 2, 1])),
            (1.0, 4.0)
        );
    }
}
