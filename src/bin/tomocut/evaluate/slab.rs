//! A slab against its truth: the figures, and what the page shows beside them.
use tomocut::runtime::Job;
use tomocut::Result;

use crate::evaluate::arguments::SlabArguments;
use crate::evaluate::classes::Classes;
use crate::evaluate::inputs::Inputs;
use crate::evaluate::points::{self, PointScores};
use crate::evaluate::report::SlabReport;
use crate::evaluate::voxels;

pub struct SlabScores {
    pub report: SlabReport,
    pub inputs: Inputs,
    pub classes: Classes,
    pub points: Option<points::Evidence>,
}

pub fn evaluate(a: &SlabArguments) -> Result<SlabScores> {
    let job = Job::quiet();
    let inputs = Inputs::read(a, &job)?;
    let classes = Classes::of(a)?;
    let voxels = voxels::score(&inputs, &classes, !a.bright, &job)?;
    let (points, evidence) = match points::score(a, &inputs, &job)? {
        Some(PointScores { report, evidence }) => (Some(report), Some(evidence)),
        None => (None, None),
    };
    Ok(SlabScores {
        report: SlabReport {
            z: [inputs.slices.start, inputs.slices.end],
            voxel_nm: inputs.geometry.as_ref().and_then(|g| g.voxel_nm()),
            voxels,
            points,
        },
        inputs,
        classes,
        points: evidence,
    })
}
