//! Attention graphs by their queries and keys; the probabilities exist only a block of rows at a time.
use std::ops::Range;

use tch::{Device, Kind, Tensor};

use crate::runtime::{Error, Job, Result};

/// Probabilities of one row block: 4 MiB in float32, so that a block stays in the cache between the operations on it.
const BLOCK_ELEMENTS: i64 = 1 << 20;

/// One self-attention layer: head h is the random walk P_h = softmax(scale Q_h K_h^T), row by row.
#[derive(Debug)]
pub struct AttentionLayer {
    /// `[heads, N, d]`, float32 (float64 is kept as it is, for checks; other floats are converted).
    pub query: Tensor,
    /// `[heads, N, d]`, as the query.
    pub key: Tensor,
    /// Token grid (rows, columns), row-major, N = rows * columns.
    pub grid: (usize, usize),
    /// Factor on Q K^T, 1 / sqrt(d) in the usual attention; finite and positive.
    pub scale: f64,
}

impl AttentionLayer {
    /// The same layer; the tensors are shared.
    pub fn shallow_clone(&self) -> Self {
        Self {
            query: self.query.shallow_clone(),
            key: self.key.shallow_clone(),
            grid: self.grid,
            scale: self.scale,
        }
    }

    /// Number of tokens N.
    pub fn tokens(&self) -> usize {
        self.grid.0.saturating_mul(self.grid.1)
    }

    /// Number of heads; 0 for a tensor without that dimension, which [`AttentionSet::validate`] refuses.
    pub fn heads(&self) -> usize {
        self.query.size().first().map_or(0, |&heads| heads.max(0) as usize)
    }

    /// Fails, naming the layer by `index`, unless shapes, types, device, scale and values are as documented.
    fn validate(&self, index: usize) -> Result<()> {
        let name = |part: &str| format!("layers[{index}].{part}");
        let (rows, cols) = self.grid;
        let tokens = rows.checked_mul(cols).and_then(|n| i64::try_from(n).ok()).unwrap_or(0);
        if tokens == 0 {
            let grid = format!("{rows}x{cols}");
            return Err(Error::argument(
                &name("grid"),
                grid,
                "must have at least one token and fit 63 bits",
            ));
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Err(Error::argument(
                &name("scale"),
                self.scale,
                "must be positive and finite",
            ));
        }
        let shape = self.query.size();
        if !matches!(shape[..], [heads, n, width] if heads > 0 && n == tokens && width > 0) {
            let allowed = format!("must be [heads >= 1, {rows}*{cols}, d >= 1]");
            return Err(Error::argument(&name("query"), format!("{shape:?}"), &allowed));
        }
        let key_shape = self.key.size();
        if key_shape != shape {
            let allowed = format!("must have the query's shape {shape:?}");
            return Err(Error::argument(&name("key"), format!("{key_shape:?}"), &allowed));
        }
        for (part, tensor) in [("query", &self.query), ("key", &self.key)] {
            let kind = tensor.f_kind()?;
            if !matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
                return Err(Error::argument(
                    &name(part),
                    format!("{kind:?}"),
                    "must be of a float type",
                ));
            }
            if tensor.f_isfinite()?.f_all()?.f_double_value(&[])? == 0.0 {
                return Err(Error::argument(
                    &name(part),
                    "not finite",
                    "must hold neither NaN nor infinity",
                ));
            }
        }
        let (on, key_on) = (self.query.device(), self.key.device());
        if on != key_on {
            let allowed = format!("must be on {on:?} as the query");
            return Err(Error::argument(&name("key"), format!("on {key_on:?}"), &allowed));
        }
        Ok(())
    }

    /// Type the products are computed in.
    pub(super) fn kind(&self) -> Kind {
        if self.query.kind() == Kind::Double {
            Kind::Double
        } else {
            Kind::Float
        }
    }

    /// Calls `visit(rows, P)` for successive row blocks, P being `[heads, rows, N]`, overwritten by the next block.
    pub(super) fn for_each_block(
        &self,
        job: &Job,
        mut visit: impl FnMut(Range<i64>, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let (heads, tokens, _) = self.query.size3()?;
        let device = self.query.device();
        let kind = self.kind();
        let query = self.query.f_to_kind(kind)?.f_mul_scalar(self.scale)?;
        let key = self.key.f_to_kind(kind)?.f_transpose(1, 2)?;
        let height = (BLOCK_ELEMENTS / (heads * tokens).max(1)).clamp(1, tokens);
        let buffer = |height| Tensor::f_empty([heads, height, tokens], (kind, device));
        let (mut logits, mut walk) = (buffer(height)?, buffer(height)?);
        let mut start = 0;
        while start < tokens {
            job.check()?;
            let count = height.min(tokens - start);
            if count < height {
                (logits, walk) = (buffer(count)?, buffer(count)?);
            }
            let rows = query.f_narrow(1, start, count)?;
            let _ = rows.f_bmm_out(&logits, &key)?;
            let _ = logits.f_internal_softmax_out(&walk, -1, false)?;
            visit(start..start + count, &walk)?;
            start += count;
        }
        Ok(())
    }
}

/// All tapped layers of one pass through the U-Net, in execution order.
#[derive(Debug)]
pub struct AttentionSet {
    /// The layers; grids may differ.
    pub layers: Vec<AttentionLayer>,
}

impl AttentionSet {
    /// The same set; the tensors are shared.
    pub fn shallow_clone(&self) -> Self {
        Self {
            layers: self.layers.iter().map(AttentionLayer::shallow_clone).collect(),
        }
    }

    /// Fails unless there is a layer and every layer is well shaped, of a float type, finite and on one device.
    pub fn validate(&self) -> Result<()> {
        let device = self.device()?;
        for (index, layer) in self.layers.iter().enumerate() {
            layer.validate(index)?;
            let other = layer.query.device();
            if other != device {
                let name = format!("layers[{index}].query");
                let allowed = format!("must be on {device:?} as the first layer");
                return Err(Error::argument(&name, format!("on {other:?}"), &allowed));
            }
        }
        Ok(())
    }

    /// Device of the first layer. Errors: a set without layers.
    pub fn device(&self) -> Result<Device> {
        match self.layers.first() {
            Some(layer) => Ok(layer.query.device()),
            None => Err(Error::argument(
                "layers",
                "empty",
                "must hold at least one attention layer",
            )),
        }
    }
}

/// A source of attention sets of one image: each draw is a U-Net pass with its own noise and timestep.
pub trait AttentionStream {
    /// The next set.
    fn draw(&mut self, job: &Job) -> Result<AttentionSet>;
}

/// A stream that gives the same set at every draw.
#[derive(Debug)]
pub struct FixedAttention(pub AttentionSet);

impl AttentionStream for FixedAttention {
    fn draw(&mut self, _job: &Job) -> Result<AttentionSet> {
        Ok(self.0.shallow_clone())
    }
}
