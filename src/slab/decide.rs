//! From canvases or scores of all slices to labels and points.
use std::ops::Range;

use ndarray::{s, Array2, Array3, ArrayView2, ArrayView3, Axis};

use crate::image::{expected_dice_threshold, gaussian_3d, percentiles};
use crate::networks::cpnet::CellPose;
use crate::picks::Pick;
use crate::runtime::{Error, Job, Result, Stage};

use super::binarise::{canvas_foreground, mend, score_foreground, Binarisation};
use super::blobs::{molecule_points, BlobRules};
use super::canvas::SliceCanvas;
use super::choices::SplitRule;
use super::context::SlabContext;
use super::points::{body_points, link_z, tile_detections, unique, LinkRules, PointRules};
use super::refine::refined;
use super::split::{CellPosePerSlice, Shape3d, ShapePerSlice, Split, Splitter, FILAMENT, MEMBRANE, MOLECULE};
use super::stack::SlabStack;
use super::structures::{remove_specks, StructureMaps};
use super::tiles::TilePlan;
use super::zcorrect::z_correct;

/// Percentiles of the raw score volume that become 0 and 1.
const SCORE_RANGE: [f64; 2] = [1.0, 99.9];

/// Least standard deviation of the smoothing, in voxels: what the model leaves of the noise is a voxel wide.
const LEAST_SMOOTHING: f64 = 0.75;

/// Labels, score and points of a slab.
pub(super) struct Decision {
    pub labels: Array3<i8>,
    pub score: Array3<f32>,
    pub points: Vec<Pick>,
    /// What the model says of each structure, where the canvas is that.
    pub structures: Option<StructureMaps>,
}

impl Decision {
    /// The part of it within the slices `wanted` of the slices `seen`; a point belongs where its centre is.
    pub fn within(mut self, seen: &Range<usize>, wanted: &Range<usize>) -> Self {
        if seen == wanted {
            return self;
        }
        let (first, end) = (wanted.start - seen.start, wanted.end - seen.start);
        let cut = |map: Array3<f32>| map.slice(s![first..end, .., ..]).to_owned();
        self.labels = self.labels.slice(s![first..end, .., ..]).to_owned();
        self.score = cut(self.score);
        self.structures = self.structures.map(|maps| StructureMaps {
            membrane: cut(maps.membrane),
            molecule: cut(maps.molecule),
            filament: cut(maps.filament),
            centre: cut(maps.centre),
        });
        let inside = |z: f64| z >= wanted.start as f64 - 0.5 && z < wanted.end as f64 - 0.5;
        self.points.retain(|point| inside(point.position[0]));
        self
    }
}

/// Canvases of one panel (a quadrant or the whole slice) through the slab, with the plan that places it.
struct Panels {
    plan: TilePlan,
    stacks: Vec<Vec<Array2<u8>>>,
}

/// Runs z correction, binarisation and split on the canvases of all slices of `stack`, in order of z.
pub(super) fn decide(
    context: &SlabContext,
    stack: &SlabStack,
    canvases: Vec<SliceCanvas>,
    job: &Job,
) -> Result<Decision> {
    let mut scores = Vec::new();
    let mut structures: Vec<Vec<Array2<f32>>> = Vec::new();
    let mut stacks: Vec<Vec<Array2<u8>>> = Vec::new();
    for canvas in canvases {
        let panels = match canvas {
            SliceCanvas::Structures(maps) => {
                structures.resize_with(maps.len(), Vec::new);
                for (slices, map) in structures.iter_mut().zip(maps) {
                    slices.push(map);
                }
                continue;
            }
            SliceCanvas::Score(map) => {
                scores.push(map);
                continue;
            }
            SliceCanvas::Whole(canvas) => vec![canvas],
            SliceCanvas::Quadrants(canvases) => canvases,
        };
        stacks.resize_with(panels.len(), Vec::new);
        for (stack, panel) in stacks.iter_mut().zip(panels) {
            stack.push(panel);
        }
    }
    let mut decision = if !structures.is_empty() {
        from_structures(context, stack, structures, job)?
    } else if scores.is_empty() {
        let side = stacks
            .first()
            .and_then(|stack| stack.first())
            .map_or((0, 0), |c| c.dim());
        let plan = match stacks.len() {
            4 => TilePlan::quadrants(context.slice_shape, side.0)?,
            _ => TilePlan::whole(context.slice_shape, 1)?,
        };
        from_canvases(context, Panels { plan, stacks }, job)?
    } else {
        from_scores(context, scores, job)?
    };
    for point in &mut decision.points {
        point.position[0] += stack.first() as f64;
    }
    Ok(decision)
}

