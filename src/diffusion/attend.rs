//! The attention of one layer by libtorch's fused kernel.
use tch::Tensor;

use crate::runtime::{Job, Result};

/// Floating-point operations of one uninterrupted attention call at inference, counting a logit's exponential as 40:
/// one head of width 8 to 20 at 64x64 tokens, about 20 ms on two CPU cores.
const ATTENTION_FLOP_LIMIT: i64 = 2_000_000_000;

/// softmax(Q K^T / sqrt(d)) V by libtorch's fused kernel, [B, heads, N, d]: the logits are never stored.
///
/// Without gradients it runs over blocks of heads and rows, so that a cancel is heard in between.
pub(super) fn attend(query: &Tensor, key: &Tensor, value: &Tensor, job: &Job) -> Result<Tensor> {
    let fused = |q: &Tensor, k: &Tensor, v: &Tensor| -> Result<Tensor> {
        job.check()?;
        Ok(Tensor::f_scaled_dot_product_attention(
            q,
            k,
            v,
            None::<&Tensor>,
            0.0,
            false,
            None,
            false,
        )?)
    };
    let (batch, heads, rows, d) = query.size4()?;
    // Two products over the head's width, and the softmax, for one row of one head of every image.
    let row_cost = batch * key.size4()?.2 * (4 * d + 40);
    if query.requires_grad() || heads * rows * row_cost <= ATTENTION_FLOP_LIMIT {
        return fused(query, key, value);
    }
    let heads_at_once = (ATTENTION_FLOP_LIMIT / (rows * row_cost)).clamp(1, heads);
    let rows_at_once = (ATTENTION_FLOP_LIMIT / (heads_at_once * row_cost)).clamp(1, rows);
    let mut by_head = Vec::new();
    for head in (0..heads).step_by(heads_at_once as usize) {
        let take = |x: &Tensor| x.f_narrow(1, head, heads_at_once.min(heads - head));
        let (q, k, v) = (take(query)?, take(key)?, take(value)?);
        let mut by_row = Vec::new();
        for row in (0..rows).step_by(rows_at_once as usize) {
            by_row.push(fused(&q.f_narrow(2, row, rows_at_once.min(rows - row))?, &k, &v)?);
        }
        by_head.push(Tensor::f_cat(&by_row, 2)?);
    }
    Ok(Tensor::f_cat(&by_head, 1)?)
}
