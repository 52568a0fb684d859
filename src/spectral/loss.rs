//! The NCut loss of layer-distributed spectral clustering and its gradient.
use tch::{Device, Kind, Tensor};

use super::attention::{AttentionLayer, AttentionSet};
use super::pooling::Pooling;
use crate::runtime::{Error, Job, Result};
use crate::tensors::term;

/// Shortest length a channel is divided by when it is normalised, as in torch's `normalize`.
const SHORTEST: f64 = 1e-12;

/// How the two terms of the loss are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NcutForm {
    /// The released code: 2 * mean over (layer, head, channel) of |eig - 1| + 2 * mean over (layer, pair of channels)
    /// of ortho^2.
    #[default]
    LayerMeans,
    /// The slab paper: mean over (layer, head, channel) of |eig - 1| + the Frobenius norm of X^T X - 1, X on the finest
    /// grid with channels of unit length.
    Frobenius,
}

/// The loss of one set at one X.
#[derive(Debug)]
pub struct NcutLoss {
    /// 2 * mean over (layer, head, channel) of |eig - 1| + 2 * mean over (layer, pair of channels) of ortho^2.
    pub value: f64,
    /// d value / d X, of the shape and type of X.
    pub gradient: Tensor,
}

/// The loss of `set` at `x` (`[C, rows, cols]`, non-negative channels such as a softmax), spec section 4.
///
/// For each layer, X is average-pooled to the layer's grid and each channel divided by its length: Z. Then
/// eig_{l,h,c} = z_c^T P_{l,h} z_c and ortho_l = off-diagonal part of Z_l Z_l^T. With C = 1 the second term is 0.
///
/// The gradient is written out rather than recorded: a recorded one would keep every P. The sign of eig - 1 is known
/// only after the last row block, so P z and P^T z are kept per head, which is all that the gradient needs.
///
/// Errors: an invalid set, a layer finer than X, X of a wrong shape or type, cancel.
pub fn ncut_loss(set: &AttentionSet, x: &Tensor, job: &Job) -> Result<NcutLoss> {
    let _guard = tch::no_grad_guard();
    set.validate()?;
    let (channels, rows, cols) = match x.size()[..] {
        [c, rows, cols] if c > 0 && rows > 0 && cols > 0 => (c, rows, cols),
        _ => {
            return Err(Error::argument(
                "x",
                format!("{:?}", x.size()),
                "must be [C, rows, cols]",
            ))
        }
    };
    let mut objective = Objective::new((rows as usize, cols as usize));
    let columns = x
        .f_reshape([channels, rows * cols])?
        .f_transpose(0, 1)?
        .f_contiguous()?;
    let mut weights = vec![LayerWeight::default(); set.layers.len()];
    NcutForm::LayerMeans.add_set(&mut weights, set, 0, channels, 1.0);
    let mut gradient = columns.f_zeros_like()?;
    let value = objective.add(set, &weights, &columns, &mut gradient, job)?;
    Ok(NcutLoss {
        value,
        gradient: gradient.f_transpose(0, 1)?.f_reshape([channels, rows, cols])?,
    })
}

/// Factors of one layer's sum of |eig - 1| and of its sum of squared off-diagonal products in a sum of losses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LayerWeight {
    eig: f64,
    ortho: f64,
}

impl NcutForm {
    /// Adds `times` the loss of the layers from index `first` on, seen as a set of their own, to the layers' weights;
    /// of [`NcutForm::Frobenius`] the part that layers have.
    ///
    /// The loss is linear in the layers' sums, so a set that is used several times, whole or in part, is evaluated once
    /// (4.1).
    pub(super) fn add_set(
        self,
        weights: &mut [LayerWeight],
        set: &AttentionSet,
        first: usize,
        channels: i64,
        times: f64,
    ) {
        let used = set.layers.len().saturating_sub(first).max(1) as f64;
        let heads: usize = set.layers.iter().skip(first).map(AttentionLayer::heads).sum();
        let channels = channels as f64;
        let (eig, ortho) = match self {
            Self::LayerMeans => (2.0, 2.0),
            Self::Frobenius => (1.0, 0.0),
        };
        for weight in weights.iter_mut().skip(first) {
            weight.eig += times * eig / (channels * heads.max(1) as f64);
            if channels > 1.0 {
                weight.ortho += times * ortho / (used * channels * (channels - 1.0));
            }
        }
    }
}

