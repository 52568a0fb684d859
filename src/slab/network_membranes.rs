//! What the built-in segmentation network says of a slab's membranes.
use std::ops::Range;

use ndarray::Array3;
use tch::Device;

use crate::networks::{GreyScale, Reach, SegmentationModel};
use crate::predict::{predict_slices, PredictOptions};
use crate::runtime::{Error, Job, Result};
use crate::volume::Tomogram;

/// Likelihood of membrane in the slices `z` of `tomogram`, (z, y, x), 0..=1; `bright`: structures are bright.
///
/// None where the tomogram has fewer slices than the network looks to either side, which it was never trained on, and,
/// with a warning, where the slices take more memory than a prediction may. Errors: unreadable slices, cancel.
pub fn network_membranes(
    tomogram: &Tomogram,
    z: Range<usize>,
    bright: bool,
    device: Device,
    job: &Job,
) -> Result<Option<Array3<f32>>> {
    let model = SegmentationModel::builtin(device)?;
    let depth = tomogram.geometry().shape[0];
    let has_output = |name: &String| name == "membrane";
    let membrane = model.network().outputs().iter().position(has_output);
    let (Some(membrane), Reach::Halo(halo)) = (membrane, model.network().reach()) else {
        return Ok(None);
    };
    if (depth as i64) < halo {
        return Ok(None);
    }
    let description = model.description();
    let scale = GreyScale::of(tomogram, description.input, bright != description.bright, job)?;
    let memory = PredictOptions::default().memory;
    match predict_slices(&model, tomogram, z, scale, memory, job) {
        Err(Error::OutOfMemory(detail)) => {
            let text = format!("membranes are found without the segmentation network: {detail}");
            job.logger().warn("slab", &text);
            Ok(None)
        }
        maps => Ok(maps?.into_iter().nth(membrane)),
    }
}
