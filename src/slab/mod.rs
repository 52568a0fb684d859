//! A slab of a tomogram to membrane mask, molecule points and a score: the slab paper end to end.
//!
//! Three ways lead from a slab to its labels (`way`): by the structures that the model predicts, by its denoised image,
//! and the papers', by the eigenvectors of its attention. Each is a `line` of its own in `ways`, from a tile's map to
//! the decision.
//!
//! In the order that a slice passes them: `voxel_match` (slices brought to voxels that the model sees well), `stack`
//! (slices and their neighbours), `grey` (their scale), `context` (what the slab shares), `tiles`, `tile_attention`,
//! `cell` (tiles through the model), then the line's stages: `aggregate`, `zcorrect`, `refine`, `binarise`, `split`,
//! `mend`, `points` and `blobs`. `pipeline` runs them; `outputs`, `overlay` and `dump` write files. `suggest` says
//! beforehand which slabs are worth it.

mod adam_options;
pub mod aggregate;
mod attention;
pub mod binarise;
mod blobs;
mod cell;
mod choices;
mod context;
mod decision;
mod denoise;
mod dump;
mod grey;
mod host_attention;
mod line;
mod mend;
mod network_membranes;
mod one_slice;
mod options;
mod outputs;
pub mod overlay;
mod pipeline;
pub mod points;
mod refine;
mod seams;
mod solver;
pub mod split;
mod split_mask;
mod stack;
mod structures;
mod suggest;
mod tile_attention;
mod tile_runs;
mod tile_tensor;
pub mod tiles;
mod timesteps;
mod uncertainty;
mod voxel;
mod voxel_match;
mod way;
mod ways;
pub mod zcorrect;

pub use adam_options::{AdamObjective, AdamOptions};
pub use aggregate::AggregateOptions;
pub use attention::{slice_features, TileFeatures};
pub use choices::{CanvasRule, Preset, SolverKind, SplitRule, ThresholdRule, Tiling, TimestepRule};
pub use denoise::{denoise, DenoiseOptions, DenoiseReport};
pub use dump::dump_slice;
pub use host_attention::{attention_eigenvectors, finest_grid, host_layer};
pub use options::SlabOptions;
pub use outputs::{write_outputs, OutputFiles, SlabFileOptions};
pub use pipeline::{segment, SlabReport, SlabSegmentation};
pub use split::CellPoseRule;
pub use structures::StructureMaps;
pub use suggest::{suggest_slabs, SuggestOptions, SuggestedSlab, Suggestions};
pub use timesteps::Timesteps;
pub use zcorrect::ZConsistency;
