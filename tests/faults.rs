//! Trainings and predictions that are killed (SIGKILL) at any moment, again and again: what the last process leaves has
//! the same bytes as what one that was never killed leaves, and no half-written file lies about.
//!
//! Each child is this very program, told by an environment variable to do the work. The ordinary run kills a few;
//! `cargo xtask faults N` as often as is asked for.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ndarray::{s, Array2, Array3};
use tch::Device;
use tomocut::image::PictureFile;
use tomocut::networks::{CompactConfig, InputScale, ModelDescription, NetworkConfig, SdSegConfig, SegmentationModel};
use tomocut::predict::{predict, PredictOptions};
use tomocut::runtime::{Generator, Job};
use tomocut::segmenter::{LabelledTraining, PicturePair, SegmenterOptions, SlabLabels};
use tomocut::settings::Settings;
use tomocut::volume::{Geometry, Tomogram};

/// The folder of a child's work; set in children only.
const FOLDER: &str = "TOMOCUT_FAULTS_FOLDER";

/// How often to kill.
const KILLS: &str = "TOMOCUT_FAULTS_KILLS";

const SHAPE: [usize; 3] = [20, 40, 40];

fn tomogram() -> Tomogram {
    let mut state = 5u32;
    let voxels = Array3::from_shape_fn(SHAPE, |(_, y, _)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - if (10..14).contains(&y) { 1.0 } else { 0.0 }
    });
    Tomogram::from_array(voxels, Geometry::new(SHAPE, 10.0)).unwrap()
}

fn network() -> NetworkConfig {
    NetworkConfig::Compact(CompactConfig {
        widths: vec![8],
        blocks_down: vec![1],
        blocks_up: vec![],
        outputs: vec!["membrane".to_owned()],
        ..CompactConfig::default()
    })
}

/// Twelve steps in two rounds, scored, with a checkpoint after every second; then the model.
fn train_in(folder: &Path) {
    let settings = SegmenterOptions {
        network: Some(ModelDescription::new(network(), Some(1.0)).into()),
        window: Some([16, 16, 16]),
        validation_share: 0.25,
        validation_every: 3,
        validation_windows: 2,
        rounds: 1,
        steps: 6,
        ..SegmenterOptions::default()
    };
    let mut training = LabelledTraining::new(&settings, Device::Cpu).unwrap();
    let labels = Array3::from_shape_fn(SHAPE, |(_, y, _)| i8::from((10..14).contains(&y)));
    let names = ["membrane".to_owned()];
    let slab = SlabLabels {
        z: 6..14,
        labels: Some(labels.slice(s![6..14, .., ..])),
        confidence: None,
        points: &[],
        names: &names,
    };
    training.add(&tomogram(), &slab, false, &Job::quiet()).unwrap();
    go_on(training, folder);
}

/// Six steps of SDSeg on a picture of a disc, likewise.
fn train_pictures_in(folder: &Path) {
    let mut config = SdSegConfig::small();
    config.unet.model_channels = 16;
    config.unet.num_heads = 2;
    config.encoder.block_out_channels = vec![8, 8, 16, 16];
    let description = ModelDescription {
        input: InputScale::Picture,
        ..ModelDescription::new(NetworkConfig::SdSeg(Box::new(config)), None)
    };
    let settings = SegmenterOptions {
        network: Some(description.into()),
        window: Some([1, 64, 64]),
        batch: 1,
        steps: 6,
        ..SegmenterOptions::of_preset("sdseg-small")
    };
    let mut training = LabelledTraining::new(&settings, Device::Cpu).unwrap();
    let mask = Array2::from_shape_fn((64, 64), |(r, c)| r.abs_diff(30).pow(2) + c.abs_diff(36).pow(2) < 150);
    let pair = PicturePair {
        name: "disc".to_owned(),
        image: PictureFile {
            pixels: Array3::from_shape_fn((1, 64, 64), |(_, r, c)| {
                (r + c) as f32 + 90.0 * f32::from(u8::from(mask[[r, c]]))
            }),
            range: Some([0.0, 255.0]),
        },
        mask,
    };
    training.add_pairs(&[pair], false).unwrap();
    go_on(training, folder);
}

