//! Deflated power iteration for walks, as far as it gets quickly.
use super::krylov_schur::Limits;
use super::operator::{dot, length, normalise, subtract, Operator};
use crate::runtime::{Error, Job, Result};

/// Steps between two judgements of the progress.
const LOOK_EVERY: usize = 5;
/// Steps that may be left when going on is cheaper than Arnoldi's method, whose products cost the same but find more.
const WORTH_WAITING: f64 = 20.0;

/// Where the iteration ended.
pub(super) struct PowerIterate {
    /// Unit vector.
    pub vector: Vec<f64>,
    /// Its Rayleigh quotient.
    pub value: f64,
    /// `||P x - theta x||`.
    pub residual: f64,
    /// Products with the matrix.
    pub products: usize,
    /// Whether the vector belongs to the largest eigenvalue within the tolerance. Otherwise it oscillates (a complex or
    /// a negative leading eigenvalue) or converges slowly, and is a start vector for Arnoldi's method.
    pub converged: bool,
}

/// x <- P x - mean(P x), scaled to unit length ("power iteration with one deflation", walk and cut, section 3.2).
pub(super) fn power_iteration(operator: &Operator, limits: Limits, job: &Job) -> Result<PowerIterate> {
    let mut vector = operator.start();
    let mut before: Option<f64> = None;
    for products in 1.. {
        limits.advance(products - 1, job)?;
        let mut next = operator.apply(&vector)?;
        let value = dot(&vector, &next);
        let mut difference = next.clone();
        subtract(&mut difference, value, &vector);
        let residual = length(&difference);
        let converged = residual <= limits.tolerance && value > 0.0;
        let mut give_up = products >= limits.products || residual <= limits.tolerance;
        if products.is_multiple_of(LOOK_EVERY) {
            // The residual shrinks by |lambda_3 / lambda_2| per step.
            let rate = before.map_or(0.0, |before| (residual / before).ln() / LOOK_EVERY as f64);
            let left = (limits.tolerance / residual).ln() / rate;
            give_up |= before.is_some() && (rate >= 0.0 || left > WORTH_WAITING);
            before = Some(residual);
        }
        if converged || give_up {
            return Ok(PowerIterate {
                vector,
                value,
                residual,
                products,
                converged,
            });
        }
        normalise(&mut next);
        vector = next;
    }
    Err(Error::Internal("an endless iteration ended".into()))
}
