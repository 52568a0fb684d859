//! Training of SD-shaped denoising U-Nets on simulated tomograms, with the microscope's noise as the diffusion noise.
//!
//! x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, where x0 is a noise-free reconstruction and eps a reconstruction of pure noise,
//! both of unit variance. A real slice of unit variance is then x_t at abar_t = SNR / (1 + SNR), and nothing has to be added to it.

mod adamw;
mod checkpoint;
mod denoiser;
mod options;
mod parameters;
mod phantoms;

pub use adamw::{AdamW, AdamWOptions};
pub use denoiser::{DenoiserTrainer, HeldOutLoss, LossRecord};
pub use options::{small_unet, DenoiserOptions};
pub use parameters::Parameters;
pub use phantoms::{Batch, MatchedVolume, PhantomPool};