/// Trains from the checkpoint, where there is one, to the end with a checkpoint after every second step; then the
/// model.
fn go_on(mut training: LabelledTraining, folder: &Path) {
    let checkpoint = folder.join("run.checkpoint");
    if checkpoint.exists() {
        training.resume(&checkpoint).unwrap();
    }
    while !training.is_finished() {
        training.train(training.step() + 2, None, &Job::quiet()).unwrap();
        training.save(&checkpoint).unwrap();
    }
    training
        .model()
        .unwrap()
        .save(&folder.join("model.safetensors"))
        .unwrap();
}

/// The whole tomogram, in tiles.
fn predict_in(folder: &Path) {
    let mut gen = Generator::new(3, 0);
    let model = SegmentationModel::random(ModelDescription::new(network(), Some(1.0)), &mut gen, Device::Cpu).unwrap();
    let options = PredictOptions {
        core: Some([8, 16, 16]),
        mirrors: true,
        ..PredictOptions::default()
    };
    let report = predict(&model, &tomogram(), &folder.join("out"), &options, &Job::quiet()).unwrap();
    assert!(report.finished);
}

/// A process that runs the test `name` of this program as a child in `folder`.
fn child(name: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Name and bytes of every file below `folder`, in the order of names.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

/// The files of `folder` that are results, told apart from what a kill may leave: temporary files, whose names begin
/// with a dot.
fn results(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut kept = files(folder);
    kept.retain(|(path, _)| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    for (path, _) in &mut kept {
        *path = path.strip_prefix(folder).unwrap().to_owned();
    }
    kept
}

/// Runs the test `name` to its end, then again with `kills` kills at random moments, and compares.
fn survives(name: &str, kills: usize) {
    let base = tempfile::tempdir().unwrap();
    let whole = base.path().join("whole");
    std::fs::create_dir(&whole).unwrap();
    let began = Instant::now();
    assert!(child(name, &whole).wait().unwrap().success());
    let took = began.elapsed();
    let expected = results(&whole);
    assert!(!expected.is_empty());
    let mut gen = Generator::new(kills as u64, 1);
    let (mut killed, mut runs) = (0, 0);
    while killed < kills || runs == 0 {
        let folder = base.path().join(format!("run{runs}"));
        std::fs::create_dir(&folder).unwrap();
        loop {
            let mut process = child(name, &folder);
            if killed < kills {
                // A kill beyond the end is none; the process may take longer than the first one did.
                std::thread::sleep(took.mul_f64(gen.uniform(0.05, 1.1)));
                if process.try_wait().unwrap().is_none() {
                    process.kill().unwrap();
                    process.wait().unwrap();
                    killed += 1;
                    continue;
                }
            }
            assert!(process.wait().unwrap().success(), "after {killed} kills");
            break;
        }
        let actual = results(&folder);
        let names = |list: &[(PathBuf, Vec<u8>)]| list.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&actual), names(&expected), "after {killed} kills");
        for ((path, one), (_, other)) in actual.iter().zip(&expected) {
            assert!(one == other, "{} differs after {killed} kills", path.display());
        }
        runs += 1;
    }
    println!(
        "{name}: {killed} kills in {runs} runs of {:.1} s, the same bytes",
        took.as_secs_f64()
    );
}

fn kills() -> usize {
    std::env::var(KILLS)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(50)
}

/// Longest that the few kills of the ordinary run may take before the machine is called too busy for more.
const PATIENCE: Duration = Duration::from_secs(600);

#[test]
fn a_few_kills_change_nothing() {
    let began = Instant::now();
    for name in ["child_trains", "child_trains_pictures", "child_predicts"] {
        survives(name, 2);
        assert!(began.elapsed() < PATIENCE);
    }
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn many_kills_of_a_training_change_nothing() {
    survives("child_trains", kills());
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn many_kills_of_a_training_on_pictures_change_nothing() {
    survives("child_trains_pictures", kills());
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn many_kills_of_a_prediction_change_nothing() {
    survives("child_predicts", kills());
}

#[test]
#[ignore = "the work of a child"]
fn child_trains() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        tch::set_num_threads(1);
        train_in(Path::new(&folder));
    }
}

#[test]
#[ignore = "the work of a child"]
fn child_trains_pictures() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        tch::set_num_threads(1);
        train_pictures_in(Path::new(&folder));
    }
}

#[test]
#[ignore = "the work of a child"]
fn child_predicts() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        tch::set_num_threads(1);
        predict_in(Path::new(&folder));
    }
}
