//! Edge weights on an accelerator: vectors travel, the matrix stays.
use std::borrow::Cow;

use tch::{Kind, Tensor};

use super::weights::Weights;
use crate::runtime::Result;
use crate::tensors::to_vec;

/// Elements of one temporary of a masked sum or a gather.
const CHUNK_ELEMENTS: i64 = 1 << 26;

/// Weights as a contiguous float32 tensor `[n, n]`.
pub(super) struct DeviceWeights(Tensor);

impl DeviceWeights {
    pub(super) fn new(matrix: Tensor) -> Self {
        Self(matrix)
    }

    fn side(&self) -> i64 {
        self.0.size().first().copied().unwrap_or(0)
    }

    fn to_device<T: tch::kind::Element>(&self, values: &[T]) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(values)?.f_to_device(self.0.device())?)
    }

    /// First row and rows of consecutive blocks.
    fn blocks(&self) -> impl Iterator<Item = (i64, i64)> {
        let n = self.side();
        let height = (CHUNK_ELEMENTS / n.max(1)).clamp(1, n.max(1));
        (0..n)
            .step_by(height as usize)
            .map(move |first| (first, height.min(n - first)))
    }

    /// Sums along the rows of the entries whose rank is below that of the row (`in_row`), or along the columns of
    /// those whose row's rank is below that of the column.
    fn sums_before(&self, rank: &[u32], in_row: bool) -> Result<Vec<f64>> {
        let _guard = tch::no_grad_guard();
        let rank: Vec<i64> = rank.iter().map(|&r| i64::from(r)).collect();
        let rank = self.to_device(&rank)?;
        let mut parts = Vec::new();
        for (first, count) in self.blocks() {
            let mine = rank.f_narrow(0, first, count)?.f_unsqueeze(1)?;
            let others = rank.f_unsqueeze(0)?;
            let mask = if in_row {
                others.f_lt_tensor(&mine)?
            } else {
                mine.f_lt_tensor(&others)?
            };
            let kept = self.0.f_narrow(0, first, count)?.f_mul(&mask)?;
            parts.push(kept.f_sum_dim_intlist(i64::from(in_row), false, Kind::Double)?);
        }
        if in_row {
            return to_vec(&Tensor::f_cat(&parts, 0)?);
        }
        let mut sum = self.to_device(&vec![0.0_f64; rank.size1()? as usize])?;
        for part in &parts {
            let _ = sum.f_add_(part)?;
        }
        to_vec(&sum)
    }
}

impl Weights for DeviceWeights {
    fn nodes(&self) -> usize {
        self.side() as usize
    }

    fn multiply(&self, x: &[f64]) -> Result<Vec<f64>> {
        let _guard = tch::no_grad_guard();
        let x = self.to_device(x)?.f_to_kind(Kind::Float)?;
        to_vec(&self.0.f_mv(&x)?.f_to_kind(Kind::Double)?)
    }

    fn row_sums(&self) -> Result<Vec<f64>> {
        to_vec(&self.0.f_sum_dim_intlist(1_i64, false, Kind::Double)?)
    }

    fn column_sums(&self) -> Result<Vec<f64>> {
        to_vec(&self.0.f_sum_dim_intlist(0_i64, false, Kind::Double)?)
    }

    fn diagonal(&self) -> Result<Vec<f64>> {
        to_vec(&self.0.f_diagonal(0, 0, 1)?.f_to_kind(Kind::Double)?)
    }

    fn sums_before_in_row(&self, rank: &[u32]) -> Result<Vec<f64>> {
        self.sums_before(rank, true)
    }

    fn sums_before_in_column(&self, rank: &[u32]) -> Result<Vec<f64>> {
        self.sums_before(rank, false)
    }

