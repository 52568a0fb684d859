//! Box statistics and the guided filter (He, Sun, Tang 2010), in float32 with double sums. Windows are cut at the image
//! border, as in the paper.
use ndarray::{Array2, ArrayView2};

use super::{from_row_major, row_major};

/// Mean over the (2 `radius` + 1)-square window around each pixel, cut at the border.
pub fn box_mean(image: ArrayView2<f32>, radius: usize) -> Array2<f32> {
    let pixels: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
    let means = mean_filter(&pixels, image.dim(), radius);
    from_row_major(image.dim(), &means).mapv(|v| v as f32)
}

/// Separable running mean: prefix sums across, then down. Double precision throughout.
fn mean_filter(pixels: &[f64], (rows, cols): (usize, usize), radius: usize) -> Vec<f64> {
    if pixels.is_empty() {
        return Vec::new();
    }
    let mut across = vec![0.0; rows * cols];
    let mut prefix = vec![0.0; cols + 1];
    for (row, out) in pixels.chunks_exact(cols).zip(across.chunks_exact_mut(cols)) {
        for (c, &v) in row.iter().enumerate() {
            prefix[c + 1] = prefix[c] + v;
        }
        for (c, value) in out.iter_mut().enumerate() {
            let (from, to) = (c.saturating_sub(radius), (c + radius + 1).min(cols));
            *value = (prefix[to] - prefix[from]) / (to - from) as f64;
        }
    }
    // Down the columns a window of sums slides one row at a time.
    let mut result = vec![0.0; rows * cols];
    let mut sums = vec![0.0; cols];
    let (mut from, mut to) = (0, 0);
    for (r, out) in result.chunks_exact_mut(cols).enumerate() {
        let near = (r.saturating_sub(radius), (r + radius + 1).min(rows));
        while to < near.1 {
            for (sum, &v) in sums.iter_mut().zip(&across[to * cols..(to + 1) * cols]) {
                *sum += v;
            }
            to += 1;
        }
        while from < near.0 {
            for (sum, &v) in sums.iter_mut().zip(&across[from * cols..(from + 1) * cols]) {
                *sum -= v;
            }
            from += 1;
        }
        for (value, &sum) in out.iter_mut().zip(&sums) {
            *value = sum / (to - from) as f64;
        }
    }
    result
}

/// Mean and population standard deviation over the window of `radius` around each pixel, cut at the border.
pub fn local_mean_std(image: ArrayView2<f32>, radius: usize) -> (Array2<f32>, Array2<f32>) {
    let dim = image.dim();
    // Centred first: the variance is a difference of squares, and tomograms may have a large offset.
    let centre = f64::from(image.mean().unwrap_or(0.0));
    let pixels: Vec<f64> = image.iter().map(|&v| f64::from(v) - centre).collect();
    let squares: Vec<f64> = pixels.iter().map(|v| v * v).collect();
    let mean = mean_filter(&pixels, dim, radius);
    let square = mean_filter(&squares, dim, radius);
    let std: Vec<f32> = mean
        .iter()
        .zip(&square)
        .map(|(m, s)| (s - m * m).max(0.0).sqrt() as f32)
        .collect();
    let mean: Vec<f32> = mean.iter().map(|m| (m + centre) as f32).collect();
    (from_row_major(dim, &mean), from_row_major(dim, &std))
}

/// `(v - local mean) / (local std + floor)`: evens out ice gradients and contrast. `floor` > 0 keeps flat parts flat;
/// it is in the image's own units.
pub fn local_normalise(image: ArrayView2<f32>, radius: usize, floor: f32) -> Array2<f32> {
    let (mean, std) = local_mean_std(image, radius);
    let mut result = &image - &mean;
    result.zip_mut_with(&std, |v, s| *v /= (s + floor).max(f32::MIN_POSITIVE));
    result
}

/// Guided filter: `q = mean(a) I + mean(b)` with `a = cov(I, p) / (var(I) + epsilon)`, `b = mean(p) - a mean(I)` over
/// the window of `radius`. Edges of `guide` are kept in `input`; `epsilon` is in squared units of the guide. Both
/// images have one shape; otherwise the input is returned.
pub fn guided_filter(guide: ArrayView2<f32>, input: ArrayView2<f32>, radius: usize, epsilon: f64) -> Array2<f32> {
    let dim = input.dim();
    if guide.dim() != dim || input.is_empty() {
        return input.to_owned();
    }
    // The filter commutes with a shift of the guide; a centred guide keeps the variances accurate.
    let centre = f64::from(guide.mean().unwrap_or(0.0));
    let guide: Vec<f64> = row_major(guide).into_iter().map(|v| f64::from(v) - centre).collect();
    let input: Vec<f64> = row_major(input).into_iter().map(f64::from).collect();
    let product = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let mean = |values: &[f64]| mean_filter(values, dim, radius);

    let (mean_guide, mean_input) = (mean(&guide), mean(&input));
    let (square, cross) = (mean(&product(&guide, &guide)), mean(&product(&guide, &input)));
    let (mut slope, mut offset) = (square, cross);
    for i in 0..slope.len() {
        let variance = slope[i] - mean_guide[i] * mean_guide[i];
        let covariance = offset[i] - mean_guide[i] * mean_input[i];
        slope[i] = covariance / (variance.max(0.0) + epsilon).max(f64::MIN_POSITIVE);
        offset[i] = mean_input[i] - slope[i] * mean_guide[i];
    }
    let (slope, offset) = (mean(&slope), mean(&offset));
    let result: Vec<f32> = (0..guide.len())
        .map(|i| (slope[i] * guide[i] + offset[i]) as f32)
        .collect();
    from_row_major(dim, &result)
}
