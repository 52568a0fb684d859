//! From tokens to pixels: the segment whose score, enlarged to the image, is largest.
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use crate::runtime::{Error, Job, Result};

/// Enlarged scores held at once, in numbers: 64 MiB.
const BLOCK_ELEMENTS: i64 = 1 << 24;

/// Mean of the rows of `features` `[N, D]` over each segment, `[K, D]` float32. `tokens[i]`, below `count`, is the
/// segment of token i; a segment without tokens has a mean of zeros.
pub fn segment_means(features: &Tensor, tokens: &[u32], count: usize) -> Result<Tensor> {
    let (n, width) = features.size2()?;
    let members: Vec<i64> = tokens.iter().map(|&label| i64::from(label)).collect();
    if members.len() as i64 != n || members.iter().any(|&label| label >= count as i64) {
        let given = format!("{} tokens of {count} segments", members.len());
        let allowed = format!("must be {n} labels below {count}");
        return Err(Error::argument("tokens", given, &allowed));
    }
    let device = features.device();
    let index = Tensor::f_from_slice(&members)?.f_to_device(device)?;
    let features = features.f_to_kind(Kind::Float)?;
    // One product with the membership matrix: the same order of additions in every run.
    let membership =
        Tensor::f_zeros([count as i64, n], (Kind::Float, device))?.f_scatter_value(0, &index.f_unsqueeze(0)?, 1.0)?;
    let sizes = membership
        .f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?
        .f_clamp_min(1.0)?;
    debug_assert_eq!(width, features.size2()?.1);
    Ok(membership.f_matmul(&features)?.f_div(&sizes)?)
}

/// How alike every token and every segment are, `[K, N]`: `features` `[N, D]` times `means` `[K, D]`, the latter
/// divided by their lengths where `cosine`.
///
/// The cosine of a pixel also divides by the length of the pixel's own enlarged feature, which is the same for all
/// segments and decides nothing.
pub fn scores(features: &Tensor, means: &Tensor, cosine: bool) -> Result<Tensor> {
    let means = if cosine {
        let length = means.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?;
        means.f_div(&length.f_clamp_min(1e-12)?)?
    } else {
        means.shallow_clone()
    };
    Ok(means.f_matmul(&features.f_to_kind(Kind::Float)?.f_transpose(0, 1)?)?)
}

/// One plane per segment, 1 where a token is of the segment and 0 elsewhere, `[count, N]`.
pub fn one_hot(tokens: &[u32], count: usize, device: Device) -> Result<Tensor> {
    let members: Vec<i64> = tokens.iter().map(|&label| i64::from(label)).collect();
    let index = Tensor::f_from_slice(&members)?.f_to_device(device)?;
    let planes = Tensor::f_zeros([count as i64, members.len() as i64], (Kind::Float, device))?;
    Ok(planes.f_scatter_value(0, &index.f_unsqueeze(0)?, 1.0)?)
}

/// The segment with the largest score at every pixel of an image of `shape` (rows, columns): `scores` `[K, N]` on
/// `grid`, each plane enlarged bilinearly (half-pixel centres); the lowest number wins a tie.
///
/// Enlarging is linear, so this is the argmax over segments of the product with the enlarged features, which would take
/// rows * columns * D numbers and are never made. Memory: a few planes of the image.
pub fn argmax_enlarged(scores: &Tensor, grid: (usize, usize), shape: (usize, usize), job: &Job) -> Result<Array2<u32>> {
    let (count, n) = scores.size2()?;
    if count == 0 || n != (grid.0 * grid.1) as i64 || shape.0 == 0 || shape.1 == 0 {
        let given = format!("{count} planes of {n} for a grid of {}x{}", grid.0, grid.1);
        let allowed = "must be at least one plane of the grid's size";
        return Err(Error::argument("scores", given, allowed));
    }
    let (rows, cols) = (shape.0 as i64, shape.1 as i64);
    let at_once = (BLOCK_ELEMENTS / (rows * cols).max(1)).clamp(1, count);
    let mut best: Option<(Tensor, Tensor)> = None;
    let mut first = 0;
    while first < count {
        job.check()?;
        let some = at_once.min(count - first);
        let planes = scores
            .f_narrow(0, first, some)?
            .f_view([1, some, grid.0 as i64, grid.1 as i64])?
            .f_upsample_bilinear2d([rows, cols], false, None, None)?
            .f_select(0, 0)?;
        let (value, index) = planes.f_max_dim(0, false)?;
        let index = index.f_add_scalar(first)?;
        best = Some(match best {
            None => (value, index),
            Some((old, label)) => {
                let better = value.f_gt_tensor(&old)?;
                (value.f_where_self(&better, &old)?, index.f_where_self(&better, &label)?)
            }
        });
        first += some;
    }
    let (_, labels) = best.ok_or_else(|| Error::Internal("no score plane".into()))?;
    label_image(&labels)
}

