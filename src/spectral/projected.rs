//! Small dense problems, solved by faer in float64 on the host.
use faer::{Mat, Side};
use tch::{Device, Tensor};

use crate::runtime::{Error, Result};
use crate::tensors::{from_slice, term, to_vec};

/// Directions whose share of a block's squared length is below this are rounding, not new directions.
const RANK_TOLERANCE: f64 = 1e-13;

/// The `[rows, cols]` tensor as a faer matrix.
fn to_host(matrix: &Tensor) -> Result<Mat<f64>> {
    let (rows, cols) = matrix.size2()?;
    let values: Vec<f64> = to_vec(matrix)?;
    let width = cols as usize;
    Ok(Mat::from_fn(rows as usize, width, |i, j| values[i * width + j]))
}

/// The faer matrix with its columns in the given order, as a float64 tensor on `device`.
fn to_tensor(
    matrix: faer::MatRef<'_, f64>,
    order: impl Iterator<Item = usize> + Clone,
    device: Device,
) -> Result<Tensor> {
    let mut values = Vec::new();
    for i in 0..matrix.nrows() {
        values.extend(order.clone().map(|j| matrix[(i, j)]));
    }
    Ok(from_slice(&values, [matrix.nrows(), order.count()])?.f_to_device(device)?)
}

/// Eigenvalues, descending, and eigenvectors (columns, on the matrix's device) of the symmetric part of `matrix`.
pub(super) fn symmetric_eigen(matrix: &Tensor) -> Result<(Vec<f64>, Tensor)> {
    let host = to_host(matrix)?;
    let host = Mat::from_fn(host.nrows(), host.ncols(), |i, j| 0.5 * (host[(i, j)] + host[(j, i)]));
    let eigen = host
        .self_adjoint_eigen(Side::Lower)
        .map_err(|e| Error::Internal(format!("symmetric eigenproblem of size {}: {e:?}", host.nrows())))?;
    let values: Vec<f64> = eigen.S().column_vector().iter().rev().copied().collect();
    let vectors = to_tensor(eigen.U(), (0..host.nrows()).rev(), matrix.device())?;
    Ok((values, vectors))
}

/// Left singular vectors (columns, float64, on the host) and singular values, descending, of a tall matrix.
pub(super) fn left_singular(matrix: &Tensor) -> Result<(Vec<f64>, Tensor)> {
    let host = to_host(matrix)?;
    let svd = host
        .thin_svd()
        .map_err(|e| Error::Internal(format!("singular value decomposition: {e:?}")))?;
    let values: Vec<f64> = svd.S().column_vector().iter().copied().collect();
    let vectors = to_tensor(svd.U(), 0..values.len(), Device::Cpu)?;
    Ok((values, vectors))
}

/// An orthonormal basis of the columns of `block` (`[N, k]`, float64) that is orthogonal to `basis`; may have fewer
/// columns.
///
/// SVQB (Stathopoulos and Wu, SIAM J. Sci. Comput. 23, 2002) with two rounds of projection: three passes of matrix
/// products instead of column-wise Gram-Schmidt.
pub(super) fn orthonormal(block: &Tensor, basis: Option<&Tensor>) -> Result<Tensor> {
    let mut block = block.shallow_clone();
    for _ in 0..3 {
        if let Some(basis) = basis {
            let overlap = basis.f_transpose(0, 1)?.f_matmul(&block)?;
            block = (term(block) - basis.f_matmul(&overlap)).tensor()?;
        }
        let gram = block.f_transpose(0, 1)?.f_matmul(&block)?;
        // Columns of length zero (or not a number) would poison the scaling: they have no direction and are dropped.
        let lengths: Vec<f64> = to_vec(&gram.f_diagonal(0, 0, 1)?)?;
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        let kept: Vec<i64> = (0..lengths.len() as i64)
            .filter(|&c| lengths[c as usize] > 1e-24 * longest && lengths[c as usize] > 1e-300)
            .collect();
        if kept.is_empty() {
            return Ok(block.f_narrow(1, 0, 0)?);
        }
        let scales: Vec<f64> = kept.iter().map(|&c| 1.0 / lengths[c as usize].sqrt()).collect();
        let device = block.device();
        let kept = Tensor::f_from_slice(&kept)?.f_to_device(device)?;
        let scales = Tensor::f_from_slice(&scales)?.f_to_device(device)?.f_unsqueeze(0)?;
        block = (term(block.f_index_select(1, &kept)) * scales).tensor()?;
        let (values, vectors) = symmetric_eigen(&block.f_transpose(0, 1)?.f_matmul(&block)?)?;
        let largest = values.first().copied().unwrap_or(0.0);
        let rank = values.iter().take_while(|&&v| v > RANK_TOLERANCE * largest).count();
        let scales: Vec<f64> = values.iter().take(rank).map(|v| 1.0 / v.sqrt()).collect();
        let scales = Tensor::f_from_slice(&scales)?.f_to_device(device)?.f_unsqueeze(0)?;
        let directions = term(vectors.f_narrow(1, 0, rank as i64)) * scales;
        block = block.f_matmul(&directions.tensor()?)?;
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Generator;
    use tch::Kind;

    #[test]
    fn orthonormal_drops_what_is_not_new() {
        let mut generator = Generator::new(1, 0);
        let basis = generator
            .normal_tensor(&[40, 3], Device::Cpu)
            .unwrap()
            .to_kind(Kind::Double);
        let basis = orthonormal(&basis, None).unwrap();
        let fresh = generator
            .normal_tensor(&[40, 2], Device::Cpu)
            .unwrap()
            .to_kind(Kind::Double);
        // Two new directions, one repeated, one zero and one inside the basis.
        let zero = Tensor::zeros([40, 1], (Kind::Double, Device::Cpu));
        let block = Tensor::cat(&[&fresh, &fresh.narrow(1, 0, 1), &zero, &basis.narrow(1, 1, 1)], 1);
        let block = orthonormal(&block, Some(&basis)).unwrap();
        assert_eq!(block.size(), [40, 2]);
        let all = Tensor::cat(&[&basis, &block], 1);
        let error = all
            .transpose(0, 1)
            .matmul(&all)
            .f_sub(&Tensor::eye(5, (Kind::Double, Device::Cpu)))
            .unwrap();
        assert!(error.abs().max().double_value(&[]) < 1e-12);
    }
}
