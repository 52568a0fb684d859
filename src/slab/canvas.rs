//! Maps of tiles and slices: what the eigenvectors and the denoised image say about structure.
use ndarray::Array2;

use crate::image;
use crate::runtime::{Error, Result};

/// What one tile contributes to its slice.
#[derive(Clone, Debug)]
pub enum TileMap {
    /// The paper's canvas at eight pixels per attention cell: structures dark, 0..=255.
    Canvas(Array2<u8>),
    /// A structure score at the tile's own pixels, one map per slice: larger is more structure, background near 0.
    Score(Vec<Array2<f32>>),
    /// Likelihood of each of the model's structures, 0..=1, at the tile's own pixels: by structure, then by slice.
    Structures(Vec<Vec<Array2<f32>>>),
}

/// What one slice contributes to the slab.
#[derive(Clone, Debug)]
pub enum SliceCanvas {
    /// The paper's quadrants, row-major, 2 x 2.
    Quadrants(Vec<Array2<u8>>),
    /// One canvas of the slice's own size, structures dark, 0..=255.
    Whole(Array2<u8>),
    /// One score map of the slice's own size.
    Score(Array2<f32>),
    /// One map of the slice's own size for each of the model's structures.
    Structures(Vec<Array2<f32>>),
}

/// The one-step denoised tile (structures dark, so negated), mixed with `weight` (0..=1) of what the
/// leading eigenvectors see of it.
///
/// `maps` are orthonormal eigenvectors at attention cells. Their part is the orthogonal projection of the image's cell
/// means on their span: the attention's own segmentation of the image, free of the sign and order that single
/// eigenvectors leave open.
pub fn denoised_score(denoised: Array2<f32>, maps: &[Array2<f32>], weight: f32) -> Result<Array2<f32>> {
    let mut score = denoised;
    score.mapv_inplace(|v| -v);
    let Some(first) = maps.first() else {
        return Ok(score);
    };
    let cells = cell_means(&score, first.dim())?;
    let mut projection = Array2::<f32>::zeros(first.dim());
    for map in maps {
        let coefficient = map.iter().zip(&cells).map(|(a, b)| a * b).sum::<f32>();
        projection.scaled_add(coefficient, map);
    }
    let projected = image::resize_cubic_f32(projection.view(), score.dim());
    score.zip_mut_with(&projected, |s, p| *s = (1.0 - weight) * *s + weight * p);
    Ok(score)
}

/// Mean of `image` over each cell of a grid that divides it.
fn cell_means(image: &Array2<f32>, (rows, cols): (usize, usize)) -> Result<Array2<f32>> {
    let (height, width) = image.dim();
    if rows == 0 || cols == 0 || height % rows != 0 || width % cols != 0 {
        return Err(Error::Internal(format!(
            "a grid of {rows}x{cols} cells does not divide a tile of {height}x{width} pixels"
        )));
    }
    let (cell_rows, cell_cols) = (height / rows, width / cols);
    let area = (cell_rows * cell_cols) as f32;
    Ok(Array2::from_shape_fn((rows, cols), |(row, col)| {
        let cell = image.slice(ndarray::s![
            row * cell_rows..(row + 1) * cell_rows,
            col * cell_cols..(col + 1) * cell_cols
        ]);
        cell.sum() / area
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projection_keeps_what_the_eigenvectors_span_and_drops_the_rest() {
        // One eigenvector, constant over four cells: the projection of any image is its mean.
        let image = Array2::from_shape_fn((4, 4), |(row, col)| (row * 4 + col) as f32);
        let constant = Array2::from_elem((2, 2), 0.5);
        let score = denoised_score(image.clone(), &[constant], 1.0).unwrap();
        assert!(score.iter().all(|v| (v + 7.5).abs() < 1e-5), "{score:?}");
        let plain = denoised_score(image.clone(), &[], 0.0).unwrap();
        assert_eq!(plain, image.mapv(|v| -v));
    }

    #[test]
    fn a_grid_that_does_not_divide_the_tile_is_an_error() {
        let map = Array2::from_elem((3, 2), 0.4);
        assert!(denoised_score(Array2::zeros((4, 4)), &[map], 0.5).is_err());
    }
}
