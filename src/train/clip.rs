//! Scaling of gradients to a largest norm.
use tch::Tensor;

use crate::runtime::Result;

/// The global norm of `gradients`, and the factor that makes it at most `clip`.
pub(super) fn clipped(gradients: &[Tensor], clip: f64) -> Result<(f64, f64)> {
    let mut squares = 0.0;
    for gradient in gradients {
        squares += f64::try_from(gradient.f_norm()?)?.powi(2);
    }
    let norm = squares.sqrt();
    Ok((norm, if norm > clip { clip / norm } else { 1.0 }))
}
