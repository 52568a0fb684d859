//! The matrix that is cut: a walk, an affinity or features, from a model's attention or from the host.
use tch::{Kind, Tensor};

use crate::runtime::{Error, Result};

/// The matrix of one grid of tokens.
#[derive(Debug)]
pub(super) enum Source {
    /// Transition probabilities, `[N, N]`, rows sum to one.
    Walk(Tensor),
    /// Symmetric edge weights, `[N, N]`.
    Affinity(Tensor),
    /// One feature vector per token, `[N, D]`.
    Features(Tensor),
}

/// A matrix that the host already has.
#[derive(Debug)]
pub enum MatrixInput {
    /// Symmetric edge weights, `[N, N]`, finite, not negative.
    Affinity(Tensor),
    /// Transition probabilities, `[N, N]`, rows sum to one.
    Transition(Tensor),
    /// One feature vector per token, `[N, D]`, finite.
    Features(Tensor),
}

impl MatrixInput {
    /// The matrix, checked against a grid of (rows, columns) tokens. Values are checked where they are used.
    pub(super) fn into_source(self, grid: (usize, usize)) -> Result<Source> {
        let (name, matrix, square) = match &self {
            Self::Affinity(matrix) => ("affinity", matrix, true),
            Self::Transition(matrix) => ("transition", matrix, true),
            Self::Features(matrix) => ("features", matrix, false),
        };
        let shape = matrix.size();
        let tokens = grid.0.checked_mul(grid.1).and_then(|n| i64::try_from(n).ok());
        let fits = match (tokens, shape.as_slice()) {
            (Some(n), [rows, cols]) => n > 0 && *rows == n && (*cols == n || (!square && *cols > 0)),
            _ => false,
        };
        if !fits {
            let form = if square { "N x N" } else { "N x D" };
            let allowed = format!("must be {form} with N = {} x {}, the grid, at least 1", grid.0, grid.1);
            return Err(Error::argument(name, format!("{shape:?}"), &allowed));
        }
        let finite = |matrix: Tensor| -> Result<Tensor> {
            let matrix = matrix.f_to_kind(Kind::Float)?;
            let sum = matrix.f_abs()?.f_max()?.f_double_value(&[])?;
            if sum.is_finite() {
                Ok(matrix)
            } else {
                Err(Error::argument(name, sum, "must hold finite numbers only"))
            }
        };
        Ok(match self {
            // The graph checks these itself, and names the entry.
            Self::Affinity(matrix) => Source::Affinity(matrix),
            Self::Transition(matrix) => Source::Walk(matrix),
            Self::Features(matrix) => Source::Features(finite(matrix)?),
        })
    }
}

impl Source {
    /// One row per token, of which segments have means.
    pub fn rows(&self) -> &Tensor {
        match self {
            Self::Walk(matrix) | Self::Affinity(matrix) | Self::Features(matrix) => matrix,
        }
    }

    /// The features. Errors: a method that needs them and got something else.
    pub fn features(&self, method: &str) -> Result<&Tensor> {
        match self {
            Self::Features(features) => Ok(features),
            _ => Err(Error::Unsupported(format!(
                "{method} needs an image or an N x D feature matrix, not an affinity or a transition matrix"
            ))),
        }
    }

    /// The walk. Errors: a method that needs one and got something else.
    pub fn walk(&self, method: &str) -> Result<&Tensor> {
        match self {
            Self::Walk(walk) => Ok(walk),
            _ => Err(Error::Unsupported(format!(
                "{method} needs an image or a transition matrix, not an affinity or features"
            ))),
        }
    }
}
