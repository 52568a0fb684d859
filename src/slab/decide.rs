//! From canvases or scores of all slices to labels and points.
use ndarray::{Array3, Axis};

use crate::picks::Pick;
use crate::runtime::{Error, Job, Result, Stage};

use super::binarise::score_foreground;
use super::canvas::SliceCanvas;
use super::context::SlabContext;
use super::MEMBRANE;

/// Labels, score and points of a slab.
pub(super) struct Decision {
    pub labels: Array3<i8>,
    pub score: Array3<f32>,
    pub points: Vec<Pick>,
}

/// Runs z correction, binarisation and split on the canvases of all slices, in order of z.
pub(super) fn decide(
    context: &SlabContext,
    canvases: Vec<SliceCanvas>,
    slices: &Array3<f32>,
    job: &Job,
) -> Result<Decision> {
    job.enter(Stage::Binarise)?;
    let mut score = Array3::<f32>::zeros(slices.dim());
    for (canvas, mut out) in canvases.into_iter().zip(score.axis_iter_mut(Axis(0))) {
        match canvas {
            SliceCanvas::Score(map) => out.assign(&map),
            _ => return Err(Error::Unsupported("canvas".into())),
        }
    }
    let foreground = score_foreground(score.view(), context.options.binarisation);
    let labels = foreground.mapv(|f| if f { MEMBRANE } else { 0 });
    Ok(Decision {
        labels,
        score,
        points: Vec::new(),
    })
}
