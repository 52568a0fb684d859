//! Structural similarity with a Gaussian window, at one scale and at several.
use ndarray::{Array2, ArrayView2};

/// Side and standard deviation of the window (Wang et al. 2004).
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;

/// Weights of the scales, finest first (Wang, Simoncelli and Bovik 2003).
const SCALES: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// Mean structural similarity of Wang et al. 2004, -1..=1: an 11 x 11 Gaussian window of deviation 1.5, K1 = 0.01, K2 =
/// 0.03, over the pixels whose window lies inside the image. `range` is the span of grey levels. None for images of
/// different shapes or a side below 11.
pub fn gaussian_ssim(a: ArrayView2<f32>, b: ArrayView2<f32>, range: f64) -> Option<f64> {
    Some(parts(&a.mapv(f64::from), &b.mapv(f64::from), range)?.0)
}

/// The same at five scales, each half the one before (Wang, Simoncelli and Bovik 2003): contrast and structure of all,
/// luminance of the coarsest; a negative scale counts as 0. None for images of different shapes or a side below 176.
pub fn multiscale_ssim(a: ArrayView2<f32>, b: ArrayView2<f32>, range: f64) -> Option<f64> {
    if a.nrows().min(a.ncols()) < WINDOW << (SCALES.len() - 1) {
        return None;
    }
    let (mut a, mut b) = (a.mapv(f64::from), b.mapv(f64::from));
    let mut product = 1.0;
    for (scale, weight) in SCALES.into_iter().enumerate() {
        let (whole, structure) = parts(&a, &b, range)?;
        let last = scale + 1 == SCALES.len();
        product *= (if last { whole } else { structure }).max(0.0).powf(weight);
        (a, b) = (halved(&a), halved(&b));
    }
    Some(product)
}

/// Means of the similarity and of its contrast and structure alone.
fn parts(a: &Array2<f64>, b: &Array2<f64>, range: f64) -> Option<(f64, f64)> {
    let (rows, cols) = a.dim();
    if a.dim() != b.dim() || rows.min(cols) < WINDOW {
        return None;
    }
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let means = [a.clone(), b.clone(), a * a, b * b, a * b].map(|image| windowed(&image));
    let (mut whole, mut structure) = (0.0, 0.0);
    for at in ndarray::indices(means[0].dim()) {
        let [ua, ub, uaa, ubb, uab] = [0, 1, 2, 3, 4].map(|k: usize| means[k][at]);
        let (va, vb, vab) = (uaa - ua * ua, ubb - ub * ub, uab - ua * ub);
        let contrast = (2.0 * vab + c2) / (va + vb + c2);
        structure += contrast;
        whole += contrast * (2.0 * ua * ub + c1) / (ua * ua + ub * ub + c1);
    }
    let count = means[0].len() as f64;
    Some((whole / count, structure / count))
}

/// The Gaussian mean about every pixel whose window lies inside.
fn windowed(image: &Array2<f64>) -> Array2<f64> {
    let middle = (WINDOW / 2) as f64;
    let mut weights: Vec<f64> = (0..WINDOW)
        .map(|i| (-0.5 * ((i as f64 - middle) / SIGMA).powi(2)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    let (rows, cols) = image.dim();
    let inner = |side: usize| side + 1 - WINDOW;
    let across = Array2::from_shape_fn((rows, inner(cols)), |(r, c)| {
        weights
            .iter()
            .enumerate()
            .map(|(i, w)| w * image[[r, c + i]])
            .sum::<f64>()
    });
    Array2::from_shape_fn((inner(rows), inner(cols)), |(r, c)| {
        weights.iter().enumerate().map(|(i, w)| w * across[[r + i, c]]).sum()
    })
}

/// Means of 2 x 2 pixels; an odd side is continued by a zero before its first pixel, as the reference does.
fn halved(image: &Array2<f64>) -> Array2<f64> {
    let (rows, cols) = image.dim();
    let (above, left) = (rows % 2, cols % 2);
    let pixel = |r: usize, c: usize| -> f64 {
        let inside = |at: usize, before: usize| at.checked_sub(before);
        match (inside(r, above), inside(c, left)) {
            (Some(r), Some(c)) => image.get([r, c]).copied().unwrap_or(0.0),
            _ => 0.0,
        }
    };
    Array2::from_shape_fn((rows.div_ceil(2), cols.div_ceil(2)), |(r, c)| {
        0.25 * (pixel(2 * r, 2 * c) + pixel(2 * r, 2 * c + 1) + pixel(2 * r + 1, 2 * c) + pixel(2 * r + 1, 2 * c + 1))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Bytes over 255 of a wave; tests/oracle/gaussian_similarity.py has the same.
    fn picture(rows: usize, cols: usize, shift: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, cols), |(r, c)| {
            let wave = (r * r / 9 + 3 * c + r * c / 7 + 31 * shift * ((r / 16 + c / 16) % 2)) % 256;
            wave as f32 / 255.0
        })
    }

    #[test]
    fn both_are_those_of_the_definition() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/image/gaussian_similarity.json")).unwrap();
        for case in fixture.as_array().unwrap() {
            let [rows, cols, shift] = serde_json::from_value(case["picture"].clone()).unwrap();
            let (a, b) = (picture(rows, cols, 0), picture(rows, cols, shift));
            let near = |own: Option<f64>, name: &str| match (own, case[name].as_f64()) {
                (Some(own), Some(expected)) => assert!((own - expected).abs() < 1e-6, "{name}: {own}, {expected}"),
                (own, expected) => assert_eq!(own, expected, "{name}"),
            };
            near(gaussian_ssim(a.view(), b.view(), 1.0), "ssim");
            near(multiscale_ssim(a.view(), b.view(), 1.0), "ms_ssim");
        }
        let (a, b) = (picture(20, 20, 0), picture(20, 21, 0));
        assert!(gaussian_ssim(a.view(), b.view(), 1.0).is_none());
        assert!((gaussian_ssim(a.view(), a.view(), 1.0).unwrap() - 1.0).abs() < 1e-12);
    }
}
