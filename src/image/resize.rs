//! Resizing with OpenCV's sampling (half-pixel centres, clamped border) and, for 8 bit, its rounding.
use ndarray::{Array2, ArrayView2};

use super::border::replicate;
use super::row_major;

/// Scale of OpenCV's fixed-point weights.
const FIXED: f32 = 2048.0;

/// For every output position the source position below it and the fraction towards the next, as OpenCV computes them:
/// the position in double, stored as float32.
fn positions(source: usize, target: usize) -> impl Iterator<Item = (isize, f32)> {
    let scale = 1.0 / (target as f64 / source as f64);
    (0..target).map(move |i| {
        let position = ((i as f64 + 0.5) * scale - 0.5) as f32;
        let below = position.floor();
        (below as isize, position - below)
    })
}

/// OpenCV `INTER_LINEAR` on 8-bit images to `rows` x `cols`: weights in 1/2048, the vertical pass in its shifted 16-bit
/// form, bit for bit. No smoothing on reduction. An empty source or target gives zeros.
pub fn resize_linear_u8(image: ArrayView2<u8>, (rows, cols): (usize, usize)) -> Array2<u8> {
    let (source_rows, source_cols) = image.dim();
    if image.is_empty() || rows == 0 || cols == 0 {
        return Array2::zeros((rows, cols));
    }
    let weights = |fraction: f32| {
        let weight = |share: f32| (share * FIXED).round_ties_even() as i32;
        (weight(1.0 - fraction), weight(fraction))
    };
    // Across, a position beyond the last centre takes the edge pixel with weight 1; down, both rows are clamped and
    // keep their weights. The two differ in the last bit.
    let across: Vec<(usize, usize, i32, i32)> = positions(source_cols, cols)
        .map(|(below, fraction)| {
            let outside = below < 0 || below >= source_cols as isize - 1;
            let (near, far) = weights(if outside { 0.0 } else { fraction });
            (
                replicate(below, source_cols),
                replicate(below + 1, source_cols),
                near,
                far,
            )
        })
        .collect();
    let pixels = row_major(image);
    let mut wide = vec![0_i32; source_rows * cols];
    for (row, out) in pixels.chunks_exact(source_cols).zip(wide.chunks_exact_mut(cols)) {
        for (value, &(left, right, near, far)) in out.iter_mut().zip(&across) {
            *value = (i32::from(row[left]) * near + i32::from(row[right]) * far) >> 4;
        }
    }
    let down: Vec<(usize, usize, i32, i32)> = positions(source_rows, rows)
        .map(|(below, fraction)| {
            let (near, far) = weights(fraction);
            (
                replicate(below, source_rows) * cols,
                replicate(below + 1, source_rows) * cols,
                near,
                far,
            )
        })
        .collect();
    Array2::from_shape_fn((rows, cols), |(r, c)| {
        let (upper, lower, near, far) = down[r];
        let sum = ((near * wide[upper + c]) >> 16) + ((far * wide[lower + c]) >> 16);
        ((sum + 2) >> 2).clamp(0, 255) as u8
    })
}

/// OpenCV `INTER_CUBIC` (A = -0.75) on 8-bit images to `rows` x `cols`, in double precision with one rounding (ties to
/// even). This is what the x86 wheel of OpenCV gives (it runs Intel IPP there; at most a few pixels in 100,000 differ,
/// by one level); its portable fixed-point code is off by one level at about 2 % of pixels.
pub fn resize_cubic_u8(image: ArrayView2<u8>, shape: (usize, usize)) -> Array2<u8> {
    resample(image.mapv(f64::from).view(), shape, cubic_taps, |v| {
        v.round_ties_even().clamp(0.0, 255.0) as u8
    })
}

/// OpenCV `INTER_CUBIC` (A = -0.75) on float32.
pub fn resize_cubic_f32(image: ArrayView2<f32>, shape: (usize, usize)) -> Array2<f32> {
    resample(image.mapv(f64::from).view(), shape, cubic_taps, |v| v as f32)
}

/// OpenCV `INTER_LINEAR` on float32. No smoothing on reduction.
pub fn resize_linear_f32(image: ArrayView2<f32>, shape: (usize, usize)) -> Array2<f32> {
    resample(image.mapv(f64::from).view(), shape, linear_taps, |v| v as f32)
}

/// OpenCV `INTER_NEAREST`: source index `floor(i * source / target)`.
pub fn resize_nearest<T: Copy + Default>(image: ArrayView2<T>, (rows, cols): (usize, usize)) -> Array2<T> {
    if image.is_empty() {
        return Array2::default((rows, cols));
    }
    let index = |source: usize, target: usize| -> Vec<usize> {
        let scale = 1.0 / (target as f64 / source as f64);
        (0..target)
            .map(|i| ((i as f64 * scale) as usize).min(source - 1))
            .collect()
    };
    let (down, across) = (index(image.nrows(), rows), index(image.ncols(), cols));
    Array2::from_shape_fn((rows, cols), |(r, c)| image[[down[r], across[c]]])
}

/// Source indices and weights of one output position.
type Taps = ([usize; 4], [f64; 4]);

fn linear_taps(source: usize, target: usize) -> Vec<Taps> {
    let taps = |(below, x): (isize, f32)| {
        let at = |offset| replicate(below + offset, source);
        ([at(0), at(1), 0, 0], [f64::from(1.0 - x), f64::from(x), 0.0, 0.0])
    };
    positions(source, target).map(taps).collect()
}

fn cubic_taps(source: usize, target: usize) -> Vec<Taps> {
    const A: f64 = -0.75;
    let far = |x: f64| ((A * (x + 1.0) - 5.0 * A) * (x + 1.0) + 8.0 * A) * (x + 1.0) - 4.0 * A;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let taps = |(below, x): (isize, f32)| {
        let at = |offset| replicate(below + offset, source);
        let x = f64::from(x);
        let (first, second, third) = (far(x), near(x), near(1.0 - x));
        (
            [at(-1), at(0), at(1), at(2)],
            [first, second, third, 1.0 - first - second - third],
        )
    };
    positions(source, target).map(taps).collect()
}

/// Separable resampling, across and then down.
fn resample<T: Copy + Default>(
    image: ArrayView2<f64>,
    (rows, cols): (usize, usize),
    taps: fn(usize, usize) -> Vec<Taps>,
    store: fn(f64) -> T,
) -> Array2<T> {
    let (source_rows, source_cols) = image.dim();
    if image.is_empty() || rows == 0 || cols == 0 {
        return Array2::default((rows, cols));
    }
    let pixels = row_major(image);
    let across = taps(source_cols, cols);
    let mut wide = vec![0.0; source_rows * cols];
    for (row, out) in pixels.chunks_exact(source_cols).zip(wide.chunks_exact_mut(cols)) {
        for (value, (at, weight)) in out.iter_mut().zip(&across) {
            *value = row[at[0]] * weight[0] + row[at[1]] * weight[1] + row[at[2]] * weight[2] + row[at[3]] * weight[3];
        }
    }
    let down = taps(source_rows, rows);
    Array2::from_shape_fn((rows, cols), |(r, c)| {
        let (at, weight) = &down[r];
        let value = |k: usize| wide[at[k] * cols + c] * weight[k];
        store(value(0) + value(1) + value(2) + value(3))
    })
}
