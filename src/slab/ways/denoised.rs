//! The way of the denoised image: one smooth score volume, one threshold, bodies in 3D.
use ndarray::{Array2, Array3};

use crate::diffusion::{depth_to_space, DiffusionModel, Extraction, LatentEncoder};
use crate::image::{gaussian_3d, percentiles, resize_cubic_f32};
use crate::runtime::{Error, Job, Result, Stage};
use crate::slab::binarise::{score_foreground, Binarisation};
use crate::slab::cell::{CellRun, TileRun};
use crate::slab::context::{PreparedSlab, SlabContext};
use crate::slab::decision::{volume, Decision};
use crate::slab::line::Line;
use crate::slab::mend::mend_membranes;
use crate::slab::split_mask::split_mask;
use crate::tensors::to_array;

/// Percentiles of the raw score volume that become 0 and 1.
const SCORE_RANGE: [f64; 2] = [1.0, 99.9];

/// Least standard deviation of the smoothing, in voxels: what the model leaves of the noise is a voxel wide.
const LEAST_SMOOTHING: f64 = 0.75;

/// What is thresholded is the model's one-step denoised image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Denoised {
    /// Share of the image's projection on the eigenvectors of its attention; at 0 none are computed.
    pub eigenvector_weight: f32,
}

impl Line for Denoised {
    /// A score of each slice at the tile's own pixels: larger is more structure, background near 0.
    type TileMap = Vec<Array2<f32>>;
    /// The score of the slice.
    type SliceMap = Array2<f32>;

    fn needs_eigenvectors(&self) -> bool {
        self.eigenvector_weight > 0.0
    }

    fn tile_map(&self, context: &SlabContext, run: &TileRun) -> Result<Vec<Array2<f32>>> {
        let maps = match self.needs_eigenvectors() {
            true => run.eigenvector_maps()?,
            false => Vec::new(),
        };
        denoised_tile(context.model, &run.extraction)?
            .into_iter()
            .map(|slice| denoised_score(slice, &maps, self.eigenvector_weight))
            .collect()
    }

    /// Scores share the model's scale already: they are blended as they are.
    fn slice_maps(&self, cell: &CellRun, tiles: Vec<Vec<Array2<f32>>>) -> Result<Vec<Array2<f32>>> {
        (0..cell.slices())
            .map(|slice| cell.blend(tiles.iter().map(|tile| &tile[slice])))
            .collect()
    }

    fn decide(&self, slab: &PreparedSlab, scores: Vec<Array2<f32>>, job: &Job) -> Result<Decision> {
        let context = &slab.context;
        let options = context.options;
        job.enter(Stage::ZCorrection)?;
        let sigma = match options.score_smoothing_nm {
            0.0 => 0.0,
            nm => (nm / context.voxel_nm).max(LEAST_SMOOTHING),
        };
        let mut score = gaussian_3d(volume(&scores)?.view(), sigma, || job.check())?;
        drop(scores);
        normalise(&mut score);
        job.enter(Stage::Binarise)?;
        let rule = match options.binarisation() {
            // A denoised image is no likelihood.
            Binarisation::ExpectedDice => Binarisation::Otsu,
            rule => rule,
        };
        let foreground = score_foreground(score.view(), rule);
        job.enter(Stage::Split)?;
        let mut split = split_mask(context, foreground.view(), score.view(), job)?;
        mend_membranes(&mut split.labels, options.closing_steps, options.dilation_steps, job)?;
        Ok(Decision {
            labels: split.labels,
            score,
            points: split.points,
            structures: None,
        })
    }
}

/// The one-step denoised tile at its own sampling, slice by slice. Errors: a model with an autoencoder in between.
fn denoised_tile(model: &DiffusionModel, extraction: &Extraction) -> Result<Vec<Array2<f32>>> {
    let LatentEncoder::SpaceToDepth(cells) = model.encoder() else {
        return Err(Error::Unsupported(
            "the denoised latent of an autoencoder is no image".into(),
        ));
    };
    let image = depth_to_space(&extraction.clean, cells.factor)?;
    (0..cells.slices)
        .map(|slice| to_array(&image.f_get(0)?.f_get(slice)?))
        .collect()
}

/// The one-step denoised tile (structures dark, so negated), mixed with `weight` (0..=1) of what the
/// leading eigenvectors see of it.
///
/// `maps` are orthonormal eigenvectors at attention cells. Their part is the orthogonal projection of the image's cell
/// means on their span: the attention's own segmentation of the image, free of the sign and order that single
/// eigenvectors leave open.
fn denoised_score(denoised: Array2<f32>, maps: &[Array2<f32>], weight: f32) -> Result<Array2<f32>> {
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
    let projected = resize_cubic_f32(projection.view(), score.dim());
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

/// Scales the score to 0..=1 between two percentiles.
fn normalise(score: &mut Array3<f32>) {
    let Some(&[low, high]) = percentiles(score.view(), &SCORE_RANGE).as_deref() else {
        return;
    };
    let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
    score.mapv_inplace(|v| ((v - low) * scale).clamp(0.0, 1.0));
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
