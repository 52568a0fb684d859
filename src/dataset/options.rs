//! Settings of a run over a data set.
use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::network_options::{check_network, in_group, prediction_base, training_base, MoleculeNetwork};
use super::recipe::Recipe;
use crate::predict::PredictOptions;
use crate::runtime::Result;
use crate::segmenter::SegmenterOptions;
use crate::settings::{group_base, laid_over, over, Settings};
use crate::slab::{Preset, SlabOptions};

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
    /// A file of its true molecules, in any format of picks, which the result is scored with.
    pub true_points: Option<PathBuf>,
}

/// How a data set is run. Same settings, tomograms and number of threads: same network and volumes on a CPU, however
/// often the run was stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSetOptions {
    /// The recipe that these settings begin with.
    pub preset: Recipe,
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
    /// A table of truths, which results are scored with: a CSV file with the columns `tomogram` (its name), `labels` (a
    /// volume of 0 ground, 1 membrane, 2 molecule, 3 filament) and `points` (molecules, in any format of picks); files
    /// are relative to the table, and a cell may be empty. null: none.
    #[schemars(length(min = 1))]
    pub truth: Option<String>,
    /// How slabs are labelled (family slab). Its voxel_nm and bright are not used.
    pub slab: SlabOptions,
    /// How the network is trained, and from what it starts (family train). Its voxel_nm and bright are not used.
    pub training: SegmenterOptions,
    /// A second network, for molecules, that learns from the same labels; the first one's molecules then count where
    /// the second has none. null: one network for all.
    pub molecules: Option<MoleculeNetwork>,
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
            preset: Recipe::default(),
            slabs: 3,
            thickness: None,
            held_out: 0.2,
            voxel_nm: None,
            bright: false,
            truth: None,
            slab: SlabOptions::new(Preset::Default),
            training: training_base(&Map::new()).unwrap_or_default(),
            molecules: None,
            scores: 6,
            checkpoint_seconds: 60.0,
            prediction: prediction_base(),
            memory: 4 << 30,
            restart: false,
        }
    }
}

impl Settings for DataSetOptions {
    const FAMILY: &'static str = "run";
    const PRESETS: &'static [&'static str] = Recipe::NAMES;
    const WHOLE: &'static [&'static str] = SegmenterOptions::WHOLE;

    fn of_preset(preset: &str) -> Self {
        Self::base(preset, &Map::new()).unwrap_or_default()
    }

    /// The recipe's settings over the defaults of the presets that its groups name, or `given` names in their place.
    fn base(preset: &str, given: &Map<String, Value>) -> Result<Self> {
        let recipe = Recipe::named(preset);
        let mut settings = recipe.settings()?;
        let both = over(settings.clone(), given, Self::WHOLE);
        // A group of another preset begins with that preset, not with the recipe's changes of its own.
        drop_other_presets(&mut settings, given);
        let molecules = match both.get("molecules") {
            Some(Value::Object(members)) => Some(MoleculeNetwork::base(members)?),
            _ => None,
        };
        let base = Self {
            preset: recipe,
            slab: group_base(&both, "slab")?,
            training: training_base(&both)?,
            molecules,
            ..Self::default()
        };
        laid_over(&base, settings)
    }

    fn validate_together(&self) -> Result<()> {
        in_group("slab", self.slab.validate_together())?;
        check_network(&self.training, &self.prediction)?;
        let molecules = self.molecules.as_ref();
        in_group(
            "molecules",
            molecules.map_or(Ok(()), MoleculeNetwork::validate_together),
        )
    }
}