/// Adds `times` the gradient at `columns` (`[N, C]`) of the Frobenius norm of Z^T Z - 1 to `gradient`, Z being the
/// columns at unit length; returns `times` the norm.
pub(super) fn add_frobenius(columns: &Tensor, times: f64, gradient: &mut Tensor) -> Result<f64> {
    let (length, z) = unit_columns(columns)?;
    let ortho = off_diagonal(&z)?;
    let norm = f64::try_from(ortho.f_square()?.f_sum(Kind::Double)?.f_sqrt()?)?;
    if norm > 0.0 {
        // d/dZ of the sum of ortho^2 is 4 Z ortho; the root divides it by twice the norm.
        let slope = ((2.0 * times / norm) * term(z.f_matmul(&ortho))).tensor()?;
        let _ = gradient.f_add_(&across(&z, &slope, &length)?)?;
    }
    Ok(times * norm)
}

/// Lengths of the columns, and the columns at unit length.
fn unit_columns(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let length = term(x).square().sum_along(0).sqrt().tensor()?.f_clamp_min(SHORTEST)?;
    let z = (term(x) / &length).tensor()?;
    Ok((length, z))
}

/// Z^T Z without its diagonal.
fn off_diagonal(z: &Tensor) -> Result<Tensor> {
    let gram = z.f_transpose(0, 1)?.f_matmul(z)?;
    (term(&gram) - gram.f_diagonal(0, 0, 1)?.f_diag(0)).tensor()
}

/// A slope at z = x / |x| as one at x: only the part across z counts.
fn across(z: &Tensor, slope: &Tensor, length: &Tensor) -> Result<Tensor> {
    let along = (term(z) * slope).sum_along(0);
    ((term(slope) - term(z) * along) / length).tensor()
}

/// Evaluates weighted losses of X on one grid; keeps the poolings.
pub(super) struct Objective {
    grid: (usize, usize),
    poolings: Vec<((usize, usize), Pooling)>,
}

impl Objective {
    pub fn new(grid: (usize, usize)) -> Self {
        Self {
            grid,
            poolings: Vec::new(),
        }
    }

    /// Adds the gradient at `columns` (`[N, C]`) of the weighted loss of a valid `set` to `gradient`; returns the loss.
    /// Layers whose weights are zero are not touched.
    pub fn add(
        &mut self,
        set: &AttentionSet,
        weights: &[LayerWeight],
        columns: &Tensor,
        gradient: &mut Tensor,
        job: &Job,
    ) -> Result<f64> {
        let mut value = 0.0;
        for (layer, weight) in set.layers.iter().zip(weights) {
            if *weight == LayerWeight::default() {
                continue;
            }
            let pooling = self.pooling(layer.grid, columns.kind(), columns.device())?;
            let coarse = match pooling {
                Some(pooling) => pooling.apply(columns)?,
                None => columns.shallow_clone(),
            };
            let (loss, slope) = layer_loss(layer, *weight, &coarse, job)?;
            let slope = match pooling {
                Some(pooling) => pooling.adjoint(&slope)?,
                None => slope,
            };
            let _ = gradient.f_add_(&slope)?;
            value += loss;
        }
        Ok(value)
    }

    /// The pooling to `grid`, or None where it is the identity.
    fn pooling(&mut self, grid: (usize, usize), kind: Kind, device: Device) -> Result<Option<&Pooling>> {
        if grid == self.grid {
            return Ok(None);
        }
        if !self.poolings.iter().any(|(known, _)| *known == grid) {
            let pooling = Pooling::average(self.grid, grid, kind, device)?;
            self.poolings.push((grid, pooling));
        }
        Ok(self
            .poolings
            .iter()
            .find(|(known, _)| *known == grid)
            .map(|(_, pooling)| pooling))
    }
}

