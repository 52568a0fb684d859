//! Objects instead of regions: TokenCut (Wang et al., CVPR 2022) and MaskCut (Wang et al., CVPR 2023).
use ndarray::{Array1, Array2};
use tch::{Kind, Tensor};

use crate::image::{label_2d, Connectivity};
use crate::runtime::{Error, Job, Result};
use crate::spectral::cut::{bipartition, Criterion, CutOptions, FeatureForm, Graph, Sweep};

/// Weight of pairs of tokens that are not alike.
const EPSILON: f64 = 1e-5;

/// A further mask of at most this share of the grid is dropped.
const LEAST_SHARE: f64 = 0.01;

/// A further mask whose intersection over union with the one before exceeds this is dropped.
const SAME_OBJECT: f64 = 0.5;

/// TokenCut: 1 on the object, 0 elsewhere, for every token of `features` `[N, D]` on `grid`.
///
/// Edges are 1 where the cosine exceeds `tau`, 1e-5 elsewhere; the second generalised eigenvector is cut at its mean;
/// the side of the token of largest absolute value is the foreground, and its 4-connected part around that token the
/// object.
pub fn tokencut(
    features: &Tensor,
    grid: (usize, usize),
    tau: f64,
    options: &CutOptions,
    job: &Job,
) -> Result<Vec<u32>> {
    let Some(vector) = outstanding(features, tau, options, job)? else {
        return Ok(vec![0; grid.0 * grid.1]);
    };
    let mean = vector.sum() / vector.len() as f64;
    let mask = vector.mapv(|v| v > mean);
    Ok(component(mask, grid, largest(&vector))?
        .into_iter()
        .map(u32::from)
        .collect())
}

/// MaskCut: 0 for the background, 1 to `count` for the objects in the order of the rounds.
///
/// Each round is TokenCut on the features with the tokens of earlier objects set to zero, but the sides are also
/// exchanged where the foreground has three or four of the grid's corners, and the seed is then the largest value of
/// the exchanged vector. A later object that overlaps the one before by more than half, or is at most 1 % of the grid,
/// is dropped; tokens of earlier objects stay theirs.
pub fn maskcut(
    features: &Tensor,
    grid: (usize, usize),
    tau: f64,
    count: usize,
    options: &CutOptions,
    job: &Job,
) -> Result<Vec<u32>> {
    let tokens = grid.0 * grid.1;
    let mut labels = vec![0_u32; tokens];
    let mut before: Vec<bool> = Vec::new();
    for object in 1..=count {
        let free: Vec<f32> = labels.iter().map(|&label| f32::from(u8::from(label == 0))).collect();
        let free = Tensor::f_from_slice(&free)?
            .f_unsqueeze(1)?
            .f_to_device(features.device())?;
        let Some(mut vector) = outstanding(&features.f_mul(&free)?, tau, options, job)? else {
            break;
        };
        let mean = vector.sum() / tokens.max(1) as f64;
        let mut mask = vector.mapv(|v| v > mean);
        let corners = [0, grid.1 - 1, tokens - grid.1, tokens - 1];
        if corners.iter().filter(|&&corner| mask[corner]).count() >= 3 {
            mask.mapv_inplace(|inside| !inside);
            vector.mapv_inplace(|v| -v);
        }
        let seed = argmax(vector.iter().copied());
        let mut part = component(mask, grid, seed)?;
        if object > 1 {
            let both = part.iter().zip(&before).filter(|(a, b)| **a && **b).count();
            let either = part.iter().zip(&before).filter(|(a, b)| **a || **b).count();
            let area = part.iter().filter(|inside| **inside).count();
            if both as f64 > SAME_OBJECT * either as f64 || area as f64 <= LEAST_SHARE * tokens as f64 {
                part.fill(false);
            }
        }
        for (label, _) in labels
            .iter_mut()
            .zip(&part)
            .filter(|(label, inside)| **label == 0 && **inside)
        {
            *label = object as u32;
        }
        before = part;
        job.advance(object as f64 / count as f64)?;
    }
    Ok(labels)
}

/// The second generalised eigenvector of the thresholded cosines; its entry of largest absolute value is positive. None
/// where all tokens are equally alike: nothing stands out.
fn outstanding(features: &Tensor, tau: f64, options: &CutOptions, job: &Job) -> Result<Option<Array1<f64>>> {
    let form = FeatureForm::Threshold { tau, epsilon: EPSILON };
    let graph = Graph::from_features_with(&features.f_to_kind(Kind::Float)?, 1.0, form, job)?;
    let weights = graph.to_tensor()?;
    if weights.f_min()?.f_double_value(&[])? == weights.f_max()?.f_double_value(&[])? {
        return Ok(None);
    }
    drop(weights);
    let options = CutOptions {
        // Only the vector is used.
        criterion: Criterion::Fixed(2.0),
        sweep: Sweep::Mean,
        ..options.clone()
    };
    let vector = Array1::from_vec(bipartition(&graph, &options, job)?.vector);
    let sign = if vector.get(largest(&vector)).is_some_and(|v| *v < 0.0) {
        -1.0
    } else {
        1.0
    };
    Ok(Some(vector.mapv(|v| sign * v)))
}

fn largest(vector: &Array1<f64>) -> usize {
    argmax(vector.iter().map(|v| v.abs()))
}

/// Place of the largest value, the first of those within a millionth of it: like tokens have values that differ by
/// rounding only.
fn argmax(values: impl Iterator<Item = f64> + Clone) -> usize {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    let enough = most - 1e-6 * most.abs();
    values.into_iter().position(|v| v >= enough).unwrap_or(0)
}

/// The 4-connected part of `mask` that holds `seed`; nothing where the seed is not in the mask.
fn component(mask: Array1<bool>, grid: (usize, usize), seed: usize) -> Result<Vec<bool>> {
    let mask: Array2<bool> = mask
        .into_shape_with_order(grid)
        .map_err(|error| Error::Internal(format!("mask to grid: {error}")))?;
    let parts = label_2d(mask.view(), Connectivity::Face).labels;
    let own = parts
        .get((seed / grid.1.max(1), seed % grid.1.max(1)))
        .copied()
        .unwrap_or(0);
    Ok(parts.iter().map(|&part| part == own && own != 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ncut::fixtures::{fixture, labels, tensor};

    #[test]
    fn objects_are_those_of_the_published_steps() {
        let fixture = fixture("objects.json");
        let (features, options) = (tensor(&fixture["features"]), CutOptions::default());
        let tokens = tokencut(&features, (12, 12), 0.2, &options, &Job::quiet()).unwrap();
        assert_eq!(tokens, labels(&fixture["tokencut"]));
        let tokens = maskcut(&features, (12, 12), 0.2, 3, &options, &Job::quiet()).unwrap();
        assert_eq!(tokens, labels(&fixture["maskcut"]));
    }

    #[test]
    fn where_nothing_stands_out_there_is_no_object() {
        let (features, options) = (
            Tensor::ones([9, 2], (Kind::Float, tch::Device::Cpu)),
            CutOptions::default(),
        );
        assert_eq!(
            tokencut(&features, (3, 3), 0.2, &options, &Job::quiet()).unwrap(),
            [0; 9]
        );
        assert_eq!(
            maskcut(&features, (3, 3), 0.2, 3, &options, &Job::quiet()).unwrap(),
            [0; 9]
        );
    }
}
