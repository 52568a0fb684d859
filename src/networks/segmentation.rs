//! The interface of segmentation networks for trainers and predictors.
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Sampled, Sampling};
use crate::runtime::{Error, Generator, Job, Result};

/// From the outputs of a network to probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// Each output by itself: a voxel may be several things.
    Sigmoid,
    /// All outputs together: a voxel is one thing, the first output being none of the others.
    Softmax,
    /// Each output is drawn as a picture, -1 where it is not and 1 where it is: (x + 1) / 2, cut to 0..=1.
    Picture,
}

impl Activation {
    /// Probabilities in 0..=1 of `logits` [B, C, ..].
    pub fn probabilities(self, logits: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Sigmoid => logits.f_sigmoid()?,
            Self::Softmax => logits.f_softmax(1, None::<Kind>)?,
            Self::Picture => logits.f_add_scalar(1.0)?.f_mul_scalar(0.5)?.f_clamp(0.0, 1.0)?,
        })
    }
}

/// Reach of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// So many voxels: in a window whose bounds are multiples of the network's divisor, every output that is at least
    /// this far from the window's bounds is what the whole volume would give there. A multiple of the divisor.
    Halo(i64),
    /// Everything in the window changes every output (normalisation over the window, coordinates within it): windows
    /// have to be blended, and should have the side that the network was trained with.
    Window {
        /// Side of a window in voxels.
        side: i64,
        /// Voxels at each end of it that are not kept, where the volume goes on there.
        margin: i64,
    },
    /// Everything in a window, but the network itself cuts slices of any extent into windows of this side and blends
    /// them: it is given whole slices.
    Slice(i64),
}

/// Training or inference.
pub enum Pass<'a> {
    /// Statistics of training, no dropout.
    Inference,
    /// Statistics of the batch, which move the running ones; dropout drawn from the generator.
    Training(&'a mut Generator),
}

impl Pass<'_> {
    /// Whether the pass is one of training.
    pub fn is_training(&self) -> bool {
        matches!(self, Self::Training(_))
    }

    /// Zeroes a share `rate` of `x` and scales the rest to keep its mean; at inference `x` itself.
    pub(crate) fn dropout(&mut self, x: Tensor, rate: f64) -> Result<Tensor> {
        match self {
            Self::Training(generator) if rate > 0.0 => {
                let keep = generator
                    .uniform_tensor(0.0, 1.0, &x.size(), x.device())?
                    .f_ge(rate)?
                    .f_to_kind(x.kind())?;
                Ok(x.f_mul(&keep.f_mul_scalar((1.0 - rate).recip())?)?)
            }
            _ => Ok(x),
        }
    }
}

/// Outputs of a forward pass.
pub struct Logits {
    /// [B, outputs, ..] over the extent of the input.
    pub main: Tensor,
    /// The same from coarser levels, brought to the same extent (nearest), finest first: deep supervision, in training
    /// only.
    pub deep: Vec<Tensor>,
}

/// A network that gives every voxel of a volume, or every pixel of a slice, its logits.
///
/// Inputs are [B, C, z, y, x] for three dimensions and [B, C, y, x] for two, scaled as the model's description says.
pub trait SegmentationNetwork: Send {
    /// 2 or 3.
    fn dimensions(&self) -> usize;

    /// Channels of the input.
    fn input_channels(&self) -> i64;

    /// Names of the outputs, in their order: "membrane", "molecule", "centre", "background".
    fn outputs(&self) -> &[String];

    /// From logits to probabilities.
    fn activation(&self) -> Activation;

    /// Multiple of voxels that every extent of an input must be.
    fn divisor(&self) -> i64;

    /// Reach of an output.
    fn reach(&self) -> Reach;

    /// Logits of a batch of windows.
    ///
    /// Errors: a shape that does not fit (see [`SegmentationNetwork::check`]), cancel, out of memory.
    fn forward(&self, x: &Tensor, pass: &mut Pass, job: &Job) -> Result<Logits>;

