//! The posterior of a variational autoencoder in its training.
use tch::Tensor;

use crate::runtime::{Generator, Result};
use crate::tensors::term;

/// A latent drawn from the posterior N(`mean`, exp(`log_variance`)), and of each of its numbers the divergence from
/// N(0, 1): KL = (mean^2 + variance - 1 - log variance) / 2 (Kingma and Welling 2014, appendix B).
pub(super) fn draw(mean: &Tensor, log_variance: &Tensor, gen: &mut Generator) -> Result<(Tensor, Tensor)> {
    let normal = gen.normal_tensor(&mean.size(), mean.device())?;
    let deviation = (0.5 * term(log_variance)).exp();
    let latent = term(mean) + deviation * normal;
    let divergence = 0.5 * (term(mean).square() + log_variance.f_exp() - log_variance - 1.0);
    Ok((latent.tensor()?, divergence.tensor()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn draws_have_the_posterior_s_moments_and_the_normal_has_no_divergence() {
        let size = [1, 1, 200, 200];
        let zero = Tensor::zeros(size, (Kind::Float, Device::Cpu));
        let (_, none) = draw(&zero, &zero, &mut Generator::new(1, 0)).unwrap();
        assert_eq!(none.abs().max().double_value(&[]), 0.0);
        let (mean, log_variance) = (&zero + 2.0, &zero + 0.25f64.ln());
        let (z, divergence) = draw(&mean, &log_variance, &mut Generator::new(1, 0)).unwrap();
        assert!((z.mean(Kind::Double).double_value(&[]) - 2.0).abs() < 0.02);
        assert!((z.std(true).double_value(&[]) - 0.5).abs() < 0.02);
        // (4 + 0.25 - 1 - log 0.25) / 2.
        assert!((divergence.double_value(&[0, 0, 0, 0]) - 2.318_147).abs() < 1e-5);
    }
}
