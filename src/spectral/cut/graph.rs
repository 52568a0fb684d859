//! Graphs to be cut: checked weights and where they come from.
use tch::{Device, Kind, Tensor};

use super::storage::weights_of;
use super::weights::{check_fits, Weights};
use crate::runtime::{Error, Result};

/// Rows of one temporary while a matrix is checked.
const CHECKED_ELEMENTS: i64 = 1 << 22;
/// Largest |A - A^T|, relative to the largest entry, that is taken for rounding and averaged away.
const ASYMMETRY: f64 = 1e-4;
/// Largest distance of a row sum of a transition matrix from one.
const ROW_SUM_ERROR: f64 = 1e-3;

/// What the weights of a [`Graph`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphKind {
    /// A symmetric affinity of the caller's.
    Affinity,
    /// Transition probabilities of a random walk; not symmetric.
    Walk,
    /// Dot products of the rows of a (power) walk, A = P^k P^kT.
    Dot,
    /// Cosines between the rows of a (power) walk.
    Cosine,
    /// A function of the cosines between feature vectors.
    Features,
}

impl GraphKind {
    /// Lower-case name for messages and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Affinity => "affinity",
            Self::Walk => "walk",
            Self::Dot => "dot",
            Self::Cosine => "cosine",
            Self::Features => "features",
        }
    }
}

/// A weighted graph with at least one node: a finite, nonnegative float32 matrix `[n, n]`, symmetric or row-stochastic.
///
/// Weights from the CPU lie in plain host memory, where sums are float64 in a fixed order: cuts are the same bytes for
/// any number of threads. Weights from an accelerator stay there.
pub struct Graph {
    weights: Box<dyn Weights>,
    kind: GraphKind,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Graph({} nodes, {})", self.nodes(), self.kind.name())
    }
}

impl Graph {
    /// A graph with the symmetric weights `affinity`, `[n, n]`, finite, >= 0; self-loops (the diagonal) count in the
    /// degrees. Rounding asymmetry up to 1e-4 of the largest entry is averaged away.
    ///
    /// Errors: not square, no node, an entry that is negative or not finite, not symmetric, all zero (n > 1), out of
    /// memory.
    pub fn symmetric(affinity: Tensor) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let affinity = checked(affinity, "affinity")?;
        let (n, _) = affinity.size2()?;
        let largest = affinity.f_max()?.f_double_value(&[])?;
        if largest == 0.0 && n > 1 {
            let allowed = "must have an entry above zero: without an edge there is nothing to cut";
            return Err(Error::argument("affinity", "all zero", allowed));
        }
        let affinity = symmetrised(affinity, largest)?;
        Self::trusted(affinity, GraphKind::Affinity)
    }

    /// The random walk with the transition matrix `transition`, `[n, n]`: entries finite and >= 0, rows that sum to one
    /// within 1e-3 (and are then divided by their sum).
    ///
    /// Errors: not square, no node, an entry that is negative or not finite, a row with another sum, out of memory.
    pub fn walk(transition: Tensor) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let transition = checked(transition, "transition")?;
        let mut weights = weights_of(transition)?;
        let sums = weights.row_sums()?;
        if let Some((row, sum)) = sums.iter().enumerate().find(|(_, s)| (*s - 1.0).abs() > ROW_SUM_ERROR) {
            let name = format!("sum of row {row} of the transition matrix");
            return Err(Error::argument(&name, sum, "must be 1 within 0.001"));
        }
        let factors: Vec<f64> = sums.iter().map(|s| 1.0 / s).collect();
        weights.scale_rows(&factors)?;
        Ok(Self {
            weights,
            kind: GraphKind::Walk,
        })
    }

    /// A graph from a matrix that is known to be symmetric, finite and nonnegative.
    pub(super) fn trusted(matrix: Tensor, kind: GraphKind) -> Result<Self> {
        Ok(Self::from_weights(weights_of(matrix)?, kind))
    }

    /// A graph from weights that are known to be sound.
    pub(super) fn from_weights(weights: Box<dyn Weights>, kind: GraphKind) -> Self {
        Self { weights, kind }
    }

    /// Number of nodes n, at least 1.
    pub fn nodes(&self) -> usize {
        self.weights.nodes()
    }

    /// What the weights are.
    pub fn kind(&self) -> GraphKind {
        self.kind
    }

    /// Whether the weights are transition probabilities, not symmetric.
    pub fn is_walk(&self) -> bool {
        self.kind == GraphKind::Walk
    }

    /// The weights as a tensor `[n, n]`, float32, a copy where they lie in host memory.
    pub fn to_tensor(&self) -> Result<Tensor> {
        self.weights.to_tensor()
    }

    /// Sum of the weights of every node's edges, its own loop included: row sums, float64, `[n]`.
    pub fn degrees(&self) -> Result<Vec<f64>> {
        self.weights.row_sums()
    }

    pub(super) fn weights(&self) -> &dyn Weights {
        self.weights.as_ref()
    }
}

