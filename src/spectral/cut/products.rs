//! Products of large host matrices in fixed blocks: the same bytes for any number of threads.
use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::rows::fill_rows;
use super::weights::check_fits;
use crate::runtime::{Job, Result};

/// Rows of one block of a product.
const BLOCK: usize = 64;
/// Multiplications between two looks at the cancel flag.
const CHECKED_TERMS: usize = 1 << 32;
/// Edge of the blocks in which a triangle is mirrored.
const MIRROR: usize = 64;

/// Replaces `left` (`[n, n]`, row by row) by `left * right`, block of rows by block of rows. `share` of the job's span
/// is reported.
pub(super) fn multiply_in_place(left: &mut [f32], right: &[f32], n: usize, share: Range<f64>, job: &Job) -> Result<()> {
    let right = MatRef::from_row_major_slice(right, n, n);
    let step = rows_per_check(n, n);
    for (index, strip) in left.chunks_mut(step * n).enumerate() {
        job.advance(share.start + (share.end - share.start) * (index * step) as f64 / n as f64)?;
        let work = strip.len() * n;
        fill_rows(strip, n, BLOCK, work, |_, rows| {
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
    }
    Ok(())
}

/// F F^T for `features` (`[n, width]`, row by row), exactly symmetric, `[n, n]`. `share` of the job's span is reported.
pub(super) fn gram(features: &[f32], n: usize, width: usize, share: Range<f64>, job: &Job) -> Result<Vec<f32>> {
    check_fits(n)?;
    let mut out = vec![0.0_f32; n * n];
    let all = MatRef::from_row_major_slice(features, n, width);
    let step = rows_per_check(n, width);
    for (index, strip) in out.chunks_mut(step * n).enumerate() {
        // The triangle widens: half of the rows are a quarter of the work.
        let done = ((index * step) as f64 / n as f64).powi(2);
        job.advance(share.start + (share.end - share.start) * done)?;
        let work = strip.len() * width;
        fill_rows(strip, n, BLOCK, work, |first, rows| {
            let first = index * step + first;
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
    }
    mirror_lower(&mut out, n);
    Ok(out)
}

/// Rows of a product of `n` columns and `depth` terms each between two looks at the cancel flag: a multiple of the
/// blocks of several threads, some tenths of a second at most.
fn rows_per_check(n: usize, depth: usize) -> usize {
    let blocks = CHECKED_TERMS / (n * depth * BLOCK).max(1);
    BLOCK * blocks.clamp(4, 64)
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
