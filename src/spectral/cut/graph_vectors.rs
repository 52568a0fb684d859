//! The leading eigenvectors of a whole graph, for those who want to look at them.
use tch::Tensor;

use super::criterion::CutOptions;
use super::graph::Graph;
use super::operator::Operator;
use super::second_vector::{leading_vectors, settled};
use crate::runtime::{Error, Job, Result};

/// Generalised eigenvectors of a graph after the constant one.
#[derive(Debug)]
pub struct GraphVectors {
    /// `[count, n]`, float32, on the host: y = D^-1/2 u by descending eigenvalue, largest |value| 1 and positive (the
    /// first node of those within 1e-6). Of a walk: right eigenvectors up to constants.
    pub vectors: Tensor,
    /// Eigenvalues mu (W y = mu D y), of a walk their real parts, descending.
    pub values: Vec<f64>,
    /// Largest `||M u - mu u||` over the unit eigenvectors u.
    pub residual: f64,
    /// Products with the matrix that it took; 0 where a dense solver was used.
    pub products: usize,
}

/// The second to (count + 1)-th generalised eigenvectors of `graph`; 1 <= count < n. Of `options` the tolerance and the
/// number of iterations count.
///
/// Errors: count or options out of range, cancel, out of memory.
pub fn graph_vectors(graph: &Graph, count: usize, options: &CutOptions, job: &Job) -> Result<GraphVectors> {
    let _guard = tch::no_grad_guard();
    options.check_numbers()?;
    let n = graph.nodes();
    if count == 0 || count >= n {
        let allowed = format!("must be at least 1 and below the number of nodes, {n}");
        return Err(Error::argument("count", count, &allowed));
    }
    let operator = Operator::new(graph.weights(), !graph.is_walk())?;
    let leading = leading_vectors(&operator, count, options, job)?;
    let mut values: Vec<f32> = Vec::with_capacity(count * n);
    for u in &leading.vectors {
        values.extend(settled(operator.generalised(u)).iter().map(|&v| v as f32));
    }
    Ok(GraphVectors {
        vectors: Tensor::f_from_slice(&values)?.f_reshape([-1, n as i64])?,
        values: leading.values,
        residual: leading.residual,
        products: leading.products,
    })
}
