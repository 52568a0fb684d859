//! A grid of tokens in segments, by the method that the options name.
use tch::{Device, Kind, Tensor};

use crate::runtime::{Error, Generator, Job, Result, Stage};
use crate::spectral::cut::{
    graph_vectors, recursive_ncut, walk_graph, Adjacency, Criterion, CutOptions, FeatureForm, Graph, SegmentTree,
};

use super::assign::{one_hot, scores, segment_means};
use super::choices::Method;
use super::diffseg::{AttentionMaps, DiffSegOptions};
use super::kmeans::{lloyd, nearness, seeded_centres};
use super::objects::{maskcut, tokencut};
use super::options::{Hierarchy, NcutOptions};
use super::source::Source;
use super::tree::{flat, of_cuts, TreeNode};

/// One way to divide a grid of tokens.
#[derive(Debug)]
pub(super) struct Division {
    /// Segment of every token.
    pub tokens: Vec<u32>,
    /// Mean feature of every segment, `[K, D]`, float32.
    pub means: Tensor,
    /// How much every token is of every segment, `[K, N]`: enlarged, its argmax labels the pixels.
    pub scores: Tensor,
    /// Grid of the scores, where it is not that of the tokens.
    pub score_grid: Option<(usize, usize)>,
}

/// A grid of tokens, divided by one method.
#[derive(Debug)]
pub(super) struct Partition {
    /// The segmentation.
    pub main: Division,
    /// Its tree.
    pub tree: Vec<TreeNode>,
    /// Further segmentations, in the order of [`Hierarchy`].
    pub levels: Vec<Division>,
    /// Leading eigenvectors, `[C, N]`, where options ask for them.
    pub eigenvectors: Option<Tensor>,
}

/// Divides the tokens of `source` on `grid` as `options` say. Errors: a method that does not go with the source, those
/// of graph and cut.
pub(super) fn divide(source: &Source, grid: (usize, usize), options: &NcutOptions, job: &Job) -> Result<Partition> {
    job.enter(Stage::Cut)?;
    let name = options.preset.name();
    match options.method {
        Method::Walk => {
            let (power, adjacency) = (options.walk_power, options.adjacency);
            let graph = match source {
                Source::Walk(walk) => walk_graph(walk, power, adjacency, job)?,
                Source::Affinity(affinity) if power == 1 && adjacency != Adjacency::Walk => {
                    Graph::symmetric(affinity.shallow_clone())?
                }
                Source::Affinity(_) => {
                    return Err(Error::Unsupported(format!(
                    "{name} takes powers of a random walk: it needs an image or a transition matrix, not an affinity"
                )))
                }
                Source::Features(_) => {
                    return Err(Error::Unsupported(format!(
                        "{name} needs an image, a transition or an affinity matrix, not features; diffcut cuts features"
                    )))
                }
            };
            cut_graph(&graph, source.rows(), true, options, job)
        }
        Method::Merge => merged(source.walk(name)?, grid, options, job),
        Method::FeatureCut => {
            if let Source::Affinity(affinity) = source {
                let graph = Graph::symmetric(affinity.shallow_clone())?;
                return cut_graph(&graph, affinity, true, options, job);
            }
            let unit = unit_rows(source.features(name)?)?;
            let graph = Graph::from_features_with(&unit, options.exponent, FeatureForm::MinMax, job)?;
            cut_graph(&graph, &unit, false, options, job)
        }
        Method::TokenCut => {
            let features = source.features(name)?;
            objects(tokencut(features, grid, options.tau, &options.cut(), job)?, features, 1)
        }
        Method::MaskCut => {
            let features = source.features(name)?;
            let tokens = maskcut(features, grid, options.tau, options.masks, &options.cut(), job)?;
            objects(tokens, features, options.masks)
        }
        Method::KMeans | Method::Modulate => {
            let features = source.features(name)?;
            let cluster = |count: usize| clustered(features, count, options.seed, job);
            let count = options.exact_segments().unwrap_or(options.clusters);
            let main = cluster(count)?;
            let levels = match options.hierarchy() {
                Hierarchy::Counts(counts) => counts.iter().map(|&count| cluster(count)).collect::<Result<_>>()?,
                _ => Vec::new(),
            };
            let tree = flat(&main.tokens, count);
            no_eigenvectors(options)?;
            Ok(Partition {
                main,
                tree,
                levels,
                eigenvectors: None,
            })
        }
    }
}

/// Recursive NCut of `graph`; segments have means of the rows of `features`.
fn cut_graph(graph: &Graph, features: &Tensor, cosine: bool, options: &NcutOptions, job: &Job) -> Result<Partition> {
    let division = |tokens: Vec<u32>| -> Result<Division> {
        let count = tokens.iter().max().map_or(0, |most| *most as usize + 1);
        let means = segment_means(features, &tokens, count)?;
        let scores = scores(features, &means, cosine)?;
        Ok(Division {
            tokens,
            means,
            scores,
            score_grid: None,
        })
    };
    let (main, tree, levels) = labels_of(graph, options, job)?;
    let eigenvectors = match options.eigenvectors {
        0 => None,
        count => Some(graph_vectors(graph, count, &options.cut(), job)?.vectors),
    };
    Ok(Partition {
        tree: of_cuts(&tree, &main),
        main: division(main)?,
        levels: levels.into_iter().map(division).collect::<Result<_>>()?,
        eigenvectors,
    })
}