/// The papers' way: every panel by itself, slice by slice.
fn from_canvases(context: &SlabContext, mut panels: Panels, job: &Job) -> Result<Decision> {
    let options = context.options;
    if options.z_correction {
        job.enter(Stage::ZCorrection)?;
        for stack in &mut panels.stacks {
            *stack = z_correct(stack);
            job.check()?;
        }
    }
    let plan = &panels.plan;
    let (tile_rows, _) = plan.tile_shape();
    let canvas_nm = context.voxel_nm * plan.slice_shape().0 as f64 / (tile_rows * panels.rows()) as f64;
    job.enter(Stage::Binarise)?;
    let mut foregrounds = Vec::new();
    let mut scores = Vec::new();
    for stack in &panels.stacks {
        let mut foreground = Vec::with_capacity(stack.len());
        for canvas in stack {
            let mask = canvas_foreground(canvas.view(), options.binarisation());
            foreground.push(mend(mask.view(), options.closing_steps, options.dilation_steps));
            job.check()?;
        }
        foregrounds.push(volume(&foreground)?);
        let bright: Vec<_> = stack.iter().map(|c| c.mapv(|v| 1.0 - f32::from(v) / 255.0)).collect();
        scores.push(volume(&bright)?);
    }
    let score = join(plan, &scores)?;
    job.enter(Stage::Split)?;
    if matches!(options.split, SplitRule::Shape3d | SplitRule::Structures) {
        let foreground = join(plan, &foregrounds)?;
        let split = split_3d(context, foreground.view(), score.view(), job)?;
        return Ok(Decision {
            points: body_points(&split.objects),
            labels: split.labels,
            score,
            structures: None,
        });
    }
    let splitter: Box<dyn Splitter> = match options.split {
        SplitRule::CellPose => Box::new(CellPosePerSlice::released(
            open_cellpose(context)?,
            options.cellpose_nm(),
        )),
        _ => Box::new(ShapePerSlice::default()),
    };
    let rules = PointRules::default();
    let mut labels = Vec::new();
    let mut detections = Vec::new();
    for (tile, (foreground, score)) in foregrounds.iter().zip(&scores).enumerate() {
        let split = splitter.split(foreground.view(), Some(score.view()), canvas_nm, job)?;
        detections.extend(tile_detections(&split, plan, tile, &rules, context.voxel_nm)?);
        labels.push(split.labels);
    }
    job.enter(Stage::Points)?;
    let points = if options.link_z {
        link_z(detections, &LinkRules::default(), context.voxel_nm)
    } else {
        unique(detections, &rules, context.voxel_nm)
    };
    Ok(Decision {
        labels: join(plan, &labels)?,
        score,
        points,
        structures: None,
    })
}

/// The default way: the model says what each voxel is; the mask is the one of the largest expected overlap, the points are
/// the dark balls among what it holds to be molecules.
fn from_structures(
    context: &SlabContext,
    stack: &SlabStack,
    maps: Vec<Vec<Array2<f32>>>,
    job: &Job,
) -> Result<Decision> {
    let options = context.options;
    job.enter(Stage::ZCorrection)?;
    let maps = maps.into_iter().map(|slices| volume(&slices)).collect::<Result<_>>()?;
    let mut maps = StructureMaps::new(&context.model.config().structures, maps)?;
    let density = density(context, stack)?;
    // The search smooths by itself; what it finds in maps that are smooth already is less sharp.
    let points = match options.split {
        SplitRule::Structures => {
            job.enter(Stage::Points)?;
            let rules = BlobRules::new(
                options.diameter_nm,
                (options.molecule_min_nm, options.molecule_max_nm),
                options.n_points,
            );
            molecule_points(density.view(), &maps.molecule, &rules, context.voxel_nm, job)?
        }
        _ => Vec::new(),
    };
    if options.refine {
        maps = refined(maps, density.view(), job)?;
    }
    job.enter(Stage::Binarise)?;
    let score = maps.foreground();
    let foreground = score_foreground(score.view(), options.binarisation());
    job.enter(Stage::Split)?;
    let mut labels = maps.labels(&foreground);
    if options.binarisation() == Binarisation::ExpectedDice {
        // What is wide and dim sets the threshold of the whole: a membrane is drawn no wider than its own best mask.
        let least = expected_dice_threshold(maps.membrane.iter().copied());
        labels.zip_mut_with(&maps.membrane, |label, &membrane| {
            if *label == MEMBRANE && membrane <= least {
                *label = 0;
            }
        });
    }
    if options.split != SplitRule::Structures {
        let (split, points) = split_mask(context, foreground.view(), score.view(), job)?;
        // What the model knows as filaments stays that; all other foreground is membrane or molecule as the rule says.
        labels.zip_mut_with(&split.labels, |label, &found| {
            if found == MOLECULE || *label != FILAMENT {
                *label = found;
            }
        });
        return Ok(Decision {
            labels,
            score,
            points,
            structures: Some(maps),
        });
    }
    remove_specks(&mut labels, options.molecule_min_nm / context.voxel_nm, job)?;
    Ok(Decision {
        labels,
        score,
        points,
        structures: Some(maps),
    })
}

