//! The tree of cuts and the segmentations that can be read from it.
use std::ops::Range;

use super::criterion::Judgement;
use crate::runtime::{Error, Result};

/// Why a segment was not cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The criterion refused the best cut.
    Criterion,
    /// Fewer nodes than `min_nodes`.
    MinNodes,
    /// `max_depth` cuts lie above it.
    MaxDepth,
    /// `max_segments` was reached.
    MaxSegments,
    /// Its nodes have no edges, not even to themselves.
    NoEdges,
    /// No threshold separates its nodes.
    Uniform,
}

impl Stop {
    /// Lower-case name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Criterion => "criterion",
            Self::MinNodes => "min-nodes",
            Self::MaxDepth => "max-depth",
            Self::MaxSegments => "max-segments",
            Self::NoEdges => "no-edges",
            Self::Uniform => "uniform",
        }
    }
}

/// The best cut through a segment, whether it was made or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProposedCut {
    /// NCut, 0..=2; 0 between components.
    pub ncut: f64,
    /// Weight of the edges between the sides (of a walk: the mean of both directions).
    pub cut: f64,
    /// What the criterion compared.
    pub judgement: Judgement,
    /// The second eigenvalue, 1 between components.
    pub eigenvalue: f64,
    /// Residual of the eigenvector, 0 between components.
    pub residual: f64,
    /// Whether the residual is within the tolerance.
    pub converged: bool,
}

/// One segment: a leaf, or a segment cut in two.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentNode {
    /// Index of the segment that it was cut from; None for the whole graph.
    pub parent: Option<usize>,
    /// The two parts, the one with the smallest node first; None for a leaf.
    pub children: Option<[usize; 2]>,
    /// Where its nodes stand in [`SegmentTree::order`].
    pub range: Range<usize>,
    /// Cuts above it; the cuts that separate the components of one segment count once.
    pub depth: usize,
    /// The best cut, where one was looked for.
    pub cut: Option<ProposedCut>,
    /// Place of its cut in the order in which cuts were made, 0-based; None for a leaf.
    pub cut_rank: Option<usize>,
    /// Why it is a leaf; None where it was cut.
    pub stop: Option<Stop>,
}

/// All segments of a recursive cut, the whole graph first, and every coarser segmentation with them.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentTree {
    /// The segments; parents before children.
    pub nodes: Vec<SegmentNode>,
    /// The graph's nodes such that every segment's are one range, ascending within leaves.
    pub order: Vec<u32>,
}

impl SegmentTree {
    /// The graph's nodes of segment `index`, ascending.
    pub fn members(&self, index: usize) -> Vec<u32> {
        let range = self.nodes.get(index).map_or(0..0, |node| node.range.clone());
        let mut members = self.order.get(range).unwrap_or_default().to_vec();
        members.sort_unstable();
        members
    }

    /// Indices of the leaves, by their smallest node.
    pub fn leaves(&self) -> Vec<usize> {
        self.frontier(|_| true)
    }

    /// For every node of the graph the number of its leaf, 0-based, numbered by smallest node.
    pub fn labels(&self) -> Vec<u32> {
        self.labels_of(&self.leaves())
    }

    /// Labels as [`SegmentTree::labels`] where only cuts with NCut below `threshold` are made, and no cut below one
    /// that is not.
    ///
    /// Equal to a run with that fixed threshold where this run's own criterion stopped no such cut; see
    /// [`SegmentTree::threshold_limit`]. Errors: a threshold above that limit or not above 0.
    pub fn at_threshold(&self, threshold: f64) -> Result<Vec<u32>> {
        let limit = self.threshold_limit();
        if !(threshold > 0.0 && threshold <= limit) {
            let allowed = format!("must be above 0 and at most {limit}, up to which this tree is complete");
            return Err(Error::argument("threshold", threshold, &allowed));
        }
        Ok(self.labels_of(&self.frontier(|node| node.cut.is_some_and(|cut| cut.ncut < threshold))))
    }

    /// The NCut up to which every cut of this tree was made: the least NCut that its criterion refused or that
    /// `max_segments` prevented, 2 where there is none.
    pub fn threshold_limit(&self) -> f64 {
        let refused = |node: &&SegmentNode| matches!(node.stop, Some(Stop::Criterion | Stop::MaxSegments));
        let refused = self.nodes.iter().filter(refused);
        refused
            .map(|node| node.cut.map_or(0.0, |cut| cut.ncut))
            .fold(2.0, f64::min)
    }

    /// Labels as [`SegmentTree::labels`] after the first `count - 1` cuts, so with `count` segments.
    ///
    /// Equal to a run with `max_segments = count`. Errors: 0, more segments than leaves.
    pub fn at_count(&self, count: usize) -> Result<Vec<u32>> {
        let most = self.leaves().len();
        if count == 0 || count > most {
            let allowed = format!("must be 1..={most}, the number of segments of this tree");
            return Err(Error::argument("count", count, &allowed));
        }
        Ok(self.labels_of(&self.frontier(|node| node.cut_rank.is_some_and(|rank| rank + 1 < count))))
    }

    /// The segments that remain where a segment is replaced by its children while `cuts` holds, by smallest node.
    fn frontier(&self, cuts: impl Fn(&SegmentNode) -> bool) -> Vec<usize> {
        let mut open = vec![0];
        let mut leaves = Vec::new();
        while let Some(index) = open.pop() {
            match self.nodes.get(index) {
                Some(node) => match node.children {
                    Some(children) if cuts(node) => open.extend(children),
                    _ => leaves.push(index),
                },
                None => continue,
            }
        }
        let smallest = |&index: &usize| {
            let range = self.nodes[index].range.clone();
            self.order[range].iter().min().copied()
        };
        leaves.sort_by_cached_key(smallest);
        leaves
    }

    fn labels_of(&self, segments: &[usize]) -> Vec<u32> {
        let mut labels = vec![0; self.order.len()];
        for (label, &index) in (0..).zip(segments) {
            for &node in &self.order[self.nodes[index].range.clone()] {
                labels[node as usize] = label;
            }
        }
        labels
    }
}
