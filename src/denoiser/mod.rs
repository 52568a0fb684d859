//! Training of SD-shaped denoising U-Nets on simulated tomograms, with the microscope's noise as the diffusion noise.
//!
//! x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, where x0 is a noise-free reconstruction and eps a reconstruction of
//! pure noise, both of unit variance. A real slice of unit variance is then x_t at abar_t = SNR / (1 + SNR), and
//! nothing has to be added to it. From the simulation's truth the same network learns which voxels are membrane,
//! molecule or filament; and chosen attention layers learn, where [`DenoiserOptions::attention_weight`] asks for it, to
//! keep a token's attention within its class of that truth, so that the leading eigenvectors of the attention follow
//! objects. [`adapt()`] trains such a model on for some minutes on the user's own voxels.
//!
//! Models of Stable Diffusion's own making, an autoencoder and an ordinary denoiser on its latents, are trained by the
//! same loop (`crate::train`), from phantoms and, on request, from the user's own tomograms.

mod adapt;
mod autoencoder;
mod autoencoder_options;
mod batch;
mod class_attention;
mod crops;
mod latents;
mod mask_autoencoder;
mod matched_volume;
mod options;
mod own_batch;
mod own_data;
mod phantom_examples;
mod phantoms;
mod posterior;
mod random_masks;
mod renewal;
mod slices;
mod start;
mod trainer;

pub use adapt::{adapt, AdaptOptions};
pub use autoencoder::{AutoencoderTrainer, Reconstruction};
pub use autoencoder_options::{small_autoencoder, AutoencoderOptions};
pub use batch::{Batch, BatchSource};
pub use latents::LatentPool;
pub use mask_autoencoder::{MaskAutoencoderOptions, MaskAutoencoderTrainer};
pub use matched_volume::MatchedVolume;
pub use options::{small_unet, DenoiserOptions, CELLS, STRUCTURES};
pub use phantom_examples::PhantomExamples;
pub use phantoms::PhantomPool;
pub use slices::{SliceBatch, SliceOptions, SlicePool};
pub use trainer::{DenoiserTrainer, HeldOutLoss};
