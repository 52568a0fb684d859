//! Training of segmentation networks: on labels of slabs that nobody drew, on pictures with masks, on any other source of windows.
//!
//! `pictures` reads pairs of pictures and masks, `labelled` brings slabs with labels to the network's voxels and grey scale, `split` holds a part of them out, `labelled_volumes` cuts
//! windows; `trainer` is the run with its validation and its rounds of self-training; `labelled_training` is all of it in one.

mod labelled;
mod labelled_pictures;
mod labelled_training;
mod labelled_volumes;
mod options;
mod pictures;
mod presets;
mod self_training;
mod split;
mod start;
mod trainer;
mod validation;

pub use labelled::{LabelledVolume, SlabLabels, SlabView};
pub use labelled_training::{LabelledTraining, LabelledTrainingOptions};
pub use labelled_volumes::LabelledVolumes;
pub use options::SegmenterOptions;
pub use pictures::PicturePair;
pub use self_training::SelfTrainingOptions;
pub use start::Start;
pub use trainer::SegmenterTrainer;
pub use validation::{mean_dice, OutputScore, ValidationOptions};
