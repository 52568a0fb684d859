//! What settles the networks and the volumes of a run: settings, and the weights by their content.
use std::path::{Path, PathBuf};

use super::options::DataSetOptions;
use crate::diffusion::DiffusionModel;
use crate::runtime::Result;
use crate::segmenter::{SegmenterOptions, Start};
use crate::settings::{hash_file, Identity};

/// Settings that change nothing but memory, time and who computes, or are of one network.
const WITHOUT_EFFECT: [&str; 4] = ["memory", "restart", "checkpoint_seconds", "truth"];

/// The same within a prediction.
const WITHOUT_EFFECT_IN_PREDICTION: [&str; 9] = [
    "memory",
    "core",
    "rank",
    "size",
    "resume",
    "picking.memory",
    "picking.certain",
    "membranes.memory",
    "membranes.certain",
];

/// What stands for a file in the settings of an identity: its content counts, not its name.
const BY_CONTENT: &str = "by content";

/// The identity of a run of these options that labels with `model`. Every file of weights is read.
pub(super) fn identity(options: &DataSetOptions, model: &DiffusionModel) -> Result<Identity> {
    let mut used = DataSetOptions {
        slab: options.slab_options(),
        training: options.training_options(&options.training),
        prediction: options.predict_options(&options.prediction),
        ..options.clone()
    };
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for (name, file) in [
        ("CellPose weights", &mut used.slab.cellpose_weights),
        ("noise", &mut used.slab.noise_file),
    ] {
        files.extend(file.take().map(|path| (name.to_owned(), path)));
        *file = files
            .iter()
            .any(|(known, _)| known == name)
            .then(|| PathBuf::from(BY_CONTENT));
    }
    files.extend(start_files("start", &options.training));
    without_names(&mut used.training);
    if let Some(molecules) = &mut used.molecules {
        files.extend(start_files("start of the molecules' network", &molecules.training));
        molecules.training = options.training_options(&molecules.training);
        without_names(&mut molecules.training);
        molecules.prediction = options.predict_options(&molecules.prediction);
    }
    let mut left_out: Vec<String> = WITHOUT_EFFECT.map(str::to_owned).to_vec();
    for group in ["prediction", "molecules.prediction"] {
        left_out.extend(WITHOUT_EFFECT_IN_PREDICTION.map(|name| format!("{group}.{name}")));
    }
    let left_out: Vec<&str> = left_out.iter().map(String::as_str).collect();
    let mut identity = Identity::new(&used, &left_out)?.with_input("diffusion model", model.content_hash()?);
    for (name, file) in &files {
        identity = identity.with_input(name, hash_file(file)?);
    }
    Ok(identity)
}

/// The files that a training starts from. What is in the library is of its version.
fn start_files(name: &str, training: &SegmenterOptions) -> Vec<(String, PathBuf)> {
    let files = match training.weights() {
        Start::File(file) => vec![file],
        Start::LatentDiffusion(files) => files,
        Start::Random | Start::Builtin | Start::BuiltinDiffusion => Vec::new(),
    };
    let numbered = |(number, file): (usize, PathBuf)| (format!("{name} {number}"), file);
    files.into_iter().enumerate().map(numbered).collect()
}

/// Takes the names of files out.
fn without_names(training: &mut SegmenterOptions) {
    let weights = training.weights();
    for name in [&mut training.start, &mut training.pretrained, &mut training.first_stage] {
        if name.as_ref().is_some_and(|name| is_read(Path::new(name), &weights)) {
            *name = Some(BY_CONTENT.to_owned());
        }
    }
}

/// Whether `path` is among the files of a start.
fn is_read(path: &Path, weights: &Start) -> bool {
    match weights {
        Start::File(file) => file == path,
        Start::LatentDiffusion(files) => files.iter().any(|file| file == path),
        Start::Random | Start::Builtin | Start::BuiltinDiffusion => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::LoadOptions;
    use crate::networks::SegmentationModel;
    use crate::runtime::Generator;

    #[test]
    fn a_setting_that_differs_is_named() {
        let model = DiffusionModel::builtin(&LoadOptions::default()).unwrap();
        let mut options = DataSetOptions::default();
        let before = identity(&options, &model).unwrap();
        options.memory = 1 << 20;
        options.prediction.core = Some([8; 3]);
        identity(&options, &model)
            .unwrap()
            .check_equals(&before, "out")
            .unwrap();
        options.training.adamw.rate = 0.25;
        let text = identity(&options, &model)
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
    fn weights_are_told_by_their_content_not_by_their_name() {
        let model = DiffusionModel::builtin(&LoadOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let network = DataSetOptions::default().training.description();
        for (name, seed) in [("a", 1), ("b", 1), ("c", 2)] {
            let mut gen = Generator::new(seed, 0);
            let weights = SegmentationModel::random(network.clone(), &mut gen, tch::Device::Cpu).unwrap();
            weights.save(&path(name)).unwrap();
        }
        let of = |start: &str, cellpose: &str| {
            let mut options = DataSetOptions::default();
            options.training.start = Some(path(start).display().to_string());
            options.slab.cellpose_weights = Some(path(cellpose));
            identity(&options, &model).unwrap()
        };
        let first = of("a", "a");
        of("b", "b").check_equals(&first, "out").unwrap();
        let differs = |other: Identity| other.check_equals(&first, "out").unwrap_err().to_string();
        assert!(differs(of("c", "a")).starts_with("inputs.start 0 is"));
        assert!(differs(of("a", "c")).starts_with("inputs.CellPose weights is"));
        let plain = differs(identity(&DataSetOptions::default(), &model).unwrap());
        assert!(plain.contains("not given"), "{plain}");
    }
}
