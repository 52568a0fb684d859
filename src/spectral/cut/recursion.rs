//! Recursive normalised cuts.
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

use super::bipartition::{propose, Proposal, Segment};
use super::criterion::CutOptions;
use super::graph::Graph;
use super::tree::{SegmentNode, SegmentTree, Stop};
use crate::runtime::{Job, Result};

/// Cuts `graph` recursively: every segment is cut along its second eigenvector as long as the criterion allows.
///
/// Degrees are those within the segment (Shi and Malik); a walk is renormalised within it. Disconnected segments are
/// cut between components first, the heaviest one from the rest; nodes without edges stay one segment. Cuts are made in
/// the order of their NCut (ties by smallest node), which only matters where `max_segments` stops them. One segment is
/// a possible outcome, not an error.
///
/// Besides the graph one matrix of the segment at hand exists. Errors: options out of range, MAN-C on cosine weights,
/// cancel, out of memory.
pub fn recursive_ncut(graph: &Graph, options: &CutOptions, job: &Job) -> Result<SegmentTree> {
    let _guard = tch::no_grad_guard();
    options.check(graph)?;
    let span = job.span();
    let mut growth = Growth::new(graph, options);
    let outcome = growth.run(span.clone(), job);
    job.set_span(span);
    outcome.map(|()| growth.tree)
}

/// A segment whose best cut may be made.
struct Candidate {
    ncut: f64,
    smallest: u32,
    index: usize,
    proposal: Proposal,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ncut
            .total_cmp(&other.ncut)
            .then(self.smallest.cmp(&other.smallest))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

/// A tree while it grows.
struct Growth<'a> {
    graph: &'a Graph,
    options: &'a CutOptions,
    tree: SegmentTree,
    open: BinaryHeap<Reverse<Candidate>>,
    segments: usize,
    cuts: usize,
    settled: usize,
}

impl<'a> Growth<'a> {
    fn new(graph: &'a Graph, options: &'a CutOptions) -> Self {
        let n = graph.nodes();
        let root = SegmentNode {
            parent: None,
            children: None,
            range: 0..n,
            depth: 0,
            cut: None,
            cut_rank: None,
            stop: None,
        };
        Self {
            graph,
            options,
            tree: SegmentTree {
                nodes: vec![root],
                order: (0..n as u32).collect(),
            },
            open: BinaryHeap::new(),
            segments: 1,
            cuts: 0,
            settled: 0,
        }
    }

    fn run(&mut self, span: Range<f64>, job: &Job) -> Result<()> {
        // Nobody knows how far a single eigenvector is; while it is sought, reports repeat the share that is done.
        let pause = |done: f64| {
            let at = span.start + (span.end - span.start) * done;
            job.set_span(at..at);
        };
        pause(0.0);
        self.look_at(0, None, job)?;
        while let Some(Reverse(next)) = self.open.pop() {
            self.cut(next, job)?;
            pause(self.done());
            job.advance(1.0)?;
        }
        Ok(())
    }

    /// Share of the work that is done, as far as one can tell: of the segments allowed or of the nodes settled.
    fn done(&self) -> f64 {
        let segments = self.segments as f64 / self.options.max_segments as f64;
        segments
            .max(self.settled as f64 / self.tree.order.len() as f64)
            .min(1.0)
    }

    /// Finds the best cut of segment `index`; `components` are known to be its connected components, if given.
    fn look_at(&mut self, index: usize, components: Option<Vec<Vec<u32>>>, job: &Job) -> Result<()> {
        let node = &self.tree.nodes[index];
        let members = &self.tree.order[node.range.clone()];
        let between_components = components.as_ref().is_some_and(|c| c.len() > 1);
        let stop = if members.len() < self.options.min_nodes {
            Some(Stop::MinNodes)
        } else if node.depth >= self.options.max_depth && !between_components {
            Some(Stop::MaxDepth)
        } else if self.segments >= self.options.max_segments {
            Some(Stop::MaxSegments)
        } else {
            None
        };
        if let Some(stop) = stop {
            return self.settle(index, stop);
        }
        let smallest = members.iter().min().copied().unwrap_or(0);
        let segment = Segment {
            graph: self.graph,
            members,
            components,
        };
        let proposal = match propose(segment, self.options, job)? {
            Ok(proposal) => proposal,
            Err(stop) => return self.settle(index, stop),
        };
        self.tree.nodes[index].cut = Some(proposal.cut);
        if !proposal.cut.judgement.cuts() {
            return self.settle(index, Stop::Criterion);
        }
        self.open.push(Reverse(Candidate {
            ncut: proposal.cut.ncut,
            smallest,
            index,
            proposal,
        }));
        Ok(())
    }

    fn settle(&mut self, index: usize, stop: Stop) -> Result<()> {
        let node = &mut self.tree.nodes[index];
        node.stop = Some(stop);
        self.settled += node.range.len();
        Ok(())
    }

    /// Makes the cut of a candidate and looks at both parts.
    fn cut(&mut self, candidate: Candidate, job: &Job) -> Result<()> {
        let Candidate { index, proposal, .. } = candidate;
        if self.segments >= self.options.max_segments {
            return self.settle(index, Stop::MaxSegments);
        }
        let Proposal { parts, rest, .. } = proposal;
        let (range, depth) = (self.tree.nodes[index].range.clone(), self.tree.nodes[index].depth);
        let rest_first = parts[1].iter().min() < parts[0].iter().min();
        let mut components = [None, rest];
        let mut parts = parts;
        if rest_first {
            parts.swap(0, 1);
            components.swap(0, 1);
        }
        let middle = range.start + parts[0].len();
        self.tree.order[range.start..middle].copy_from_slice(&parts[0]);
        self.tree.order[middle..range.end].copy_from_slice(&parts[1]);
        let first = self.tree.nodes.len();
        for (part, components) in [range.start..middle, middle..range.end].into_iter().zip(&components) {
            let still_apart = components.as_ref().is_some_and(|c| c.len() > 1);
            self.tree.nodes.push(SegmentNode {
                parent: Some(index),
                children: None,
                range: part,
                depth: depth + usize::from(!still_apart),
                cut: None,
                cut_rank: None,
                stop: None,
            });
        }
        let node = &mut self.tree.nodes[index];
        node.children = Some([first, first + 1]);
        node.cut_rank = Some(self.cuts);
        self.cuts += 1;
        self.segments += 1;
        for (child, components) in [first, first + 1].into_iter().zip(components) {
            self.look_at(child, components, job)?;
        }
        Ok(())
    }
}
