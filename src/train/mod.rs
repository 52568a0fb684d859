//! Training of SD-shaped denoising U-Nets on simulated tomograms, with the microscope's noise as the diffusion noise.
//!
//! x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, where x0 is a noise-free reconstruction and eps a reconstruction of pure noise,
//! both of unit variance. A real slice of unit variance is then x_t at abar_t = SNR / (1 + SNR), and nothing has to be added to it.
//! From the simulation's truth the same network learns which voxels are membrane, molecule or filament.

mod adamw;
mod adapt;
mod checkpoint;
mod crops;
mod denoiser;
mod matched_volume;
mod options;
mod own_data;
mod parameters;
mod phantoms;

pub use adamw::{AdamW, AdamWOptions};
pub use adapt::{adapt, AdaptOptions};
pub use denoiser::{DenoiserTrainer, HeldOutLoss, LossRecord};
pub use matched_volume::MatchedVolume;
pub use options::{small_unet, DenoiserOptions, CELLS, STRUCTURES};
pub use parameters::Parameters;
pub use phantoms::{Batch, PhantomPool};
