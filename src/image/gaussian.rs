//! Gaussian smoothing in the three dialects that matter: scipy on uint8 (truncating after every pass), plain float32,
//! and OpenCV's 8-bit fixed-point blur.
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};

use super::border::{reflect, reflect_101};
use super::{from_row_major, row_major};

/// scipy `gaussian_filter` on uint8: separable, rows' axis first, radius `int(4 sigma + 0.5)`, reflected border, double
/// accumulation, and **each pass stored as uint8 by truncation**. `sigma` <= 0 returns the image.
pub fn gaussian_truncated_u8(image: ArrayView2<u8>, sigma: f64) -> Array2<u8> {
    separable(image, sigma, f64::from, |v| v as u8)
}

/// scipy `gaussian_filter` on float32: radius `int(4 sigma + 0.5)`, reflected border, double accumulation. Any `sigma`;
/// <= 0 returns the image.
pub fn gaussian_f32(image: ArrayView2<f32>, sigma: f64) -> Array2<f32> {
    separable(image, sigma, f64::from, |v| v as f32)
}

/// The same on a volume (z, y, x), slice by slice and then along z. `check` is asked now and then; its error ends the
/// work.
pub fn gaussian_3d<E>(
    volume: ArrayView3<f32>,
    sigma: f64,
    mut check: impl FnMut() -> Result<(), E>,
) -> Result<Array3<f32>, E> {
    let mut smooth = volume.to_owned();
    if !sigma.is_normal() || sigma <= 0.0 {
        return Ok(smooth);
    }
    for mut slice in smooth.outer_iter_mut() {
        let blurred = gaussian_f32(slice.view(), sigma);
        slice.assign(&blurred);
        check()?;
    }
    // Along z, one (z, x) plane at a time, so that the copy stays small.
    let kernel = half_kernel(sigma);
    let depth = smooth.len_of(Axis(0));
    for mut plane in smooth.axis_iter_mut(Axis(1)) {
        let source = plane.to_owned();
        for z in 0..depth {
            let mut row = plane.row_mut(z);
            row.fill(0.0);
            for (offset, weight) in kernel.iter().enumerate() {
                let weight = *weight as f32;
                row.scaled_add(weight, &source.row(reflect(z as isize + offset as isize, depth)));
                if offset > 0 {
                    row.scaled_add(weight, &source.row(reflect(z as isize - offset as isize, depth)));
                }
            }
        }
        check()?;
    }
    Ok(smooth)
}

/// Half of the sampled Gaussian, centre first, normalised over both halves.
fn half_kernel(sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5) as isize;
    let full: Vec<f64> = (-radius..=radius)
        .map(|x| (-0.5 / (sigma * sigma) * (x * x) as f64).exp())
        .collect();
    let sum = pairwise_sum(&full);
    full[radius as usize..].iter().map(|v| v / sum).collect()
}

/// numpy's order of summation for up to 128 terms: with truncation to uint8 the last bit of the weights is visible.
fn pairwise_sum(terms: &[f64]) -> f64 {
    if terms.len() < 8 {
        return terms.iter().sum();
    }
    let mut lanes = [0.0; 8];
    let whole = terms.len() / 8 * 8;
    for (i, term) in terms[..whole].iter().enumerate() {
        lanes[i % 8] += term;
    }
    let sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    terms[whole..].iter().fold(sum, |sum, term| sum + term)
}