/// The slab in the model's grey scale.
fn density(context: &SlabContext, stack: &SlabStack) -> Result<Array3<f32>> {
    let slices: Vec<Array2<f32>> = stack
        .slab()
        .outer_iter()
        .map(|slice| context.prepare_slice(slice))
        .collect();
    volume(&slices)
}

/// One smooth score volume, one threshold, bodies in 3D.
fn from_scores(context: &SlabContext, scores: Vec<Array2<f32>>, job: &Job) -> Result<Decision> {
    let options = context.options;
    job.enter(Stage::ZCorrection)?;
    let sigma = match options.score_smoothing_nm {
        0.0 => 0.0,
        nm => (nm / context.voxel_nm).max(LEAST_SMOOTHING),
    };
    let mut score = gaussian_3d(volume(&scores)?.view(), sigma, || job.check())?;
    drop(scores);
    normalise(&mut score);
    job.enter(Stage::Binarise)?;
    let rule = match options.binarisation() {
        // A denoised image is no likelihood.
        Binarisation::ExpectedDice => Binarisation::Otsu,
        rule => rule,
    };
    let mut foreground = score_foreground(score.view(), rule);
    if options.closing_steps + options.dilation_steps > 0 {
        for mut slice in foreground.outer_iter_mut() {
            let mended = mend(slice.view(), options.closing_steps, options.dilation_steps);
            slice.assign(&mended);
        }
    }
    job.enter(Stage::Split)?;
    let (split, points) = split_mask(context, foreground.view(), score.view(), job)?;
    Ok(Decision {
        labels: split.labels,
        score,
        points,
        structures: None,
    })
}

/// The foreground split by a rule of shape or by CellPose; without structure maps their rule is the one of 3D shape.
fn split_mask(
    context: &SlabContext,
    foreground: ArrayView3<bool>,
    score: ArrayView3<f32>,
    job: &Job,
) -> Result<(Split, Vec<Pick>)> {
    match context.options.split {
        SplitRule::Shape3d | SplitRule::Structures => {
            let split = split_3d(context, foreground, score, job)?;
            let points = body_points(&split.objects);
            Ok((split, points))
        }
        SplitRule::Circularity => {
            let split = ShapePerSlice::default().split(foreground, Some(score), context.voxel_nm, job)?;
            let points = linked(context, &split, &PointRules::default(), job)?;
            Ok((split, points))
        }
        SplitRule::CellPose => by_cellpose(context, foreground, score, job),
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
) -> Result<(Split, Vec<Pick>)> {
    let options = context.options;
    let rule = CellPosePerSlice::graded(open_cellpose(context)?, options.cellpose_nm(), options.molecule_max_nm);
    let split = rule.split(foreground, Some(score), context.voxel_nm, job)?;
    let mut points = linked(context, &split, &PointRules::instances(), job)?;
    // Near its poles a molecule is cut thin: the least size is that of its largest section.
    points.retain(|point| point.diameter_nm >= options.molecule_min_nm);
    Ok((split, points))
}

fn open_cellpose(context: &SlabContext) -> Result<CellPose> {
    CellPose::open(context.options.cellpose_path()?, context.model.device())
}

fn split_3d(context: &SlabContext, foreground: ArrayView3<bool>, score: ArrayView3<f32>, job: &Job) -> Result<Split> {
    let rule = Shape3d {
        molecule_nm: (context.options.molecule_min_nm, context.options.molecule_max_nm),
        ..Shape3d::default()
    };
    rule.split(foreground, Some(score), context.voxel_nm, job)
}

impl Panels {
    /// Rows of panels in a slice.
    fn rows(&self) -> usize {
        if self.stacks.len() == 4 {
            2
        } else {
            1
        }
    }
}

/// Slices stacked along z.
fn volume<T: Copy>(slices: &[Array2<T>]) -> Result<Array3<T>> {
    let views: Vec<ArrayView2<T>> = slices.iter().map(Array2::view).collect();
    ndarray::stack(Axis(0), &views).map_err(|error| Error::Internal(format!("stacking slices: {error}")))
}

/// Panels of every slice put together.
fn join<T: Copy + Default>(plan: &TilePlan, panels: &[Array3<T>]) -> Result<Array3<T>> {
    let depth = panels.first().map_or(0, |panel| panel.len_of(Axis(0)));
    let slices = (0..depth)
        .map(|z| {
            let maps: Vec<Array2<T>> = panels.iter().map(|p| p.index_axis(Axis(0), z).to_owned()).collect();
            plan.join(&maps)
        })
        .collect::<Result<Vec<_>>>()?;
    volume(&slices)
}

/// Scales the score to 0..=1 between two percentiles.
fn normalise(score: &mut Array3<f32>) {
    let Some(&[low, high]) = percentiles(score.view(), &SCORE_RANGE).as_deref() else {
        return;
    };
    let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
    score.mapv_inplace(|v| ((v - low) * scale).clamp(0.0, 1.0));
}
