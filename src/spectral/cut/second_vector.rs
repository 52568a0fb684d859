//! The second eigenvector of a connected graph, by the method that suits its size and symmetry.
use faer::Mat;

use super::criterion::CutOptions;
use super::krylov_schur::{krylov_schur, Leading, Limits};
use super::operator::{length, normalise, subtract, Operator};
use super::power_iteration::power_iteration;
use super::ritz::eigenpairs;
use super::weights::Weights;
use crate::runtime::{Job, Result};

/// Nodes up to which a dense solver is quicker, symmetric and not.
const DENSE_NODES: [usize; 2] = [96, 48];
/// Values closer than this share of the largest tie for the sign rule.
const SIGN_TIE: f64 = 1e-6;

/// What a threshold sweep goes along.
pub(super) struct SecondVector {
    /// y, largest |value| 1 and positive.
    pub vector: Vec<f64>,
    /// The second largest eigenvalue (its real part).
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
    let operator = Operator::new(weights, symmetric)?;
    let leading = leading_vectors(&operator, 1, options, job)?;
    let converged = leading.residual <= options.tolerance;
    if !converged {
        let text = format!(
            "second eigenvector of {} nodes: residual {:.1e} is above the tolerance {:.1e} after {} products",
            weights.nodes(),
            leading.residual,
            options.tolerance,
            leading.products
        );
        job.logger().warn("ncut", &text);
    }
    let vector = leading
        .vectors
        .first()
        .map(|u| operator.generalised(u))
        .unwrap_or_default();
    Ok(SecondVector {
        vector: settled(vector),
        eigenvalue: leading.values.first().copied().unwrap_or(0.0),
        residual: leading.residual,
        converged,
    })
}

/// The `count` leading eigenvectors of `operator`, 1..n of them.
pub(super) fn leading_vectors(operator: &Operator, count: usize, options: &CutOptions, job: &Job) -> Result<Leading> {
    let symmetric = operator.is_symmetric();
    if operator.nodes() <= DENSE_NODES[usize::from(!symmetric)].max(2 * count) {
        job.check()?;
        return dense(operator, count);
    }
    let limits = Limits {
        tolerance: options.tolerance,
        products: options.max_iterations,
        spent: 0,
    };
    if symmetric || count > 1 {
        return krylov_schur(operator, operator.start(), count, limits, job);
    }
    let iterate = power_iteration(operator, limits, job)?;
    if iterate.converged || iterate.products >= limits.products {
        return Ok(Leading {
            vectors: vec![iterate.vector],
            values: vec![iterate.value],
            residual: iterate.residual,
            products: iterate.products,
        });
    }
    let left = Limits {
        products: limits.products - iterate.products,
        spent: iterate.products,
        ..limits
    };
    let mut leading = krylov_schur(operator, iterate.vector, count, left, job)?;
    leading.products += iterate.products;
    Ok(leading)
}

/// All eigenvectors of a small graph at once, with the known one moved to the other end of the spectrum.
fn dense(operator: &Operator, count: usize) -> Result<Leading> {
    let n = operator.nodes();
    let rows: Vec<Vec<f32>> = (0..n).map(|i| operator.weight_row(i)).collect::<Result<_>>()?;
    let matrix = Mat::from_fn(n, n, |i, j| operator.reflected_entry(i, j, rows[i][j]));
    let mut leading = Leading {
        vectors: Vec::new(),
        values: Vec::new(),
        residual: 0.0,
        products: 0,
    };
    for pair in eigenpairs(matrix.as_ref(), operator.is_symmetric())?
        .into_iter()
        .take(count)
    {
        let mut vector = pair.vector;
        operator.deflate(&mut vector);
        let mut residual = operator.apply(&vector)?;
        subtract(&mut residual, pair.real, &vector);
        if let Some(mut imaginary) = pair.imaginary_vector {
            operator.deflate(&mut imaginary);
            subtract(&mut residual, -pair.imaginary, &imaginary);
        }
        leading.residual = leading.residual.max(length(&residual));
        normalise(&mut vector);
        leading.vectors.push(vector);
        leading.values.push(pair.real);
    }
    Ok(leading)
}

/// Scaled to largest |value| 1, the first of the largest positive.
pub(super) fn settled(mut vector: Vec<f64>) -> Vec<f64> {
    let largest = vector.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let decisive = vector.iter().find(|v| v.abs() >= (1.0 - SIGN_TIE) * largest);
    let scale = match decisive {
        Some(v) if largest > 0.0 => v.signum() / largest,
        _ => return vector,
    };
    vector.iter_mut().for_each(|v| *v *= scale);
    vector
}
