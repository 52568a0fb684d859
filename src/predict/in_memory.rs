//! Probabilities of a few slices, in memory.
use std::ops::Range;

use ndarray::{s, Array3};

use crate::networks::{Axis, GreyScale, SegmentationModel};
use crate::runtime::{Job, Result, Stage};
use crate::tensors::to_vec;
use crate::volume::Tomogram;

use super::budget::{core_extents, memory_beside_reading};
use super::options::PredictOptions;
use super::plan::{Needs, Plan};
use super::slices::{joined, SliceWindow};
use super::tile::predict_tile;

/// Probabilities of the slices `z` of `tomogram`, (z, y, x) of each output of `model`, 0..=1; `scale` brings densities
/// to the network's grey values. The network sees what it must of the slices around. Tiles and slices take at most
/// `memory` bytes beside the result.
///
/// Errors: slices that cannot be read, too little memory, cancel.
pub fn predict_slices(
    model: &SegmentationModel,
    tomogram: &Tomogram,
    z: Range<usize>,
    scale: GreyScale,
    memory: u64,
    job: &Job,
) -> Result<Vec<Array3<f32>>> {
    let shape = tomogram.geometry().shape;
    let axes = shape.map(|extent| Axis::new(extent, None, None));
    let region = [z.clone(), 0..shape[1], 0..shape[2]];
    let needs = Needs::of(model.network());
    let memory = memory_beside_reading(tomogram, memory)?;
    let core = core_extents(&model.description().network, &needs, &axes, &region, memory)?;
    let plan = Plan::new(axes, region, core, &needs);
    let needed = joined(plan.tiles().iter().map(|tile| plan.slices(tile)));
    let options = PredictOptions::default();
    let outputs = model.network().outputs().len();
    let mut maps = vec![Array3::zeros((z.len(), shape[1], shape[2])); outputs];
    job.enter(Stage::Predict)?;
    std::thread::scope(|scope| {
        let mut slices = SliceWindow::start(scope, tomogram, scale, needed);
        for (count, tile) in plan.tiles().iter().enumerate() {
            slices.advance(&plan.slices(tile))?;
            let mean = predict_tile(model, &plan, tile, &slices, &options, job)?.mean;
            let [depth, rows, cols] = tile.core.clone();
            let core = s![depth.start - z.start..depth.end - z.start, rows.clone(), cols.clone()];
            for (output, map) in maps.iter_mut().enumerate() {
                let voxels = to_vec(&mean.f_get(output as i64)?)?;
                map.slice_mut(core).iter_mut().zip(voxels).for_each(|(v, p)| *v = p);
            }
            job.advance((count + 1) as f64 / plan.tiles().len() as f64)?;
        }
        Ok(maps)
    })
}
