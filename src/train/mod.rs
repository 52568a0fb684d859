//! What every training run shares: the loop, optimisers, the schedule of the learning rate, checkpoints, losses and
//! augmentation.
//!
//! [`crate::segmenter`] makes segmentation networks of labels, [`crate::denoiser`] makes diffusion models of phantoms;
//! both stand on this.

mod adamw;
mod augment;
pub(crate) mod checkpoint;
mod clip;
mod example;
mod loss;
mod optimiser;
mod parameters;
mod rate;
pub(crate) mod run;
mod schedule;
mod sgd;
mod truth;
pub(crate) mod validated;
mod warp;

pub use adamw::{AdamW, AdamWOptions};
pub use augment::{augment, AugmentDraw, AugmentOptions, Beyond, Interpolation, TiltAxis};
pub use example::{Example, ExampleSource, Windows};
pub use loss::{segmentation_loss, LossKind, LossOptions, Target};
pub use parameters::Parameters;
pub use rate::RateCurve;
pub use run::LossRecord;
pub use schedule::{CosineSchedule, TrainingSchedule, UpdateRule};
pub use sgd::{Sgd, SgdOptions};
pub use validated::ScoreRecord;

pub(crate) use truth::{mark_centre, CERTAIN};