/// The matrix in float32 without gradients; fails unless it is square, not empty, finite and nonnegative.
pub(super) fn checked(matrix: Tensor, name: &str) -> Result<Tensor> {
    let shape = matrix.size();
    let n = match shape.as_slice() {
        [rows, columns] if rows == columns && *rows > 0 => *rows,
        _ => {
            let allowed = "must be [n, n] with at least one node";
            return Err(Error::argument(name, format!("{shape:?}"), allowed));
        }
    };
    let height = (CHECKED_ELEMENTS / n).clamp(1, n);
    for first in (0..n).step_by(height as usize) {
        let rows = matrix.f_narrow(0, first, height.min(n - first))?;
        // A NaN makes both NaN.
        let (low, high) = (rows.f_min()?.f_double_value(&[])?, rows.f_max()?.f_double_value(&[])?);
        if !(low >= 0.0 && high <= f64::from(f32::MAX)) {
            return Err(first_fault(&rows, first, name));
        }
    }
    if matrix.kind() != Kind::Float && matrix.device() == Device::Cpu {
        check_fits(n as usize)?;
    }
    Ok(matrix.f_detach()?.f_to_kind(Kind::Float)?)
}

/// The error that names the first entry of `rows` that is negative or not finite.
fn first_fault(rows: &Tensor, first_row: i64, name: &str) -> Error {
    let find = || -> Result<Error> {
        let values = rows.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_contiguous()?;
        let (_, n) = values.size2()?;
        let values: Vec<f64> = Vec::try_from(values.f_reshape([-1])?)?;
        let fault = values.iter().position(|v| !(*v >= 0.0 && *v <= f64::from(f32::MAX)));
        let at = fault.unwrap_or(0);
        let (row, column) = (first_row + (at as i64) / n, (at as i64) % n);
        let thing = format!("{name}[{row}, {column}]");
        Ok(Error::argument(&thing, values[at], "must be finite and not negative"))
    };
    find().unwrap_or_else(|error| error)
}

/// The matrix itself if it is exactly symmetric, its symmetric part if it is so within [`ASYMMETRY`].
fn symmetrised(matrix: Tensor, largest: f64) -> Result<Tensor> {
    let (n, _) = matrix.size2()?;
    let height = (CHECKED_ELEMENTS / n).clamp(1, n);
    let blocks = || {
        (0..n)
            .step_by(height as usize)
            .map(|first| (first, height.min(n - first)))
    };
    let mut worst = 0.0_f64;
    for (first, count) in blocks() {
        let mirrored = matrix.f_narrow(1, first, count)?.f_transpose(0, 1)?;
        let difference = matrix.f_narrow(0, first, count)?.f_sub(&mirrored)?.f_abs_()?;
        worst = worst.max(difference.f_max()?.f_double_value(&[])?);
    }
    if worst == 0.0 {
        return Ok(matrix);
    }
    if worst > ASYMMETRY * largest {
        let value = format!("not symmetric: |A - A^T| reaches {worst:.3e}, A {largest:.3e}");
        let allowed = "must be symmetric (a transition matrix is a walk)";
        return Err(Error::argument("affinity", value, allowed));
    }
    if matrix.device() == Device::Cpu {
        check_fits(n as usize)?;
    }
    let out = matrix.f_empty_like()?;
    for (first, count) in blocks() {
        let mirrored = matrix.f_narrow(1, first, count)?.f_transpose(0, 1)?;
        let mean = matrix.f_narrow(0, first, count)?.f_add(&mirrored)?.f_mul_scalar_(0.5)?;
        out.f_narrow(0, first, count)?.f_copy_(&mean)?;
    }
    Ok(out)
}
