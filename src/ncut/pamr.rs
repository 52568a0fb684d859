//! Pixel-adaptive mask refinement (Araslanov and Roth, CVPR 2020), with DiffCut's settings.
use ndarray::Array2;
use tch::{Kind, Tensor};

use crate::runtime::{Error, Job, Result};

use super::assign::label_image;

/// Settings of the refinement, in the ranges of [`super::NcutOptions`].
#[derive(Clone, Debug, PartialEq)]
pub struct PamrOptions {
    /// Side of the square of equal area that the refinement works on, in pixels; the aspect is the image's.
    pub side: usize,
    /// Rounds.
    pub iterations: usize,
    /// Distances of the eight neighbours compared.
    pub dilations: Vec<i64>,
}

impl Default for PamrOptions {
    fn default() -> Self {
        Self {
            side: 128,
            iterations: 10,
            dilations: vec![1, 2, 4, 8],
        }
    }
}

impl PamrOptions {
    /// Rows and columns of the working image for an image of `shape`: its aspect, the area of `side` squared.
    pub fn working_shape(&self, shape: (usize, usize)) -> (usize, usize) {
        let aspect = (shape.0 as f64 / shape.1 as f64).sqrt();
        let side = |factor: f64| ((self.side as f64 * factor).round() as usize).max(1);
        (side(aspect), side(1.0 / aspect))
    }
}

/// Offsets of the eight neighbours, row by row.
const NEIGHBOURS: [(i64, i64); 8] = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)];

/// `planes` `[n, h, w]` seen from every pixel's neighbours `offset` * `dilation` away; the border is repeated.
fn shifted(planes: &Tensor, dilation: i64, offset: (i64, i64)) -> Result<Tensor> {
    let (_, rows, cols) = planes.size3()?;
    let index = |length: i64, step: i64| {
        let places: Vec<i64> = (0..length)
            .map(|i| (i + step * dilation).clamp(0, length - 1))
            .collect();
        Ok::<_, Error>(Tensor::f_from_slice(&places)?.f_to_device(planes.device())?)
    };
    Ok(planes
        .f_index_select(1, &index(rows, offset.0)?)?
        .f_index_select(2, &index(cols, offset.1)?)?)
}

/// Weight of each neighbour for every pixel, `[8 * dilations, h, w]`, summing to one over the neighbours.
///
/// a_ij = mean over channels of -|x_i - x_j| / (1e-8 + 0.1 sigma_i), softmax over j; sigma_i is the unbiased standard
/// deviation of the nine pixels around i at every dilation (the centre counts once for each).
fn affinities(image: &Tensor, dilations: &[i64]) -> Result<Tensor> {
    let mut differences = Vec::new();
    let mut samples = Vec::new();
    for &dilation in dilations {
        for offset in NEIGHBOURS {
            let neighbour = shifted(image, dilation, offset)?;
            differences.push(image.f_sub(&neighbour)?.f_abs()?);
            samples.push(neighbour);
        }
        samples.push(image.shallow_clone());
    }
    // [neighbours, channels, h, w].
    let differences = Tensor::f_stack(&differences, 0)?;
    let spread = Tensor::f_stack(&samples, 0)?
        .f_std_dim([0_i64].as_slice(), true, true)?
        .f_mul_scalar(0.1)?
        .f_add_scalar(1e-8)?;
    let mean = differences
        .f_div(&spread)?
        .f_neg()?
        .f_mean_dim([1_i64].as_slice(), false, Kind::Float)?;
    Ok(mean.f_softmax(0, Kind::Float)?)
}

/// Refines `masks` `[K, h', w']` along the edges of `image` `[C, h, w]` (0..=1): each is enlarged to the image (aligned
/// corners), then every pixel takes the mean of its neighbours, weighted by likeness, `iterations` times. `[K, h, w]`.
pub fn refine_masks(image: &Tensor, masks: &Tensor, options: &PamrOptions, job: &Job) -> Result<Tensor> {
    let (_, rows, cols) = image.size3()?;
    let weights = affinities(&image.f_to_kind(Kind::Float)?, &options.dilations)?;
    let mut masks = masks
        .f_to_kind(Kind::Float)?
        .f_unsqueeze(0)?
        .f_upsample_bilinear2d([rows, cols], true, None, None)?
        .f_select(0, 0)?;
    for _ in 0..options.iterations {
        let mut sum = masks.f_zeros_like()?;
        let mut neighbour = 0;
        for &dilation in &options.dilations {
            for offset in NEIGHBOURS {
                job.check()?;
                let weight = weights.f_select(0, neighbour)?.f_unsqueeze(0)?;
                sum = sum.f_addcmul(&shifted(&masks, dilation, offset)?, &weight)?;
                neighbour += 1;
            }
        }
        masks = sum;
    }
    Ok(masks)
}

/// Labels refined along the edges of `image` `[C, h, w]` (0..=1): one mask for each of `count` labels of `labels`
/// (int64 `[h', w']`), [`refine_masks`], the largest, and a 3x3 median of the labels, as DiffCut does.
pub fn refine_labels(
    image: &Tensor,
    labels: &Tensor,
    count: usize,
    options: &PamrOptions,
    job: &Job,
) -> Result<Array2<u32>> {
    let (rows, cols) = labels.size2()?;
    let planes = Tensor::f_zeros([count as i64, rows, cols], (Kind::Float, labels.device()))?.f_scatter_value(
        0,
        &labels.f_unsqueeze(0)?,
        1.0,
    )?;
    let refined = refine_masks(image, &planes, options, job)?;
    Ok(median_3x3(&label_image(&refined.f_argmax(0, false)?)?))
}

/// Median of the labels in the 3x3 pixels around each, the border reflected (scipy's default): always one of the nine,
/// so no label appears that was not there.
fn median_3x3(labels: &Array2<u32>) -> Array2<u32> {
    let (rows, cols) = labels.dim();
    let place = |i: usize, step: usize, length: usize| (i + step).saturating_sub(1).min(length - 1);
    Array2::from_shape_fn((rows, cols), |(r, c)| {
        let mut around = [0_u32; 9];
        for (k, value) in around.iter_mut().enumerate() {
            *value = labels[[place(r, k / 3, rows), place(c, k % 3, cols)]];
        }
        around.sort_unstable();
        around[4]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ncut::fixtures::{fixture, tensor};

    #[test]
    fn masks_are_those_of_numpy() {
        let fixture = fixture("pamr.json");
        let options = PamrOptions {
            iterations: 4,
            dilations: vec![1, 3],
            ..PamrOptions::default()
        };
        let refined = refine_masks(
            &tensor(&fixture["image"]),
            &tensor(&fixture["masks"]),
            &options,
            &Job::quiet(),
        )
        .unwrap();
        let expected = tensor(&fixture["refined"]);
        assert_eq!(refined.size(), expected.size());
        assert!(refined.allclose(&expected, 1e-4, 1e-5, false));
        let labels = refine_labels(
            &tensor(&fixture["image"]),
            &tensor(&fixture["masks"]).argmax(0, false),
            3,
            &options,
            &Job::quiet(),
        )
        .unwrap();
        let expected: Vec<i64> = Vec::try_from(tensor(&fixture["labels"]).to_kind(Kind::Int64).reshape([-1])).unwrap();
        let labels: Vec<i64> = labels.iter().map(|&l| i64::from(l)).collect();
        assert_eq!(labels, expected);
    }

    #[test]
    fn the_working_image_keeps_the_aspect() {
        assert_eq!(PamrOptions::default().working_shape((256, 1024)), (64, 256));
    }
}