fn separable<T: Copy>(image: ArrayView2<T>, sigma: f64, load: fn(T) -> f64, store: fn(f64) -> T) -> Array2<T> {
    let (rows, cols) = image.dim();
    // `is_normal` also turns away NaN and infinity, for which no kernel exists.
    if image.is_empty() || sigma <= 0.0 || !sigma.is_normal() {
        return image.to_owned();
    }
    let kernel = half_kernel(sigma);
    let radius = kernel.len() - 1;
    let mut pixels = row_major(image);
    // Down the columns, a whole row at a time. The order of additions (centre, then the outermost pair inwards) is
    // scipy's: a constant image must lose a grey level exactly where scipy's does.
    let source = pixels.clone();
    let mut sums = vec![0.0; cols];
    for r in 0..rows {
        let row = |offset: isize| {
            let start = reflect(r as isize + offset, rows) * cols;
            &source[start..start + cols]
        };
        for (sum, &v) in sums.iter_mut().zip(row(0)) {
            *sum = load(v) * kernel[0];
        }
        for k in (1..=radius).rev() {
            let weight = kernel[k];
            for ((sum, &a), &b) in sums.iter_mut().zip(row(-(k as isize))).zip(row(k as isize)) {
                *sum += (load(a) + load(b)) * weight;
            }
        }
        for (pixel, &sum) in pixels[r * cols..(r + 1) * cols].iter_mut().zip(&sums) {
            *pixel = store(sum);
        }
    }
    let columns: Vec<usize> = (-(radius as isize)..(cols + radius) as isize)
        .map(|c| reflect(c, cols))
        .collect();
    for row in pixels.chunks_exact_mut(cols) {
        let padded: Vec<f64> = columns.iter().map(|&c| load(row[c])).collect();
        let centre = &padded[radius..radius + cols];
        for (sum, &v) in sums.iter_mut().zip(centre) {
            *sum = v * kernel[0];
        }
        for k in (1..=radius).rev() {
            let (left, right) = (
                &padded[radius - k..radius - k + cols],
                &padded[radius + k..radius + k + cols],
            );
            for ((sum, &a), &b) in sums.iter_mut().zip(left).zip(right) {
                *sum += (a + b) * kernel[k];
            }
        }
        for (pixel, &sum) in row.iter_mut().zip(&sums) {
            *pixel = store(sum);
        }
    }
    from_row_major((rows, cols), &pixels)
}

/// OpenCV `GaussianBlur` on 8-bit images: `size` x `size` (odd, at most 31), `sigma` > 0, border reflect-101. The
/// kernel is rounded to 1/256 with the rounding error carried inwards, products are exact, one rounding at the end.
pub fn gaussian_blur_u8(image: ArrayView2<u8>, size: usize, sigma: f64) -> Array2<u8> {
    let (rows, cols) = image.dim();
    let size = size.min(31) | 1;
    if image.is_empty() || sigma <= 0.0 || !sigma.is_normal() {
        return image.to_owned();
    }
    let kernel = fixed_kernel(size, sigma);
    let radius = (size / 2) as isize;
    let pixels = row_major(image);
    let columns: Vec<usize> = (-radius..cols as isize + radius)
        .map(|c| reflect_101(c, cols))
        .collect();
    let mut across = vec![0_u32; rows * cols];
    for (row, out) in pixels.chunks_exact(cols).zip(across.chunks_exact_mut(cols)) {
        let padded: Vec<u32> = columns.iter().map(|&c| u32::from(row[c])).collect();
        for (k, &weight) in kernel.iter().enumerate() {
            for (sum, &v) in out.iter_mut().zip(&padded[k..k + cols]) {
                *sum += weight * v;
            }
        }
    }
    let mut result = pixels;
    let mut sums = vec![0_u32; cols];
    for (r, out) in result.chunks_exact_mut(cols).enumerate() {
        sums.fill(1 << 15);
        for (k, &weight) in kernel.iter().enumerate() {
            let start = reflect_101((r + k) as isize - radius, rows) * cols;
            for (sum, &v) in sums.iter_mut().zip(&across[start..start + cols]) {
                *sum += weight * v;
            }
        }
        for (pixel, &sum) in out.iter_mut().zip(&sums) {
            *pixel = (sum >> 16).min(255) as u8;
        }
    }
    from_row_major((rows, cols), &result)
}

/// The Gaussian in units of 1/256, from the edge inwards with error diffusion; the centre takes what is left of 256.
fn fixed_kernel(size: usize, sigma: f64) -> Vec<u32> {
    let centre = (size / 2) as f64;
    let exact: Vec<f64> = (0..size)
        .map(|i| (-(i as f64 - centre).powi(2) / (2.0 * sigma * sigma)).exp())
        .collect();
    let sum: f64 = exact.iter().sum();
    let mut kernel = vec![0_u32; size];
    let (mut error, mut used) = (0.0, 0);
    for i in 0..size / 2 {
        let value = exact[i] / sum * 256.0 + error;
        let rounded = value.round_ties_even().max(0.0);
        error = value - rounded;
        kernel[i] = rounded as u32;
        kernel[size - 1 - i] = rounded as u32;
        used += 2 * rounded as u32;
    }
    kernel[size / 2] = 256_u32.saturating_sub(used);
    kernel
}
