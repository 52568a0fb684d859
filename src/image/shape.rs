//! Shape of one object: scikit-image's perimeter estimator and the circularity that stands on it.
use std::f64::consts::{PI, SQRT_2};

use ndarray::ArrayView2;

/// Perimeter of the true pixels, scikit-image's 4-neighbourhood estimator (Benkrid and Crookes).
///
/// Border pixels are those with a 4-neighbour outside; each is weighted by how its neighbours on the border continue:
/// 1 for straight, sqrt 2 for diagonal, (1 + sqrt 2)/2 for a turn, by the code `1 + 2 * edge neighbours + 10 * corner
/// neighbours`. Outside the image is background.
pub fn perimeter(mask: ArrayView2<bool>) -> f64 {
    // A frame of background spares every border test.
    let (rows, cols) = (mask.nrows() + 2, mask.ncols() + 2);
    let mut inside = vec![false; rows * cols];
    for ((r, c), &v) in mask.indexed_iter() {
        inside[(r + 1) * cols + c + 1] = v;
    }
    let mut border = vec![0_u32; rows * cols];
    for i in (cols..(rows - 1) * cols).filter(|&i| inside[i]) {
        let eroded = inside[i - cols] && inside[i + cols] && inside[i - 1] && inside[i + 1];
        border[i] = u32::from(!eroded);
    }
    let (mut straight, mut diagonal, mut turning) = (0_u32, 0_u32, 0_u32);
    for i in (cols..(rows - 1) * cols).filter(|&i| border[i] == 1) {
        let edges = border[i - cols] + border[i + cols] + border[i - 1] + border[i + 1];
        let corners = border[i - cols - 1] + border[i - cols + 1] + border[i + cols - 1] + border[i + cols + 1];
        match 1 + 2 * edges + 10 * corners {
            5 | 7 | 15 | 17 | 25 | 27 => straight += 1,
            21 | 33 => diagonal += 1,
            13 | 23 => turning += 1,
            _ => {}
        }
    }
    f64::from(straight) + f64::from(diagonal) * SQRT_2 + f64::from(turning) * ((1.0 + SQRT_2) / 2.0)
}

/// Circularity `4 pi A / P^2`; a perimeter of 0 counts as 1 (the slab paper's code). With [`perimeter`] it exceeds 1
/// for tiny shapes and falls below 0.95 for larger discs (r = 5 and r >= 7): the paper's 0.95 is mostly a cut on size.
pub fn circularity(area: usize, perimeter: f64) -> f64 {
    let perimeter = if perimeter == 0.0 { 1.0 } else { perimeter };
    4.0 * PI * area as f64 / (perimeter * perimeter)
}
