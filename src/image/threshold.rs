//! Thresholds: OpenCV's adaptive Gaussian threshold and Otsu, Otsu on a float map, hysteresis.
use ndarray::{Array, Array2, Array3, ArrayView, ArrayView2, ArrayView3, Dimension};

use super::border::replicate;
use super::components::{label_2d, label_3d, Components, Connectivity};
use super::stretch::finite_range;
use super::{from_row_major, row_major};

/// OpenCV `adaptiveThreshold(GAUSSIAN_C, BINARY, block, offset)`: true where `pixel > mean - offset`, the mean being a
/// float32 Gaussian of `block` x `block` (odd, >= 3; sigma = 0.3 ((block - 1)/2 - 1) + 0.8), border replicated, rounded
/// to 8 bit with ties to even. The paper uses block 15, offset 3 and takes the **complement** as foreground.
pub fn adaptive_threshold(image: ArrayView2<u8>, block: usize, offset: i32) -> Array2<bool> {
    let (rows, cols) = image.dim();
    if image.is_empty() {
        return Array2::default((rows, cols));
    }
    let radius = (block.max(3) / 2) as isize;
    let kernel = float_kernel(2 * radius as usize + 1);
    let pixels = row_major(image);
    let columns: Vec<usize> = (-radius..cols as isize + radius).map(|c| replicate(c, cols)).collect();
    let mut across = vec![0.0_f32; rows * cols];
    for (row, out) in pixels.chunks_exact(cols).zip(across.chunks_exact_mut(cols)) {
        let padded: Vec<f32> = columns.iter().map(|&c| f32::from(row[c])).collect();
        for (k, &weight) in kernel.iter().enumerate() {
            for (sum, &v) in out.iter_mut().zip(&padded[k..k + cols]) {
                *sum += v * weight;
            }
        }
    }
    let centre = radius as usize;
    let mut result = vec![false; rows * cols];
    let mut mean = vec![0.0_f32; cols];
    for r in 0..rows {
        let row = |offset: isize| {
            let start = replicate(r as isize + offset, rows) * cols;
            &across[start..start + cols]
        };
        for (sum, &v) in mean.iter_mut().zip(row(0)) {
            *sum = v * kernel[centre];
        }
        for k in 1..=radius {
            let weight = kernel[centre + k as usize];
            for ((sum, &a), &b) in mean.iter_mut().zip(row(-k)).zip(row(k)) {
                *sum += (a + b) * weight;
            }
        }
        let start = r * cols;
        for c in 0..cols {
            let mean = mean[c].round_ties_even() as i32;
            result[start + c] = i32::from(pixels[start + c]) - mean > -offset;
        }
    }
    from_row_major((rows, cols), &result)
}

/// OpenCV `getGaussianKernel(size, 0)` in float32: small sizes have fixed kernels, in 1/256 from the edge to the
/// centre.
fn float_kernel(size: usize) -> Vec<f32> {
    let fixed: &[u8] = match size {
        3 => &[64, 128],
        5 => &[16, 64, 96],
        7 => &[8, 28, 56, 72],
        9 => &[4, 13, 30, 51, 60],
        _ => &[],
    };
    if !fixed.is_empty() {
        return fixed
            .iter()
            .chain(fixed.iter().rev().skip(1))
            .map(|&v| f32::from(v) / 256.0)
            .collect();
    }
    let sigma = 0.3 * ((size as f64 - 1.0) * 0.5 - 1.0) + 0.8;
    let centre = (size as f64 - 1.0) * 0.5;
    let exact: Vec<f64> = (0..size)
        .map(|i| (-0.5 * ((i as f64 - centre) / sigma).powi(2)).exp())
        .collect();
    let sum: f64 = exact.iter().sum();
    exact.iter().map(|v| (v / sum) as f32).collect()
}

/// Otsu's threshold on the 256-bin histogram: the level that maximises the between-class variance (the first one on a
/// tie). Foreground is `pixel > level`. A constant image gives 0.
pub fn otsu_u8(image: ArrayView2<u8>) -> u8 {
    let mut histogram = [0_u64; 256];
    for &v in image {
        histogram[usize::from(v)] += 1;
    }
    otsu_bin(&histogram) as u8
}

/// Otsu's threshold of a float map on a histogram of 256 bins over its finite range: foreground is `value > threshold`.
/// `None` for a constant map or one without finite values.
pub fn otsu_f32<D: Dimension>(map: ArrayView<f32, D>) -> Option<f32> {
    let (low, high) = finite_range(&map).filter(|(low, high)| high > low)?;
    let (low, width) = (f64::from(low), (f64::from(high) - f64::from(low)) / 256.0);
    let mut histogram = [0_u64; 256];
    for v in map.iter().filter(|v| v.is_finite()) {
        histogram[(((f64::from(*v) - low) / width) as usize).min(255)] += 1;
    }
    Some((low + (otsu_bin(&histogram) + 1) as f64 * width) as f32)
}

fn otsu_bin(histogram: &[u64; 256]) -> usize {
    let count: u64 = histogram.iter().sum();
    if count == 0 {
        return 0;
    }
    let scale = 1.0 / count as f64;
    let mean = histogram
        .iter()
        .enumerate()
        .map(|(i, &n)| i as f64 * n as f64)
        .sum::<f64>()
        * scale;
    let (mut below, mut mean_below) = (0.0, 0.0);
    let (mut best, mut best_variance) = (0, 0.0);
    for (i, &n) in histogram.iter().enumerate() {
        let share = n as f64 * scale;
        mean_below *= below;
        below += share;
        let above = 1.0 - below;
        // OpenCV's own guard against an empty class, in float32 epsilon.
        let epsilon = f64::from(f32::EPSILON);
        if below.min(above) < epsilon || below.max(above) > 1.0 - epsilon {
            continue;
        }
        mean_below = (mean_below + i as f64 * share) / below;
        let mean_above = (mean - below * mean_below) / above;
        let variance = below * above * (mean_below - mean_above).powi(2);
        if variance > best_variance {
            (best, best_variance) = (i, variance);
        }
    }
    best
}

/// Hysteresis: the 8-connected parts of `map > low` that hold at least one pixel `> high`. NaN is background.
pub fn hysteresis(map: ArrayView2<f32>, low: f32, high: f32) -> Array2<bool> {
    let weak = map.mapv(|v| v > low);
    keep_strong(label_2d(weak.view(), Connectivity::Full), map, high)
}

/// Hysteresis in 3D: the 26-connected parts of `map > low` that hold at least one voxel `> high`.
pub fn hysteresis_3d(map: ArrayView3<f32>, low: f32, high: f32) -> Array3<bool> {
    let weak = map.mapv(|v| v > low);
    match label_3d(weak.view(), Connectivity::Full, || Ok(())) {
        Ok(parts) => keep_strong(parts, map, high),
        // Never stopped, hence never an error.
        Err(_) => weak,
    }
}

fn keep_strong<D: Dimension>(parts: Components<D>, map: ArrayView<f32, D>, high: f32) -> Array<bool, D> {
    let mut strong = vec![false; parts.areas.len() + 1];
    for (&label, &v) in parts.labels.iter().zip(&map) {
        strong[label as usize] |= v > high && label > 0;
    }
    parts.labels.mapv(|label| strong[label as usize])
}
