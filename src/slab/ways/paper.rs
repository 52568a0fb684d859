//! The papers' way: eigenvectors merged to canvases, every panel by itself, slice by slice.
use ndarray::{Array2, Array3, Axis};

use crate::image::resize_linear_f32;
use crate::runtime::{Job, Result, Stage};
use crate::slab::aggregate::aggregate;
use crate::slab::binarise::{canvas_foreground, mend};
use crate::slab::cell::{CellRun, TileRun};
use crate::slab::choices::{SplitRule, Tiling};
use crate::slab::context::{PreparedSlab, SlabContext};
use crate::slab::decision::{volume, Decision};
use crate::slab::line::Line;
use crate::slab::points::{body_points, link_z, tile_detections, unique, LinkRules, PointRules};
use crate::slab::split::{CellPosePerSlice, ShapePerSlice, Splitter};
use crate::slab::split_mask::{open_cellpose, split_3d};
use crate::slab::tiles::TilePlan;
use crate::slab::zcorrect::z_correct;

/// What is thresholded is the paper's greedy merge of eigenvectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paper;

/// The canvas of one tile.
pub struct Canvas {
    /// Structures dark, 0..=255, at `upscale` pixels per attention cell.
    pub pixels: Array2<u8>,
    /// No eigenvector passed the contour test: nothing is darker than its surroundings.
    pub is_empty: bool,
}

impl Line for Paper {
    type TileMap = Canvas;
    /// The slice's panels: the paper's quadrants, row-major, which stay apart until they are masks; otherwise one
    /// canvas of the slice's own size.
    type SliceMap = Vec<Array2<u8>>;

    fn needs_eigenvectors(&self) -> bool {
        true
    }

    fn tile_map(&self, context: &SlabContext, run: &TileRun) -> Result<Canvas> {
        let rule = &context.options.aggregate;
        Ok(match aggregate(&run.eigenvector_maps()?, rule)? {
            Some(pixels) => Canvas {
                pixels,
                is_empty: false,
            },
            None => {
                let (rows, cols) = run.grid()?;
                Canvas {
                    pixels: Array2::from_elem((rows * rule.upscale, cols * rule.upscale), 255),
                    is_empty: true,
                }
            }
        })
    }

    fn is_empty(&self, canvas: &Canvas) -> bool {
        canvas.is_empty
    }

    /// Overlapping canvases are brought to one tone before they are blended. The attention of a cell is that of all its
    /// slices, and so is the canvas.
    fn slice_maps(&self, cell: &CellRun, tiles: Vec<Canvas>) -> Result<Vec<Vec<Array2<u8>>>> {
        let canvases = tiles.into_iter().map(|tile| tile.pixels);
        let panels = match cell.context().options.tiling {
            Tiling::Quadrants => canvases.collect(),
            Tiling::Whole | Tiling::Overlapping => {
                let plan = cell.plan();
                let tiles: Vec<Array2<f32>> = canvases
                    .map(|canvas| resize_linear_f32(canvas.mapv(f32::from).view(), plan.tile_shape()))
                    .collect();
                let whole = plan.blend(&plan.level(&tiles)?)?;
                vec![whole.mapv(|v| v.round().clamp(0.0, 255.0) as u8)]
            }
        };
        Ok(vec![panels; cell.slices()])
    }

    fn decide(&self, slab: &PreparedSlab, slices: Vec<Vec<Array2<u8>>>, job: &Job) -> Result<Decision> {
        let context = &slab.context;
        let options = context.options;
        let mut panels = Panels::new(context, slices)?;
        if options.z_correction {
            job.enter(Stage::ZCorrection)?;
            for stack in &mut panels.stacks {
                *stack = z_correct(stack);
                job.check()?;
            }
        }
        job.enter(Stage::Binarise)?;
        let masks = panels.masks(context, job)?;
        job.enter(Stage::Split)?;
        match options.split {
            SplitRule::Shape3d | SplitRule::Structures => {
                let foreground = join(&panels.plan, &masks.foregrounds)?;
                let score = join(&panels.plan, &masks.scores)?;
                let split = split_3d(context, foreground.view(), score.view(), job)?;
                Ok(Decision {
                    points: body_points(&split.objects),
                    labels: split.labels,
                    score,
                    structures: None,
                })
            }
            SplitRule::CellPose => {
                let rule = CellPosePerSlice::released(open_cellpose(context)?, options.cellpose_nm());
                masks.split(&rule, &panels.plan, context, job)
            }
            SplitRule::Circularity => masks.split(&ShapePerSlice::default(), &panels.plan, context, job),
        }
    }
}

/// Canvases of each panel (a quadrant or the whole slice) through the slab, with the plan that places the panels.
struct Panels {
    plan: TilePlan,
    stacks: Vec<Vec<Array2<u8>>>,
}

impl Panels {
    fn new(context: &SlabContext, slices: Vec<Vec<Array2<u8>>>) -> Result<Self> {
        let first = slices.first();
        let side = first.and_then(|panels| panels.first()).map_or(0, Array2::nrows);
        let plan = match context.options.tiling {
            Tiling::Quadrants => TilePlan::quadrants(context.slice_shape, side)?,
            Tiling::Whole | Tiling::Overlapping => TilePlan::whole(context.slice_shape, 1)?,
        };
        let mut stacks: Vec<Vec<Array2<u8>>> = vec![Vec::with_capacity(slices.len()); plan.len()];
        for panels in slices {
            for (stack, panel) in stacks.iter_mut().zip(panels) {
                stack.push(panel);
            }
        }
        Ok(Self { plan, stacks })
    }

    fn masks(&self, context: &SlabContext, job: &Job) -> Result<Masks> {
        let options = context.options;
        let mut masks = Masks {
            foregrounds: Vec::new(),
            scores: Vec::new(),
        };
        for stack in &self.stacks {
            let mut foreground = Vec::with_capacity(stack.len());
            for canvas in stack {
                let mask = canvas_foreground(canvas.view(), options.binarisation());
                foreground.push(mend(mask.view(), options.closing_steps, options.dilation_steps));
                job.check()?;
            }
            masks.foregrounds.push(volume(&foreground)?);
            let bright: Vec<_> = stack.iter().map(|c| c.mapv(|v| 1.0 - f32::from(v) / 255.0)).collect();
            masks.scores.push(volume(&bright)?);
        }
        Ok(masks)
    }
}

/// Foreground and score of each panel through the slab.
struct Masks {
    foregrounds: Vec<Array3<bool>>,
    scores: Vec<Array3<f32>>,
}

impl Masks {
    /// Splits every panel by itself, slice by slice.
    fn split(&self, rule: &dyn Splitter, plan: &TilePlan, context: &SlabContext, job: &Job) -> Result<Decision> {
        let options = context.options;
        let canvas_nm = context.voxel_nm * plan.slice_shape().0 as f64 / plan.frame_shape().0 as f64;
        let point_rules = PointRules::default();
        let mut labels = Vec::new();
        let mut detections = Vec::new();
        for (panel, (foreground, score)) in self.foregrounds.iter().zip(&self.scores).enumerate() {
            let split = rule.split(foreground.view(), Some(score.view()), canvas_nm, job)?;
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
