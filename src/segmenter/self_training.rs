//! Rounds of self-training: a trained network labels what it is sure of, and another training learns from that too.
//!
//! Labels of a round are a mixture (Reed et al. 2015, "Training deep neural networks on noisy labels with
//! bootstrapping", in its hard form) of those that were given and those that the teacher is sure of. With w0 the given
//! confidence, t0 the given truth, c one where the teacher is sure and zero elsewhere, t1 what it says and m the
//! teacher's share: w = (1 - m) w0 + m c and t = ((1 - m) w0 t0 + m c t1) / w. Outside the slab w0 is zero, and only
//! what the teacher is sure of counts. Where there is a background it is one minus the rest.
use tch::{Device, Kind, Tensor};

use super::truth::with_background;
use super::validation::batch_of;
use super::{LabelledVolume, Plan, SegmenterOptions};
use crate::networks::{starts, tent, Activation, Pass, SegmentationModel};
use crate::runtime::{Job, Result, Stage};
use crate::train::CERTAIN;
use crate::volume::{BACKGROUND, CENTRE};

/// Voxels with labels that are kept of a volume, to draw windows around.
const MOST_KEPT: usize = 1 << 20;

/// Labels of a volume.
pub(super) struct Labels {
    truth: Tensor,
    weight: Tensor,
    labelled: Vec<[i64; 3]>,
}

impl Labels {
    /// Those that `volume` has at present; tensors are shared.
    pub fn of(volume: &LabelledVolume) -> Self {
        Self {
            truth: volume.truth.shallow_clone(),
            weight: volume.weight.shallow_clone(),
            labelled: Vec::new(),
        }
    }

    /// The same tensors.
    pub fn share(&self) -> Self {
        Self {
            truth: self.truth.shallow_clone(),
            weight: self.weight.shallow_clone(),
            labelled: Vec::new(),
        }
    }

    /// Makes them `volume`'s.
    pub fn put(self, volume: &mut LabelledVolume) {
        (volume.truth, volume.weight, volume.labelled) = (self.truth, self.weight, self.labelled);
    }
}

/// The labels of a round for `image` [1, z, y, x], which came with `given`.
pub(super) fn relabelled(
    image: &Tensor,
    given: &Labels,
    teacher: &SegmentationModel,
    plan: &Plan,
    job: &Job,
) -> Result<Labels> {
    let _guard = tch::no_grad_guard();
    let rules = &plan.settings;
    let outputs = teacher.network().outputs();
    let output = probabilities(teacher, image, plan.window, job)?;
    let (said, sure) = verdict(&output, outputs, teacher.network().activation(), rules)?;
    let given_weight = given.weight.f_mul_scalar(1.0 - rules.teacher_share)?;
    let own_weight = sure.f_mul_scalar(rules.teacher_share)?;
    let weight = given_weight.f_add(&own_weight)?;
    let given_truth = given.truth.f_to_kind(Kind::Float)?;
    let truth = given_truth
        .f_mul(&given_weight)?
        .f_add(&said.f_mul(&own_weight)?.f_mul_scalar(f64::from(CERTAIN))?)?
        .f_div(&weight.f_clamp_min(1e-12)?)?
        .f_round()?
        .f_to_kind(Kind::Uint8)?;
    let truth = with_background(&truth, outputs)?;
    Ok(Labels {
        labelled: labelled(&truth, &weight, outputs)?,
        truth,
        weight,
    })
}

/// What the probabilities [K, z, y, x] say, 0..=1, and where they are sure, 0 or 1, [1, z, y, x].
fn verdict(
    output: &Tensor,
    outputs: &[String],
    activation: Activation,
    rules: &SegmenterOptions,
) -> Result<(Tensor, Tensor)> {
    if activation == Activation::Softmax {
        let (most, likeliest) = output.f_max_dim(0, true)?;
        let said = output.f_zeros_like()?.f_scatter_value(0, &likeliest, 1)?;
        return Ok((said, most.f_ge(rules.sure)?.f_to_kind(Kind::Float)?));
    }
    let said = output.f_gt(0.5)?.f_to_kind(Kind::Float)?;
    let mut sure: Option<Tensor> = None;
    for (index, name) in (0..).zip(outputs) {
        let plane = output.f_narrow(0, index, 1)?;
        if name == CENTRE {
            said.f_narrow(0, index, 1)?.f_copy_(&plane)?;
            continue;
        }
        let here = plane.f_ge(rules.sure)?.f_logical_or(&plane.f_le(rules.sure_not)?)?;
        sure = Some(match sure {
            Some(sure) => sure.f_logical_and(&here)?,
            None => here,
        });
    }
    let sure = match sure {
        Some(sure) => sure.f_to_kind(Kind::Float)?,
        None => output.f_narrow(0, 0, 1)?.f_ones_like()?,
    };
    Ok((said, sure))
}

