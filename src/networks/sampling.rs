//! Sampling of generative segmentation networks.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::runtime::{Error, Result};

/// Integration from noise to a clean latent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// DDIM (Song, Meng and Ermon 2021), with the share `eta` of noise on the way.
    #[default]
    Ddim,
    /// DPM-Solver++ of second order, multistep (Lu et al. 2022).
    DpmSolver,
    /// Pseudo linear multistep of fourth order (Liu et al. 2022), as latent diffusion has it; one pass more than steps.
    Plms,
    /// DDPM (Ho, Jain and Abbeel 2020): fresh noise in every step, of the posterior's variance. With 1000 steps it is
    /// the full sampler.
    Ddpm,
}

/// Settings of the sampler. One step is SDSeg's own way, the same for all samplers: the clean latent that the
/// network sees in pure noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// The sampler.
    pub sampler: Sampler,
    /// Passes of the U-Net per sample, 1..=1000.
    pub steps: u32,
    /// Noise that DDIM adds on the way, 0..=1, as a share of DDPM's.
    pub eta: f64,
    /// Samples, each from another noise, of which mean and deviation are taken, 1..=1000.
    pub samples: u32,
    /// Seed of the noises. Every window of every slice begins from the same ones, so that neighbours agree.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            sampler: Sampler::default(),
            steps: 1,
            eta: 0.0,
            samples: 1,
            seed: 1,
        }
    }
}

impl Sampling {
    /// Refuses settings out of their documented ranges, by name, and any but the default where the network does not
    /// draw.
    pub fn validate(&self, draws: bool) -> Result<()> {
        if !(0.0..=1.0).contains(&self.eta) {
            return Err(Error::argument("eta", self.eta, "must be 0..=1"));
        }
        for (name, value) in [("steps", self.steps), ("samples", self.samples)] {
            if !(1..=1000).contains(&value) {
                return Err(Error::argument(name, value, "must be 1..=1000"));
            }
            if !draws && value > 1 {
                let allowed = "must be 1: this network gives one answer, in one pass";
                return Err(Error::argument(name, value, allowed));
            }
        }
        Ok(())
    }
}

/// The answers of a network in short.
pub struct Sampled {
    /// Mean of the probabilities over the samples, [B, outputs, ..].
    pub mean: Tensor,
    /// Mean of their squares, where there are several samples.
    pub squares: Option<Tensor>,
}
