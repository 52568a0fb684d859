//! When a proposed cut is made: fixed thresholds and MAN-C; the options of cuts.
use super::graph::{Graph, GraphKind};
use crate::runtime::{Error, Result};

/// Which minimum cut the scaled minimum-cut form of MAN-C compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinCut {
    /// The weight between the two sides of the proposed bipartition.
    #[default]
    Bipartition,
    /// The least weight that ties one node to the others: the true minimum cut of most dense graphs.
    MinDegree,
}

/// When the best bipartition of a segment is made; otherwise the segment stays whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Criterion {
    /// NCut below this fixed value, above 0 and at most 2. Walk and cut: 0.3 on P, 0.4 to 0.5 on A = P P^T.
    Fixed(f64),
    /// NCut below the mean edge bound T / (n - 1) of the segment, T the weight of all its edges without loops, each
    /// counted once ("MAN-C with NCut").
    MancNcut,
    /// Minimum cut / T below T / (n - 1) ("MAN-C with the scaled minimum cut"); meant for power walks, k about 3.
    MancMinCut(MinCut),
}

/// Which thresholds of the eigenvector are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sweep {
    /// All n - 1 splits; the one of least NCut.
    #[default]
    All,
    /// This many (at least 1) values from 0.99 min to 0.99 max (DiffCut: 100); the one of least NCut.
    Linspace(usize),
    /// The mean of the vector (TokenCut, MaskCut).
    Mean,
    /// Zero.
    Zero,
}

/// How segments are cut. The default is walk and cut's best variant: MAN-C with NCut over all thresholds.
#[derive(Clone, Debug, PartialEq)]
pub struct CutOptions {
    /// When a cut is made.
    pub criterion: Criterion,
    /// Which thresholds are tried.
    pub sweep: Sweep,
    /// Segments of fewer nodes are not cut, at least 2 (the default).
    pub min_nodes: usize,
    /// Number of segments at which cutting stops, at least 1; default 256. Cheap cuts are made first.
    pub max_segments: usize,
    /// Cuts between the whole graph and a segment, at most; default unlimited.
    pub max_depth: usize,
    /// Largest residual `||M u - mu u||` of a unit eigenvector, M scaled to largest eigenvalue 1; 1e-6..1, default
    /// 1e-5 (products are float32).
    pub tolerance: f64,
    /// Matrix-vector products per eigenvector after which the best vector so far is taken, with a warning; at least
    /// 1, default 1000.
    pub max_iterations: usize,
}

impl Default for CutOptions {
    fn default() -> Self {
        Self {
            criterion: Criterion::MancNcut,
            sweep: Sweep::All,
            min_nodes: 2,
            max_segments: 256,
            max_depth: usize::MAX,
            tolerance: 1e-5,
            max_iterations: 1000,
        }
    }
}

impl CutOptions {
    /// Fails where an option is out of range, or where the criterion cannot judge `graph`.
    pub fn check(&self, graph: &Graph) -> Result<()> {
        self.criterion.check(graph.kind())?;
        self.check_numbers()
    }

    /// Fails where a number is out of range.
    pub(super) fn check_numbers(&self) -> Result<()> {
        if let Sweep::Linspace(0) = self.sweep {
            return Err(Error::argument("sweep", "0 thresholds", "must try at least 1"));
        }
        if self.min_nodes < 2 {
            return Err(Error::argument("min_nodes", self.min_nodes, "must be at least 2"));
        }
        for (name, value) in [
            ("max_segments", self.max_segments),
            ("max_iterations", self.max_iterations),
        ] {
            if value == 0 {
                return Err(Error::argument(name, value, "must be at least 1"));
            }
        }
        if !(1e-6..1.0).contains(&self.tolerance) {
            return Err(Error::argument("tolerance", self.tolerance, "must be 1e-6..1"));
        }
        Ok(())
    }
}

impl Criterion {
    /// Fails for a threshold outside 0..=2, and for MAN-C where its bound means nothing.
    ///
    /// MAN-C compares a cut with the mean weight of a segment, which has the scale of NCut (about 0.5) only where rows
    /// are probabilities: for A = P P^T, S / 2n >= 1/2. Cosines have mean weights near 1 whatever n is, so the bound
    /// grows like n / 2 while NCut never exceeds 2: no cut would ever be refused.
    pub fn check(self, kind: GraphKind) -> Result<()> {
        match self {
            Self::Fixed(threshold) if !(threshold > 0.0 && threshold <= 2.0) => {
                Err(Error::argument("threshold", threshold, "must be above 0 and at most 2"))
            }
            Self::Fixed(_) => Ok(()),
            Self::MancNcut | Self::MancMinCut(_) if matches!(kind, GraphKind::Cosine | GraphKind::Features) => {
                let allowed =
                    "must be a fixed threshold on cosine weights: MAN-C's bound grows like n / 2 there while NCut \
                               stays below 2, so that cutting would never stop";
                Err(Error::argument("criterion", "MAN-C", allowed))
            }
            Self::MancNcut | Self::MancMinCut(_) => Ok(()),
        }
    }
}

/// What the criteria need to know of one segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentWeight {
    /// Number of nodes.
    pub nodes: usize,
    /// T: the weight of all edges without loops, each counted once.
    pub edges: f64,
    /// The least weight that ties one node to the others.
    pub least_degree: f64,
}

/// The two numbers that a criterion compares: the cut is made where `value < limit`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// NCut, or the scaled minimum cut.
    pub value: f64,
    /// The fixed threshold, or the segment's MAN-C bound T / (n - 1).
    pub limit: f64,
}

impl Judgement {
    /// Whether the cut is made.
    pub fn cuts(&self) -> bool {
        self.value < self.limit
    }
}

impl Criterion {
    /// Compares a proposed cut of weight `cut` and cost `ncut` through a segment.
    pub(super) fn judge(self, segment: SegmentWeight, ncut: f64, cut: f64) -> Judgement {
        let bound = segment.edges / (segment.nodes.max(2) - 1) as f64;
        let scaled = |weight: f64| {
            if segment.edges > 0.0 {
                weight / segment.edges
            } else {
                0.0
            }
        };
        match self {
            Self::Fixed(limit) => Judgement { value: ncut, limit },
            Self::MancNcut => Judgement {
                value: ncut,
                limit: bound,
            },
            Self::MancMinCut(MinCut::Bipartition) => Judgement {
                value: scaled(cut),
                limit: bound,
            },
            Self::MancMinCut(MinCut::MinDegree) => Judgement {
                value: scaled(segment.least_degree),
                limit: bound,
            },
        }
    }
}