/// Weighted loss of one layer and its gradient with respect to the pooled channels `x`, `[N_l, C]`.
fn layer_loss(layer: &AttentionLayer, weight: LayerWeight, x: &Tensor, job: &Job) -> Result<(f64, Tensor)> {
    let (length, z) = unit_columns(x)?;
    let (forward, backward) = walk_both_ways(layer, &z, job)?;
    let excess = ((term(&forward) * &z).sum_along(1) - 1.0).tensor()?;
    let pull = term(excess.f_sign()) * (term(&forward) + backward);
    let pull = pull.map(|of_heads| of_heads.f_sum_dim_intlist(0_i64, false, None));

    let ortho = off_diagonal(&z)?;
    // d/dz_c of the sum of ortho^2: each pair stands twice in the matrix, and its square gives another 2.
    let push = term(z.f_matmul(&ortho));

    let slope = (weight.eig * pull + 4.0 * weight.ortho * push).tensor()?;
    let slope = across(&z, &slope, &length)?;

    let sum = |t: &Tensor| -> Result<f64> { Ok(t.f_sum(Kind::Double)?.f_double_value(&[])?) };
    let value = weight.eig * sum(&excess.f_abs()?)? + weight.ortho * sum(&ortho.f_square()?)?;
    Ok((value, slope))
}

