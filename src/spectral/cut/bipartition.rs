//! One cut: the best bipartition of a graph or of a segment of it.
use super::components::components;
use super::criterion::{CutOptions, Judgement, SegmentWeight};
use super::graph::Graph;
use super::second_vector::{second_vector, SecondVector};
use super::sweep::best_split;
use super::tree::{ProposedCut, Stop};
use super::weights::Weights;
use crate::runtime::{Error, Job, Result};

/// The best cut of a whole graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Bipartition {
    /// The second generalised eigenvector y = D^-1/2 u (of a walk: the second right eigenvector up to a constant), one
    /// value per node, largest |value| 1 and positive (the first node of those within 1e-6). Of a disconnected graph:
    /// 1 on the heaviest component and one negative value elsewhere.
    pub vector: Vec<f64>,
    /// Nodes by ascending value, ties by index.
    pub order: Vec<u32>,
    /// The threshold that was chosen.
    pub threshold: f64,
    /// True where the value is above the threshold.
    pub side: Vec<bool>,
    /// Costs, the two sides of the criterion, eigenvalue, residual.
    pub cut: ProposedCut,
}

/// The best bipartition of `graph`, whatever the criterion then says ([`ProposedCut::judgement`]).
///
/// Errors: options out of range, MAN-C on cosine weights, one node, a vector that no threshold separates, cancel, out
/// of memory.
pub fn bipartition(graph: &Graph, options: &CutOptions, job: &Job) -> Result<Bipartition> {
    let _guard = tch::no_grad_guard();
    options.check(graph)?;
    let n = graph.nodes();
    if n < 2 {
        return Err(Error::argument(
            "graph",
            "1 node",
            "must have at least 2 nodes to be cut",
        ));
    }
    let parts = components(graph.weights(), !graph.is_walk(), job)?;
    let weight = segment_weight(graph.weights())?;
    if parts.len() > 1 {
        return between_components(graph, &parts, weight, options);
    }
    let second = second_vector(graph.weights(), !graph.is_walk(), options, job)?;
    let split = best_split(graph.weights(), !graph.is_walk(), &second.vector, options.sweep)?;
    let Some(split) = split else {
        let allowed = "must have a vector that a threshold of this sweep separates";
        return Err(Error::argument("graph", format!("{n} nodes alike"), allowed));
    };
    let mut side = vec![false; n];
    (split.order[split.below..].iter()).for_each(|&node| side[node as usize] = true);
    Ok(Bipartition {
        cut: proposed(&second, split.ncut, split.cut, weight, options),
        vector: second.vector,
        order: split.order,
        threshold: split.threshold,
        side,
    })
}

/// The free cut of the heaviest component from the rest.
fn between_components(
    graph: &Graph,
    parts: &[Vec<u32>],
    weight: SegmentWeight,
    options: &CutOptions,
) -> Result<Bipartition> {
    let n = graph.nodes();
    let sums = graph.degrees()?;
    let total: f64 = sums.iter().sum();
    let first: f64 = parts.first().into_iter().flatten().map(|&i| sums[i as usize]).sum();
    // The eigenvector of the eigenvalue 1 that is orthogonal to the constant; the heaviest component keeps the 1.
    let other = if total > first {
        (-first / (total - first)).max(-1.0)
    } else {
        -1.0
    };
    let mut vector = vec![other; n];
    let mut side = vec![false; n];
    for &i in parts.first().into_iter().flatten() {
        vector[i as usize] = 1.0;
        side[i as usize] = true;
    }
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.sort_by_key(|&i| (side[i as usize], i));
    Ok(Bipartition {
        vector,
        order,
        threshold: 0.5 * (1.0 + other),
        side,
        cut: free_cut(weight, options),
    })
}

/// Part of a graph that is to be cut.
pub(super) struct Segment<'a> {
    pub graph: &'a Graph,
    /// Its nodes, ascending.
    pub members: &'a [u32],
    /// The segment's connected components, where they are known (as nodes of the graph).
    pub components: Option<Vec<Vec<u32>>>,
}

/// The best cut of a segment.
pub(super) struct Proposal {
    pub cut: ProposedCut,
    /// Nodes of the graph, ascending, of both parts. Between components the first is one of them.
    pub parts: [Vec<u32>; 2],
    /// The components of the second part, where the cut is between components.
    pub rest: Option<Vec<Vec<u32>>>,
}

