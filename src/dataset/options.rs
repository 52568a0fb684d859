//! Settings of a run over a data set.
use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::diffusion::DiffusionModel;
use crate::predict::{Output, PickingOptions, PredictOptions};
use crate::runtime::{Error, Result};
use crate::segmenter::{SegmenterOptions, Start};
use crate::settings::{group_base, hash_file, Identity, Settings};
use crate::slab::{Preset, SlabOptions};

/// Steps of the training unless the host says otherwise: the start knows membranes and molecules, and is only adapted.
const DEFAULT_STEPS: u64 = 600;

/// Settings that change nothing but memory, time and who computes.
const WITHOUT_EFFECT: [&str; 12] = [
    "memory",
    "restart",
    "checkpoint_seconds",
    "prediction.memory",
    "prediction.core",
    "prediction.rank",
    "prediction.size",
    "prediction.resume",
    "prediction.picking.memory",
    "prediction.picking.certain",
    "prediction.membranes.memory",
    "prediction.membranes.certain",
];

/// A tomogram of the data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSetTomogram {
    /// The MRC file.
    pub path: PathBuf,
    /// Slices of it to label. Where any tomogram has some, these are the slabs that are labelled, and none is
    /// suggested.
    pub slab: Option<Range<usize>>,
    /// An MRC file of the tomogram's true labels (0 ground, 1 membrane, 2 molecule, 3 filament), which the result is
    /// scored with; nothing is learnt from it.
    pub truth: Option<PathBuf>,
}

/// How a data set is run. Same settings, tomograms and number of threads: same network and volumes on a CPU, however
/// often the run was stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSetOptions {
    /// Slabs that are labelled, where they are suggested.
    #[schemars(range(min = 1, max = 64))]
    pub slabs: usize,
    /// Slices of a suggested slab; null: 20, or all of a thinner tomogram.
    #[schemars(range(min = 1))]
    pub thickness: Option<usize>,
    /// Share of each slab's slices, at its end, that nothing is learnt from: the network is compared with the labels
    /// there.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub held_out: f64,
    /// Edge of a voxel in nm where the files are wrong or silent; null: the files'. Of all groups.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub voxel_nm: Option<f64>,
    /// Whether structures are brighter than their surroundings. Of all groups.
    pub bright: bool,
    /// How slabs are labelled (family slab). Its voxel_nm and bright are not used.
    pub slab: SlabOptions,
    /// How the network is trained, and from what it starts (family train). Its voxel_nm and bright are not used.
    pub training: SegmenterOptions,
    /// How often the network is scored on the slices held out while it learns.
    #[schemars(range(min = 1, max = 1000))]
    pub scores: u64,
    /// Seconds between two checkpoints of the training.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub checkpoint_seconds: f64,
    /// How tomograms are predicted (family predict); labels must be among the outputs. Its voxel_nm, bright, memory and
    /// resume are not used. Molecules are not picked where the voxel size is unknown or the network knows none.
    pub prediction: PredictOptions,
    /// Bytes that the labelled slabs, and later the slices and tiles of a prediction, may take, beside networks and
    /// libtorch.
    pub memory: u64,
    /// Whether a run of other settings that stands there is begun again; otherwise it is refused.
    pub restart: bool,
}

impl Default for DataSetOptions {
    fn default() -> Self {
        Self {
            slabs: 3,
            thickness: None,
            held_out: 0.2,
            voxel_nm: None,
            bright: false,
            slab: SlabOptions::new(Preset::Default),
            training: SegmenterOptions {
                steps: DEFAULT_STEPS,
                ..SegmenterOptions::of_preset("adapt")
            },
            scores: 6,
            checkpoint_seconds: 60.0,
            prediction: PredictOptions {
                picking: Some(PickingOptions::default()),
                ..PredictOptions::default()
            },
            memory: 4 << 30,
            restart: false,
        }
    }
}

impl Settings for DataSetOptions {
    const FAMILY: &'static str = "run";
    const WHOLE: &'static [&'static str] = SegmenterOptions::WHOLE;

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn base(_: &str, given: &Map<String, Value>) -> Result<Self> {
        Ok(Self {
            slab: group_base(given, "slab")?,
            training: SegmenterOptions {
                steps: DEFAULT_STEPS,
                ..group_base(given, "training")?
            },
            ..Self::default()
        })
    }

    fn validate_together(&self) -> Result<()> {
        if !self.prediction.outputs.contains(&Output::Labels) {
            let outputs = format!("{:?}", self.prediction.outputs);
            return Err(Error::argument(
                "prediction.outputs",
                outputs,
                "must have labels among them",
            ));
        }
        in_group("slab", self.slab.validate_together())?;
        in_group("training", self.training.validate_together())?;
        in_group("prediction", self.prediction.validate_together())
    }
}

