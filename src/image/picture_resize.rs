//! Pictures reduced and enlarged as PIL does it, which most picture networks were trained with.
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis};

/// Bits behind the binary point of PIL's weights of bytes.
const PRECISION: u32 = 22;

/// How the sums of a pass are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureLevels {
    /// As bytes after each pass, as PIL does with 8-bit pictures; levels must be whole numbers in 0..=255.
    Bytes,
    /// As they are.
    Exact,
}

/// One output position: its first source pixel, and the weights of that and the following ones.
struct Footprint {
    first: usize,
    weights: Vec<f64>,
}

/// PIL's `Image.resize(..., BILINEAR)` of one plane to `shape` (rows, columns): a triangle over the source's footprint,
/// which where the picture shrinks is as wide as the reduction, so that nothing is skipped; across first, then down.
/// With [`PictureLevels::Bytes`] the same bytes as those of Pillow up to 12.
pub fn resize_picture(plane: ArrayView2<f32>, (rows, cols): (usize, usize), levels: PictureLevels) -> Array2<f32> {
    if plane.is_empty() || rows == 0 || cols == 0 {
        return Array2::zeros((rows, cols));
    }
    let mut across = Array2::zeros((plane.nrows(), cols));
    let footprints = footprints(plane.ncols(), cols);
    for (from, to) in plane.rows().into_iter().zip(across.rows_mut()) {
        resample(from, to, &footprints, levels);
    }
    let mut down = Array2::zeros((rows, cols));
    let footprints = self::footprints(plane.nrows(), rows);
    for (from, to) in across.axis_iter(Axis(1)).zip(down.axis_iter_mut(Axis(1))) {
        resample(from, to, &footprints, levels);
    }
    down
}

/// PIL's `Image.resize(..., NEAREST)`: the source pixel under the centre of the target's.
pub fn resize_picture_nearest<T: Copy>(plane: ArrayView2<T>, (rows, cols): (usize, usize)) -> Array2<T> {
    let sources = |source: usize, target: usize| -> Vec<usize> {
        let scale = source as f64 / target as f64;
        // Summed up as PIL does: centres that lie between two pixels fall where its rounding puts them.
        let centres = std::iter::successors(Some(0.5 * scale), |centre| Some(centre + scale));
        let pixel = |centre: f64| (centre as usize).min(source.saturating_sub(1));
        centres.take(target).map(pixel).collect()
    };
    let (down, across) = (sources(plane.nrows(), rows), sources(plane.ncols(), cols));
    Array2::from_shape_fn((rows, cols), |(row, col)| plane[[down[row], across[col]]])
}

fn footprints(source: usize, target: usize) -> Vec<Footprint> {
    let scale = source as f64 / target as f64;
    let support = scale.max(1.0);
    (0..target)
        .map(|at| {
            let centre = (at as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(source);
            let triangle = |pixel: usize| (1.0 - ((pixel as f64 - centre + 0.5) / support).abs()).max(0.0);
            let mut weights: Vec<f64> = (first..end).map(triangle).collect();
            let sum: f64 = weights.iter().sum();
            if sum != 0.0 {
                weights.iter_mut().for_each(|weight| *weight /= sum);
            }
            Footprint { first, weights }
        })
        .collect()
}

fn resample(from: ArrayView1<f32>, mut to: ArrayViewMut1<f32>, footprints: &[Footprint], levels: PictureLevels) {
    for (value, Footprint { first, weights }) in to.iter_mut().zip(footprints) {
        let pixels = from.iter().skip(*first).zip(weights);
        *value = match levels {
            PictureLevels::Exact => pixels.map(|(v, w)| f64::from(*v) * w).sum::<f64>() as f32,
            PictureLevels::Bytes => {
                let one = f64::from(1_u32 << PRECISION);
                let whole = |v: &f32, w: f64| (*v as i64) * ((w * one + 0.5) as i64);
                let sum: i64 = (1 << (PRECISION - 1)) + pixels.map(|(v, w)| whole(v, *w)).sum::<i64>();
                (sum >> PRECISION).clamp(0, 255) as f32
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Bytes of a wave that has all levels; tests/oracle/picture_resize.py has the same.
    fn picture(rows: usize, cols: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, cols), |(r, c)| {
            ((7 * r * r + 13 * c + 5 * r * c + c * c / 3) % 256) as f32
        })
    }

    #[test]
    fn bytes_are_those_of_pillow() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/image/picture_resize.json")).unwrap();
        let cases = fixture.as_array().unwrap();
        assert!(cases.len() >= 5);
        for case in cases {
            let size = |name: &str| -> (usize, usize) { serde_json::from_value(case[name].clone()).unwrap() };
            let (from, to) = (size("from"), size("to"));
            let values = |name: &str| -> Vec<f32> { serde_json::from_value(case[name].clone()).unwrap() };
            let plane = picture(from.0, from.1);
            let linear = resize_picture(plane.view(), to, PictureLevels::Bytes);
            assert!(
                linear.into_raw_vec_and_offset().0 == values("bilinear"),
                "{from:?} to {to:?}"
            );
            let nearest = resize_picture_nearest(plane.view(), to);
            assert!(
                nearest.into_raw_vec_and_offset().0 == values("nearest"),
                "{from:?} to {to:?}"
            );
        }
    }

    #[test]
    fn exact_levels_keep_a_constant_and_the_mean() {
        let plane = Array2::from_elem((30, 21), -1.5_f32);
        let small = resize_picture(plane.view(), (7, 10), PictureLevels::Exact);
        assert!(small.iter().all(|v| (v + 1.5).abs() < 1e-6));
        let plane = picture(32, 48);
        let half = resize_picture(plane.view(), (16, 24), PictureLevels::Exact);
        let mean = |a: &Array2<f32>| a.iter().map(|v| f64::from(*v)).sum::<f64>() / a.len() as f64;
        assert!((mean(&half) - mean(&plane)).abs() < 3.0);
    }
}
