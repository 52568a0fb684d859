//! Windows with labels, and where they come from.
use tch::Tensor;

use crate::runtime::{Error, Generator, Job, Result};

/// A window and what is to be learnt from it; all float32 of the same extents.
pub struct Example {
    /// [C, z, y, x], of mean 0 and deviation 1 over the tomogram.
    pub image: Tensor,
    /// Probability of each output, 0..=1, [K, z, y, x].
    pub truth: Tensor,
    /// Confidence of the labels, 0 to leave a voxel out, [1 or K, z, y, x].
    pub weight: Tensor,
}

impl Example {
    pub(super) fn map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self {
            image: change(&self.image)?,
            truth: change(&self.truth)?,
            weight: change(&self.weight)?,
        })
    }

    pub(super) fn check(&self) -> Result<()> {
        let space = |x: &Tensor| x.size().get(1..).map(<[i64]>::to_vec).unwrap_or_default();
        let extents = space(&self.image);
        if extents.len() == 3 && space(&self.truth) == extents && space(&self.weight) == extents {
            return Ok(());
        }
        let value = format!(
            "{:?}, {:?}, {:?}",
            self.image.size(),
            self.truth.size(),
            self.weight.size()
        );
        Err(Error::argument(
            "image, truth, weight",
            value,
            "must be [channels, z, y, x] of the same extents",
        ))
    }
}

/// The windows that a training asks for.
#[derive(Clone, Debug)]
pub struct Windows<'a> {
    /// Extents (z, y, x) in voxels.
    pub extents: [usize; 3],
    /// Share of the windows of labelled volumes that lie around a labelled voxel, 0..=1.
    pub foreground: f64,
    /// Largest distance in voxels, along each axis, of the middle of such a window from the voxel; None: anywhere that
    /// the voxel lies within.
    pub shift: Option<usize>,
    /// Names of the outputs whose truth is asked for.
    pub outputs: &'a [String],
    /// Whether structures are brighter than their surroundings.
    pub bright: bool,
}

/// A source of windows. What it holds at a step depends on its settings and the step alone, so that a resumed run sees
/// the same.
pub trait ExampleSource {
    /// Brings the data to `step`.
    fn advance(&mut self, step: u64, job: &Job) -> Result<()>;

    /// A window, not yet augmented, on the source's device.
    fn example(&self, windows: &Windows, gen: &mut Generator) -> Result<Example>;
}
