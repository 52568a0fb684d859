//! A square matrix of edge weights, on the host or on an accelerator, behind the few operations that cuts need.
use std::borrow::Cow;

use tch::Tensor;

use crate::runtime::{memory, Result};

/// Nonnegative weights of a graph with n nodes, `[n, n]`, float32; sums are float64 and do not depend on the number of
/// threads. Vectors are float64 on the host.
pub(super) trait Weights: Send {
    /// Number of nodes n.
    fn nodes(&self) -> usize;

    /// W x.
    fn multiply(&self, x: &[f64]) -> Result<Vec<f64>>;

    /// Sums of the rows.
    fn row_sums(&self) -> Result<Vec<f64>>;

    /// Sums of the columns.
    fn column_sums(&self) -> Result<Vec<f64>>;

    /// The diagonal.
    fn diagonal(&self) -> Result<Vec<f64>>;

    /// For every node i the weight `sum over j with rank[j] < rank[i] of W[i][j]`.
    fn sums_before_in_row(&self, rank: &[u32]) -> Result<Vec<f64>>;

    /// For every node j the weight `sum over i with rank[i] < rank[j] of W[i][j]`.
    fn sums_before_in_column(&self, rank: &[u32]) -> Result<Vec<f64>>;

    /// Row i, on the host.
    fn row(&self, i: usize) -> Result<Cow<'_, [f32]>>;

    /// Column j, on the host.
    fn column(&self, j: usize) -> Result<Vec<f32>>;

    /// The rows and columns of `members`, in that order.
    fn submatrix(&self, members: &[u32]) -> Result<Box<dyn Weights>>;

    /// Multiplies every row by its factor.
    fn scale_rows(&mut self, factors: &[f64]) -> Result<()>;

    /// The matrix as a tensor `[n, n]`, float32.
    fn to_tensor(&self) -> Result<Tensor>;
}

/// Fails unless another n x n float32 matrix fits into memory.
pub(super) fn check_fits(n: usize) -> Result<()> {
    let bytes = (n as u64).checked_mul(n as u64).and_then(|e| e.checked_mul(4));
    memory::ensure(bytes, &format!("a graph of {n} nodes ({n} x {n} float32)"))
}
