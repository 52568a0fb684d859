//! Edge weights in host memory.
use std::borrow::Cow;

use tch::Tensor;

use super::rows::{fill_rows, rows_per_block};
use super::weights::{check_fits, Weights};
use crate::runtime::{Error, Result};
use crate::tensors::from_slice;

/// Independent partial sums: enough to keep the vector units busy, fixed so that results are the same everywhere.
const LANES: usize = 32;

/// Row-major weights.
pub(super) struct HostWeights {
    n: usize,
    values: Vec<f32>,
}

impl HostWeights {
    /// `values`, `n * n` of them, row by row.
    pub(super) fn new(n: usize, values: Vec<f32>) -> Self {
        Self { n, values }
    }

    fn matrix_row(&self, i: usize) -> &[f32] {
        &self.values[i * self.n..(i + 1) * self.n]
    }

    /// One number per row.
    fn by_row(&self, value: impl Fn(usize, &[f32]) -> f64 + Sync) -> Result<Vec<f64>> {
        let mut out = vec![0.0; self.n];
        fill_rows(&mut out, 1, rows_per_block(self.n), self.values.len(), |first, rows| {
            for (i, out) in (first..).zip(rows) {
                *out = value(i, self.matrix_row(i));
            }
        })?;
        Ok(out)
    }

    /// One number per column: `add(i, first_column, row_part, sums)` is called for every row in order.
    fn by_column(&self, add: impl Fn(usize, usize, &[f32], &mut [f64]) + Sync) -> Result<Vec<f64>> {
        let mut out = vec![0.0; self.n];
        let block = self.n.div_ceil(8).clamp(1, 1024);
        fill_rows(&mut out, 1, block, self.values.len(), |first, sums| {
            for i in 0..self.n {
                add(i, first, &self.matrix_row(i)[first..first + sums.len()], sums);
            }
        })?;
        Ok(out)
    }
}

impl Weights for HostWeights {
    fn nodes(&self) -> usize {
        self.n
    }

    fn multiply(&self, x: &[f64]) -> Result<Vec<f64>> {
        let x: Vec<f32> = x.iter().map(|&v| v as f32).collect();
        self.by_row(|_, row| product(row, &x))
    }

    fn row_sums(&self) -> Result<Vec<f64>> {
        self.by_row(|_, row| sum(row))
    }

    fn column_sums(&self) -> Result<Vec<f64>> {
        self.by_column(|_, _, part, sums| sums.iter_mut().zip(part).for_each(|(s, &w)| *s += f64::from(w)))
    }

    fn diagonal(&self) -> Result<Vec<f64>> {
        Ok((0..self.n).map(|i| f64::from(self.values[i * self.n + i])).collect())
    }

    fn sums_before_in_row(&self, rank: &[u32]) -> Result<Vec<f64>> {
        self.by_row(|i, row| sum_before(row, rank, rank[i]))
    }

    fn sums_before_in_column(&self, rank: &[u32]) -> Result<Vec<f64>> {
        self.by_column(|i, first, part, sums| {
            let mine = rank[i];
            for ((s, &w), &r) in sums.iter_mut().zip(part).zip(&rank[first..]) {
                *s += if mine < r { f64::from(w) } else { 0.0 };
            }
        })
    }

    fn row(&self, i: usize) -> Result<Cow<'_, [f32]>> {
        Ok(Cow::Borrowed(self.matrix_row(i)))
    }

    fn column(&self, j: usize) -> Result<Vec<f32>> {
        Ok((0..self.n).map(|i| self.values[i * self.n + j]).collect())
    }

    fn submatrix(&self, members: &[u32]) -> Result<Box<dyn Weights>> {
        let m = members.len();
        check_fits(m)?;
        let mut values = vec![0.0_f32; m * m];
        fill_rows(&mut values, m, rows_per_block(m), m * m, |first, rows| {
            for (&i, out) in members[first..].iter().zip(rows.chunks_mut(m)) {
                let row = self.matrix_row(i as usize);
                out.iter_mut().zip(members).for_each(|(o, &j)| *o = row[j as usize]);
            }
        })?;
        Ok(Box::new(Self { n: m, values }))
    }

    fn scale_rows(&mut self, factors: &[f64]) -> Result<()> {
        let n = self.n;
        if factors.len() != n {
            return Err(Error::Internal(format!("{} factors for {n} rows", factors.len())));
        }
        let work = self.values.len();
        fill_rows(&mut self.values, n, rows_per_block(n), work, |first, rows| {
            for (factor, row) in factors[first..].iter().zip(rows.chunks_mut(n)) {
                row.iter_mut().for_each(|v| *v = (f64::from(*v) * factor) as f32);
            }
        })
    }

    fn to_tensor(&self) -> Result<Tensor> {
        check_fits(self.n)?;
        from_slice(&self.values, [self.n, self.n])
    }
}

/// Sum over all lanes and the rest, in float64.
fn total(lanes: &[f32; LANES]) -> f64 {
    lanes.iter().map(|&v| f64::from(v)).sum()
}

/// a . b in float32 lanes.
fn product(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0_f32; LANES];
    let (blocks, others) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = (blocks.remainder().iter().zip(others.remainder()))
        .map(|(&a, &b)| f64::from(a * b))
        .sum();
    for (a, b) in blocks.zip(others) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    total(&lanes) + rest
}

/// The sum of a row, in float64.
fn sum(row: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let blocks = row.chunks_exact(8);
    let rest: f64 = blocks.remainder().iter().map(|&v| f64::from(v)).sum();
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(lane, &v)| *lane += f64::from(v));
    }
    lanes.iter().sum::<f64>() + rest
}

/// The sum, in float64, of the entries whose rank is below `limit`.
fn sum_before(row: &[f32], rank: &[u32], limit: u32) -> f64 {
    let kept = |v: f32, r: u32| if r < limit { f64::from(v) } else { 0.0 };
    let mut lanes = [0.0_f64; 8];
    let (blocks, ranks) = (row.chunks_exact(8), rank.chunks_exact(8));
    let rest: f64 = (blocks.remainder().iter().zip(ranks.remainder()))
        .map(|(&v, &r)| kept(v, r))
        .sum();
    for (block, ranks) in blocks.zip(ranks) {
        for ((lane, &v), &r) in lanes.iter_mut().zip(block).zip(ranks) {
            *lane += kept(v, r);
        }
    }
    lanes.iter().sum::<f64>() + rest
}