/// Empties the groups of `recipe` whose preset `given` names anew, and takes out what `given` says there is not.
fn drop_other_presets(recipe: &mut Map<String, Value>, given: &Map<String, Value>) {
    recipe.retain(|name, _| !given.get(name).is_some_and(Value::is_null));
    for (name, value) in recipe.iter_mut() {
        let (Value::Object(members), other) = (value, given.get(name).and_then(Value::as_object)) else {
            continue;
        };
        if members.contains_key("preset") && other.is_some_and(|other| other.contains_key("preset")) {
            members.clear();
        }
        drop_other_presets(members, other.unwrap_or(&Map::new()));
    }
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

    /// Settings of a training.
    pub(super) fn training_options(&self, own: &SegmenterOptions) -> SegmenterOptions {
        SegmenterOptions {
            voxel_nm: self.voxel_nm,
            bright: self.bright,
            ..own.clone()
        }
    }

    /// Settings of a network's predictions.
    pub(super) fn predict_options(&self, own: &PredictOptions) -> PredictOptions {
        PredictOptions {
            voxel_nm: self.voxel_nm,
            bright: self.bright,
            memory: self.memory,
            resume: true,
            ..own.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::{Output, PickMethod};
    use crate::settings::resolve_text;

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
            steps: 600,
            scratch: true,
            ..SegmenterOptions::of_preset("default")
        };
        assert_eq!((options.training, options.prediction.threshold), (scratch, Some(0.5)));
        let text = resolve_text::<DataSetOptions>(r#"{"slab.tile_cells": 20}"#)
            .unwrap_err()
            .to_string();
        assert!(text.starts_with("settings.slab.tile_cells is 20"), "{text}");
    }

    #[test]
    fn the_papers_recipe_has_two_networks_and_can_be_changed() {
        let of = |text: &str| resolve_text::<DataSetOptions>(text);
        let paper = of(r#"{"preset": "cvpr2026", "slab.split": "circularity"}"#).unwrap();
        assert_eq!((paper.slabs, paper.thickness, paper.held_out), (1, Some(100), 0.0));
        assert_eq!(paper.slab.preset, Preset::Cvpr2026Paper);
        assert_eq!(paper.training, SegmenterOptions::of_preset("slab-paper"));
        assert_eq!(
            (paper.prediction.threshold, &paper.prediction.picking),
            (Some(0.5), &None)
        );
        let molecules = paper.molecules.unwrap();
        assert_eq!(molecules.training, SegmenterOptions::of_preset("deepetpicker"));
        let picking = molecules.prediction.picking.unwrap();
        assert_eq!(
            (picking.method, picking.diameter_nm),
            (Some(PickMethod::MeanPooling), 30.0)
        );

        let changed = of(r#"{"preset": "cvpr2026", "slab.preset": "default", "training.steps": 7,
            "molecules.training": {"preset": "default", "scratch": true, "batch": 3},
            "molecules.prediction.picking.diameter_nm": 20}"#)
        .unwrap();
        assert_eq!(changed.slab, SlabOptions::new(Preset::Default));
        let steps = |settings: &SegmenterOptions| (settings.preset, settings.steps, settings.epochs);
        let expected = SegmenterOptions::of_preset("slab-paper");
        assert_eq!(steps(&changed.training), (expected.preset, 7, None));
        let molecules = changed.molecules.unwrap();
        let expected = SegmenterOptions::of_preset("default");
        assert_eq!(
            (steps(&molecules.training), molecules.training.batch),
            ((expected.preset, 600, None), 3)
        );
        assert_eq!(
            molecules.prediction.picking.map(|picking| picking.diameter_nm),
            Some(20.0)
        );

        let one = of(r#"{"preset": "cvpr2026", "slab.split": "circularity", "molecules": null}"#).unwrap();
        assert!(one.molecules.is_none() && of("{}").unwrap() == DataSetOptions::default());
        // Two of the engine's own networks.
        let own = of(r#"{"molecules": {}}"#).unwrap().molecules.unwrap();
        assert_eq!(own.training, DataSetOptions::default().training);
        for (text, words) in [
            (r#"{"preset": "cvpr2027"}"#, "settings.preset is \"cvpr2027\""),
            (r#"{"molecules": {"trainings": {}}}"#, "do you mean training?"),
            (
                r#"{"molecules.prediction.outputs": ["probabilities"]}"#,
                "molecules.prediction.outputs is [Probabilities]",
            ),
            (
                r#"{"molecules.training.batch": 0}"#,
                "settings.molecules.training.batch is 0",
            ),
        ] {
            let said = of(text).unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