    fn row(&self, i: usize) -> Result<Cow<'_, [f32]>> {
        Ok(Cow::Owned(to_vec(&self.0.f_select(0, i as i64)?)?))
    }

    fn column(&self, j: usize) -> Result<Vec<f32>> {
        to_vec(&self.0.f_select(1, j as i64)?.f_contiguous()?)
    }

    fn submatrix(&self, members: &[u32]) -> Result<Box<dyn Weights>> {
        let _guard = tch::no_grad_guard();
        let m = members.len() as i64;
        let members: Vec<i64> = members.iter().map(|&i| i64::from(i)).collect();
        let members = self.to_device(&members)?;
        let out = Tensor::f_empty([m, m], (Kind::Float, self.0.device()))?;
        // Row blocks bound what the row gather holds besides the result.
        let height = (CHUNK_ELEMENTS / self.side().max(1)).clamp(1, m.max(1));
        for first in (0..m).step_by(height as usize) {
            let count = height.min(m - first);
            let rows = self.0.f_index_select(0, &members.f_narrow(0, first, count)?)?;
            out.f_narrow(0, first, count)?
                .f_copy_(&rows.f_index_select(1, &members)?)?;
        }
        Ok(Box::new(Self(out)))
    }

    fn scale_rows(&mut self, factors: &[f64]) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let factors = self.to_device(factors)?.f_to_kind(Kind::Float)?.f_unsqueeze(1)?;
        // Out of place: the tensor may be the caller's.
        self.0 = self.0.f_mul(&factors)?;
        Ok(())
    }

    fn to_tensor(&self) -> Result<Tensor> {
        Ok(self.0.shallow_clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::host_weights::HostWeights;
    use super::super::operator::hashed;
    use super::super::second_vector::second_vector;
    use super::super::sweep::prefix_costs;
    use super::*;
    use crate::runtime::Job;
    use crate::spectral::CutOptions;

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + b.abs())));
    }

    /// The tensor code, on the CPU for want of a device, against the plain one.
    #[test]
    fn tensors_and_plain_memory_agree() {
        let n = 150_usize;
        let values: Vec<f32> = (0..(n * n) as u64).map(|i| (hashed(i).abs() + 0.01) as f32).collect();
        let tensor = Tensor::from_slice(&values).reshape([n as i64, n as i64]);
        let (mut host, mut device) = (HostWeights::new(n, values), DeviceWeights::new(tensor));
        let x: Vec<f64> = (0..n as u64).map(|i| hashed(i + 7)).collect();
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_by(|&a, &b| x[a as usize].total_cmp(&x[b as usize]));
        let factors: Vec<f64> = host.row_sums().unwrap().iter().map(|s| 1.0 / s).collect();
        host.scale_rows(&factors).unwrap();
        device.scale_rows(&factors).unwrap();
        close(&device.multiply(&x).unwrap(), &host.multiply(&x).unwrap());
        close(&device.diagonal().unwrap(), &host.diagonal().unwrap());
        close(&device.column_sums().unwrap(), &host.column_sums().unwrap());
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        close(&wide(&device.row(3).unwrap()), &wide(&host.row(3).unwrap()));
        close(&wide(&device.column(4).unwrap()), &wide(&host.column(4).unwrap()));
        for symmetric in [true, false] {
            let costs = [&device as &dyn Weights, &host].map(|w| prefix_costs(w, symmetric, &order).unwrap());
            close(&costs[0].ncut, &costs[1].ncut);
        }
        let members: Vec<u32> = (0..n as u32).filter(|i| i % 3 != 1).collect();
        let parts = [device.submatrix(&members).unwrap(), host.submatrix(&members).unwrap()];
        let tensors = [parts[0].to_tensor().unwrap(), parts[1].to_tensor().unwrap()];
        assert!((&tensors[0] - &tensors[1]).abs().max().double_value(&[]) < 1e-7);
        let vectors = parts.map(|w| second_vector(w.as_ref(), false, &CutOptions::default(), &Job::quiet()).unwrap());
        close(&vectors[0].vector[..1], &vectors[1].vector[..1]);
        assert!((vectors[0].eigenvalue - vectors[1].eigenvalue).abs() < 1e-5);
    }
}
