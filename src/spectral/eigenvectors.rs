//! Shared eigenvectors, the interface of their solvers, and the rule of their signs.
use tch::{Kind, Tensor};

use super::attention::AttentionStream;
use crate::runtime::{Error, Job, Result};

/// The result of an [`EigenSolver`].
#[derive(Debug)]
pub struct Eigenvectors {
    /// `[C, rows, cols]`, float32, orthonormal, in the order of `values`.
    ///
    /// Signs: the sum of cubes is not negative; where it vanishes (|sum| <= 1e-4 of the sum of absolute cubes) the
    /// first component of at least a thousandth of the largest is positive.
    pub vectors: Tensor,
    /// One number per vector, descending. [`super::Krylov`]: Rayleigh quotients, on the scale of the mean of z^T P z
    /// over layers and heads. [`super::Adam`]: singular values of the normalised channels (spec section 4, read-out).
    pub values: Vec<f64>,
    /// Largest `||M v - (v^T M v) v||` over the vectors, relative to the largest |Rayleigh quotient| where that
    /// exceeds 1. M is the mean symmetric affinity of the attention that was drawn ([`super::Adam`]: of the last draw).
    pub residual: f64,
    /// Sum of the Rayleigh quotients of the vectors with the same M.
    pub trace: f64,
}

/// Finds the leading shared eigenvectors of a stream of attention sets.
pub trait EigenSolver {
    /// Vectors on the finest token grid `grid` (rows, columns), which every layer's grid must divide or round up from.
    ///
    /// Errors: an option out of range, more vectors than tokens, attention that is empty, ill-shaped or not finite, a
    /// layer finer than `grid`, cancel, and whatever the stream reports.
    fn solve(&self, stream: &mut dyn AttentionStream, grid: (usize, usize), job: &Job) -> Result<Eigenvectors>;
}

/// Fails unless `grid` has a countable number of tokens and 1..=tokens vectors are asked of it.
pub(super) fn check_n_vectors(n_vectors: usize, grid: (usize, usize)) -> Result<()> {
    let tokens = grid
        .0
        .checked_mul(grid.1)
        .filter(|&n| n > 0 && i64::try_from(n).is_ok());
    let Some(tokens) = tokens else {
        let value = format!("{}x{}", grid.0, grid.1);
        return Err(Error::argument(
            "grid",
            value,
            "must have at least one token and fit 63 bits",
        ));
    };
    if n_vectors == 0 || n_vectors > tokens {
        let allowed = format!("must be 1..={tokens}, the number of tokens");
        return Err(Error::argument("n_vectors", n_vectors, &allowed));
    }
    Ok(())
}

/// Settles the sign of every column of `columns` (`[N, C]`, float64, on the host) by the rule of
/// [`Eigenvectors::vectors`].
pub(super) fn settle_signs(columns: &Tensor) -> Result<Tensor> {
    let (_, count) = columns.size2()?;
    let mut signs = Vec::new();
    for c in 0..count {
        let values: Vec<f64> = Vec::try_from(columns.f_select(1, c)?.f_contiguous()?)?;
        signs.push(sign_of(&values));
    }
    Ok(columns.f_mul(&Tensor::f_from_slice(&signs)?.f_unsqueeze(0)?)?)
}

/// +1.0 or -1.0, by the rule of [`Eigenvectors::vectors`].
fn sign_of(values: &[f64]) -> f64 {
    let cubes: f64 = values.iter().map(|v| v * v * v).sum();
    let scale: f64 = values.iter().map(|v| v.abs().powi(3)).sum();
    let decisive = if cubes.abs() > 1e-4 * scale {
        cubes
    } else {
        let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        values
            .iter()
            .copied()
            .find(|v| v.abs() >= 1e-3 * largest)
            .unwrap_or(1.0)
    };
    if decisive < 0.0 {
        -1.0
    } else {
        1.0
    }
}

/// `[N, C]` columns as the `[C, rows, cols]` float32 tensor of [`Eigenvectors::vectors`].
pub(super) fn as_maps(columns: &Tensor, grid: (usize, usize)) -> Result<Tensor> {
    let (_, count) = columns.size2()?;
    Ok(columns
        .f_transpose(0, 1)?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?
        .f_reshape([count, grid.0 as i64, grid.1 as i64])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_follow_the_rule() {
        assert_eq!(sign_of(&[-3.0, 1.0, 1.0]), -1.0);
        assert_eq!(sign_of(&[3.0, -1.0, -1.0]), 1.0);
        // Antisymmetric: the cubes cancel, the first component that matters decides.
        assert_eq!(sign_of(&[1e-9, -2.0, 2.0]), -1.0);
        assert_eq!(sign_of(&[0.0, 0.0]), 1.0);
    }
}
