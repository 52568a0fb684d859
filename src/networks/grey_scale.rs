//! From densities to the grey values that a network was trained on.
use ndarray::Array3;

use super::InputScale;
use crate::runtime::{Job, Result};
use crate::volume::{tomogram_scale, Tomogram, CLIP_SIGMA};

/// Densities as a network's input: zero mean and unit variance, cut at six standard deviations, of the right sign.
#[derive(Clone, Copy, Debug)]
pub enum GreyScale {
    /// One scale for the whole tomogram.
    Tomogram { mean: f32, deviation: f32, sign: f32 },
    /// A scale for each slice.
    Slice { sign: f32 },
    /// One scale for the whole tomogram: three deviations about the mean are -1 to 1, and what is beyond is cut.
    Picture { mean: f32, deviation: f32, sign: f32 },
}

impl GreyScale {
    /// The scale of `tomogram` for a network of `input`; `flip` where its structures have the other sign.
    pub fn of(tomogram: &Tomogram, input: InputScale, flip: bool, job: &Job) -> Result<Self> {
        let sign = if flip { -1.0 } else { 1.0 };
        if input == InputScale::Slice {
            return Ok(Self::Slice { sign });
        }
        let (mean, deviation) = tomogram_scale(tomogram, job)?;
        Ok(match input {
            InputScale::Picture => Self::Picture { mean, deviation, sign },
            _ => Self::Tomogram { mean, deviation, sign },
        })
    }

    /// `slices` (z, y, x) as the network's input.
    pub fn apply(self, mut slices: Array3<f32>) -> Array3<f32> {
        let scaled = |v: f32, mean: f32, factor: f32| ((v - mean) * factor).clamp(-CLIP_SIGMA, CLIP_SIGMA);
        match self {
            Self::Tomogram { mean, deviation, sign } => slices.mapv_inplace(|v| scaled(v, mean, sign / deviation)),
            Self::Picture { mean, deviation, sign } => {
                slices.mapv_inplace(|v| ((v - mean) * (sign / (3.0 * deviation))).clamp(-1.0, 1.0));
            }
            Self::Slice { sign } => {
                for mut slice in slices.outer_iter_mut() {
                    let count = slice.len().max(1) as f64;
                    let mean = slice.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
                    let squares = slice.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>();
                    // 1e-8 as the slab paper's training adds.
                    let deviation = (squares / count).sqrt() + 1e-8;
                    slice.mapv_inplace(|v| scaled(v, mean as f32, sign / deviation as f32));
                }
            }
        }
        slices
    }
}
