//! Solver `krylov`: the shared cut as one symmetric eigenproblem.
use tch::{Device, Kind, Tensor};

use super::affinity::{Affinity, AffinityOptions};
use super::attention::AttentionStream;
use super::eigenvectors::{as_maps, check_n_vectors, settle_signs, EigenSolver, Eigenvectors};
use super::projected::{orthonormal, symmetric_eigen};
use crate::runtime::{Error, Generator, Job, Result};
use crate::tensors::{term, to_vec};

/// Vectors iterated beyond those asked for: the block then converges by the gap behind the guards.
const GUARDS: usize = 4;
/// Columns of the search space, in blocks, at which it is restarted.
const BASIS_BLOCKS: usize = 6;
/// Leading Ritz vectors that survive a restart, in blocks.
const KEPT_BLOCKS: usize = 2;

/// Leading eigenvectors of the mean symmetric affinity (see [`Affinity`]) by thick-restart block Lanczos.
///
/// The published loss pulls z^T P z towards its largest value under orthogonality (spec section 4); with g the
/// average pooling scaled to G G^T = 1, that is the trace of X M X^T over orthonormal X, whose maximum is the leading
/// invariant subspace of M. The search space is extended by the residuals of the leading Ritz vectors, which span the
/// next Lanczos block; the products with M are kept, so the Rayleigh-Ritz step needs no recurrence and survives
/// restarts and lost directions.
///
/// P is row- but not column-stochastic: where many tokens attend to few (attention sinks), Rayleigh quotients exceed
/// 1, and the loss, which pulls them to 1, and the trace, which has no such limit, part ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Krylov {
    /// Number of vectors C, 1..=tokens.
    pub n_vectors: usize,
    /// Attention sets drawn and averaged, at least 1.
    pub draws: usize,
    /// Largest residual allowed (see [`Eigenvectors::residual`]), 1e-6..1: products are float32.
    pub tolerance: f64,
    /// Block products after which the solver gives up and returns its best vectors, with a warning.
    pub max_products: usize,
    /// How the attention becomes an operator.
    pub affinity: AffinityOptions,
}

impl Default for Krylov {
    fn default() -> Self {
        Self {
            n_vectors: 12,
            draws: 1,
            tolerance: 1e-5,
            max_products: 400,
            affinity: AffinityOptions::default(),
        }
    }
}

impl EigenSolver for Krylov {
    fn solve(&self, stream: &mut dyn AttentionStream, grid: (usize, usize), job: &Job) -> Result<Eigenvectors> {
        self.check_options(grid)?;
        let mut affinity = Affinity::new(grid, self.affinity.clone());
        for draw in 0..self.draws {
            job.advance(0.9 * draw as f64 / self.draws as f64)?;
            let set = stream.draw(job)?;
            affinity.add(&set, job)?;
        }
        job.advance(0.9)?;
        self.solve_affinity(&affinity, grid, job)
    }
}

impl Krylov {
    fn check_options(&self, grid: (usize, usize)) -> Result<()> {
        check_n_vectors(self.n_vectors, grid)?;
        if self.draws == 0 {
            return Err(Error::argument("draws", 0, "must be at least 1"));
        }
        if !(1e-6..1.0).contains(&self.tolerance) {
            return Err(Error::argument("tolerance", self.tolerance, "must be 1e-6..1"));
        }
        if self.max_products == 0 {
            return Err(Error::argument("max_products", 0, "must be at least 1"));
        }
        Ok(())
    }

    /// [`EigenSolver::solve`] for attention that is already accumulated on `grid`.
    pub fn solve_affinity(&self, affinity: &Affinity, grid: (usize, usize), job: &Job) -> Result<Eigenvectors> {
        let _guard = tch::no_grad_guard();
        self.check_options(grid)?;
        let tokens = affinity.tokens();
        if tokens != grid.0 * grid.1 {
            let allowed = format!("must have the affinity's {tokens} tokens");
            return Err(Error::argument("grid", format!("{}x{}", grid.0, grid.1), &allowed));
        }
        let block = self.n_vectors + GUARDS;
        let columns = if tokens <= BASIS_BLOCKS * block {
            self.dense(affinity, job)?
        } else {
            self.iterate(affinity, job)?
        };
        // What is reported is measured on the float32 vectors that are returned.
        let vectors = as_maps(&settle_signs(&columns.f_to_device(Device::Cpu)?)?, grid)?;
        let device = affinity.device()?;
        let vectors = vectors.f_to_device(device)?;
        let flat = vectors.f_reshape([self.n_vectors as i64, -1])?.f_transpose(0, 1)?;
        let (values, lengths) = affinity.quotients(&flat.f_to_kind(Kind::Double)?, job)?;
        let scale = values.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
        let residual = lengths.iter().fold(0.0_f64, |m, r| m.max(*r)) / scale;
        if residual.is_nan() || residual > self.tolerance {
            let text = format!("residual {residual:.1e} is above the tolerance {:.1e}", self.tolerance);
            job.logger().warn("spectral", &text);
        }
        Ok(Eigenvectors {
            vectors,
            trace: values.iter().sum(),
            values,
            residual,
        })
    }

