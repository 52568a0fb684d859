//! Training of SD-shaped denoising U-Nets on simulated tomograms, with the microscope's noise as the diffusion noise.
//!
//! x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, where x0 is a noise-free reconstruction and eps a reconstruction of pure noise,
//! both of unit variance. A real slice of unit variance is then x_t at abar_t = SNR / (1 + SNR), and nothing has to be added to it.
//! From the simulation's truth the same network learns which voxels are membrane, molecule or filament.
//!
//! Models of Stable Diffusion's own making, an autoencoder and an ordinary denoiser on its latents, are trained by the same loop
//! (`run`), from phantoms and, on request, from the user's own tomograms.
//!
//! Segmentation networks learn from windows that [`augment()`] varies, by a [`segmentation_loss`].

mod adamw;
mod adapt;
mod augment;
mod autoencoder;
mod autoencoder_options;
mod batch;
mod checkpoint;
mod crops;
mod denoiser;
mod latents;
mod loss;
mod mask_autoencoder;
mod matched_volume;
mod optimiser;
mod options;
mod own_batch;
mod own_data;
mod parameters;
mod phantoms;
mod posterior;
mod random_masks;
mod rate;
mod renewal;
mod run;
mod segmenter;
mod sgd;
mod slices;
mod validated;

pub use adamw::{AdamW, AdamWOptions};
pub use adapt::{adapt, AdaptOptions};
pub use augment::{augment, AugmentOptions, Example, TiltAxis};
pub use autoencoder::{AutoencoderTrainer, Reconstruction};
pub use autoencoder_options::{small_autoencoder, AutoencoderOptions};
pub use batch::{Batch, BatchSource};
pub use denoiser::{DenoiserTrainer, HeldOutLoss};
pub use latents::LatentPool;
pub use loss::{segmentation_loss, LossKind, LossOptions, Target};
pub use mask_autoencoder::{MaskAutoencoderOptions, MaskAutoencoderTrainer};
pub use matched_volume::MatchedVolume;
pub use options::{small_unet, DenoiserOptions, CELLS, STRUCTURES};
pub use parameters::Parameters;
pub use phantoms::PhantomPool;
pub use rate::RateCurve;
pub use run::{LossRecord, TrainingSchedule};
pub use segmenter::{
    mean_dice, ExampleSource, LabelledTraining, LabelledTrainingOptions, LabelledVolume, LabelledVolumes, OutputScore,
    PhantomExamples, PicturePair, SegmenterOptions, SegmenterTrainer, SelfTrainingOptions, SlabLabels, SlabView, Start,
    ValidationOptions,
};
pub use sgd::{Sgd, SgdOptions};
pub use slices::{SliceBatch, SliceOptions, SlicePool};
pub use validated::ScoreRecord;
