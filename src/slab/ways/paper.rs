//! The papers' way: eigenvectors merged to canvases, every panel by itself, slice by slice.
use ndarray::{Array2, Array3, Axis};

use crate::image::resize_linear_f32;
use crate::runtime::{Job, Result, Stage};
use crate::slab::aggregate::aggregate;
use crate::slab::binarise::canvas_foreground;
use crate::slab::cell::{CellRun, TileRun};
use crate::slab::choices::{SplitRule, Tiling};
use crate::slab::context::{PreparedSlab, SlabContext};
use crate::slab::decision::{volume, Decision};
use crate::slab::line::Line;
use crate::slab::mend::mend_membranes;
use crate::slab::points::{body_points, link_z, tile_detections, unique, LinkRules, PointRules};
use crate::slab::split::{CellPoseInput, ShapePerSlice, Splitter, Unsplit};
use crate::slab::split_mask::{cellpose_rule, split_3d};
use crate::slab::tiles::TilePlan;
use crate::slab::zcorrect::z_correct;

/// What is thresholded is the paper's greedy merge of eigenvectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paper;

/// The canvas of one tile, or of one panel of a slice: structures dark, 0..=255, at `upscale` pixels per attention
/// cell. None where no eigenvector passed the contour test.
pub type Canvas = Option<Array2<u8>>;

/// A canvas on which nothing is darker than its surroundings.
const BLANK: u8 = 255;

impl Line for Paper {
    type TileMap = Canvas;
    /// The slice's panels: the paper's quadrants, row-major, which stay apart until they are masks; otherwise one
    /// canvas of the slice's own size.
    type SliceMap = Vec<Canvas>;

    fn needs_eigenvectors(&self) -> bool {
        true
    }

    fn tile_map(&self, context: &SlabContext, run: &TileRun) -> Result<Canvas> {
        aggregate(&run.eigenvector_maps()?, &context.options.aggregate)
    }

    fn is_empty(&self, canvas: &Canvas) -> bool {
        canvas.is_none()
    }

    /// Overlapping canvases are brought to one tone before they are blended. The attention of a cell is that of all its
    /// slices, and so is the canvas.
    fn slice_maps(&self, cell: &CellRun, tiles: Vec<Canvas>) -> Result<Vec<Vec<Canvas>>> {
        let panels = match cell.context().options.tiling {
            Tiling::Quadrants => tiles,
            Tiling::Whole | Tiling::Overlapping => {
                let plan = cell.plan();
                let tiles: Vec<Array2<f32>> = tiles
                    .into_iter()
                    .map(|canvas| match canvas {
                        Some(canvas) => resize_linear_f32(canvas.mapv(f32::from).view(), plan.tile_shape()),
                        None => Array2::from_elem(plan.tile_shape(), f32::from(BLANK)),
                    })
                    .collect();
                let whole = plan.blend(&plan.level(&tiles)?)?;
                vec![Some(whole.mapv(|v| v.round().clamp(0.0, 255.0) as u8))]
            }
        };
        Ok(vec![panels; cell.slices()])
    }

    fn decide(&self, slab: &PreparedSlab, slices: Vec<Vec<Canvas>>, job: &Job) -> Result<Decision> {
        let context = &slab.context;
        let options = context.options;
        let mut panels = Panels::new(context, slices)?;
        if options.z_correction {
            job.enter(Stage::ZCorrection)?;
            for stack in &mut panels.stacks {
                *stack = z_correct(stack, &options.z_consistency);
                job.check()?;
            }
        }
        job.enter(Stage::Binarise)?;
        let masks = panels.masks(context, job)?;
        job.enter(Stage::Split)?;
        let mut decision = match options.split {
            SplitRule::Shape3d | SplitRule::Structures => masks.split_bodies(&panels.plan, context, job)?,
            SplitRule::Circularity => masks.split(&ShapePerSlice::default(), &panels.plan, context, job)?,
            SplitRule::CellPose => {
                let rule = cellpose_rule(context, CellPoseInput::Foreground, f64::INFINITY)?;
                masks.split(&rule, &panels.plan, context, job)?
            }
            SplitRule::None => masks.split(&Unsplit, &panels.plan, context, job)?,
        };
        if options.whole_masks {
            drop_partial_masks(&panels, &mut decision.labels, job);
        }
        Ok(decision)
    }
}

/// Canvases of each panel (a quadrant or the whole slice) through the slab, with the plan that places the panels.
struct Panels {
    plan: TilePlan,
    stacks: Vec<Vec<Canvas>>,
    /// Rows and columns of a panel.
    shape: (usize, usize),
}

