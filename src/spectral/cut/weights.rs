//! A square matrix of edge weights, on the host or on an accelerator, behind the few operations that cuts need.
use std::borrow::Cow;

use tch::{Device, Kind, Tensor};

use super::device_weights::DeviceWeights;
use super::host_weights::HostWeights;
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

/// Takes over a checked `[n, n]` matrix where it lies: into plain memory from the CPU, as it is from a device.
pub(super) fn weights_of(matrix: Tensor) -> Result<Box<dyn Weights>> {
    let _guard = tch::no_grad_guard();
    let (n, _) = matrix.size2()?;
    let matrix = matrix.f_detach()?.f_to_kind(Kind::Float)?;
    if matrix.device() == Device::Cpu {
        check_fits(n as usize)?;
        let values = Vec::try_from(matrix.f_reshape([-1])?)?;
        Ok(Box::new(HostWeights::new(n as usize, values)))
    } else {
        Ok(Box::new(DeviceWeights::new(matrix.f_contiguous()?)))
    }
}

/// Fails unless another n x n float32 matrix fits into memory.
pub(super) fn check_fits(n: usize) -> Result<()> {
    let bytes = (n as u64).checked_mul(n as u64).and_then(|e| e.checked_mul(4));
    memory::ensure(bytes, &format!("a graph of {n} nodes ({n} x {n} float32)"))
}
