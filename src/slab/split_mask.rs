//! The foreground of whole slices into membranes and molecules, as the settings ask for.
use ndarray::{Array3, ArrayView3};

use crate::networks::cpnet::CellPose;
use crate::picks::Pick;
use crate::runtime::{Job, Result, Stage};

use super::choices::SplitRule;
use super::context::SlabContext;
use super::points::{body_points, link_z, tile_detections, LinkRules, PointRules};
use super::split::{CellPoseInput, CellPosePerSlice, Shape3d, ShapePerSlice, Split, Splitter, Unsplit};
use super::tiles::TilePlan;

/// A foreground that was split.
pub struct SplitMask {
    /// 0 background, 1 membrane, 2 molecule.
    pub labels: Array3<i8>,
    /// Molecules.
    pub points: Vec<Pick>,
}

/// The foreground split by a rule of shape or by CellPose; without structure maps their rule is the one of 3D shape.
pub fn split_mask(
    context: &SlabContext,
    foreground: ArrayView3<bool>,
    score: ArrayView3<f32>,
    job: &Job,
) -> Result<SplitMask> {
    match context.options.split {
        SplitRule::Shape3d | SplitRule::Structures => {
            let split = split_3d(context, foreground, score, job)?;
            Ok(SplitMask {
                points: body_points(&split.objects),
                labels: split.labels,
            })
        }
        SplitRule::Circularity => {
            let split = ShapePerSlice::default().split(foreground, Some(score), context.voxel_nm, job)?;
            Ok(SplitMask {
                points: linked(context, &split, &PointRules::default(), job)?,
                labels: split.labels,
            })
        }
        SplitRule::CellPose => by_cellpose(context, foreground, score, job),
        SplitRule::None => Ok(SplitMask {
            labels: Unsplit.split(foreground, None, context.voxel_nm, job)?.labels,
            points: Vec::new(),
        }),
    }
}

/// Objects of slices of the whole size as points, those of neighbouring slices linked.
fn linked(context: &SlabContext, split: &Split, rules: &PointRules, job: &Job) -> Result<Vec<Pick>> {
    job.enter(Stage::Points)?;
    let plan = TilePlan::whole(context.slice_shape, 1)?;
    let detections = tile_detections(split, &plan, 0, rules, context.voxel_nm)?;
    Ok(link_z(detections, &LinkRules::default(), context.voxel_nm))
}

/// CellPose on each slice of a score, and its instances through z as points.
fn by_cellpose(
    context: &SlabContext,
    foreground: ArrayView3<bool>,
    score: ArrayView3<f32>,
    job: &Job,
) -> Result<SplitMask> {
    let options = context.options;
    let rule = cellpose_rule(context, CellPoseInput::Score, options.molecule_max_nm)?;
    let split = rule.split(foreground, Some(score), context.voxel_nm, job)?;
    let mut points = linked(context, &split, &PointRules::instances(), job)?;
    // Near its poles a molecule is cut thin: the least size is that of its largest section.
    points.retain(|point| point.diameter_nm >= options.molecule_min_nm);
    Ok(SplitMask {
        labels: split.labels,
        points,
    })
}

/// The split "cellpose" with its network, for instances of up to `largest_nm`.
pub fn cellpose_rule(context: &SlabContext, input: CellPoseInput, largest_nm: f64) -> Result<CellPosePerSlice> {
    let options = context.options;
    Ok(CellPosePerSlice {
        model: CellPose::open(options.cellpose_path()?, context.model.device())?,
        rule: options.cellpose.clone(),
        diameter_nm: options.cellpose_nm(),
        input,
        largest_nm,
    })
}

/// The foreground split on 3D components, by size and shape.
pub fn split_3d(
    context: &SlabContext,
    foreground: ArrayView3<bool>,
    score: ArrayView3<f32>,
    job: &Job,
) -> Result<Split> {
    let rule = Shape3d {
        molecule_nm: (context.options.molecule_min_nm, context.options.molecule_max_nm),
        ..Shape3d::default()
    };
    rule.split(foreground, Some(score), context.voxel_nm, job)
}