    /// All columns of a small operator at once. Returns `[N, C]`, float64.
    fn dense(&self, affinity: &Affinity, job: &Job) -> Result<Tensor> {
        let identity = Tensor::f_eye(affinity.tokens() as i64, (Kind::Float, affinity.device()?))?;
        let (_, vectors) = symmetric_eigen(&affinity.apply(&identity, job)?)?;
        Ok(vectors.f_narrow(1, 0, self.n_vectors as i64)?)
    }

    /// Thick-restart block Lanczos. Returns `[N, C]`, float64.
    fn iterate(&self, affinity: &Affinity, job: &Job) -> Result<Tensor> {
        let n_vectors = self.n_vectors as i64;
        let block = n_vectors + GUARDS as i64;
        let limit = BASIS_BLOCKS as i64 * block;
        let product = |v: &Tensor| -> Result<Tensor> {
            Ok(affinity
                .apply(&v.f_to_kind(Kind::Float)?, job)?
                .f_to_kind(Kind::Double)?)
        };
        let mut basis = orthonormal(&start(affinity, block)?, None)?;
        let mut image = product(&basis)?;
        for step in 1.. {
            job.advance(0.9 + 0.1 * step as f64 / (self.max_products as f64 + 1.0))?;
            let (values, mut ritz) = symmetric_eigen(&basis.f_transpose(0, 1)?.f_matmul(&image)?)?;
            if basis.size2()?.1 + block > limit {
                ritz = ritz.f_narrow(1, 0, KEPT_BLOCKS as i64 * block)?;
                basis = basis.f_matmul(&ritz)?;
                image = image.f_matmul(&ritz)?;
                ritz = Tensor::f_eye(basis.size2()?.1, (Kind::Double, basis.device()))?;
            }
            let leading = ritz.f_narrow(1, 0, block.min(ritz.size2()?.1))?;
            let vectors = basis.f_matmul(&leading)?;
            let theta = Tensor::f_from_slice(&values)?.f_to_device(basis.device())?;
            let theta = theta.f_narrow(0, 0, leading.size2()?.1)?.f_unsqueeze(0)?;
            let residual = (term(image.f_matmul(&leading)) - term(&vectors) * theta).tensor()?;
            let lengths: Vec<f64> = to_vec(&term(&residual).square().sum_along(0).sqrt().tensor()?)?;
            let scale = values.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
            let open = |length: &f64| *length > 0.5 * self.tolerance * scale;
            let unfinished = lengths.iter().take(self.n_vectors).any(open);
            let directions: Vec<i64> = (0..lengths.len() as i64)
                .filter(|&c| lengths[c as usize] > 0.05 * self.tolerance * scale)
                .collect();
            let settled = vectors.f_narrow(1, 0, n_vectors.min(vectors.size2()?.1))?;
            if !unfinished || directions.is_empty() || step >= self.max_products {
                return Ok(settled);
            }
            let directions = Tensor::f_from_slice(&directions)?.f_to_device(basis.device())?;
            let fresh = orthonormal(&residual.f_index_select(1, &directions)?, Some(&basis))?;
            if fresh.size2()?.1 == 0 {
                return Ok(settled);
            }
            image = Tensor::f_cat(&[&image, &product(&fresh)?], 1)?;
            basis = Tensor::f_cat(&[&basis, &fresh], 1)?;
        }
        Err(Error::Internal(
            "the eigenvector iteration ended without a result".into(),
        ))
    }
}

/// The fixed start block: the constant vector, which every walk leaves in place, and normal draws of a fixed seed.
fn start(affinity: &Affinity, block: i64) -> Result<Tensor> {
    let tokens = affinity.tokens() as i64;
    let device = affinity.device()?;
    let constant = Tensor::f_ones([tokens, 1], (Kind::Double, device))?;
    let noise = Generator::new(0, 0).normal_tensor(&[tokens, block - 1], device)?;
    Ok(Tensor::f_cat(&[&constant, &noise.f_to_kind(Kind::Double)?], 1)?)
}

#[cfg(test)]
#[path = "krylov_tests.rs"]
mod tests;
