//! Every setting of a run over a data set, and how two runs' settings are compared.
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::diffusion::DiffusionModel;
use crate::networks::SegmentationModel;
use crate::predict::{fingerprint, MembraneOptions, Output, PickingOptions, PredictOptions};
use crate::runtime::{Error, Result};
use crate::segmenter::{SegmenterOptions, Start};
use crate::settings::Settings as _;
use crate::slab::{Preset, SlabOptions};

/// Steps of the training unless the host says otherwise: the start knows membranes and molecules, and is only adapted.
pub const DEFAULT_STEPS: u64 = 600;

/// Slabs that are labelled unless the host says otherwise.
pub const DEFAULT_SLABS: usize = 3;

/// Settings that change nothing but memory and who computes, or are set elsewhere.
const UNCOMPARED: [&str; 4] = [
    "prediction.memory",
    "prediction.core",
    "prediction.rank",
    "prediction.resume",
];

/// Most slabs.
const MOST_SLABS: usize = 64;

/// A tomogram of the data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSetTomogram {
    /// The MRC file.
    pub path: PathBuf,
    /// Slices of it to label. Where any tomogram has some, these are the slabs that are labelled, and none is suggested.
    pub slab: Option<Range<usize>>,
    /// An MRC file of the tomogram's true labels (0 ground, 1 membrane, 2 molecule, 3 filament), which the result is scored with;
    /// nothing is learnt from it.
    pub truth: Option<PathBuf>,
}

/// How a data set is run. Same options, tomograms and number of threads: same network and volumes on a CPU, however often the run
/// was stopped.
#[derive(Clone, Debug)]
pub struct DataSetOptions {
    /// Slabs that are labelled, 1..=64, where they are suggested.
    pub slabs: usize,
    /// Slices of a suggested slab; None: 20, or all of a thinner tomogram.
    pub thickness: Option<usize>,
    /// Share of each slab's slices, at its end, that nothing is learnt from, 0..=0.5: the network is compared with the labels there.
    pub held_out: f64,
    /// Edge of the voxels in nm where the files are wrong or silent.
    pub voxel_nm: Option<f64>,
    /// Whether structures are brighter than their surroundings.
    pub bright: bool,
    /// How slabs are labelled; their voxel size and contrast are those said here.
    pub slab: SlabOptions,
    /// How the network is trained, and from what it starts. Voxel size and contrast are those said here.
    pub training: SegmenterOptions,
    /// How often the network is scored on the slices held out while it learns, 1..=1000.
    pub scores: u64,
    /// Time between two checkpoints of the training.
    pub checkpoint_every: Duration,
    /// How tomograms are predicted; labels must be among the outputs. Voxel size, contrast and memory are those said here.
    pub prediction: PredictOptions,
    /// How molecules are picked in the predictions; None: not. Left out where the voxel size is unknown or the network knows none.
    pub picking: Option<PickingOptions>,
    /// What is made of the maps of membranes; None: nothing.
    pub membranes: Option<MembraneOptions>,
    /// Bytes that the labelled slabs, and later the slices and tiles of a prediction, may take, beside networks and libtorch.
    pub memory: u64,
    /// Begins again where a run of other settings stands; otherwise such a run is refused.
    pub restart: bool,
}

impl Default for DataSetOptions {
    fn default() -> Self {
        Self {
            slabs: DEFAULT_SLABS,
            thickness: None,
            held_out: 0.2,
            voxel_nm: None,
            bright: false,
            slab: SlabOptions::new(Preset::Default),
            training: SegmenterOptions {
                steps: DEFAULT_STEPS,
                ..SegmenterOptions::adapting()
            },
            scores: 6,
            checkpoint_every: Duration::from_secs(60),
            prediction: PredictOptions::default(),
            picking: Some(PickingOptions::default()),
            membranes: None,
            memory: 4 << 30,
            restart: false,
        }
    }
}

