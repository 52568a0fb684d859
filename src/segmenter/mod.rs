//! Training of segmentation networks: on labels of slabs that nobody drew, on pictures with masks, on any other source
//! of windows.
//!
//! `options` are the settings, `presets` those of papers, `plan` what they come to with a network. `pictures` reads
//! pairs of pictures and masks, `labelled` brings slabs with labels to the network's voxels and grey scale, `split`
//! holds a part of them out, `labelled_volumes` cuts windows; `trainer` is the run with its validation and its rounds
//! of self-training; `labelled_training` is all of it in one.

mod labelled;
mod labelled_pictures;
mod labelled_training;
mod labelled_volumes;
mod loss_choice;
mod network_choice;
mod options;
mod pictures;
mod plan;
mod preset;
mod presets;
mod rates;
mod self_training;
mod split;
mod start;
mod state;
mod trainer;
mod validation;

pub use labelled::{LabelledVolume, SlabLabels, SlabView};
pub use labelled_training::LabelledTraining;
pub use labelled_volumes::LabelledVolumes;
pub use loss_choice::{LossName, LossTerms};
pub use network_choice::NetworkChoice;
pub use options::SegmenterOptions;
pub use pictures::PicturePair;
pub use plan::Plan;
pub use preset::Preset;
pub use rates::{CurveOptions, OptimiserName, ScheduleName};
pub use start::Start;
pub use state::{ScoreReport, TrainerState};
pub use trainer::SegmenterTrainer;
pub use validation::{mean_dice, OutputScore};