/// The labels of the main segmentation, the tree they were read from, and those of the hierarchy.
///
/// One tree serves all where the criterion is a fixed threshold: it is cut down to the largest one and read at each.
/// Where the main criterion is another one, or numbers of segments are asked for, one more tree of the same graph does.
fn labels_of(graph: &Graph, options: &NcutOptions, job: &Job) -> Result<(Vec<u32>, SegmentTree, Vec<Vec<u32>>)> {
    let cut = options.cut();
    let own = &match options.exact_segments() {
        Some(count) => CutOptions {
            criterion: Criterion::Fixed(2.0),
            max_segments: count,
            ..cut.clone()
        },
        None => cut.clone(),
    };
    let run = |cut: &CutOptions| recursive_ncut(graph, cut, job);
    let fixed = |threshold: f64| CutOptions {
        criterion: Criterion::Fixed(threshold),
        ..cut.clone()
    };
    match options.hierarchy() {
        Hierarchy::None => {
            let tree = run(own)?;
            Ok((tree.labels(), tree, Vec::new()))
        }
        Hierarchy::Thresholds(thresholds) => {
            let largest = thresholds.iter().copied().fold(0.0, f64::max);
            let read = |tree: &SegmentTree| -> Result<Vec<Vec<u32>>> {
                let limit = tree.threshold_limit();
                thresholds.iter().map(|t| tree.at_threshold(t.min(limit))).collect()
            };
            match own.criterion {
                Criterion::Fixed(threshold) if options.exact_segments().is_none() => {
                    let tree = run(&fixed(threshold.max(largest)))?;
                    let main = tree.at_threshold(threshold.min(tree.threshold_limit()))?;
                    let levels = read(&tree)?;
                    Ok((main, tree, levels))
                }
                _ => {
                    let tree = run(own)?;
                    let levels = read(&run(&fixed(largest))?)?;
                    Ok((tree.labels(), tree, levels))
                }
            }
        }
        Hierarchy::Counts(counts) => {
            let tree = run(own)?;
            let most = counts.iter().copied().max().unwrap_or(1);
            let deep = run(&CutOptions {
                // The order of the cuts is one whatever their number.
                max_segments: most,
                ..fixed(2.0)
            })?;
            let leaves = deep.leaves().len();
            let levels = counts
                .iter()
                .map(|&k| deep.at_count(k.min(leaves)))
                .collect::<Result<_>>()?;
            Ok((tree.labels(), tree, levels))
        }
    }
}

fn merged(walk: &Tensor, grid: (usize, usize), options: &NcutOptions, job: &Job) -> Result<Partition> {
    no_eigenvectors(options)?;
    let merge = options.merge();
    let all = AttentionMaps::new(walk, grid, merge.anchors)?;
    let division = |maps: Tensor| -> Result<Division> {
        Ok(Division {
            tokens: argmax(&maps)?,
            means: maps.shallow_clone(),
            scores: maps,
            score_grid: None,
        })
    };
    let at_threshold = |threshold: f64| {
        let merge = DiffSegOptions {
            threshold,
            ..merge.clone()
        };
        division(all.merge(&merge, job)?)
    };
    let at_count = |count: usize| division(all.merge_to(count, &merge, job)?);
    let main = match options.exact_segments() {
        Some(count) => at_count(count)?,
        None => at_threshold(merge.threshold)?,
    };
    let levels = match options.hierarchy() {
        Hierarchy::None => Vec::new(),
        Hierarchy::Thresholds(thresholds) => thresholds.iter().map(|&t| at_threshold(t)).collect::<Result<_>>()?,
        Hierarchy::Counts(counts) => counts.iter().map(|&count| at_count(count)).collect::<Result<_>>()?,
    };
    let count = main.means.size2()?.0 as usize;
    Ok(Partition {
        tree: flat(&main.tokens, count),
        main,
        levels,
        eigenvectors: None,
    })
}

/// Segment 0 is the background, the others are the objects.
fn objects(tokens: Vec<u32>, features: &Tensor, most: usize) -> Result<Partition> {
    let count = most + 1;
    Ok(Partition {
        tree: flat(&tokens, count),
        main: Division {
            means: segment_means(features, &tokens, count)?,
            scores: one_hot(&tokens, count, features.device())?,
            tokens,
            score_grid: None,
        },
        levels: Vec::new(),
        eigenvectors: None,
    })
}

fn clustered(features: &Tensor, count: usize, seed: u64, job: &Job) -> Result<Division> {
    let centres = seeded_centres(features, count, &mut Generator::new(seed, 0))?;
    let clusters = lloyd(features, &centres, job)?;
    Ok(Division {
        scores: nearness(features, &clusters.centres)?,
        tokens: clusters.labels,
        means: clusters.centres,
        score_grid: None,
    })
}

fn no_eigenvectors(options: &NcutOptions) -> Result<()> {
    if options.eigenvectors == 0 {
        return Ok(());
    }
    let name = options.preset.name();
    Err(Error::Unsupported(format!("eigenvectors of {name}: it cuts no graph")))
}

fn argmax(planes: &Tensor) -> Result<Vec<u32>> {
    let labels = planes.f_argmax(0, false)?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let labels: Vec<i64> = Vec::try_from(&labels)?;
    Ok(labels.into_iter().map(|label| label as u32).collect())
}

/// Rows of length one; zero rows stay zero.
fn unit_rows(features: &Tensor) -> Result<Tensor> {
    let features = features.f_to_kind(Kind::Float)?;
    let length = features.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?;
    Ok(features.f_div(&length.f_clamp_min(1e-12)?)?)
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
