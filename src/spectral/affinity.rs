//! The mean symmetric affinity of many attention graphs, as one linear operator on the finest grid.
use tch::{Device, Kind, Tensor};

use super::attention::{AttentionLayer, AttentionSet};
use super::pooling::Pooling;
use super::projected::orthonormal;
use crate::runtime::{Error, Job, Result};
use crate::tensors::{term, to_vec};

/// Elements of a stored matrix that one product may touch, so that a cancel is seen in time.
const PRODUCT_ELEMENTS: i64 = 1 << 25;
/// Edge of the square blocks in which a stored matrix is made symmetric.
const MIRROR_EDGE: i64 = 512;

/// How attention becomes one operator.
#[derive(Clone, Debug, PartialEq)]
pub struct AffinityOptions {
    /// Weight of each layer's heads, one per layer of the set, finite and not negative; empty = all 1.
    pub layer_weights: Vec<f64>,
    /// Layers of up to this many tokens are summed into a stored N x N float32 matrix (16384 tokens: 1 GiB); larger
    /// ones keep their queries and keys, and every product forms their rows anew.
    pub stored_tokens: usize,
}

impl Default for AffinityOptions {
    fn default() -> Self {
        Self {
            layer_weights: Vec::new(),
            stored_tokens: 16384,
        }
    }
}

/// M = sum over draws, layers l and heads h of w_l G_l^T (P_lh + P_lh^T)/2 G_l, divided by the sum of the weights.
///
/// G_l pools from the finest grid to the layer's, scaled so that G_l G_l^T = 1; hence x^T M x is the mean of z^T P z
/// over layers and heads, with z = G x. Graphs on one grid share one stored matrix; coarse ones stay at their own
/// size.
pub struct Affinity {
    grid: (usize, usize),
    options: AffinityOptions,
    levels: Vec<Level>,
    weight: f64,
}

/// All graphs on one token grid.
struct Level {
    grid: (usize, usize),
    pooling: Option<Pooling>,
    walks: Walks,
}

enum Walks {
    /// The weighted sum of the symmetric parts, `[N, N]`.
    Stored(Tensor),
    /// Layers with their weights.
    Formed(Vec<(AttentionLayer, f64)>),
}

impl Affinity {
    /// An empty operator on vectors over `grid`.
    pub fn new(grid: (usize, usize), options: AffinityOptions) -> Self {
        Self {
            grid,
            options,
            levels: Vec::new(),
            weight: 0.0,
        }
    }

    /// Number of tokens of the finest grid, the length of the vectors.
    pub fn tokens(&self) -> usize {
        self.grid.0.saturating_mul(self.grid.1)
    }

    /// Adds one draw. Errors: an invalid set, a layer finer than the grid, a wrong number of weights, cancel (after
    /// which the operator is unusable).
    pub fn add(&mut self, set: &AttentionSet, job: &Job) -> Result<()> {
        let _guard = tch::no_grad_guard();
        set.validate()?;
        let weights = self.layer_weights(set)?;
        for (layer, &weight) in set.layers.iter().zip(&weights) {
            if weight > 0.0 {
                self.level_for(layer)?.add(layer, weight, job)?;
                self.weight += weight * layer.heads() as f64;
            }
        }
        for level in &mut self.levels {
            level.symmetrise(job)?;
        }
        Ok(())
    }

    fn layer_weights(&self, set: &AttentionSet) -> Result<Vec<f64>> {
        let weights = &self.options.layer_weights;
        if weights.is_empty() {
            return Ok(vec![1.0; set.layers.len()]);
        }
        if weights.len() != set.layers.len() {
            let allowed = format!("must be empty or one per attention layer, {}", set.layers.len());
            return Err(Error::argument(
                "layer_weights",
                format!("{} values", weights.len()),
                &allowed,
            ));
        }
        let sound = weights.iter().all(|w| w.is_finite() && *w >= 0.0) && weights.iter().any(|w| *w > 0.0);
        if !sound {
            let allowed = "must be finite, not negative and not all zero";
            return Err(Error::argument("layer_weights", format!("{weights:?}"), allowed));
        }
        Ok(weights.clone())
    }

