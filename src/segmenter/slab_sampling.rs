//! From a tomogram's voxels to the network's, for the labelled slices and what lies around them.
use std::ops::Range;

use ndarray::{s, Array3};
use tch::{Device, Tensor};

use super::SlabView;
use crate::networks::{resample, Axis, GreyScale, ModelDescription};
use crate::picks::Pick;
use crate::runtime::{Job, Result};
use crate::tensors::from_array;
use crate::volume::{warn_of_tomogram_contrast, Tomogram};

/// The sampling of a slab's window.
pub(super) struct SlabSampling {
    axes: [Axis; 3],
    /// Slices of the tomogram with labels.
    z: Range<usize>,
    /// The same with the margin.
    seen: Range<usize>,
    /// Slices of the network's grid that are made of them.
    window: Range<usize>,
    /// Edge of the network's voxels in nm; 1 where unknown.
    pub network_nm: f64,
}

impl SlabSampling {
    pub fn new(tomogram: &Tomogram, z: &Range<usize>, description: &ModelDescription, view: &SlabView) -> Self {
        let shape = tomogram.geometry().shape;
        let data_nm = view.voxel_nm.or(tomogram.geometry().voxel_nm());
        let axes = description.axes(shape, data_nm, view.rescale);
        let margin = (view.margin * shape[0]).div_ceil(axes[0].network);
        let seen = z.start.saturating_sub(margin)..(z.end + margin).min(shape[0]);
        let mut window = axes[0].covered(&seen);
        if window.is_empty() {
            // Fewer slices than one of the network's: the one that they lie in.
            let start = window.start.min(axes[0].network - 1);
            window = start..start + 1;
        }
        let scale = axes[2].data as f64 / axes[2].network as f64;
        Self {
            axes,
            z: z.clone(),
            seen,
            window,
            network_nm: data_nm.unwrap_or(1.0) * scale,
        }
    }

    /// Extents (z, y, x) of the window in the network's voxels.
    pub fn extents(&self) -> [usize; 3] {
        [self.window.len(), self.axes[1].network, self.axes[2].network]
    }

    fn is_equal(&self) -> bool {
        self.axes.iter().all(|axis| axis.is_equal())
    }

    /// `volume` (z, y, x) of the slices `given` at the network's voxels, [z, y, x].
    fn bring(&self, volume: &Array3<f32>, given: &Range<usize>) -> Result<Tensor> {
        let volume = from_array(volume.view())?.f_unsqueeze(0)?;
        let mut matrices = [None, None, None];
        for (axis, matrix) in matrices.iter_mut().enumerate() {
            let sampling = self.axes[axis];
            let (data, window) = match axis {
                0 => (given.clone(), self.window.clone()),
                _ => (0..sampling.data, 0..sampling.network),
            };
            if axis == 0 || !sampling.is_equal() {
                *matrix = Some(sampling.to_network(&data, &window, Device::Cpu)?);
            }
        }
        Ok(resample(&volume, &matrices)?.f_squeeze_dim(0)?.f_contiguous()?)
    }

    /// The window in the network's grey scale, [1, z, y, x].
    pub fn image(
        &self,
        tomogram: &Tomogram,
        description: &ModelDescription,
        view: &SlabView,
        job: &Job,
    ) -> Result<Tensor> {
        warn_of_tomogram_contrast(tomogram, view.bright, job)?;
        let scale = GreyScale::of(tomogram, description.input, view.bright != description.bright, job)?;
        let image = scale.apply(tomogram.read_slices(self.seen.clone())?);
        let image = match self.is_equal() {
            true => from_array(image.view())?,
            false => self.bring(&image, &self.seen)?,
        };
        Ok(image.f_unsqueeze(0)?)
    }

    /// `inside` (z, y, x) of the labelled slices within those that are seen; zero elsewhere.
    fn padded(&self, inside: &Array3<f32>) -> Array3<f32> {
        let (_, rows, cols) = inside.dim();
        let offset = self.z.start - self.seen.start;
        let mut all = Array3::zeros((self.seen.len(), rows, cols));
        all.slice_mut(s![offset..offset + self.z.len(), .., ..]).assign(inside);
        all
    }

    /// Confidences, zero outside the labelled slices, [1, z, y, x].
    pub fn weight(&self, confidence: &Array3<f32>) -> Result<Tensor> {
        let all = self.padded(confidence);
        let weight = match self.is_equal() {
            true => from_array(all.view())?,
            false => self.bring(&all, &self.seen)?,
        };
        Ok(weight.f_unsqueeze(0)?)
    }

    /// Shares of a label, 0..=1, [z, y, x]: what lies beyond the labelled slices takes no part in them.
    pub fn labels(&self, share: Array3<f32>) -> Result<Tensor> {
        match self.is_equal() {
            true => from_array(self.padded(&share).view()),
            false => self.bring(&share, &self.z),
        }
    }

    /// Where `point` lies in the window, in the network's voxels (z, y, x); it may lie outside.
    pub fn place(&self, point: &Pick) -> [f64; 3] {
        let mut at: [f64; 3] = std::array::from_fn(|axis| {
            let Axis { data, network } = self.axes[axis];
            (point.position[axis] + 0.5) * network as f64 / data as f64 - 0.5
        });
        at[0] -= self.window.start as f64;
        at
    }

    /// Whether `point` lies in the labelled slices, and so in the window.
    pub fn is_labelled(&self, point: &Pick) -> bool {
        let [_, rows, cols] = self.axes.map(|axis| axis.data as f64);
        let [z, y, x] = point.position;
        let slices = self.z.start as f64 - 0.5..self.z.end as f64 - 0.5;
        slices.contains(&z) && (-0.5..rows - 0.5).contains(&y) && (-0.5..cols - 0.5).contains(&x)
    }
}
