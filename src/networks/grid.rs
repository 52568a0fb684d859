//! Between the data's voxels and the network's, one axis at a time.
use std::ops::Range;

use tch::{Device, Tensor};

use crate::runtime::Result;
use crate::tensors::from_slice;

/// Voxel sizes closer than this ratio are taken as equal: networks are trained with as much variation of scale.
const ALIKE: f64 = 1.25;

/// Whether voxels of edges `a` and `b` (nm) are taken as equal.
pub fn are_alike(a: f64, b: f64) -> bool {
    a / b <= ALIKE && b / a <= ALIKE
}

/// One axis sampled twice over the same length: `data` voxels and `network` voxels, the outer faces of both in the same
/// place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Voxels of the data.
    pub data: usize,
    /// Voxels of the network's input.
    pub network: usize,
}

impl Axis {
    /// The axis of `data` voxels of `data_nm` for a network of voxels of `network_nm`; equal where either is unknown,
    /// where rescaling is not wanted, and where the two are alike.
    pub fn new(data: usize, data_nm: Option<f64>, network_nm: Option<f64>) -> Self {
        let network = match (data_nm, network_nm) {
            (Some(from), Some(to)) if !are_alike(from, to) => ((data as f64 * from / to).round() as usize).max(1),
            _ => data,
        };
        Self { data, network }
    }

    /// Whether both samplings are the same.
    pub fn is_equal(self) -> bool {
        self.data == self.network
    }

    /// Network voxels from which the data voxels `core` are interpolated.
    pub fn network_range(self, core: &Range<usize>) -> Range<usize> {
        reached(core, self.data, self.network)
    }

    /// Data voxels from which the network voxels `window` are interpolated.
    pub fn data_range(self, window: &Range<usize>) -> Range<usize> {
        reached(window, self.network, self.data)
    }

    /// Network voxels whose centres lie within the data voxels `data`.
    pub fn covered(self, data: &Range<usize>) -> Range<usize> {
        if self.is_equal() {
            return data.clone();
        }
        let scale = self.network as f64 / self.data as f64;
        let first = |edge: usize| ((edge as f64 * scale - 0.5).ceil().max(0.0) as usize).min(self.network);
        first(data.start)..first(data.end)
    }

    /// Weights [window, data] that bring the data voxels `data` to the network voxels `window`.
    pub fn to_network(self, data: &Range<usize>, window: &Range<usize>, device: Device) -> Result<Tensor> {
        weights(data, self.data, window, self.network, device)
    }

    /// Weights [core, window] that bring the network voxels `window` back to the data voxels `core`.
    pub fn to_data(self, window: &Range<usize>, core: &Range<usize>, device: Device) -> Result<Tensor> {
        weights(window, self.network, core, self.data, device)
    }
}

/// Samples of a grid of `from` voxels that the triangle of each of the voxels `output` of a grid of `to` voxels
/// reaches.
fn reached(output: &Range<usize>, to: usize, from: usize) -> Range<usize> {
    if to == from {
        return output.clone();
    }
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let low = (output.start as f64 + 0.5) * scale - 0.5 - support;
    let high = (output.end as f64 - 0.5) * scale - 0.5 + support;
    (low.floor().max(0.0) as usize)..((high.ceil() as usize + 1).min(from))
}

/// Linear interpolation, widened to the larger of the two voxels so that nothing aliases (the triangle filter of image
/// libraries): [output, input], rows that sum to one. A sample beyond the grid's end is not there; its weight goes to
/// the others.
fn weights(input: &Range<usize>, from: usize, output: &Range<usize>, to: usize, device: Device) -> Result<Tensor> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let (rows, cols) = (output.len(), input.len());
    let mut matrix = vec![0f32; rows * cols];
    for (row, target) in matrix.chunks_exact_mut(cols.max(1)).zip(output.clone()) {
        let centre = (target as f64 + 0.5) * scale - 0.5;
        let near = |sample: usize| (1.0 - (sample as f64 - centre).abs() / support).max(0.0);
        let sum: f64 = input.clone().map(near).sum();
        for (weight, sample) in row.iter_mut().zip(input.clone()) {
            *weight = (near(sample) / sum.max(f64::MIN_POSITIVE)) as f32;
        }
    }
    Ok(from_slice(&matrix, [rows, cols])?.f_to_device(device)?)
}

/// `volume` [C, z, y, x] with `matrices` (z, y, x) applied along its last three axes; None leaves an axis as it is.
pub fn resample(volume: &Tensor, matrices: &[Option<Tensor>; 3]) -> Result<Tensor> {
    let mut out = volume.shallow_clone();
    for (axis, matrix) in matrices.iter().enumerate() {
        if let Some(matrix) = matrix {
            let axis = axis as i64 + 1;
            out = out
                .f_transpose(axis, -1)?
                .f_matmul(&matrix.f_transpose(0, 1)?)?
                .f_transpose(axis, -1)?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_voxels_are_left_alone() {
        assert!(Axis::new(100, Some(1.2), Some(1.0)).is_equal());
        assert!(Axis::new(100, None, Some(1.0)).is_equal());
        assert_eq!(Axis::new(100, Some(2.0), Some(1.0)).network, 200);
        assert_eq!(Axis::new(1, Some(1.0), Some(100.0)).network, 1);
    }

    #[test]
    fn parts_that_meet_cover_every_network_voxel_once() {
        for axis in [
            Axis { data: 37, network: 61 },
            Axis { data: 61, network: 37 },
            Axis { data: 9, network: 9 },
        ] {
            let (low, high) = (axis.covered(&(0..5)), axis.covered(&(5..axis.data)));
            assert_eq!((low.start, low.end, high.end), (0, high.start, axis.network));
        }
    }

    #[test]
    fn a_ramp_keeps_its_slope_both_ways() {
        // Between voxels, a widened triangle keeps a ramp to a few hundredths of a voxel only.
        for (data, network, slope) in [(40, 90, 1e-3), (90, 40, 0.1)] {
            let axis = Axis { data, network };
            let ramp = Tensor::arange(data as i64, (tch::Kind::Float, Device::Cpu)).view([1, 1, 1, -1]);
            let there = axis.to_network(&(0..data), &(0..network), Device::Cpu).unwrap();
            let fine = resample(&ramp, &[None, None, Some(there)]).unwrap();
            let step = f64::try_from(&(fine.get(0).get(0).get(0).get(21) - fine.get(0).get(0).get(0).get(20))).unwrap();
            assert!((step - data as f64 / network as f64).abs() < slope, "{step}");
            let back = axis.to_data(&(0..network), &(0..data), Device::Cpu).unwrap();
            let again = resample(&fine, &[None, None, Some(back)]).unwrap();
            let inner = |t: &Tensor| t.narrow(3, 5, data as i64 - 10);
            let worst = f64::try_from((inner(&again) - inner(&ramp)).abs().max()).unwrap();
            assert!(worst < 0.1, "{worst}");
        }
    }

    #[test]
    fn parts_are_the_parts_of_the_whole() {
        let axis = Axis { data: 37, network: 61 };
        let whole = axis.to_network(&(0..37), &(0..61), Device::Cpu).unwrap();
        let window = 16..40;
        let data = axis.data_range(&window);
        let part = axis.to_network(&data, &window, Device::Cpu).unwrap();
        let same = whole.narrow(0, 16, 24).narrow(1, data.start as i64, data.len() as i64);
        assert!(part.allclose(&same, 1e-6, 1e-7, false));
    }
}
