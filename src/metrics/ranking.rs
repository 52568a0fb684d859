//! How well a score separates two classes, at every threshold at once.
use crate::{Error, Result};

/// Area under the receiver operating characteristic: the probability that a random positive scores above a random
/// negative, ties counting one half (the Mann-Whitney statistic from mean ranks).
///
/// # Errors
/// [`Error::InvalidArgument`] where the lengths differ, a score is NaN, or one of the classes is empty.
pub fn auc(scores: &[f32], positive: &[bool]) -> Result<f64> {
    if scores.len() != positive.len() {
        let allowed = format!("must be the number of scores, {}", scores.len());
        return Err(Error::argument("positive.len()", positive.len(), &allowed));
    }
    if scores.iter().any(|s| s.is_nan()) {
        return Err(Error::argument("scores", "NaN", "must be numbers"));
    }
    let mut pairs: Vec<(f32, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    let positives = positive.iter().filter(|p| **p).count() as f64;
    let negatives = pairs.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return Err(Error::argument(
            "positive",
            "of one class only",
            "must hold both classes",
        ));
    }
    // -0 and 0 are equal scores, though not to total_cmp.
    pairs.iter_mut().for_each(|(score, _)| *score += 0.0);
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Sum over positives of the negatives below, in halves, exact in integers.
    let (mut below, mut halves) = (0u64, 0u128);
    for tie in pairs.chunk_by(|a, b| a.0 == b.0) {
        let p = tie.iter().filter(|(_, positive)| *positive).count() as u64;
        let n = tie.len() as u64 - p;
        halves += u128::from(p) * u128::from(2 * below + n);
        below += n;
    }
    Ok(halves as f64 / 2.0 / (positives * negatives))
}
