//! What is taken out of the attention of a pass, and what is changed in it.
use tch::{Kind, Tensor};

use super::attend::attend;
use crate::runtime::{Error, Job, Result};

/// Queries and keys of one self-attention layer, from one U-Net pass of one image, or of a batch where
/// [`Taps::of_batch`] took them: there all tensors begin with [B, ..].
///
/// The attention itself is P = softmax over keys of `query` `key`^T / sqrt(d), row-stochastic, per head:
/// see [`AttentionTap::probabilities`].
#[derive(Debug)]
pub struct AttentionTap {
    /// Place in execution order: 0..=15 in Stable Diffusion.
    pub index: usize,
    /// diffusers name, as in `down_blocks.0.attentions.0.transformer_blocks.0.attn1`.
    pub name: String,
    /// Token grid (rows, columns); N = rows * columns, row-major.
    pub grid: (usize, usize),
    /// [heads, N, d], float32.
    pub query: Tensor,
    /// [heads, N, d], float32.
    pub key: Tensor,
    /// Output of the layer after its output projection, [N, C], float32; where it was asked for.
    pub output: Option<Tensor>,
    /// Queries of the cross-attention of the same block, [heads, N, d], float32; where they were asked for and the
    /// network has one.
    pub cross_query: Option<Tensor>,
}

/// Parts of the tapped layers that are kept beside queries and keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapParts {
    /// Keep [`AttentionTap::output`].
    pub output: bool,
    /// Keep [`AttentionTap::cross_query`].
    pub cross_query: bool,
}

impl AttentionTap {
    /// Rows `rows` of the attention of every head, [heads, rows, N]: softmax over keys of Q K^T / sqrt(d).
    ///
    /// Ask for few rows at a time: all of them are heads * N * N numbers (2^27 at 64x64 tokens and 8 heads).
    pub fn probabilities(&self, rows: std::ops::Range<i64>) -> Result<Tensor> {
        let (_, tokens, d) = self.query.size3()?;
        if rows.start < 0 || rows.end > tokens || rows.start >= rows.end {
            return Err(Error::argument(
                "rows",
                format_args!("{rows:?}"),
                &format!("must be within 0..{tokens}"),
            ));
        }
        let query = self.query.f_narrow(1, rows.start, rows.end - rows.start)?;
        let logits = query
            .f_matmul(&self.key.f_transpose(1, 2)?)?
            .f_mul_scalar(1.0 / (d as f64).sqrt())?;
        Ok(logits.f_softmax(-1, Kind::Float)?)
    }

    /// P `values`, the mean over heads, [B, N, C]: where `values` [B, N, C] marks sets of tokens, how much of its
    /// attention a token has in each of them. For taps of [`Taps::of_batch`]; gradients run through queries and keys.
    /// The attention is never stored.
    pub fn mix(&self, values: &Tensor, job: &Job) -> Result<Tensor> {
        let (_, heads, _, width) = self.query.size4()?;
        let (_, _, columns) = values.size3()?;
        // The fused kernel wants values as wide as the queries.
        let padded = values.f_constant_pad_nd([0, (width - columns).max(0)])?;
        let padded = padded.f_unsqueeze(1)?.f_expand([-1, heads, -1, -1], false)?;
        let mixed = attend(&self.query, &self.key, &padded, job)?.f_narrow(-1, 0, columns)?;
        Ok(mixed.f_mean_dim(1, false, Kind::Float)?)
    }
}

/// Collects the taps of one pass, and changes the pass where it is told to.
pub struct Taps<'a> {
    layers: &'a [usize],
    parts: TapParts,
    whole_batch: bool,
    next: usize,
    taken: Vec<AttentionTap>,
    maps: AttentionMaps<'a>,
    push: Option<Push<'a>>,
}

/// Queries and keys of every attention of a pass, self and cross, in execution order.
pub(super) type QueriesAndKeys = Vec<(Tensor, Tensor)>;

/// Whose queries and keys a pass attends with.
enum AttentionMaps<'a> {
    /// Its own.
    Own,
    /// Its own, which are kept.
    Recorded(QueriesAndKeys),
    /// Those of another pass, of which so many have been taken.
    Fixed(&'a QueriesAndKeys, usize),
}

/// What is added to the output of one cross-attention.
#[derive(Clone, Copy)]
pub(super) struct Push<'a> {
    /// Layer of the block, as self-attention layers are counted.
    pub layer: usize,
    /// [B, N, 1], the same for all channels.
    pub values: &'a Tensor,
}

impl<'a> Taps<'a> {
    /// Will take queries, keys and `parts` of the layers whose index (execution order) is in `layers`.
    pub fn new(layers: &'a [usize], parts: TapParts) -> Self {
        Self {
            layers,
            parts,
            whole_batch: false,
            next: 0,
            taken: Vec::new(),
            maps: AttentionMaps::Own,
            push: None,
        }
    }