/// The best cut of `segment`, or the reason why there is none.
pub(super) fn propose(
    segment: Segment,
    options: &CutOptions,
    job: &Job,
) -> Result<std::result::Result<Proposal, Stop>> {
    let Segment {
        graph,
        members,
        components: known,
    } = segment;
    let symmetric = !graph.is_walk();
    if let Some(parts) = known.filter(|parts| parts.len() > 1) {
        let weight = SegmentWeight {
            nodes: members.len(),
            edges: 0.0,
            least_degree: 0.0,
        };
        return Ok(Ok(split_off(parts, weight, options)));
    }
    let weights = weights_within(graph, members)?;
    let weights = weights.as_ref();
    let weight = segment_weight(weights)?;
    if weight.edges == 0.0 && weights.row_sums()?.iter().all(|&d| d <= 0.0) {
        return Ok(Err(Stop::NoEdges));
    }
    let names = |nodes: &[u32]| nodes.iter().map(|&i| members[i as usize]).collect::<Vec<u32>>();
    let parts = components(weights, symmetric, job)?;
    if parts.len() > 1 {
        let parts = parts.iter().map(|part| names(part)).collect();
        return Ok(Ok(split_off(parts, weight, options)));
    }
    let second = second_vector(weights, symmetric, options, job)?;
    let Some(split) = best_split(weights, symmetric, &second.vector, options.sweep)? else {
        return Ok(Err(Stop::Uniform));
    };
    let mut parts = [names(&split.order[..split.below]), names(&split.order[split.below..])];
    parts.iter_mut().for_each(|part| part.sort_unstable());
    Ok(Ok(Proposal {
        cut: proposed(&second, split.ncut, split.cut, weight, options),
        parts,
        rest: None,
    }))
}

/// The weights within a segment: the graph's own for all its nodes; of a walk, rows that sum to one again, where nodes
/// that the walk always leaves stay in place.
fn weights_within<'a>(graph: &'a Graph, members: &[u32]) -> Result<WithinSegment<'a>> {
    if members.len() == graph.nodes() {
        return Ok(WithinSegment::Whole(graph.weights()));
    }
    let mut weights = graph.weights().submatrix(members)?;
    if graph.is_walk() {
        let factors = weights
            .row_sums()?
            .into_iter()
            .map(|s| if s > 0.0 { 1.0 / s } else { 0.0 });
        weights.scale_rows(&factors.collect::<Vec<f64>>())?;
    }
    Ok(WithinSegment::Part(weights))
}

/// Weights that are borrowed from the graph or gathered from it.
enum WithinSegment<'a> {
    Whole(&'a dyn Weights),
    Part(Box<dyn Weights>),
}

impl WithinSegment<'_> {
    fn as_ref(&self) -> &dyn Weights {
        match self {
            Self::Whole(weights) => *weights,
            Self::Part(weights) => weights.as_ref(),
        }
    }
}

/// The cut of the first of several components from the others.
fn split_off(mut parts: Vec<Vec<u32>>, weight: SegmentWeight, options: &CutOptions) -> Proposal {
    let rest = parts.split_off(1);
    let mut others: Vec<u32> = rest.iter().flatten().copied().collect();
    others.sort_unstable();
    Proposal {
        cut: free_cut(weight, options),
        parts: [parts.pop().unwrap_or_default(), others],
        rest: Some(rest),
    }
}

fn segment_weight(weights: &dyn Weights) -> Result<SegmentWeight> {
    let (sums, diagonal) = (weights.row_sums()?, weights.diagonal()?);
    let ties = || sums.iter().zip(&diagonal).map(|(sum, own)| (sum - own).max(0.0));
    Ok(SegmentWeight {
        nodes: weights.nodes(),
        edges: 0.5 * ties().sum::<f64>(),
        least_degree: ties().fold(f64::INFINITY, f64::min),
    })
}

/// A cut between components: always made.
fn free_cut(weight: SegmentWeight, options: &CutOptions) -> ProposedCut {
    let limit = options.criterion.judge(weight, 0.0, 0.0).limit;
    ProposedCut {
        ncut: 0.0,
        cut: 0.0,
        judgement: Judgement {
            value: 0.0,
            limit: limit.max(f64::MIN_POSITIVE),
        },
        eigenvalue: 1.0,
        residual: 0.0,
        converged: true,
    }
}

fn proposed(second: &SecondVector, ncut: f64, cut: f64, weight: SegmentWeight, options: &CutOptions) -> ProposedCut {
    ProposedCut {
        ncut,
        cut,
        judgement: options.criterion.judge(weight, ncut, cut),
        eigenvalue: second.eigenvalue,
        residual: second.residual,
        converged: second.converged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectral::Sweep;

    #[test]
    fn options_are_checked_before_anything_is_computed() {
        let graph = Graph::symmetric(tch::Tensor::ones([3, 3], (tch::Kind::Float, tch::Device::Cpu))).unwrap();
        let options = CutOptions {
            sweep: Sweep::Linspace(0),
            ..CutOptions::default()
        };
        let text = bipartition(&graph, &options, &Job::quiet()).unwrap_err().to_string();
        assert!(text.contains("sweep"), "{text}");
    }
}