    /// The level of the layer's grid, made on its first layer.
    fn level_for(&mut self, layer: &AttentionLayer) -> Result<&mut Level> {
        let position = match self.levels.iter().position(|level| level.grid == layer.grid) {
            Some(position) => position,
            None => {
                let device = layer.query.device();
                let tokens = layer.tokens();
                let walks = if tokens <= self.options.stored_tokens {
                    Walks::Stored(Tensor::f_zeros([tokens as i64, tokens as i64], (Kind::Float, device))?)
                } else {
                    Walks::Formed(Vec::new())
                };
                let pooling = if layer.grid == self.grid {
                    None
                } else {
                    Some(Pooling::orthonormal(self.grid, layer.grid, Kind::Float, device)?)
                };
                self.levels.push(Level {
                    grid: layer.grid,
                    pooling,
                    walks,
                });
                self.levels.len() - 1
            }
        };
        self.levels
            .get_mut(position)
            .ok_or_else(|| Error::Internal("a level vanished".into()))
    }

    /// M v for the columns of `v`, `[N, k]`; float32 in and out, on the attention's device.
    ///
    /// Errors: nothing added yet, a wrong shape, cancel.
    pub fn apply(&self, v: &Tensor, job: &Job) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let shape = v.size();
        if shape.len() != 2 || shape.first() != Some(&(self.tokens() as i64)) {
            let allowed = format!("must be [{}, k]", self.tokens());
            return Err(Error::argument("vectors", format!("{shape:?}"), &allowed));
        }
        if self.weight <= 0.0 {
            return Err(Error::State("the affinity is empty: add an attention set first".into()));
        }
        let mut sum = v.f_zeros_like()?;
        for level in &self.levels {
            let product = match &level.pooling {
                None => level.apply(v, job)?,
                Some(pooling) => pooling.adjoint(&level.apply(&pooling.apply(v)?, job)?)?,
            };
            let _ = sum.f_add_(&product)?;
        }
        Ok(sum.f_div_scalar_(self.weight)?)
    }

    /// Device of the attention. Errors: nothing added yet.
    pub(super) fn device(&self) -> Result<Device> {
        match self.levels.first().map(|level| &level.walks) {
            Some(Walks::Stored(matrix)) => Ok(matrix.device()),
            Some(Walks::Formed(layers)) if !layers.is_empty() => Ok(layers[0].0.query.device()),
            _ => Err(Error::State("the affinity is empty: add an attention set first".into())),
        }
    }

    /// Sum of the Rayleigh quotients of an orthonormal basis of `vectors` (`[C, rows, cols]` or `[C, N]`): the trace
    /// of M on their span. The larger, the better the vectors solve the shared cut.
    pub fn trace_of(&self, vectors: &Tensor, job: &Job) -> Result<f64> {
        let _guard = tch::no_grad_guard();
        let tokens = self.tokens() as i64;
        let shape = vectors.size();
        let length: i64 = shape.iter().skip(1).product();
        if shape.len() < 2 || length != tokens {
            let allowed = format!("must be [C, {}, {}]", self.grid.0, self.grid.1);
            return Err(Error::argument("vectors", format!("{shape:?}"), &allowed));
        }
        let columns = vectors.f_reshape([-1, tokens])?.f_transpose(0, 1)?;
        let columns = orthonormal(&columns.f_to_kind(Kind::Double)?.f_to_device(self.device()?)?, None)?;
        Ok(self.quotients(&columns, job)?.0.iter().sum())
    }

    /// Rayleigh quotients of the unit columns of `columns` (`[N, C]`, float64) and the lengths of their residuals.
    pub(super) fn quotients(&self, columns: &Tensor, job: &Job) -> Result<(Vec<f64>, Vec<f64>)> {
        let product = self
            .apply(&columns.f_to_kind(Kind::Float)?, job)?
            .f_to_kind(Kind::Double)?;
        let values = (term(columns) * &product).sum_along(0).tensor()?;
        let residual = term(&product) - term(columns) * &values;
        let lengths = residual.square().sum_along(0).sqrt().tensor()?;
        Ok((to_vec(&values)?, to_vec(&lengths)?))
    }
}

