//! The default way: the model says what each voxel is; the mask is the one of the largest expected overlap, the points
//! are the dark balls among what it holds to be molecules.
use ndarray::Array2;

use crate::diffusion::Extraction;
use crate::image::expected_dice_threshold;
use crate::runtime::{Error, Job, Result, Stage};
use crate::slab::binarise::{score_foreground, Binarisation};
use crate::slab::blobs::{molecule_points, BlobRules, PointCount};
use crate::slab::cell::{CellRun, TileRun};
use crate::slab::choices::SplitRule;
use crate::slab::context::{PreparedSlab, SlabContext};
use crate::slab::decision::{volume, Decision};
use crate::slab::line::Line;
use crate::slab::mend::mend_membranes;
use crate::slab::refine::refined;
use crate::slab::split_mask::split_mask;
use crate::slab::structures::{remove_specks, StructureMaps};
use crate::tensors::to_array;
use crate::volume::{FILAMENT, MEMBRANE, MOLECULE};

/// What is thresholded is the likelihood of the model's structures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Structures;

impl Line for Structures {
    /// Likelihood of each of the model's structures, 0..=1, at the tile's own pixels: by structure, then by slice.
    type TileMap = Vec<Vec<Array2<f32>>>;
    /// Likelihood of each structure in the slice.
    type SliceMap = Vec<Array2<f32>>;

    fn needs_eigenvectors(&self) -> bool {
        false
    }

    fn tile_map(&self, _: &SlabContext, run: &TileRun) -> Result<Vec<Vec<Array2<f32>>>> {
        structure_tile(&run.extraction)
    }

    fn slice_maps(&self, cell: &CellRun, tiles: Vec<Vec<Vec<Array2<f32>>>>) -> Result<Vec<Vec<Array2<f32>>>> {
        let kinds = tiles.first().map_or(0, Vec::len);
        let whole = |slice: usize, kind: usize| cell.blend(tiles.iter().map(|tile| &tile[kind][slice]));
        (0..cell.slices())
            .map(|slice| (0..kinds).map(|kind| whole(slice, kind)).collect())
            .collect()
    }

    fn decide(&self, slab: &PreparedSlab, slices: Vec<Vec<Array2<f32>>>, job: &Job) -> Result<Decision> {
        let context = &slab.context;
        let options = context.options;
        job.enter(Stage::ZCorrection)?;
        let mut maps = by_structure(context, slices)?;
        let density = slab.stack.slab();
        // The search smooths by itself; what it finds in maps that are smooth already is less sharp.
        let points = match options.split {
            SplitRule::Structures => {
                job.enter(Stage::Points)?;
                let accepted_nm = (options.molecule_min_nm, options.molecule_max_nm);
                // Of a number asked for, the best are taken once those beyond the slab are gone.
                let count = options.n_points.map_or(PointCount::BestF1, |_| PointCount::All);
                let rules = BlobRules::new(options.diameter_nm, accepted_nm, count);
                molecule_points(density, &maps.molecule, &rules, context.voxel_nm, job)?
            }
            _ => Vec::new(),
        };
        if options.refine {
            maps = refined(maps, density, job)?;
        }
        job.enter(Stage::Binarise)?;
        // By the model alone: a membrane that the network is sure of would raise the threshold for all else.
        let foreground = score_foreground(maps.foreground().view(), options.binarisation());
        if let Some(network) = &slab.network_membrane {
            maps.membrane
                .zip_mut_with(network, |own, other| *own = 0.5 * (*own + other));
        }
        let score = maps.foreground();
        job.enter(Stage::Split)?;
        let mut labels = maps.labels(&foreground);
        if options.binarisation() == Binarisation::ExpectedDice {
            // What is wide and dim sets the threshold of the whole: a membrane is drawn no wider than its own best
            // mask.
            let least = expected_dice_threshold(maps.membrane.iter().copied());
            labels.zip_mut_with(&maps.membrane, |label, &membrane| {
                if *label == MEMBRANE && membrane <= least {
                    *label = 0;
                }
            });
        }
        let points = if options.split == SplitRule::Structures {
            remove_specks(&mut labels, options.molecule_min_nm / context.voxel_nm, job)?;
            points
        } else {
            let split = split_mask(context, foreground.view(), score.view(), job)?;
            // What the model knows as filaments stays that, unless all foreground is one class; all other foreground is
            // membrane or molecule as the rule says.
            labels.zip_mut_with(&split.labels, |label, &by_rule| {
                if by_rule == MOLECULE || *label != FILAMENT || options.split == SplitRule::None {
                    *label = by_rule;
                }
            });
            split.points
        };
        mend_membranes(&mut labels, options.closing_steps, options.dilation_steps, job)?;
        Ok(Decision {
            labels,
            score,
            points,
            structures: Some(maps),
        })
    }
}

/// Likelihoods of the model's structures in a tile: by structure, then by slice. Errors: a model that predicts none.
fn structure_tile(extraction: &Extraction) -> Result<Vec<Vec<Array2<f32>>>> {
    let maps = extraction
        .structures
        .as_ref()
        .ok_or_else(|| Error::Unsupported("the model predicts no structures".into()))?;
    let (kinds, slices, _, _) = maps.size4()?;
    let kind = |k: i64| (0..slices).map(|s| to_array(&maps.f_get(k)?.f_get(s)?)).collect();
    (0..kinds).map(kind).collect()
}

/// The maps of all slices, stacked by structure.
fn by_structure(context: &SlabContext, slices: Vec<Vec<Array2<f32>>>) -> Result<StructureMaps> {
    let structures = &context.model.config().structures;
    let mut stacks: Vec<Vec<Array2<f32>>> = vec![Vec::with_capacity(slices.len()); structures.len()];
    for maps in slices {
        for (stack, map) in stacks.iter_mut().zip(maps) {
            stack.push(map);
        }
    }
    let maps = stacks.iter().map(|stack| volume(stack)).collect::<Result<_>>()?;
    StructureMaps::new(structures, maps)
}
