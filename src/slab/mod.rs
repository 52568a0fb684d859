//! A slab of a tomogram to membrane mask, molecule points and a score: the slab paper end to end.
//!
//! Stages, one file each, in the order a slice passes them: `stack` (slices and their neighbours), `context` (what the slab shares,
//! and how a slice is enhanced), `tiles`, `features` (attention of a tile), `cell` (eigenvectors and maps of the tiles), `aggregate` and `canvas` (one map), `zcorrect`,
//! `refine`, `binarise`, `split`, `points` and `blobs`; `pipeline` runs them, `outputs`, `overlay` and `dump` write what they found. `suggest`
//! says beforehand which slabs are worth it.

pub mod aggregate;
mod attention;
pub mod binarise;
mod blobs;
pub mod canvas;
mod cell;
mod choices;
pub mod context;
mod decide;
mod denoise;
mod dump;
mod features;
mod options;
mod outputs;
pub mod overlay;
mod pipeline;
pub mod points;
mod refine;
mod seams;
pub mod split;
mod stack;
mod structures;
mod suggest;
pub mod tiles;
pub mod zcorrect;

pub use attention::{slice_features, TileFeatures};
pub use choices::{CanvasRule, Preset, SolverKind, SplitRule, ThresholdRule, Tiling, TimestepRule};
pub use denoise::{denoise, DenoiseOptions, DenoiseReport};
pub use dump::dump_slice;
pub use features::Timesteps;
pub use options::SlabOptions;
pub use outputs::{write_outputs, OutputFiles, SlabFileOptions};
pub use pipeline::{segment, SlabReport, SlabSegmentation};
pub use split::{FILAMENT, MEMBRANE, MOLECULE};
pub use structures::StructureMaps;
pub use suggest::{suggest_slabs, SuggestOptions, SuggestedSlab, Suggestions};
