//! Products of large host matrices in fixed blocks: the same bytes for any number of threads.
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::rows::fill_rows;
use super::weights::check_fits;
use crate::runtime::{Job, Result};

/// Rows of one block of a product.
const BLOCK: usize = 128;
/// Edge of the blocks in which a triangle is mirrored.
const MIRROR: usize = 64;

/// Replaces `left` (`[n, n]`, row by row) by `left * right`, block of rows by block of rows.
pub(super) fn multiply_in_place(left: &mut [f32], right: &[f32], n: usize, job: &Job) -> Result<()> {
    let right = MatRef::from_row_major_slice(right, n, n);
    let cancel = job.cancel_token().clone();
    let work = left.len();
    fill_rows(left, n, BLOCK.min(64), work, |_, rows| {
        if cancel.is_requested() {
            return;
        }
        let height = rows.len() / n;
        let mut out = vec![0.0_f32; rows.len()];
        matmul(
            MatMut::from_row_major_slice_mut(&mut out, height, n),
            Accum::Replace,
            MatRef::from_row_major_slice(rows, height, n),
            right,
            1.0_f32,
            Par::Seq,
        );
        rows.copy_from_slice(&out);
    })?;
    job.check()
}

/// F F^T for `features` (`[n, width]`, row by row), exactly symmetric, `[n, n]`.
pub(super) fn gram(features: &[f32], n: usize, width: usize, job: &Job) -> Result<Vec<f32>> {
    check_fits(n)?;
    let mut out = vec![0.0_f32; n * n];
    let all = MatRef::from_row_major_slice(features, n, width);
    let cancel = job.cancel_token().clone();
    let work = out.len();
    fill_rows(&mut out, n, BLOCK, work, |first, rows| {
        if cancel.is_requested() {
            return;
        }
        let height = rows.len() / n;
        let end = first + height;
        matmul(
            MatMut::from_row_major_slice_mut(rows, height, n).subcols_mut(0, end),
            Accum::Replace,
            all.subrows(first, height),
            all.subrows(0, end).transpose(),
            1.0_f32,
            Par::Seq,
        );
    })?;
    job.check()?;
    mirror_lower(&mut out, n);
    Ok(out)
}

/// Copies the lower triangle to the upper one.
fn mirror_lower(matrix: &mut [f32], n: usize) {
    for top in (0..n).step_by(MIRROR) {
        for left in (0..=top).step_by(MIRROR) {
            for i in top..(top + MIRROR).min(n) {
                for j in left..(left + MIRROR).min(i) {
                    matrix[j * n + i] = matrix[i * n + j];
                }
            }
        }
    }
}
