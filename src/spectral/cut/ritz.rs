//! Eigenpairs of small dense matrices, rightmost first.
use faer::{Mat, MatRef, Side};

use super::operator::{dot, length, subtract};
use crate::runtime::{Error, Result};

/// Imaginary parts below this share of the eigenvalues' scale are rounding.
const REAL: f64 = 1e-12;

/// One eigenpair theta + i omega, s + i t, of unit length.
pub(super) struct RitzPair {
    /// Real part of the eigenvalue.
    pub real: f64,
    /// Imaginary part; of a pair of conjugates the one with the positive part comes first.
    pub imaginary: f64,
    /// Real part s of the eigenvector, the longest that a rotation of its phase gives.
    pub vector: Vec<f64>,
    /// Imaginary part t, None for a real eigenpair.
    pub imaginary_vector: Option<Vec<f64>>,
}

impl RitzPair {
    /// |component i|.
    pub(super) fn magnitude(&self, i: usize) -> f64 {
        let imaginary = self.imaginary_vector.as_ref().map_or(0.0, |t| t[i]);
        self.vector[i].hypot(imaginary)
    }
}

/// All eigenpairs of `matrix`, by descending real part; of a `symmetric` one the lower triangle counts.
pub(super) fn eigenpairs(matrix: MatRef<'_, f64>, symmetric: bool) -> Result<Vec<RitzPair>> {
    let size = matrix.nrows();
    let failed = |e: &dyn std::fmt::Debug| Error::Internal(format!("dense eigenproblem of size {size}: {e:?}"));
    if symmetric {
        let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|e| failed(&e))?;
        let pair = |j: usize| RitzPair {
            real: eigen.S()[j],
            imaginary: 0.0,
            vector: eigen.U().col(j).iter().copied().collect(),
            imaginary_vector: None,
        };
        return Ok((0..size).rev().map(pair).collect());
    }
    let eigen = matrix.eigen().map_err(|e| failed(&e))?;
    let scale = (0..size).map(|j| eigen.S()[j].norm()).fold(0.0, f64::max);
    let mut pairs = Vec::new();
    for j in 0..size {
        let value = eigen.S()[j];
        let (real, imaginary): (Vec<f64>, Vec<f64>) = eigen.U().col(j).iter().map(|z| (z.re, z.im)).unzip();
        pairs.push(rotated(
            value.re,
            value.im,
            &real,
            &imaginary,
            value.im.abs() > REAL * scale,
        ));
    }
    pairs.sort_by(|a, b| {
        let modulus = a.imaginary.abs().total_cmp(&b.imaginary.abs());
        b.real
            .total_cmp(&a.real)
            .then(modulus)
            .then(b.imaginary.total_cmp(&a.imaginary))
    });
    Ok(pairs)
}

/// The eigenvector with its phase turned such that the sum of its squares is real and positive.
fn rotated(re: f64, im: f64, s: &[f64], t: &[f64], complex: bool) -> RitzPair {
    let (ss, tt, st) = (dot(s, s), dot(t, t), dot(s, t));
    let angle = -0.5 * (2.0 * st).atan2(ss - tt);
    let (cos, sin) = (angle.cos(), angle.sin());
    let norm = (ss + tt).sqrt().max(f64::MIN_POSITIVE);
    let turned = |a: f64, b: f64| -> Vec<f64> { s.iter().zip(t).map(|(s, t)| (a * s + b * t) / norm).collect() };
    let mut vector = turned(cos, -sin);
    if !complex {
        let norm = length(&vector).max(f64::MIN_POSITIVE);
        vector.iter_mut().for_each(|v| *v /= norm);
    }
    RitzPair {
        real: re,
        imaginary: if complex { im } else { 0.0 },
        vector,
        imaginary_vector: complex.then(|| turned(sin, cos)),
    }
}

/// An orthonormal basis of an invariant subspace: of the leading pairs, with their conjugates, about `keep` columns.
pub(super) fn leading_subspace(pairs: &[RitzPair], keep: usize) -> Vec<Vec<f64>> {
    let mut columns: Vec<Vec<f64>> = Vec::new();
    // Of conjugates only the first counts: real and imaginary part span both.
    for pair in pairs.iter().filter(|pair| pair.imaginary >= 0.0) {
        if columns.len() >= keep {
            break;
        }
        for part in std::iter::once(&pair.vector).chain(&pair.imaginary_vector) {
            let mut column = part.clone();
            let before = length(&column);
            for _ in 0..2 {
                for other in &columns {
                    let share = dot(&column, other);
                    subtract(&mut column, share, other);
                }
            }
            let after = length(&column);
            if after > 1e-10 * before && after > 0.0 {
                column.iter_mut().for_each(|v| *v /= after);
                columns.push(column);
            }
        }
    }
    columns
}

/// U^T H U for the square `h` and the columns U.
pub(super) fn projected(h: MatRef<'_, f64>, columns: &[Vec<f64>]) -> Mat<f64> {
    let size = h.nrows();
    let u = Mat::from_fn(size, columns.len(), |i, j| columns[j][i]);
    u.transpose() * h * &u
}
