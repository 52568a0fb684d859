//! How a training is scored on labels that it does not see.
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::networks::{Pass, SegmentationModel};
use crate::runtime::{Generator, Job, Result};
use crate::train::{ExampleSource, Windows};
use crate::volume::BACKGROUND;

/// Stream of the seed that draws the windows.
const HELD_OUT: u64 = 13;

/// How well a network does on windows that it was not trained on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutputScore {
    /// Name of the output.
    pub output: String,
    /// Dice of probability above one half with truth above one half, over all windows, 0..=1; 1 where both are empty.
    pub dice: f64,
    /// Mean probability.
    pub mean_probability: f64,
    /// Mean truth; equal to the former where the network is calibrated in the large.
    pub mean_truth: f64,
}

/// The one number that validations compare: mean Dice of the outputs except "background".
pub fn mean_dice(scores: &[OutputScore]) -> f64 {
    let counted: Vec<f64> = scores
        .iter()
        .filter(|score| score.output != BACKGROUND || scores.len() == 1)
        .map(|score| score.dice)
        .collect();
    counted.iter().sum::<f64>() / counted.len().max(1) as f64
}

/// Which windows a score is of.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    /// Seed of their places.
    pub seed: u64,
    /// Their number.
    pub count: usize,
}

/// Scores of `model` on windows of `source`, the same every time, not augmented.
pub(super) fn score(
    model: &SegmentationModel,
    source: &impl ExampleSource,
    windows: &Windows,
    draw: Draw,
    job: &Job,
) -> Result<Vec<OutputScore>> {
    let _guard = tch::no_grad_guard();
    let network = model.network();
    let mut gen = Generator::new(draw.seed, HELD_OUT);
    // Per output: probability and truth and both, of voxels above one half; probability and truth as they are; weight.
    let mut sums = vec![[0f64; 6]; network.outputs().len()];
    for _ in 0..draw.count {
        job.check()?;
        let example = source.example(windows, &mut gen)?;
        let logits = network.forward(
            &batch_of(&[&example.image], network.dimensions())?,
            &mut Pass::Inference,
            job,
        )?;
        let output = network.activation().probabilities(&logits.main)?;
        let truth = batch_of(&[&example.truth], network.dimensions())?;
        let weight = batch_of(&[&example.weight], network.dimensions())?.f_narrow(1, 0, 1)?;
        let (inside, true_inside) = (output.f_gt(0.5)?, truth.f_gt(0.5)?);
        let both = inside.f_logical_and(&true_inside)?;
        for (index, sums) in sums.iter_mut().enumerate() {
            let of = |map: &Tensor| -> Result<f64> {
                let map = map.f_narrow(1, index as i64, 1)?.f_to_kind(Kind::Float)?;
                Ok(map.f_mul(&weight)?.f_sum(Kind::Double)?.f_double_value(&[])?)
            };
            let parts = [of(&inside)?, of(&true_inside)?, of(&both)?, of(&output)?, of(&truth)?];
            let all = weight.f_sum(Kind::Double)?.f_double_value(&[])?;
            for (sum, part) in sums.iter_mut().zip(parts.into_iter().chain([all])) {
                *sum += part;
            }
        }
    }
    let score = |(name, [predicted, truth, both, probability, certainty, all]): (&String, [f64; 6])| OutputScore {
        output: name.clone(),
        dice: if predicted + truth > 0.0 {
            2.0 * both / (predicted + truth)
        } else {
            1.0
        },
        mean_probability: probability / all.max(f64::MIN_POSITIVE),
        mean_truth: certainty / all.max(f64::MIN_POSITIVE),
    };
    Ok(network.outputs().iter().zip(sums).map(score).collect())
}

/// Windows [C, z, y, x] as a batch [B, C, z, y, x], of a network of slices as [B, C, y, x].
pub(super) fn batch_of(parts: &[&Tensor], dimensions: usize) -> Result<Tensor> {
    let batch = Tensor::f_stack(parts, 0)?;
    Ok(if dimensions == 2 {
        batch.f_squeeze_dim(2)?
    } else {
        batch
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_is_no_merit() {
        let of = |output: &str, dice| OutputScore {
            output: output.to_owned(),
            dice,
            mean_probability: 0.0,
            mean_truth: 0.0,
        };
        assert_eq!(
            mean_dice(&[of("background", 0.9), of("membrane", 0.5), of("molecule", 0.1)]),
            0.3
        );
        assert_eq!(mean_dice(&[of("background", 0.9)]), 0.9);
    }
}
