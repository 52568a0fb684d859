//! Training of segmentation networks: on labels of slabs that nobody drew, on pictures with masks, on any other source
//! of windows.
//!
//! `options` are the settings, `presets` those of papers, `course` and `plan` what they come to with a network.
//! `pictures` reads pairs of pictures and masks; `labelled` is a slab with labels, brought to the network's voxels by
//! `slab_sampling`, with the `truth` of labels and of points (`point_labels`); `split` holds a part of it out,
//! `labelled_volumes` cuts windows; `trainer` is the run with its validation and its rounds of self-training;
//! `labelled_training` is all of it in one.

mod course;
mod labelled;
mod labelled_pictures;
mod labelled_training;
mod labelled_volumes;
mod loss_choice;
mod mask_level;
mod network_choice;
mod options;
mod pictures;
mod plan;
mod point_labels;
mod preset;
mod presets;
mod rates;
mod self_training;
mod slab_sampling;
mod split;
mod start;
mod state;
mod trainer;
mod truth;
mod validation;

pub use labelled::{LabelledVolume, SlabLabels, SlabView};
pub use labelled_training::LabelledTraining;
pub use labelled_volumes::LabelledVolumes;
pub use loss_choice::{LossName, LossTerms};
pub use mask_level::MaskLevel;
pub use network_choice::NetworkChoice;
pub use options::SegmenterOptions;
pub use pictures::PicturePair;
pub use plan::Plan;
pub use point_labels::{PointLabels, PointShape};
pub use preset::Preset;
pub use rates::{CurveOptions, OptimiserName, ScheduleName};
pub use split::ValidationSplit;
pub use start::Start;
pub use state::{ScoreReport, TrainerState};
pub use trainer::SegmenterTrainer;
pub use validation::{mean_dice, OutputScore};
