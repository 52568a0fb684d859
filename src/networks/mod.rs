//! Networks beside the diffusion model, read from safetensors and run as their authors run them.
//!
//! [`cpnet`] is CellPose, whole. The others segment: all are a [`SegmentationNetwork`], described by a
//! [`NetworkConfig`] and kept with their weights in a [`SegmentationModel`], whose file says which network it is. The
//! numbers follow the originals (MONAI for the DynUNet); no code of them is used. [`sdseg`] is made of the pieces of
//! [`crate::diffusion`].

mod blend;
mod builtin;
mod compact;
mod config;
pub mod cpnet;
mod description;
mod dynunet;
mod grey_scale;
mod grid;
mod initial;
mod limits;
mod model;
mod picker;
mod picture_input;
mod recognise;
mod sampling;
pub mod sdseg;
mod segmentation;
mod unet2d;

pub use compact::{CompactConfig, CompactUnet};
pub use config::NetworkConfig;
pub use description::{InputScale, ModelDescription};
pub use dynunet::{DynUnet, DynUnetConfig};
pub use grey_scale::GreyScale;
pub use grid::{are_alike, resample, Axis};
pub use model::SegmentationModel;
pub use picker::{Picker, PickerConfig};
pub use sampling::{Sampled, Sampler, Sampling};
pub use sdseg::{Conditioning, SdSeg, SdSegConfig};
pub use segmentation::{Activation, Logits, Pass, Reach, SegmentationNetwork};
pub use unet2d::{Unet2d, Unet2dConfig};

pub(crate) use blend::{starts, tent};
