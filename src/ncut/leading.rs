//! Leading eigenvectors of a graph, for hosts that want to look at them.
use tch::{Device, Kind, Tensor};

use crate::runtime::{Generator, Job, Result};
use crate::spectral::cut::Graph;

/// Vectors beyond those asked for that take part in the iteration.
const SPARE: i64 = 4;

/// Products with the graph between two projections.
const STEPS: usize = 8;

/// Projections: the last one starts from nearly converged vectors.
const ROUNDS: usize = 4;

/// The `count` eigenvectors of D^-1/2 A D^-1/2 with the largest eigenvalues, multiplied by D^-1/2, `[count, N]` float32,
/// largest eigenvalue first: the first is constant, the second is what the first cut goes along. Of a walk, of its
/// symmetric part (P + P^T) / 2. Each has length one, and its entry of largest absolute value is positive.
///
/// Block Krylov iteration with Rayleigh-Ritz; fewer vectors where the graph has fewer nodes. Takes one more matrix of the
/// graph's size.
pub(super) fn leading_vectors(graph: &Graph, count: usize, job: &Job) -> Result<Tensor> {
    let n = graph.nodes() as i64;
    let count = (count as i64).min(n);
    let mut matrix = graph.to_tensor()?;
    if graph.is_walk() {
        matrix = matrix.f_add(&matrix.f_transpose(0, 1)?)?.f_mul_scalar(0.5)?;
    }
    let degrees = matrix.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
    // Nodes without edges stay zero.
    let scale = degrees.f_clamp_min(1e-30)?.f_rsqrt()?.f_mul(&degrees.f_gt(0.0)?)?;
    let block = (count + SPARE).min(n);
    let mut start = Generator::new(0, 0).normal_tensor(&[n, block], matrix.device())?;
    let mut vectors = start.shallow_clone();
    for round in 0..ROUNDS {
        let mut basis = vec![orthonormal(&start)?];
        let steps = STEPS.min((n / block - 1).max(0) as usize);
        for _ in 0..steps {
            job.check()?;
            let last = &basis[basis.len() - 1];
            let next = scale.f_mul(&matrix.f_matmul(&scale.f_mul(last)?)?)?;
            basis.push(orthonormal(&next)?);
        }
        let basis = orthonormal(&Tensor::f_cat(&basis, 1)?)?;
        let image = scale.f_mul(&matrix.f_matmul(&scale.f_mul(&basis)?)?)?;
        let small = basis.f_transpose(0, 1)?.f_matmul(&image)?.f_to_kind(Kind::Double)?;
        let small = small.f_add(&small.f_transpose(0, 1)?)?.f_mul_scalar(0.5)?;
        let (_, rotation) = small.f_to_device(Device::Cpu)?.f_linalg_eigh("L")?;
        // Ascending: the last ones are wanted, largest first.
        let width = rotation.size2()?.1;
        let rotation = rotation
            .f_narrow(1, width - block.min(width), block.min(width))?
            .f_flip([1_i64].as_slice())?
            .f_to_kind(Kind::Float)?
            .f_to_device(basis.device())?;
        vectors = basis.f_matmul(&rotation)?;
        start = vectors.shallow_clone();
        job.advance((round + 1) as f64 / ROUNDS as f64)?;
    }
    let vectors = scale.f_mul(&vectors.f_narrow(1, 0, count)?)?;
    let length = vectors.f_norm_scalaropt_dim(2.0, [0_i64].as_slice(), true)?;
    let vectors = vectors.f_div(&length.f_clamp_min(1e-30)?)?.f_transpose(0, 1)?;
    // Within rounding, the first of the largest decides the sign.
    let largest = vectors.f_abs()?.f_argmax(1, true)?;
    let sign = vectors.f_gather(1, &largest, false)?.f_sign()?;
    Ok(vectors.f_mul(&sign)?.f_contiguous()?)
}

fn orthonormal(columns: &Tensor) -> Result<Tensor> {
    Ok(Tensor::f_linalg_qr(columns, "reduced")?.0)
}
