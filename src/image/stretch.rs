//! Grey levels: linear stretch, range and percentiles. Non-finite pixels never set a range.
use ndarray::{Array2, ArrayView2};

/// Smallest and largest finite value; `None` when there is none.
pub fn finite_range<'a>(values: impl IntoIterator<Item = &'a f32>) -> Option<(f32, f32)> {
    values
        .into_iter()
        .copied()
        .filter(|v| v.is_finite())
        .fold(None, |range, v| match range {
            None => Some((v, v)),
            Some((low, high)) => Some((low.min(v), high.max(v))),
        })
}

/// Linear stretch to 0..=255, truncated: `trunc(255 (v - min) / (max - min))` (the slab paper's code, preprocessing).
/// A constant image becomes 0, and so does NaN; infinities saturate.
pub fn stretch_u8(image: ArrayView2<f32>) -> Array2<u8> {
    let Some((low, high)) = finite_range(image).filter(|(low, high)| high > low) else {
        return Array2::zeros(image.dim());
    };
    let (low, span) = (f64::from(low), f64::from(high) - f64::from(low));
    // A float-to-integer cast truncates, saturates, and turns NaN into 0.
    image.mapv(|v| (255.0 * (f64::from(v) - low) / span) as u8)
}

/// Linear stretch to 0..=255 without truncation; a constant image becomes 0.
pub fn stretch_f32(image: ArrayView2<f32>) -> Array2<f32> {
    let Some((low, high)) = finite_range(image).filter(|(low, high)| high > low) else {
        return Array2::zeros(image.dim());
    };
    let span = f64::from(high) - f64::from(low);
    image.mapv(|v| ((f64::from(v) - f64::from(low)) * 255.0 / span) as f32)
}

/// Percentiles (each of `at` in 0..=100) of the finite values, by linear interpolation between the sorted values
/// (numpy's default); `None` when no value is finite.
pub fn percentiles<'a>(values: impl IntoIterator<Item = &'a f32>, at: &[f64]) -> Option<Vec<f32>> {
    let mut sorted: Vec<f32> = values.into_iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let value = |n: usize| f64::from(sorted[n]);
    let at_percent = |percent: &f64| interpolated(sorted.len(), value, *percent).map(|v| v as f32);
    at.iter().map(at_percent).collect()
}

/// The same of double precision.
pub fn percentiles_f64(values: impl IntoIterator<Item = f64>, at: &[f64]) -> Option<Vec<f64>> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    at.iter()
        .map(|percent| interpolated(sorted.len(), |n| sorted[n], *percent))
        .collect()
}

/// The value at `percent` of `count` sorted values.
fn interpolated(count: usize, value: impl Fn(usize) -> f64, percent: f64) -> Option<f64> {
    let last = count.checked_sub(1)?;
    let position = percent.clamp(0.0, 100.0) / 100.0 * last as f64;
    let below = (position.floor() as usize).min(last);
    let (a, b) = (value(below), value((below + 1).min(last)));
    Some(a + (b - a) * (position - below as f64))
}