/// An int64 `[rows, cols]` tensor of labels as an array.
pub fn label_image(labels: &Tensor) -> Result<Array2<u32>> {
    let (rows, cols) = labels.size2()?;
    let flat = labels
        .f_to_device(Device::Cpu)?
        .f_to_kind(Kind::Int64)?
        .f_contiguous()?
        .f_view([-1])?;
    let values: Vec<i64> = Vec::try_from(&flat)?;
    Array2::from_shape_vec(
        (rows as usize, cols as usize),
        values.into_iter().map(|v| v.max(0) as u32).collect(),
    )
    .map_err(|error| Error::Internal(format!("labels to image: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Generator;

    #[test]
    fn scores_enlarged_give_the_labels_of_features_enlarged() {
        let mut generator = Generator::new(3, 0);
        let (grid, shape, width) = ((5_usize, 7_usize), (33_usize, 40_usize), 11_i64);
        let n = (grid.0 * grid.1) as i64;
        let features = generator.normal_tensor(&[n, width], Device::Cpu).unwrap();
        let tokens: Vec<u32> = (0..n as u32).map(|i| i * 7 % 6).collect();
        let means = segment_means(&features, &tokens, 6).unwrap();
        let labels = argmax_enlarged(&scores(&features, &means, true).unwrap(), grid, shape, &Job::quiet()).unwrap();

        // The full tensor: every pixel's feature, its cosine with every mean.
        let pixels = features
            .transpose(0, 1)
            .reshape([1, width, grid.0 as i64, grid.1 as i64])
            .upsample_bilinear2d([shape.0 as i64, shape.1 as i64], false, None, None)
            .reshape([width, -1])
            .transpose(0, 1);
        let unit = |x: &Tensor| x / x.norm_scalaropt_dim(2.0, [1_i64].as_slice(), true);
        let cosine = unit(&pixels).matmul(&unit(&means).transpose(0, 1));
        let expected: Vec<i64> = Vec::try_from(cosine.argmax(1, false)).unwrap();
        let labels: Vec<i64> = labels.iter().map(|&l| i64::from(l)).collect();
        assert_eq!(labels, expected);
    }

    #[test]
    fn means_are_means_and_blocks_do_not_matter() {
        let features = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).reshape([3, 2]);
        let means = segment_means(&features, &[1, 0, 1], 3).unwrap();
        let values: Vec<f32> = Vec::try_from(means.reshape([-1])).unwrap();
        assert_eq!(values, [3.0, 4.0, 3.0, 4.0, 0.0, 0.0]);
        assert!(segment_means(&features, &[1, 0, 3], 3).is_err());
        assert!(segment_means(&features, &[1, 0], 3).is_err());

        // Ties go to the lowest label, across blocks too.
        let equal = Tensor::ones([40, 4], (Kind::Float, Device::Cpu));
        let labels = argmax_enlarged(&equal, (2, 2), (1000, 1000), &Job::quiet()).unwrap();
        assert!(labels.iter().all(|&label| label == 0));
        assert!(argmax_enlarged(&equal, (2, 3), (4, 4), &Job::quiet()).is_err());
    }

    #[test]
    fn one_hot_planes_enlarged_keep_the_tokens() {
        let tokens = [0_u32, 2, 1, 1];
        let planes = one_hot(&tokens, 3, Device::Cpu).unwrap();
        let labels = argmax_enlarged(&planes, (2, 2), (4, 4), &Job::quiet()).unwrap();
        assert_eq!(labels[[0, 0]], 0);
        assert_eq!((labels[[0, 3]], labels[[3, 0]], labels[[3, 3]]), (2, 1, 1));
    }
}