/// P_h z and P_h^T z for every head and channel: two `[heads, N, C]`.
fn walk_both_ways(layer: &AttentionLayer, z: &Tensor, job: &Job) -> Result<(Tensor, Tensor)> {
    let (tokens, channels) = z.size2()?;
    let heads = layer.heads() as i64;
    let z = z.f_to_kind(layer.kind())?.f_contiguous()?;
    let forward = Tensor::f_empty([heads, tokens, channels], (z.kind(), z.device()))?;
    let mut backward = Tensor::f_zeros([heads, channels, tokens], (z.kind(), z.device()))?;
    let every_head = z.f_unsqueeze(0)?.f_expand([heads, tokens, channels], false)?;
    layer.for_each_block(job, |rows, walk| {
        let count = rows.end - rows.start;
        let ahead = walk.f_reshape([heads * count, tokens])?.f_mm(&z)?;
        forward
            .f_narrow(1, rows.start, count)?
            .f_copy_(&ahead.f_view([heads, count, channels])?)?;
        let here = every_head.f_narrow(1, rows.start, count)?.f_transpose(1, 2)?;
        let _ = backward.f_baddbmm_(&here, walk)?;
        Ok(())
    })?;
    Ok((forward, backward.f_transpose(1, 2)?))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{golden_channels, golden_layer, random_set};
    use super::*;
    use crate::runtime::Generator;

    fn value(t: &Tensor, index: &[i64]) -> f64 {
        t.double_value(index)
    }

    /// The golden numbers of spec section 9 were computed in float32.
    const FLOAT32: f64 = 3e-7;

    #[test]
    fn golden_loss_and_gradient() {
        let set = AttentionSet {
            layers: vec![golden_layer(8), golden_layer(4)],
        };
        let x = golden_channels();
        for (c, expected) in [0.2379174, 0.4495681, 0.3125145].into_iter().enumerate() {
            assert!((value(&x, &[c as i64, 0, 0]) - expected).abs() < 1e-7);
        }
        let loss = ncut_loss(&set, &x, &Job::quiet()).unwrap();
        assert!((loss.value - 1.88137388).abs() < FLOAT32, "{}", loss.value);
        assert!((value(&loss.gradient.norm(), &[]) - 0.21527517).abs() < FLOAT32);
        for (c, expected) in [0.00460866, 0.02824029, -0.03410473].into_iter().enumerate() {
            assert!((value(&loss.gradient, &[c as i64, 1, 2]) - expected).abs() < FLOAT32);
        }
    }

    #[test]
    fn golden_eigenvalues() {
        let x = golden_channels().reshape([3, 64]).transpose(0, 1);
        let expected = [
            0.93787539, 0.94500577, 0.94781023, 0.95814115, 0.94840693, 0.93375075, 1.00121975, 0.99359512, 0.98145914,
            0.99179316, 0.98805737, 0.99575031,
        ];
        let mut values = Vec::new();
        for side in [8, 4] {
            let pooling = Pooling::average((8, 8), (side, side), Kind::Double, Device::Cpu).unwrap();
            let pooled = pooling.apply(&x).unwrap();
            let z = pooled.f_div(&pooled.norm_scalaropt_dim(2, [0_i64], true)).unwrap();
            let (forward, _) = walk_both_ways(&golden_layer(side), &z, &Job::quiet()).unwrap();
            let eig = forward
                .f_mul(&z)
                .unwrap()
                .sum_dim_intlist(1_i64, false, None)
                .reshape([-1]);
            values.extend(Vec::<f64>::try_from(eig).unwrap());
        }
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < FLOAT32, "{value} is not {expected}");
        }
    }

    #[test]
    fn gradient_is_the_slope() {
        let mut generator = Generator::new(5, 0);
        // 6x5 tokens over a 3x3 and a 4x2 layer: bins that do not divide the grid.
        let set = random_set(&[(6, 5), (3, 3), (4, 2)], 2, 3, 1.5, &mut generator);
        let x = generator
            .normal_tensor(&[4, 6, 5], Device::Cpu)
            .unwrap()
            .to_kind(Kind::Double)
            .softmax(0, None);
        let loss = ncut_loss(&set, &x, &Job::quiet()).unwrap();
        let step = generator
            .normal_tensor(&[4, 6, 5], Device::Cpu)
            .unwrap()
            .to_kind(Kind::Double);
        let at = |t: f64| {
            let moved = x.f_add(&step.f_mul_scalar(t).unwrap()).unwrap();
            ncut_loss(&set, &moved, &Job::quiet()).unwrap().value
        };
        let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
        let expected = value(&loss.gradient.f_mul(&step).unwrap().sum(None), &[]);
        assert!(
            (slope - expected).abs() < 1e-7 * (1.0 + slope.abs()),
            "{slope} is not {expected}"
        );
    }

    #[test]
    fn the_papers_norm_is_that_of_the_gram_matrix_less_the_identity() {
        let mut generator = Generator::new(6, 0);
        let mut draw = || {
            let values = generator.normal_tensor(&[30, 4], Device::Cpu).unwrap();
            values.to_kind(Kind::Double).softmax(1, None)
        };
        let (x, step) = (draw(), draw());
        // 3 |X' X - 1| with channels of unit length, spelt out.
        let spelt = |x: &Tensor| {
            let columns: Vec<Vec<f64>> = (0..4)
                .map(|c| Vec::try_from(x.select(1, c).contiguous()).unwrap())
                .collect();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let mut sum = 0.0;
            for (i, a) in columns.iter().enumerate() {
                for (j, b) in columns.iter().enumerate() {
                    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
                    sum += (cosine - f64::from(u8::from(i == j))).powi(2);
                }
            }
            3.0 * sum.sqrt()
        };
        let mut gradient = x.zeros_like();
        let norm = add_frobenius(&x, 3.0, &mut gradient).unwrap();
        assert!((norm - spelt(&x)).abs() < 1e-9, "{norm}");
        let at = |t: f64| spelt(&x.f_add(&step.f_mul_scalar(t).unwrap()).unwrap());
        let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
        let expected = value(&gradient.f_mul(&step).unwrap().sum(None), &[]);
        assert!((slope - expected).abs() < 1e-7, "{slope} is not {expected}");
        // Channels that are orthogonal already have no slope.
        let apart = Tensor::eye(4, (Kind::Double, Device::Cpu));
        let mut gradient = apart.zeros_like();
        assert_eq!(add_frobenius(&apart, 1.0, &mut gradient).unwrap(), 0.0);
        assert_eq!(value(&gradient.abs().max(), &[]), 0.0);
    }

    #[test]
    fn the_papers_weights_are_those_of_plain_means() {
        let set = random_set(&[(4, 4), (2, 2)], 2, 3, 1.0, &mut Generator::new(1, 0));
        let weights = |form: NcutForm, first: usize| {
            let mut weights = vec![LayerWeight::default(); 2];
            form.add_set(&mut weights, &set, first, 3, 1.0);
            weights
        };
        // Two layers of two heads, three channels.
        let plain = LayerWeight {
            eig: 1.0 / 12.0,
            ortho: 0.0,
        };
        assert_eq!(weights(NcutForm::Frobenius, 0), [plain; 2]);
        let means = LayerWeight {
            eig: 2.0 / 6.0,
            ortho: 2.0 / 6.0,
        };
        assert_eq!(weights(NcutForm::LayerMeans, 1), [LayerWeight::default(), means]);
    }

    #[test]
    fn wrong_x_is_refused() {
        let set = random_set(&[(4, 4)], 1, 2, 1.0, &mut Generator::new(1, 0));
        let flat = Tensor::ones([3, 16], (Kind::Double, Device::Cpu));
        assert!(ncut_loss(&set, &flat, &Job::quiet()).is_err());
        let coarse = Tensor::ones([3, 2, 2], (Kind::Double, Device::Cpu));
        let text = ncut_loss(&set, &coarse, &Job::quiet()).unwrap_err().to_string();
        assert!(text.contains("4x4") && text.contains("2x2"), "{text}");
    }
}
