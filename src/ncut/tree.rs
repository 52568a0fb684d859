//! The tree of segments as hosts see it.
use serde::Serialize;

use crate::spectral::cut::SegmentTree;

/// One segment of the tree: the whole, a part that was cut further, or a leaf.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TreeNode {
    /// Index of the segment that it is part of; null for the whole.
    pub parent: Option<usize>,
    /// Its parts; none for a leaf. Two where it was cut, any number where a method found its segments at once.
    pub children: Vec<usize>,
    /// Number of its label, for a leaf.
    pub segment: Option<u32>,
    /// Tokens in it.
    pub tokens: usize,
    /// Cuts above it.
    pub depth: usize,
    /// NCut of the best cut through it, made or not, 0..=2; null where none was looked for.
    pub ncut: Option<f64>,
    /// Weight of the edges that the cut severs.
    pub cut: Option<f64>,
    /// What the stopping rule compared: the cut was made where `value` is below `limit`.
    pub value: Option<f64>,
    /// See `value`.
    pub limit: Option<f64>,
    /// Whether the cut's eigenvector reached the tolerance.
    pub converged: Option<bool>,
    /// Why a leaf was not cut.
    pub stop: Option<&'static str>,
}

impl TreeNode {
    fn bare(parent: Option<usize>, tokens: usize, depth: usize) -> Self {
        Self {
            parent,
            children: Vec::new(),
            segment: None,
            tokens,
            depth,
            ncut: None,
            cut: None,
            value: None,
            limit: None,
            converged: None,
            stop: None,
        }
    }
}

/// The tree of a recursive cut, restricted to the segments that `labels` (one per token) tells apart: segments whose
/// tokens are all of one label are leaves, even where they were cut further.
pub(super) fn of_cuts(tree: &SegmentTree, labels: &[u32]) -> Vec<TreeNode> {
    let mut nodes: Vec<TreeNode> = Vec::new();
    // (index in `tree`, index of the parent in `nodes`); parents come first, children in order.
    let mut open = vec![(0_usize, None)];
    while let Some((index, parent)) = open.pop() {
        let Some(source) = tree.nodes.get(index) else { continue };
        let place = nodes.len();
        if let Some(parent) = parent.and_then(|p: usize| nodes.get_mut(p)) {
            parent.children.push(place);
        }
        let mut node = TreeNode::bare(parent, source.range.len(), source.depth);
        if let Some(cut) = &source.cut {
            node.ncut = Some(cut.ncut);
            node.cut = Some(cut.cut);
            node.value = Some(cut.judgement.value);
            node.limit = Some(cut.judgement.limit);
            node.converged = Some(cut.converged);
        }
        let members = tree.order.get(source.range.clone()).unwrap_or_default();
        let mut own = members.iter().map(|&token| labels[token as usize]);
        let first = own.next();
        let uniform = own.all(|label| Some(label) == first);
        match source.children {
            Some([left, right]) if !uniform => open.extend([(right, Some(place)), (left, Some(place))]),
            _ => {
                node.segment = first;
                node.stop = Some(source.stop.map_or("threshold", |stop| stop.name()));
            }
        }
        nodes.push(node);
    }
    nodes
}

/// The tree of a method that finds `count` segments at once: the whole, and its parts.
pub(super) fn flat(labels: &[u32], count: usize) -> Vec<TreeNode> {
    let mut nodes = vec![TreeNode::bare(None, labels.len(), 0)];
    nodes[0].children = (1..=count).collect();
    let mut sizes = vec![0; count];
    labels.iter().for_each(|&label| sizes[label as usize] += 1);
    for (segment, tokens) in sizes.into_iter().enumerate() {
        let mut node = TreeNode::bare(Some(0), tokens, 1);
        node.segment = Some(segment as u32);
        nodes.push(node);
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Job;
    use crate::spectral::cut::{recursive_ncut, Criterion, CutOptions, Graph};
    use tch::Tensor;

    #[test]
    fn a_tree_ends_where_its_labels_do() {
        // Three blocks of two nodes; the first two are tied more strongly.
        let mut weights = vec![0.01_f32; 36];
        for i in 0..6_usize {
            for j in 0..6_usize {
                if i / 2 == j / 2 {
                    weights[i * 6 + j] = 1.0;
                } else if i < 4 && j < 4 {
                    weights[i * 6 + j] = 0.1;
                }
            }
        }
        let graph = Graph::symmetric(Tensor::from_slice(&weights).reshape([6, 6])).unwrap();
        let options = CutOptions {
            criterion: Criterion::Fixed(0.9),
            ..CutOptions::default()
        };
        let tree = recursive_ncut(&graph, &options, &Job::quiet()).unwrap();
        let labels = tree.labels();
        let full = of_cuts(&tree, &labels);
        assert_eq!(labels, [0, 0, 1, 1, 2, 2]);
        assert_eq!(
            full.iter().filter_map(|node| node.segment).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!((full.len(), full[0].tokens, full[0].children.len()), (5, 6, 2));
        assert!(full[0].value < full[0].limit && full[4].stop.is_some());
        let coarse = of_cuts(&tree, &tree.at_count(2).unwrap());
        assert_eq!(
            (coarse.len(), coarse[1].tokens, coarse[1].stop),
            (3, 4, Some("threshold"))
        );
        assert_eq!(coarse[2].segment, Some(1));
    }

    #[test]
    fn a_flat_tree_counts_tokens() {
        let nodes = flat(&[2, 0, 2], 3);
        let tokens: Vec<usize> = nodes.iter().map(|node| node.tokens).collect();
        assert_eq!(tokens, [3, 1, 0, 2]);
        assert_eq!(nodes[3].segment, Some(2));
    }
}
