//! The grey scale that a model's encoder wants, the same for all slices of a slab.
use ndarray::{Array2, ArrayView2, ArrayView3};

use crate::diffusion::{DiffusionModel, LatentEncoder};
use crate::image::{enhance, EnhanceOptions};
use crate::runtime::Result;
use crate::volume::{grey_scale, CLIP_SIGMA};

use super::options::SlabOptions;

/// From a tomogram's densities to what the encoder takes (structures dark), and back.
pub struct GreyScale {
    mean: f32,
    deviation: f32,
    /// -1 where structures are bright.
    sign: f32,
    /// Contrast enhancement, before an autoencoder; None for matched models.
    enhance: Option<EnhanceOptions>,
}

impl GreyScale {
    /// The scale in which the densities of `slab` have zero mean and unit variance. Errors: constant slabs.
    pub fn of(model: &DiffusionModel, slab: ArrayView3<f32>, options: &SlabOptions) -> Result<Self> {
        let (mean, deviation) = grey_scale(slab)?;
        Ok(Self {
            mean,
            deviation,
            sign: if options.bright { -1.0 } else { 1.0 },
            enhance: match model.encoder() {
                LatentEncoder::SpaceToDepth(_) => None,
                LatentEncoder::Vae(_) => Some(options.enhance.clone()),
            },
        })
    }

    /// A slice as the encoder wants it: enhanced, 0..=1, for an autoencoder; zero mean and unit variance for a matched
    /// model.
    pub fn scaled(&self, slice: ArrayView2<f32>) -> Array2<f32> {
        match &self.enhance {
            None => slice.mapv(|v| (self.sign * (v - self.mean) / self.deviation).clamp(-CLIP_SIGMA, CLIP_SIGMA)),
            Some(options) => {
                let dark = slice.mapv(|v| self.sign * v);
                enhance(dark.view(), options).mapv(|v| f32::from(v) / 255.0)
            }
        }
    }

    /// The tomogram's own density of a value in a matched model's grey scale.
    pub fn density(&self, value: f32) -> f32 {
        self.sign * value * self.deviation + self.mean
    }
}
