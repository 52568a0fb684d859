//! Normalised cuts of one graph: its second eigenvector, the best threshold along it, and the recursion.
//!
//! [`Graph`] holds checked weights, [`bipartition()`] makes one cut, [`recursive_ncut`] a tree of them. The mathematics
//! is that of Shi and Malik (PAMI 2000) with the graphs and the stopping rules of "Unsupervised Segmentation by
//! Diffusing, Walking and Cutting" (WACV 2026).

pub mod bipartition;
pub mod criterion;
pub mod feature_graph;
pub mod graph;
pub mod graph_vectors;
pub mod recursion;
pub mod sweep;
pub mod tree;
pub mod walk_graph;

mod components;
mod device_weights;
mod host_weights;
mod krylov_schur;
mod operator;
mod power_iteration;
mod products;
mod ritz;
mod rows;
mod second_vector;
mod storage;
mod weights;

pub use bipartition::{bipartition, Bipartition};
pub use criterion::{Criterion, CutOptions, Judgement, MinCut, Sweep};
pub use feature_graph::FeatureForm;
pub use graph::{Graph, GraphKind};
pub use graph_vectors::{graph_vectors, GraphVectors};
pub use recursion::recursive_ncut;
pub use sweep::ncut_of;
pub use tree::{ProposedCut, SegmentNode, SegmentTree, Stop};
pub use walk_graph::{walk_graph, Adjacency};