impl Panels {
    fn new(context: &SlabContext, slices: Vec<Vec<Canvas>>) -> Result<Self> {
        let options = context.options;
        let side = options.tile_cells * options.aggregate.upscale;
        let plan = match options.tiling {
            Tiling::Quadrants => TilePlan::quadrants(context.slice_shape, side)?,
            Tiling::Whole | Tiling::Overlapping => TilePlan::whole(context.slice_shape, 1)?,
        };
        let mut stacks: Vec<Vec<Canvas>> = vec![Vec::with_capacity(slices.len()); plan.len()];
        for panels in slices {
            for (stack, panel) in stacks.iter_mut().zip(panels) {
                stack.push(panel);
            }
        }
        let shape = plan.tile_shape();
        Ok(Self { plan, stacks, shape })
    }

    /// Foreground and score of every panel; without a canvas nothing is foreground.
    fn masks(&self, context: &SlabContext, job: &Job) -> Result<Masks> {
        let rule = context.options.binarisation();
        let mut masks = Masks {
            foregrounds: Vec::new(),
            scores: Vec::new(),
        };
        for stack in &self.stacks {
            let mut foregrounds = Vec::with_capacity(stack.len());
            let mut scores = Vec::with_capacity(stack.len());
            for canvas in stack {
                foregrounds.push(match canvas {
                    Some(canvas) => canvas_foreground(canvas.view(), rule),
                    None => Array2::default(self.shape),
                });
                scores.push(match canvas {
                    Some(canvas) => canvas.mapv(|v| 1.0 - f32::from(v) / 255.0),
                    None => Array2::zeros(self.shape),
                });
                job.check()?;
            }
            masks.foregrounds.push(volume(&foregrounds)?);
            masks.scores.push(volume(&scores)?);
        }
        Ok(masks)
    }
}

/// The released code joins the masks of the four quadrants and leaves out slices where one is missing.
fn drop_partial_masks(panels: &Panels, labels: &mut Array3<i8>, job: &Job) {
    let mut dropped = 0;
    for (z, mut slice) in labels.outer_iter_mut().enumerate() {
        if panels
            .stacks
            .iter()
            .any(|stack| stack.get(z).is_some_and(Option::is_none))
        {
            slice.fill(0);
            dropped += 1;
        }
    }
    if dropped > 0 {
        let text = format!("{dropped} slices have no mask: a quadrant has no canvas (whole_masks keeps the others)");
        job.logger().warn("slab", &text);
    }
}

/// Foreground and score of each panel through the slab.
struct Masks {
    foregrounds: Vec<Array3<bool>>,
    scores: Vec<Array3<f32>>,
}

impl Masks {
    /// Splits every panel by itself, slice by slice. Points are looked for beside the mended membranes.
    fn split(&self, rule: &dyn Splitter, plan: &TilePlan, context: &SlabContext, job: &Job) -> Result<Decision> {
        let options = context.options;
        let canvas_nm = context.voxel_nm * plan.slice_shape().0 as f64 / plan.frame_shape().0 as f64;
        let point_rules = PointRules::default();
        let mut labels = Vec::new();
        let mut detections = Vec::new();
        for (panel, (foreground, score)) in self.foregrounds.iter().zip(&self.scores).enumerate() {
            let mut split = rule.split(foreground.view(), Some(score.view()), canvas_nm, job)?;
            mend_membranes(&mut split.labels, options.closing_steps, options.dilation_steps, job)?;
            detections.extend(tile_detections(&split, plan, panel, &point_rules, context.voxel_nm)?);
            labels.push(split.labels);
        }
        job.enter(Stage::Points)?;
        let points = if options.link_z {
            link_z(detections, &LinkRules::default(), context.voxel_nm)
        } else {
            unique(detections, &point_rules, context.voxel_nm)
        };
        Ok(Decision {
            labels: join(plan, &labels)?,
            score: join(plan, &self.scores)?,
            points,
            structures: None,
        })
    }

    /// Splits the joined foreground on its 3D components.
    fn split_bodies(&self, plan: &TilePlan, context: &SlabContext, job: &Job) -> Result<Decision> {
        let options = context.options;
        let score = join(plan, &self.scores)?;
        let mut split = split_3d(context, join(plan, &self.foregrounds)?.view(), score.view(), job)?;
        mend_membranes(&mut split.labels, options.closing_steps, options.dilation_steps, job)?;
        Ok(Decision {
            points: body_points(&split.objects),
            labels: split.labels,
            score,
            structures: None,
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_with_a_quadrant_without_canvas_has_no_mask() {
        let canvas = || Some(Array2::from_elem((8, 8), 200));
        let plan = TilePlan::quadrants((6, 6), 8).unwrap();
        let mut stacks = vec![vec![canvas(), canvas()]; 4];
        stacks[2][1] = None;
        let panels = Panels {
            shape: plan.tile_shape(),
            plan,
            stacks,
        };
        let mut labels = Array3::from_elem((2, 6, 6), 1);
        drop_partial_masks(&panels, &mut labels, &Job::quiet());
        let sums: Vec<i32> = labels
            .outer_iter()
            .map(|slice| slice.iter().map(|l| i32::from(*l)).sum())
            .collect();
        assert_eq!(sums, [36, 0]);
    }
}
