//! Settings of one network of a run: how it is trained and what it predicts.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::predict::{Output, PickingOptions, PredictOptions};
use crate::runtime::{Error, Result};
use crate::segmenter::SegmenterOptions;
use crate::settings::{group_base, Settings};

/// Steps of a training unless the host says otherwise: the start knows membranes and molecules, and is only adapted.
const DEFAULT_STEPS: u64 = 600;

/// A network of its own for molecules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoleculeNetwork {
    /// How it is trained, and from what it starts (family train). Its voxel_nm and bright are not used.
    pub training: SegmenterOptions,
    /// How it predicts tomograms (family predict), into the folder `molecules`; labels must be among the outputs. Its
    /// voxel_nm, bright, memory and resume are not used.
    pub prediction: PredictOptions,
}

impl MoleculeNetwork {
    /// What `given`, the members of the group, change members of.
    pub(super) fn base(given: &Map<String, Value>) -> Result<Self> {
        Ok(Self {
            training: training_base(given)?,
            prediction: prediction_base(),
        })
    }

    pub(super) fn validate_together(&self) -> Result<()> {
        check_network(&self.training, &self.prediction)
    }
}

/// The training that the group "training" in `given` changes members of.
pub(super) fn training_base(given: &Map<String, Value>) -> Result<SegmenterOptions> {
    let base: SegmenterOptions = group_base(given, "training")?;
    Ok(match base.preset.is_of_a_paper() {
        // A paper's training is as long as the paper has it.
        true => base,
        false => SegmenterOptions {
            steps: DEFAULT_STEPS,
            ..base
        },
    })
}

/// The default of a prediction in a run: molecules are picked.
pub(super) fn prediction_base() -> PredictOptions {
    PredictOptions {
        picking: Some(PickingOptions::default()),
        ..PredictOptions::default()
    }
}

/// Refuses settings of a network that do not fit each other.
pub(super) fn check_network(training: &SegmenterOptions, prediction: &PredictOptions) -> Result<()> {
    if !prediction.outputs.contains(&Output::Labels) {
        let outputs = format!("{:?}", prediction.outputs);
        return Err(Error::argument(
            "prediction.outputs",
            outputs,
            "must have labels among them",
        ));
    }
    in_group("training", training.validate_together())?;
    in_group("prediction", prediction.validate_together())
}

/// The error of a group's setting, by its name in the family.
pub(super) fn in_group(group: &str, checked: Result<()>) -> Result<()> {
    checked.map_err(|error| match error {
        Error::InvalidArgument { name, value, allowed } => Error::InvalidArgument {
            name: format!("{group}.{name}"),
            value,
            allowed,
        },
        other => other,
    })
}
