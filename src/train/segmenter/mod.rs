//! Training of segmentation networks: on phantoms, whose truth is exact, or on labels of slabs, that nobody drew.

mod labelled;
mod labelled_training;
mod options;
mod source;
mod trainer;

pub use labelled::{LabelledVolume, LabelledVolumes, SlabLabels};
pub use labelled_training::{LabelledTraining, LabelledTrainingOptions, Start};
pub use options::SegmenterOptions;
pub use source::{ExampleSource, PhantomExamples};
pub use trainer::{OutputScore, SegmenterTrainer};
