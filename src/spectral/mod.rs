//! Eigenvectors shared by many attention graphs: pure mathematics on matrices, without images or files.
//!
//! Every head of every self-attention layer is a random walk P = softmax(scale Q K^T) = D^-1 A on the tokens of its own
//! grid. Both solvers look for C vectors on the finest grid that are nearly invariant under all these walks at once
//! (layer-distributed spectral clustering, Zhang, Yunis and Maire, CVPR 2024): [`Adam`] by the published recipe,
//! [`Krylov`] as the symmetric eigenproblem that the recipe approximates. [`cut`] cuts one graph recursively along its
//! second eigenvector.

pub mod adam;
pub mod affinity;
pub mod attention;
pub mod cut;
pub mod krylov;
pub mod loss;

mod channels;
mod eigenvectors;
mod pooling;
mod projected;
mod schedule;
#[cfg(test)]
mod testing;

pub use adam::Adam;
pub use affinity::{trace_of, Affinity, AffinityOptions};
pub use attention::{AttentionLayer, AttentionSet, AttentionStream, FixedAttention};
pub use cut::{
    bipartition, graph_vectors, ncut_of, recursive_ncut, walk_graph, Adjacency, Bipartition, Criterion, CutOptions,
    FeatureForm, Graph, GraphKind, GraphVectors, Judgement, MinCut, ProposedCut, SegmentNode, SegmentTree, Stop, Sweep,
};
pub use eigenvectors::{EigenSolver, Eigenvectors};
pub use krylov::Krylov;
pub use loss::{ncut_loss, NcutForm, NcutLoss};