    /// Will keep queries and keys of every attention, of one image.
    pub(super) fn recording() -> Self {
        Self {
            maps: AttentionMaps::Recorded(Vec::new()),
            ..Self::new(&[], TapParts::default())
        }
    }

    /// Every image of the batch attends with queries and keys of another pass; `push` is added on the way.
    pub(super) fn fixed(maps: &'a QueriesAndKeys, push: Option<Push<'a>>) -> Self {
        Self {
            maps: AttentionMaps::Fixed(maps, 0),
            push,
            ..Self::new(&[], TapParts::default())
        }
    }

    /// What [`Taps::recording`] kept.
    pub(super) fn into_recorded(self) -> QueriesAndKeys {
        match self.maps {
            AttentionMaps::Recorded(maps) => maps,
            _ => Vec::new(),
        }
    }

    /// Will take queries and keys of every image of the batch, [B, heads, N, d], in their own type and with their
    /// gradients: for training.
    pub fn of_batch(layers: &'a [usize]) -> Self {
        Self {
            whole_batch: true,
            ..Self::new(layers, TapParts::default())
        }
    }

    /// The taps, in execution order.
    pub fn into_taken(self) -> Vec<AttentionTap> {
        self.taken
    }

    pub(super) fn offer(&mut self, name: &str, grid: (usize, usize), query: &Tensor, key: &Tensor) -> Result<()> {
        let index = self.next;
        self.next += 1;
        if !self.layers.contains(&index) {
            return Ok(());
        }
        let batch = query.size().first().copied().unwrap_or(0);
        let (query, key) = if self.whole_batch {
            (query.shallow_clone(), key.shallow_clone())
        } else if batch == 1 {
            (first_image(query)?, first_image(key)?)
        } else {
            return Err(Error::argument("batch", batch, "must be 1 where attention is tapped"));
        };
        self.taken.push(AttentionTap {
            index,
            name: name.to_owned(),
            grid,
            query,
            key,
            output: None,
            cross_query: None,
        });
        Ok(())
    }

    /// The tap of the layer that was offered last, if it was taken.
    fn current(&mut self) -> Option<&mut AttentionTap> {
        let next = self.next;
        self.taken.last_mut().filter(|tap| tap.index + 1 == next)
    }

    pub(super) fn offer_output(&mut self, output: &Tensor) -> Result<()> {
        if self.parts.output {
            if let Some(tap) = self.current() {
                tap.output = Some(first_image(output)?);
            }
        }
        Ok(())
    }

    pub(super) fn offer_cross_query(&mut self, query: impl FnOnce() -> Result<Tensor>) -> Result<()> {
        if self.parts.cross_query {
            if let Some(tap) = self.current() {
                tap.cross_query = Some(first_image(&query()?)?);
            }
        }
        Ok(())
    }

    /// The queries and keys, [B, heads, N, d], that an attention is to be of, whose own are these.
    pub(super) fn settle(&mut self, query: Tensor, key: Tensor) -> Result<(Tensor, Tensor)> {
        match &mut self.maps {
            AttentionMaps::Own => Ok((query, key)),
            AttentionMaps::Recorded(maps) => {
                maps.push((query.shallow_clone(), key.shallow_clone()));
                Ok((query, key))
            }
            AttentionMaps::Fixed(maps, taken) => {
                let (fixed_query, fixed_key) = maps
                    .get(*taken)
                    .ok_or_else(|| Error::Internal("a pass has more attention layers than the one before".into()))?;
                *taken += 1;
                let batch = query.size4()?.0;
                let of_batch = |fixed: &Tensor| fixed.f_expand([batch, -1, -1, -1], false);
                Ok((of_batch(fixed_query)?, of_batch(fixed_key)?))
            }
        }
    }

    /// The output [B, N, C] of the cross-attention of the present block, pushed where that is asked for.
    pub(super) fn pushed(&self, output: Tensor) -> Result<Tensor> {
        let Some(push) = self.push.filter(|push| push.layer + 1 == self.next) else {
            return Ok(output);
        };
        let (given, tokens) = (push.values.size3()?.1, output.size3()?.1);
        if given != tokens {
            let allowed = format!("must have the {tokens} tokens of layer {}", push.layer);
            return Err(Error::argument("masks", format!("of {given} tokens"), &allowed));
        }
        Ok(output.f_add(&push.values.f_to_kind(output.f_kind()?)?)?)
    }
}

/// The first image of a batch, float32; contiguous, so that a tap does not keep a wider buffer alive.
fn first_image(batch: &Tensor) -> Result<Tensor> {
    Ok(batch.f_select(0, 0)?.f_to_kind(Kind::Float)?.f_contiguous()?)
}