impl DataSetOptions {
    /// Refuses settings out of their ranges, by name; those of slabs and predictions that depend on a tomogram are checked with it.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("slabs", self.slabs as f64, 1.0, MOST_SLABS as f64),
            ("held_out", self.held_out, 0.0, 0.5),
            ("voxel_nm", self.voxel_nm.unwrap_or(1.0), 0.01, 100.0),
            ("scores", self.scores as f64, 1.0, 1000.0),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(Error::argument(name, value, &format!("must be {low}..={high}")));
            }
        }
        if self.thickness == Some(0) {
            return Err(Error::argument("thickness", 0, "must be at least 1"));
        }
        if !self.prediction.outputs.contains(&Output::Labels) {
            let found = format!("{:?}", self.prediction.outputs);
            return Err(Error::argument("outputs", found, "must have labels among them"));
        }
        self.slab_options().validate()?;
        self.slab.check_files()?;
        self.training.validate()
    }

    /// Settings of every slab.
    pub(super) fn slab_options(&self) -> SlabOptions {
        SlabOptions {
            voxel_nm: self.voxel_nm,
            bright: self.bright,
            ..self.slab.clone()
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

    /// What settles the numbers of a run, by name: what a run that goes on must share with the one that began.
    pub(super) fn settings(&self, model: &DiffusionModel) -> Result<Settings> {
        let mut settings = Settings::new();
        let mut put = |name: &str, value: String| settings.insert(name.to_owned(), value);
        put("version", env!("CARGO_PKG_VERSION").to_owned());
        put("slabs", self.slabs.to_string());
        put("thickness", self.thickness.map_or("default".into(), |n| n.to_string()));
        put("held_out", self.held_out.to_string());
        put("voxel_nm", self.voxel_nm.map_or("the files'".into(), |v| v.to_string()));
        put("bright", self.bright.to_string());
        put("scores", self.scores.to_string());
        put("picking", format!("{:?}", self.picking));
        put("membranes", format!("{:?}", self.membranes));
        put("diffusion model", model.config().name.clone());
        let (start, weights) = match &self.training.weights() {
            Start::Builtin => ("built-in".to_owned(), Some(SegmentationModel::builtin(model.device())?)),
            Start::Random => ("random weights".to_owned(), None),
            Start::File(path) => {
                let weights = SegmentationModel::open(path, model.device())?;
                (path.display().to_string(), Some(weights))
            }
            Start::LatentDiffusion(files) => (format!("latent diffusion {files:?}"), None),
            Start::BuiltinDiffusion => ("built-in diffusion model".to_owned(), None),
        };
        put("start", start);
        if let Some(weights) = weights {
            put(
                "weights of the start",
                format!("{:016x}", fingerprint(&weights.to_bytes()?)),
            );
        }
        let slab = json(&self.slab_options())?;
        let prediction = json(&self.predict_options())?;
        for (group, value) in [
            ("slab", slab),
            ("training", json(&self.training)?),
            ("prediction", prediction),
        ] {
            flatten(group, &value, &mut settings);
        }
        for name in UNCOMPARED {
            settings.retain(|known, _| !known.starts_with(name));
        }
        Ok(settings)
    }
}

/// Settings by name, as text.
pub(super) type Settings = BTreeMap<String, String>;

fn json(options: &impl Serialize) -> Result<Value> {
    serde_json::to_value(options).map_err(|e| Error::Internal(format!("settings as JSON: {e}")))
}

/// Members of `value` as "prefix.name"; lists and plain values are text.
fn flatten(prefix: &str, value: &Value, settings: &mut Settings) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                flatten(&format!("{prefix}.{name}"), value, settings);
            }
        }
        plain => {
            settings.insert(prefix.to_owned(), plain.to_string());
        }
    }
}

/// Refuses settings that are not those of the run that stands in `folder`, naming the first that differs.
pub(super) fn check_alike(folder: &Path, ours: &Settings, theirs: &Settings) -> Result<()> {
    let names = ours.keys().chain(theirs.keys());
    for name in names {
        let (our, their) = (ours.get(name), theirs.get(name));
        if our != their {
            let text = |value: Option<&String>| value.map_or("not given", String::as_str).to_owned();
            let allowed = format!(
                "must be {} as in the run that stands in {}: give the same, another folder, or restart",
                text(their),
                folder.display()
            );
            return Err(Error::argument(name, text(our), &allowed));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_differs_is_named() {
        let of = |options: &DataSetOptions| {
            let mut settings = Settings::new();
            flatten("training", &json(&options.training).unwrap(), &mut settings);
            settings
        };
        let mut options = DataSetOptions::default();
        let before = of(&options);
        check_alike(Path::new("out"), &before, &before).unwrap();
        options.training.adamw.rate = 0.25;
        let text = check_alike(Path::new("out"), &of(&options), &before)
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with("training.adamw.rate is 0.25, must be 0.0005"),
            "{text}"
        );
        let mut more = before.clone();
        more.insert("zeal".into(), "7".into());
        let text = check_alike(Path::new("out"), &before, &more).unwrap_err().to_string();
        assert!(text.starts_with("zeal is not given, must be 7"), "{text}");
    }

    #[test]
    fn settings_out_of_range_are_named() {
        type Change = fn(&mut DataSetOptions);
        let changes: [(&str, Change); 6] = [
            ("slabs is 0", |o| o.slabs = 0),
            ("held_out is NaN", |o| o.held_out = f64::NAN),
            ("thickness is 0", |o| o.thickness = Some(0)),
            ("scores is 0", |o| o.scores = 0),
            ("outputs is [Probabilities]", |o| {
                o.prediction.outputs = vec![Output::Probabilities]
            }),
            ("batch is 0", |o| o.training.batch = 0),
        ];
        for (words, change) in changes {
            let mut options = DataSetOptions::default();
            options.validate().unwrap();
            change(&mut options);
            let text = options.validate().unwrap_err().to_string();
            assert!(text.starts_with(words), "{text}");
        }
    }
}