/// The error of a group's setting, by its name in the family.
fn in_group(group: &str, checked: Result<()>) -> Result<()> {
    checked.map_err(|error| match error {
        Error::InvalidArgument { name, value, allowed } => Error::InvalidArgument {
            name: format!("{group}.{name}"),
            value,
            allowed,
        },
        other => other,
    })
}

impl DataSetOptions {
    /// Settings of every slab.
    pub(super) fn slab_options(&self) -> SlabOptions {
        SlabOptions {
            voxel_nm: self.voxel_nm,
            bright: self.bright,
            ..self.slab.clone()
        }
    }

    /// Settings of the training.
    pub(super) fn training_options(&self) -> SegmenterOptions {
        SegmenterOptions {
            voxel_nm: self.voxel_nm,
            bright: self.bright,
            ..self.training.clone()
        }
    }

    /// Settings of every prediction.
    pub(super) fn predict_options(&self) -> PredictOptions {
        PredictOptions {
            voxel_nm: self.voxel_nm,
            bright: self.bright,
            memory: self.memory,
            resume: true,
            ..self.prediction.clone()
        }
    }

    /// What settles the network and the volumes of a run.
    pub(super) fn identity(&self, model: &DiffusionModel) -> Result<Identity> {
        let used = Self {
            slab: self.slab_options(),
            training: self.training_options(),
            prediction: self.predict_options(),
            ..self.clone()
        };
        let mut identity = Identity::new(&used, &WITHOUT_EFFECT)?.with_input("diffusion model", model.content_hash()?);
        // What is in the library is of its version.
        let files = match self.training.weights() {
            Start::File(file) => vec![file],
            Start::LatentDiffusion(files) => files,
            Start::Random | Start::Builtin | Start::BuiltinDiffusion => Vec::new(),
        };
        for (number, file) in files.iter().enumerate() {
            identity = identity.with_input(&format!("start {number}"), hash_file(file)?);
        }
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::LoadOptions;
    use crate::settings::resolve_text;

    #[test]
    fn a_setting_that_differs_is_named() {
        let model = DiffusionModel::builtin(&LoadOptions::default()).unwrap();
        let mut options = DataSetOptions::default();
        let before = options.identity(&model).unwrap();
        options.memory = 1 << 20;
        options.prediction.core = Some([8; 3]);
        options.identity(&model).unwrap().check_equals(&before, "out").unwrap();
        options.training.adamw.rate = 0.25;
        let text = options
            .identity(&model)
            .unwrap()
            .check_equals(&before, "out")
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with("training.adamw.rate is 0.25, must be 0.0005"),
            "{text}"
        );
    }

    #[test]
    fn settings_out_of_range_are_named() {
        type Change = fn(&mut DataSetOptions);
        let changes: [(&str, Change); 6] = [
            ("slabs is 0", |o| o.slabs = 0),
            ("held_out is not finite", |o| o.held_out = f64::NAN),
            ("thickness is 0", |o| o.thickness = Some(0)),
            ("scores is 0", |o| o.scores = 0),
            ("prediction.outputs is [Probabilities]", |o| {
                o.prediction.outputs = vec![Output::Probabilities]
            }),
            ("training.batch is 0", |o| o.training.batch = 0),
        ];
        for (words, change) in changes {
            let mut options = DataSetOptions::default();
            options.validate().unwrap();
            change(&mut options);
            let text = options.validate().unwrap_err().to_string();
            assert!(text.starts_with(words), "{text}");
        }
    }

    #[test]
    fn groups_begin_with_their_own_presets() {
        let options: DataSetOptions =
            resolve_text(r#"{"slab.preset": "cvpr2026_paper", "training.scratch": true, "prediction.threshold": 0.5}"#)
                .unwrap();
        assert_eq!(options.slab, SlabOptions::of_preset("cvpr2026_paper"));
        let scratch = SegmenterOptions {
            steps: DEFAULT_STEPS,
            scratch: true,
            ..SegmenterOptions::of_preset("default")
        };
        assert_eq!((options.training, options.prediction.threshold), (scratch, Some(0.5)));
        let text = resolve_text::<DataSetOptions>(r#"{"slab.tile_cells": 20}"#)
            .unwrap_err()
            .to_string();
        assert!(text.starts_with("settings.slab.tile_cells is 20"), "{text}");
    }
}
