//! The networks of a run, and where each has its files.
use std::path::{Path, PathBuf};

use super::network_options::MoleculeNetwork;
use super::options::DataSetOptions;
use super::state::{RunState, TrainingState};
use crate::predict::PredictOptions;
use crate::segmenter::SegmenterOptions;

/// Which network of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that every run has.
    First,
    /// That of the molecules.
    Molecules,
}

impl Role {
    /// Its name in notes and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "network",
            Self::Molecules => "molecules",
        }
    }

    /// The folder of its results within that of the run.
    pub fn folder(self, out: &Path) -> PathBuf {
        match self {
            Self::First => out.to_path_buf(),
            Self::Molecules => out.join("molecules"),
        }
    }

    /// The trained network.
    pub fn file(self, out: &Path) -> PathBuf {
        self.folder(out).join("network.safetensors")
    }

    /// How far its training is.
    pub fn training(self, state: &RunState) -> &TrainingState {
        match self {
            Self::First => &state.training,
            Self::Molecules => &state.molecules,
        }
    }

    /// The same, to be changed.
    pub fn training_mut(self, state: &mut RunState) -> &mut TrainingState {
        match self {
            Self::First => &mut state.training,
            Self::Molecules => &mut state.molecules,
        }
    }
}

/// A network of a run with its settings.
pub(super) struct RunNetwork {
    pub role: Role,
    pub training: SegmenterOptions,
    pub prediction: PredictOptions,
}

/// The networks of a run, in the order of their training. Labels of the later ones are laid over those of the earlier.
pub(super) fn networks(options: &DataSetOptions) -> Vec<RunNetwork> {
    let network = |role, training: &SegmenterOptions, prediction: &PredictOptions| RunNetwork {
        role,
        training: options.training_options(training),
        prediction: options.predict_options(prediction),
    };
    let first = network(Role::First, &options.training, &options.prediction);
    let second = |molecules: &MoleculeNetwork| network(Role::Molecules, &molecules.training, &molecules.prediction);
    std::iter::once(first)
        .chain(options.molecules.iter().map(second))
        .collect()
}
