//! What is known about a run, as it is kept between calls.
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::segmenter::OutputScore;
use crate::settings::Identity;
use crate::train::LossRecord;

/// Dice of the network's labels with those of a slab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Stem of the slab.
    pub slab: String,
    /// The class, or "structure" for all of them together.
    pub class: String,
    /// Slices learnt from, 0..=1.
    pub learnt: f64,
    /// Slices held out, 0..=1; None where there are none.
    pub held_out: Option<f64>,
}

/// A slab that may be labelled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChosenSlab {
    /// Name of the tomogram.
    pub tomogram: String,
    /// Its slices.
    pub z: Range<usize>,
    /// How much structure it seems to hold, about 0 (noise) to 1; None where the slab was given.
    pub score: Option<f64>,
}

/// A slab whose labels are in the folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LabelledSlab {
    /// Which.
    pub slab: ChosenSlab,
    /// Files are `slabs/STEM_labels.mrc` and so on.
    pub stem: String,
    /// Share of its voxels that is membrane, 0..=1.
    pub membrane_share: f64,
    /// Share of its voxels that is molecule, 0..=1.
    pub molecule_share: f64,
    /// Number of molecules.
    pub points: usize,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Scores on the slices held out after some steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScoresAt {
    /// Steps done.
    pub step: u64,
    /// One score for each class of the network.
    pub outputs: Vec<OutputScore>,
}

/// How the training went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TrainingState {
    /// Stems of the slabs that are learnt from, in their order; settled once the training begins.
    pub slabs: Vec<String>,
    /// Whether any slices are held out; otherwise scores are those of the slices learnt from.
    pub held_out: bool,
    /// Scores so far.
    pub scores: Vec<ScoresAt>,
    /// Mean losses so far.
    pub losses: Vec<LossRecord>,
    /// Edge of the voxels that the network is for, in nm.
    pub voxel_nm: Option<f64>,
    /// Steps done.
    pub steps: u64,
    /// Whether all steps are done and the network is in place.
    pub finished: bool,
    /// Why it learnt nothing; None: it did, or is not at its end.
    pub failure: Option<String>,
}

/// Scores of the network's labels of one class with the truth, and of the trivial floor on the same slices.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TruthScore {
    /// The class, or "structure" for all of them together.
    pub class: String,
    /// Dice of the whole tomogram, 0..=1.
    pub dice: f64,
    /// Mean Dice of its slices, one that is empty in both counting 1: the slab paper's.
    pub per_slice: f64,
    /// Dice on the middle slices, 0..=1.
    pub middle: f64,
    /// Dice there of the best blur, thresholded at the true share of voxels; 0..=1.
    pub floor: f64,
}

/// Scores of the picked molecules with the true ones, one to one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointScore {
    /// When a pick counts as right.
    pub rule: String,
    /// Molecules that were found.
    pub found: usize,
    /// Picks that are none.
    pub wrong: usize,
    /// Molecules that were missed.
    pub missed: usize,
    /// Share of the picks that are right, 0..=1.
    pub precision: f64,
    /// Share of the molecules that were found, 0..=1.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

/// A tomogram whose prediction is in the folder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PredictedTomogram {
    /// Its files, relative to the folder.
    pub files: Vec<String>,
    /// Voxels, z y x.
    pub shape: [usize; 3],
    /// Edge of a voxel in nm; None: unknown.
    pub voxel_nm: Option<f64>,
    /// Share of its voxels that has each of the network's classes, 0..=1.
    pub shares: Vec<(String, f64)>,
    /// Number of molecules, where the prediction gives points.
    pub points: Option<usize>,
    /// Pictures, relative to the folder, with what they show.
    pub pictures: Vec<(String, String)>,
    /// The network's labels against those of the slabs of this tomogram.
    pub agreement: Vec<Agreement>,
    /// The truth, where it is given.
    pub truth_file: Option<PathBuf>,
    /// Against the truth.
    pub truth: Vec<TruthScore>,
    /// The true molecules, where they are given.
    pub true_points_file: Option<PathBuf>,
    /// Against the true molecules.
    pub true_points: Vec<PointScore>,
    /// Seconds that it took.
    pub seconds: f64,
    /// Voxels per second of the network, all that belongs to it included.
    pub voxels_per_second: f64,
}

/// All that is known about a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunState {
    /// What the run was begun with.
    pub identity: Identity,
    /// Its settings, with the names of files, as one JSON object.
    pub settings: Value,
    /// Slabs that may be labelled, the best first; None: not looked for yet.
    pub chosen: Option<Vec<ChosenSlab>>,
    /// Labelled slabs.
    pub slabs: Vec<LabelledSlab>,
    /// The training of the first network.
    pub training: TrainingState,
    /// The training of the molecules' network, where there is one.
    pub molecules: TrainingState,
    /// Predicted tomograms by name.
    pub predictions: BTreeMap<String, PredictedTomogram>,
    /// Seconds of each part of the run, those of earlier calls included.
    pub seconds: BTreeMap<String, f64>,
    /// Most memory that a process of the run has had, in bytes.
    pub peak_bytes: u64,
}