/// [`Affinity::trace_of`] for one attention set with equal weights, without storing any matrix.
pub fn trace_of(set: &AttentionSet, grid: (usize, usize), vectors: &Tensor, job: &Job) -> Result<f64> {
    let options = AffinityOptions {
        stored_tokens: 0,
        ..AffinityOptions::default()
    };
    let mut affinity = Affinity::new(grid, options);
    affinity.add(set, job)?;
    affinity.trace_of(vectors, job)
}

impl Level {
    fn add(&mut self, layer: &AttentionLayer, weight: f64, job: &Job) -> Result<()> {
        match &mut self.walks {
            Walks::Formed(layers) => layers.push((layer.shallow_clone(), weight)),
            Walks::Stored(matrix) => layer.for_each_block(job, |rows, walk| {
                let mut target = matrix.f_narrow(0, rows.start, rows.end - rows.start)?;
                let _ = target.f_add_(&head_sum(walk, weight)?)?;
                Ok(())
            })?,
        }
        Ok(())
    }

    /// Replaces a stored matrix by its symmetric part, block by block in place.
    fn symmetrise(&mut self, job: &Job) -> Result<()> {
        let Walks::Stored(matrix) = &self.walks else {
            return Ok(());
        };
        let (n, _) = matrix.size2()?;
        let block = |i: i64, j: i64| -> Result<Tensor> {
            let rows = matrix.f_narrow(0, i, MIRROR_EDGE.min(n - i))?;
            Ok(rows.f_narrow(1, j, MIRROR_EDGE.min(n - j))?)
        };
        for i in (0..n).step_by(MIRROR_EDGE as usize) {
            job.check()?;
            for j in (i..n).step_by(MIRROR_EDGE as usize) {
                let (mut upper, mut lower) = (block(i, j)?, block(j, i)?);
                let mean = upper.f_add(&lower.f_transpose(0, 1)?)?.f_mul_scalar_(0.5)?;
                upper.f_copy_(&mean)?;
                lower.f_copy_(&mean.f_transpose(0, 1)?)?;
            }
        }
        Ok(())
    }

    /// The level's weighted sum of symmetric parts times `v` (`[tokens of the level, k]`).
    fn apply(&self, v: &Tensor, job: &Job) -> Result<Tensor> {
        let (tokens, _) = v.size2()?;
        let mut out = v.f_zeros_like()?;
        match &self.walks {
            Walks::Stored(matrix) => {
                let height = (PRODUCT_ELEMENTS / tokens.max(1)).clamp(1, tokens);
                for start in (0..tokens).step_by(height as usize) {
                    job.check()?;
                    let count = height.min(tokens - start);
                    let target = out.f_narrow(0, start, count)?;
                    let _ = matrix.f_narrow(0, start, count)?.f_mm_out(&target, v)?;
                }
            }
            Walks::Formed(layers) => {
                for (layer, weight) in layers {
                    layer.for_each_block(job, |rows, walk| {
                        let count = rows.end - rows.start;
                        // float32 whatever the layer's own type is, as in the stored matrix.
                        let walk = head_sum(walk, 0.5 * weight)?.f_to_kind(Kind::Float)?;
                        let mut target = out.f_narrow(0, rows.start, count)?;
                        let _ = target.f_add_(&walk.f_mm(v)?)?;
                        let _ = out.f_addmm_(&walk.f_transpose(0, 1)?, &v.f_narrow(0, rows.start, count)?)?;
                        Ok(())
                    })?;
                }
            }
        }
        Ok(out)
    }
}

/// `weight` times the sum over heads of one row block, `[heads, rows, N]` -> `[rows, N]`.
fn head_sum(walk: &Tensor, weight: f64) -> Result<Tensor> {
    let mut sum = walk.f_sum_dim_intlist(0_i64, false, None)?;
    Ok(if weight == 1.0 { sum } else { sum.f_mul_scalar_(weight)? })
}
