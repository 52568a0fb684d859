//! Similarity of two images: SSIM (scikit-image defaults) and PSNR.
use ndarray::ArrayView2;

/// Side of the SSIM window.
const WINDOW: usize = 7;

/// Mean structural similarity, scikit-image's defaults: uniform 7 x 7 window, sample covariance, K1 = 0.01, K2 = 0.03,
/// mean over the pixels whose window lies inside the image. `range` is the span of grey levels (R).
///
/// An image with a side below 7 gets the largest odd window that fits (scikit-image refuses it). Images of different
/// shapes, or empty ones, give NaN; so does `range` 0 where both images are 0.
pub fn ssim<T: Copy + Into<f64>>(a: ArrayView2<T>, b: ArrayView2<T>, range: f64) -> f64 {
    let (rows, cols) = a.dim();
    if a.dim() != b.dim() || a.is_empty() {
        return f64::NAN;
    }
    let side = WINDOW.min(rows).min(cols);
    let side = if side % 2 == 0 { side - 1 } else { side };
    let count = (side * side) as f64;
    // A window of one pixel has no covariance; 1 keeps the formula finite.
    let sample = if side > 1 { count / (count - 1.0) } else { 1.0 };
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let a: Vec<f64> = a.iter().map(|&v| v.into()).collect();
    let b: Vec<f64> = b.iter().map(|&v| v.into()).collect();

    // Sums down the window for every column (a, b, aa, bb, ab), then across; fresh for each row, so nothing drifts.
    let mut columns = vec![[0.0_f64; 5]; cols];
    let mut total = 0.0;
    for top in 0..=rows - side {
        columns.fill([0.0; 5]);
        for r in top..top + side {
            let (a, b) = (&a[r * cols..(r + 1) * cols], &b[r * cols..(r + 1) * cols]);
            for ((sum, &a), &b) in columns.iter_mut().zip(a).zip(b) {
                sum[0] += a;
                sum[1] += b;
                sum[2] += a * a;
                sum[3] += b * b;
                sum[4] += a * b;
            }
        }
        for window in columns.windows(side) {
            let mut mean = [0.0; 5];
            for column in window {
                for (mean, sum) in mean.iter_mut().zip(column) {
                    *mean += sum;
                }
            }
            let [ua, ub, uaa, ubb, uab] = mean.map(|sum| sum / count);
            let (va, vb, vab) = (
                sample * (uaa - ua * ua),
                sample * (ubb - ub * ub),
                sample * (uab - ua * ub),
            );
            total += ((2.0 * ua * ub + c1) * (2.0 * vab + c2)) / ((ua * ua + ub * ub + c1) * (va + vb + c2));
        }
    }
    total / ((rows - side + 1) * (cols - side + 1)) as f64
}

/// Peak signal-to-noise ratio, `10 log10(range^2 / MSE)` in dB; infinite for equal images, NaN for different shapes.
pub fn psnr<T: Copy + Into<f64>>(a: ArrayView2<T>, b: ArrayView2<T>, range: f64) -> f64 {
    if a.dim() != b.dim() || a.is_empty() {
        return f64::NAN;
    }
    let square = |(a, b): (&T, &T)| {
        let difference: f64 = (*a).into() - (*b).into();
        difference * difference
    };
    let error = a.iter().zip(b).map(square).sum::<f64>() / a.len() as f64;
    10.0 * (range * range / error).log10()
}
