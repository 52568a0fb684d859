//! Linear maps from the finest token grid to a coarser one.
use tch::{Device, Kind, Tensor};

use crate::runtime::{Error, Result};
use crate::tensors::from_slice;

/// A separable map from vectors on `from` to vectors on `to`: rows and columns are mapped by one small matrix each.
pub(super) struct Pooling {
    from: (i64, i64),
    to: (i64, i64),
    rows: Tensor,
    cols: Tensor,
}

impl Pooling {
    /// Adaptive average pooling with libtorch's bins: output i averages inputs floor(i n/m) .. ceil((i+1) n/m).
    pub fn average(from: (usize, usize), to: (usize, usize), kind: Kind, device: Device) -> Result<Self> {
        Self::build(from, to, kind, device, |n, m| {
            let weight = |i: usize| {
                let bin = i * n / m..((i + 1) * n).div_ceil(m);
                (bin.clone(), 1.0 / bin.len() as f64)
            };
            (0..m).map(weight).collect()
        })
    }

    /// Average pooling scaled so that G G^T = 1: each bin's weights are 1 / sqrt(size of the bin), bins do not overlap.
    ///
    /// With a stride 2^k that rounds up to the coarse size, as in a U-Net (33 -> 17 -> 9), bins have 2^k pixels and
    /// the last one may be short; otherwise pixel x falls into bin floor(x m/n).
    pub fn orthonormal(from: (usize, usize), to: (usize, usize), kind: Kind, device: Device) -> Result<Self> {
        Self::build(from, to, kind, device, |n, m| {
            let stride = n.div_ceil(m).next_power_of_two();
            let bin_of = |x: usize| if n.div_ceil(stride) == m { x / stride } else { x * m / n };
            let mut bins = vec![0_usize..0; m];
            for x in 0..n {
                let bin = &mut bins[bin_of(x)];
                bin.start = if bin.end == 0 { x } else { bin.start };
                bin.end = x + 1;
            }
            bins.into_iter()
                .map(|b| (b.clone(), 1.0 / (b.len() as f64).sqrt()))
                .collect()
        })
    }

    /// Both axes by `bins(fine, coarse)`, which gives each coarse position its pixels and their common weight.
    fn build(
        from: (usize, usize),
        to: (usize, usize),
        kind: Kind,
        device: Device,
        bins: impl Fn(usize, usize) -> Vec<(std::ops::Range<usize>, f64)>,
    ) -> Result<Self> {
        if to.0 == 0 || to.1 == 0 || to.0 > from.0 || to.1 > from.1 {
            let allowed = format!(
                "must be at least 1x1 and not finer than the solver's grid {}x{}",
                from.0, from.1
            );
            return Err(Error::argument("layer grid", format!("{}x{}", to.0, to.1), &allowed));
        }
        let axis = |n: usize, m: usize| -> Result<Tensor> {
            let mut matrix = vec![0.0; n * m];
            for (i, (bin, weight)) in bins(n, m).into_iter().enumerate() {
                matrix[i * n..(i + 1) * n][bin].fill(weight);
            }
            let matrix = from_slice(&matrix, [m, n])?;
            Ok(matrix.f_to_kind(kind)?.f_to_device(device)?)
        };
        Ok(Self {
            from: (from.0 as i64, from.1 as i64),
            to: (to.0 as i64, to.1 as i64),
            rows: axis(from.0, to.0)?,
            cols: axis(from.1, to.1)?,
        })
    }

    /// G x for the columns of `x`, `[fine tokens, k]` -> `[coarse tokens, k]`.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        separable(x, self.from, self.to, &self.rows, &self.cols)
    }

    /// G^T y for the columns of `y`, `[coarse tokens, k]` -> `[fine tokens, k]`.
    pub fn adjoint(&self, y: &Tensor) -> Result<Tensor> {
        let (rows, cols) = (self.rows.f_transpose(0, 1)?, self.cols.f_transpose(0, 1)?);
        separable(y, self.to, self.from, &rows, &cols)
    }
}

fn separable(x: &Tensor, from: (i64, i64), to: (i64, i64), rows: &Tensor, cols: &Tensor) -> Result<Tensor> {
    let (_, k) = x.size2()?;
    let tall = rows.f_matmul(&x.f_reshape([from.0, from.1 * k])?)?;
    let wide = cols.f_unsqueeze(0)?.f_matmul(&tall.f_reshape([to.0, from.1, k])?)?;
    Ok(wide.f_reshape([to.0 * to.1, k])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Generator;

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        a.f_sub(b).unwrap().f_abs().unwrap().f_max().unwrap().double_value(&[])
    }

    #[test]
    fn average_is_libtorchs_adaptive_pooling() {
        let mut generator = Generator::new(3, 0);
        for (from, to) in [((8, 8), (4, 4)), ((7, 9), (4, 5)), ((5, 6), (3, 6)), ((3, 3), (1, 2))] {
            let image = generator
                .normal_tensor(&[2, from.0 as i64, from.1 as i64], Device::Cpu)
                .unwrap();
            let x = image.reshape([2, -1]).transpose(0, 1).to_kind(Kind::Double);
            let pooling = Pooling::average(from, to, Kind::Double, Device::Cpu).unwrap();
            let expected = image
                .adaptive_avg_pool2d([to.0 as i64, to.1 as i64])
                .reshape([2, -1])
                .transpose(0, 1);
            assert!(difference(&pooling.apply(&x).unwrap(), &expected.to_kind(Kind::Double)) < 1e-6);
        }
    }

    #[test]
    fn orthonormal_pooling_has_orthonormal_rows() {
        for (from, to) in [
            ((8, 8), (4, 4)),
            ((33, 31), (9, 8)),
            ((33, 17), (5, 3)),
            ((10, 10), (7, 3)),
            ((4, 4), (4, 4)),
        ] {
            let pooling = Pooling::orthonormal(from, to, Kind::Double, Device::Cpu).unwrap();
            let identity = Tensor::eye((to.0 * to.1) as i64, (Kind::Double, Device::Cpu));
            let product = pooling.apply(&pooling.adjoint(&identity).unwrap()).unwrap();
            assert!(difference(&product, &identity) < 1e-12, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn a_finer_layer_is_refused() {
        let error = Pooling::average((4, 4), (8, 4), Kind::Float, Device::Cpu)
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("8x4") && error.to_string().contains("4x4"),
            "{error}"
        );
    }
}