/// Voxels that are more than half something and count, evenly thinned where there are very many.
fn labelled(truth: &Tensor, weight: &Tensor, outputs: &[String]) -> Result<Vec<[i64; 3]>> {
    let mut any = weight.f_zeros_like()?.f_to_kind(Kind::Bool)?;
    let only_centres = outputs.iter().all(|name| name == CENTRE);
    for (index, name) in (0..).zip(outputs) {
        if name != BACKGROUND && (name != CENTRE || only_centres) {
            any = any.f_logical_or(&truth.f_narrow(0, index, 1)?.f_gt(f64::from(CERTAIN) / 2.0)?)?;
        }
    }
    let counted = any.f_logical_and(&weight.f_gt(0.0)?)?.f_squeeze_dim(0)?;
    let flat: Vec<i64> = Vec::try_from(&counted.f_nonzero()?.f_reshape([-1])?)?;
    let every = (flat.len() / 3).div_ceil(MOST_KEPT).max(1);
    let places = flat.chunks_exact(3).step_by(every);
    Ok(places.map(|at| [at[0], at[1], at[2]]).collect())
}

/// Probabilities [K, z, y, x] of `image` [1, z, y, x] on the host, from windows that overlap by half and are blended by
/// tents.
pub(super) fn probabilities(
    model: &SegmentationModel,
    image: &Tensor,
    window: [usize; 3],
    job: &Job,
) -> Result<Tensor> {
    job.enter(Stage::Predict)?;
    let network = model.network();
    let window = window.map(|n| n as i64);
    let (_, depth, rows, cols) = image.size4()?;
    let shape = [depth, rows, cols];
    let starts: Vec<Vec<i64>> = shape.iter().zip(window).map(|(n, w)| starts(*n, w)).collect();
    let take: [i64; 3] = std::array::from_fn(|axis| window[axis].min(shape[axis]));
    let tent = tent(take)?;
    let host = (Kind::Float, Device::Cpu);
    let sum = Tensor::f_zeros([network.outputs().len() as i64, depth, rows, cols], host)?;
    let total = Tensor::f_zeros([1, depth, rows, cols], host)?;
    for &z in &starts[0] {
        for &y in &starts[1] {
            for &x in &starts[2] {
                job.check()?;
                let cut = |whole: &Tensor| -> Result<Tensor> {
                    let part = whole.f_narrow(1, z, take[0])?.f_narrow(2, y, take[1])?;
                    Ok(part.f_narrow(3, x, take[2])?)
                };
                let missing = |axis: usize| window[axis] - take[axis];
                let padded = cut(image)?.f_constant_pad_nd([0, missing(2), 0, missing(1), 0, missing(0)])?;
                let batch = batch_of(&[&padded.f_to_device(model.device())?], network.dimensions())?;
                let logits = network.forward(&batch, &mut Pass::Inference, job)?.main;
                let mut output = network.activation().probabilities(&logits)?.f_squeeze_dim(0)?;
                if network.dimensions() == 2 {
                    output = output.f_unsqueeze(1)?;
                }
                for (axis, extent) in (1..).zip(take) {
                    output = output.f_narrow(axis, 0, extent)?;
                }
                let weighted = output.f_to_device(Device::Cpu)?.f_mul(&tent)?;
                let _ = cut(&sum)?.f_add_(&weighted)?;
                let _ = cut(&total)?.f_add_(&tent)?;
            }
        }
    }
    Ok(sum.f_div(&total)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_sure_counts() {
        let outputs = ["membrane", "molecule", "centre"].map(str::to_owned);
        let output = Tensor::from_slice(&[0.95_f32, 0.5, 0.05, 0.05, 0.05, 0.0, 0.6, 0.05, 0.3, 0.3, 0.3, 0.3]);
        let output = output.view([3, 1, 1, 4]);
        let rules = SegmenterOptions::default();
        let (said, sure) = verdict(&output, &outputs, Activation::Sigmoid, &rules).unwrap();
        let values = |x: &Tensor| -> Vec<f32> { Vec::try_from(x.contiguous().view([-1])).unwrap() };
        assert_eq!(values(&sure), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(values(&said)[..4], [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(values(&said)[8..], [0.3; 4]);
        let classes = Tensor::from_slice(&[0.92_f32, 0.3, 0.08, 0.7]).view([2, 1, 1, 2]);
        let (said, sure) = verdict(&classes, &outputs[..2], Activation::Softmax, &rules).unwrap();
        assert_eq!(
            (values(&said), values(&sure)),
            (vec![1.0, 0.0, 0.0, 1.0], vec![1.0, 0.0])
        );
    }
}