    /// Logits at inference of a window without its margins: of axis `a` the first `margin[a].0` and the last
    /// `margin[a].1` voxels are left out (z, y, x; z is not looked at in two dimensions). Networks of a finite reach
    /// compute no more of the margins than the rest needs; the numbers are those of [`SegmentationNetwork::forward`].
    ///
    /// Errors: as `forward`; margins that leave nothing.
    fn forward_inner(&self, x: &Tensor, margin: [(i64, i64); 3], job: &Job) -> Result<Tensor> {
        self.check(x)?;
        check_margin(x, margin)?;
        crop(&self.forward(x, &mut Pass::Inference, job)?.main, margin)
    }

    /// Whether its predictions are samples, another one for another noise. Such a network says by
    /// [`SegmentationNetwork::sample`] how far they differ.
    fn draws(&self) -> bool {
        false
    }

    /// Probabilities at inference of a window without its margins (see [`SegmentationNetwork::forward_inner`]), drawn
    /// as `sampling` says.
    ///
    /// Errors: as `forward_inner`; a sampling that the network does not have.
    fn sample(&self, x: &Tensor, margin: [(i64, i64); 3], sampling: &Sampling, job: &Job) -> Result<Sampled> {
        sampling.validate(self.draws())?;
        let logits = self.forward_inner(x, margin, job)?;
        let mean = self.activation().probabilities(&logits)?.f_to_kind(Kind::Float)?;
        Ok(Sampled { mean, squares: None })
    }

    /// What a step of training makes small, where that is not a loss of its logits: of a batch of images [B, C, y, x],
    /// truths [B, outputs, y, x] and weights [B, 1, y, x], 0..=1, a scalar of the weights' graph.
    ///
    /// Errors: shapes that do not fit, cancel.
    fn objective(&self, _batch: (&Tensor, &Tensor, &Tensor), _pass: &mut Pass, _job: &Job) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// Refuses inputs of another rank, another number of channels, or an extent that the divisor does not divide.
    fn check(&self, x: &Tensor) -> Result<()> {
        let (size, rank, divisor) = (x.size(), self.dimensions() + 2, self.divisor());
        let fits = size.len() == rank
            && size.first().is_some_and(|batch| *batch > 0)
            && size.get(1) == Some(&self.input_channels())
            && size.iter().skip(2).all(|n| *n > 0 && n % divisor == 0);
        if fits {
            return Ok(());
        }
        let axes = if rank == 5 { "z, y, x" } else { "y, x" };
        let channels = self.input_channels();
        let allowed = format!("must be [B, {channels}, {axes}] with extents that {divisor} divides");
        Err(Error::argument("input", format!("{size:?}"), &allowed))
    }
}

/// Refuses margins that are negative or leave nothing of `x`.
pub(super) fn check_margin(x: &Tensor, margin: [(i64, i64); 3]) -> Result<()> {
    let size = x.size();
    let axes = size.len().saturating_sub(2).min(3);
    let fits = size
        .iter()
        .rev()
        .zip(margin.iter().rev())
        .take(axes)
        .all(|(n, (before, after))| *before >= 0 && *after >= 0 && before.saturating_add(*after) < *n);
    if fits {
        return Ok(());
    }
    let allowed = format!("must be at least 0 and leave something of {size:?}");
    Err(Error::argument("margin", format!("{margin:?}"), &allowed))
}

/// `x` [B, C, .., y, x] without `margin` (z, y, x).
pub(super) fn crop(x: &Tensor, margin: [(i64, i64); 3]) -> Result<Tensor> {
    let mut inner = x.shallow_clone();
    for (back, (before, after)) in margin.iter().rev().enumerate().take(x.dim().saturating_sub(2)) {
        if *before > 0 || *after > 0 {
            let axis = (x.dim() - 1 - back) as i64;
            let length = inner.size()[axis as usize] - before - after;
            inner = inner.f_narrow(axis, *before, length)?;
        }
    }
    Ok(inner)
}
