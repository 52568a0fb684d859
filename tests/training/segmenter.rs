//! Training of segmentation networks: it learns, resumes to the same numbers, and refuses what cannot be learnt.
use ndarray::Array3;
use tch::Device;
use tomocut::networks::{
    CompactConfig, ModelDescription, NetworkConfig, PickerConfig, SegmentationModel, Unet2dConfig,
};
use tomocut::picks::Pick;
use tomocut::runtime::{CancelToken, Generator, Job, Level, Logger};
use tomocut::segmenter::{
    LabelledTraining, LabelledVolume, LabelledVolumes, SegmenterOptions, SegmenterTrainer, SlabLabels, SlabView,
};
use tomocut::settings::Settings;
use tomocut::train::{AdamWOptions, AugmentOptions, Example, ExampleSource, Windows};
use tomocut::volume::{Geometry, Tomogram};

pub const SHAPE: [usize; 3] = [24, 40, 40];

/// A dark ball in noise, and a dark sheet.
pub fn scene() -> (Array3<f32>, Array3<i8>) {
    let label = |(z, y, x): (usize, usize, usize)| {
        let squared = (z as f64 - 12.0).powi(2) + (y as f64 - 14.0).powi(2) + (x as f64 - 14.0).powi(2);
        if squared <= 36.0 {
            2
        } else {
            i8::from((30..33).contains(&y))
        }
    };
    let mut state = 3u32;
    let voxels = Array3::from_shape_fn(SHAPE, |at| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
        noise - if label(at) > 0 { 1.0 } else { 0.0 }
    });
    (voxels, Array3::from_shape_fn(SHAPE, label))
}

pub fn tomogram() -> Tomogram {
    Tomogram::from_array(scene().0, Geometry::new(SHAPE, 10.0)).unwrap()
}

pub fn names() -> Vec<String> {
    ["membrane", "molecule"].map(str::to_owned).to_vec()
}

/// A molecule of the scene's size at `position` (z, y, x).
fn molecule_at(position: [f64; 3]) -> Pick {
    Pick {
        position,
        diameter_nm: 12.0,
        score: 1.0,
    }
}

/// Slices 4 to 19 of the scene's `labels`, with molecules at `points`.
fn slab<'a>(labels: &'a Array3<i8>, points: &'a [Pick], names: &'a [String]) -> SlabLabels<'a> {
    SlabLabels {
        z: 4..20,
        labels: Some(labels.slice(ndarray::s![4..20, .., ..])),
        confidence: None,
        points,
        names,
    }
}

fn volume(options: &SegmenterOptions) -> tomocut::Result<LabelledVolume> {
    let (labels, points, names) = (scene().1, [molecule_at([12.0, 14.0, 14.0])], names());
    let slab = slab(&labels, &points, &names);
    let view = SlabView {
        margin: 4,
        ..SlabView::default()
    };
    LabelledVolume::new(&tomogram(), &slab, &options.description(), &view, &Job::quiet())
}

pub fn options(network: NetworkConfig, steps: u64) -> SegmenterOptions {
    SegmenterOptions {
        network: Some(ModelDescription::new(network, Some(1.0)).into()),
        window: Some([16, 32, 32]),
        augmentation: AugmentOptions {
            turn: 0.0,
            ..AugmentOptions::default()
        },
        steps,
        warm_up: 5,
        ema_decay: 0.95,
        adamw: AdamWOptions {
            rate: 4e-3,
            ..AdamWOptions::default()
        },
        ..SegmenterOptions::default()
    }
}

pub fn small() -> NetworkConfig {
    NetworkConfig::Compact(CompactConfig {
        widths: vec![16],
        blocks_down: vec![1],
        blocks_up: vec![],
        ..CompactConfig::default()
    })
}

fn trainer(options: &SegmenterOptions) -> SegmenterTrainer<LabelledVolumes> {
    tch::set_num_threads(2);
    let source = LabelledVolumes::new(vec![volume(options).unwrap()], Device::Cpu).unwrap();
    SegmenterTrainer::new(options, None, source, Device::Cpu).unwrap()
}

#[test]
fn a_network_learns_the_labels_of_a_slab() {
    let options = options(small(), 120);
    let mut trainer = trainer(&options);
    let before = trainer.held_out(
        &LabelledVolumes::new(vec![volume(&options).unwrap()], Device::Cpu).unwrap(),
        6,
        &Job::quiet(),
    );
    trainer.train(120, &Job::quiet(), &mut |_, _| true).unwrap();
    let source = LabelledVolumes::new(vec![volume(&options).unwrap()], Device::Cpu).unwrap();
    let after = trainer.held_out(&source, 6, &Job::quiet()).unwrap();
    for (before, after) in before.unwrap().iter().zip(&after).take(2) {
        assert!(after.dice > 0.85 && before.dice < 0.5, "{before:?} {after:?}");
    }
    // A model trained on is where another run may begin.
    let again = SegmenterTrainer::new(&options, Some(&trainer.model().unwrap()), source, Device::Cpu).unwrap();
    let source = LabelledVolumes::new(vec![volume(&options).unwrap()], Device::Cpu).unwrap();
    let first = again.held_out(&source, 6, &Job::quiet()).unwrap();
    assert_eq!(first[0].dice, after[0].dice);
}

#[test]
fn a_resumed_run_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let flat = NetworkConfig::Unet2d(Unet2dConfig {
        widths: vec![4, 8],
        dropout: vec![0.1, 0.1],
        outputs: ["background", "membrane", "molecule"].map(str::to_owned).to_vec(),
        window: 32,
        ..Unet2dConfig::default()
    });
    for (name, network, window) in [("compact", small(), [16, 32, 32]), ("2d", flat, [1, 32, 32])] {
        let options = SegmenterOptions {
            window: Some(window),
            ..options(network, 8)
        };
        let mut whole = trainer(&options);
        whole.train(8, &Job::quiet(), &mut |_, _| true).unwrap();
        let mut first = trainer(&options);
        first.train(8, &Job::quiet(), &mut |step, _| step < 3).unwrap();
        let path = folder.path().join(name);
        first.save(&path).unwrap();
        drop(first);
        let mut second = SegmenterTrainer::resume(&path, Device::Cpu, |plan, step| {
            assert_eq!(step, 3);
            LabelledVolumes::new(vec![volume(&plan.settings)?], Device::Cpu)
        })
        .unwrap();
        second.train(8, &Job::quiet(), &mut |_, _| true).unwrap();
        let bytes = |model: &SegmentationModel| model.to_bytes().unwrap();
        assert!(bytes(whole.averaged()) == bytes(second.averaged()), "{name}");
    }
}

/// Windows that from the third step on hold what is no number.
struct Spoilt(LabelledVolumes, u64);

impl ExampleSource for Spoilt {
    fn advance(&mut self, step: u64, _: &Job) -> tomocut::Result<()> {
        self.1 = step;
        Ok(())
    }

    fn example(&self, windows: &Windows, gen: &mut Generator) -> tomocut::Result<Example> {
        let mut example = self.0.example(windows, gen)?;
        if self.1 >= 3 {
            example.image *= f64::NAN;
        }
        Ok(example)
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_with_its_step() {
    let options = options(small(), 50);
    let source = LabelledVolumes::new(vec![volume(&options).unwrap()], Device::Cpu).unwrap();
    let mut trainer = SegmenterTrainer::new(&options, None, Spoilt(source, 0), Device::Cpu).unwrap();
    let error = trainer
        .train(50, &Job::quiet(), &mut |_, _| true)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the loss of step 3 is NaN") && error.contains("checkpoint"),
        "{error}"
    );
    assert_eq!(trainer.step(), 3);
    for (name, tensor) in trainer.averaged().weights() {
        assert!(bool::try_from(tensor.isfinite().all()).unwrap(), "{name}");
    }
}

/// Points outside of the tomogram are counted in the log; none inside is an error.
#[test]
fn points_outside_are_told() {
    let warnings = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = warnings.clone();
    let logger = Logger::new(move |level, _, text| {
        if level == Level::Warning {
            log.lock().unwrap().push(text.to_owned());
        }
    });
    let job = Job::new(CancelToken::default(), logger);
    let (labels, names) = (scene().1, names());
    let add = |positions: &[[f64; 3]]| {
        let points: Vec<Pick> = positions.iter().copied().map(molecule_at).collect();
        let slab = slab(&labels, &points, &names);
        let description = ModelDescription::new(small(), Some(1.0));
        LabelledVolume::new(&tomogram(), &slab, &description, &SlabView::default(), &job).map(|_| ())
    };
    add(&[[12.0, 14.0, 14.0]]).unwrap();
    assert!(warnings.lock().unwrap().is_empty());
    add(&[[12.0, 14.0, 14.0], [12.0, 14.0, 1e4]]).unwrap();
    add(&[[1.0, 14.0, 14.0]]).unwrap();
    let said = warnings.lock().unwrap().join(" | ");
    assert!(said.contains("1 of 2 picks lie outside of the tomogram"), "{said}");
    assert!(said.contains("none of 1 lies in the slices 4:20"), "{said}");
    let error = add(&[[12.0, 14.0, 1e4], [-1.0, 0.0, 0.0]]).unwrap_err().to_string();
    assert!(error.contains("none of the 2 picks lies in the tomogram"), "{error}");
}

#[test]
fn labels_that_teach_nothing_are_refused() {
    let settings = options(small(), 1);
    let names = names();
    let refused = |labels: &Array3<i8>, z: std::ops::Range<usize>, names: &[String]| {
        let slab = SlabLabels {
            z,
            labels: Some(labels.view()),
            confidence: None,
            points: &[],
            names,
        };
        LabelledVolume::new(
            &tomogram(),
            &slab,
            &settings.description(),
            &SlabView::default(),
            &Job::quiet(),
        )
        .err()
        .map(|error| error.to_string())
    };
    let ground = Array3::zeros((4, 40, 40));
    assert!(refused(&ground, 0..4, &names).unwrap().contains("ground"));
    assert!(refused(&ground, 0..5, &names)
        .unwrap()
        .contains("must be (slices, 40, 40)"));
    let mut single = ground.clone();
    single[[1, 2, 3]] = 2;
    assert_eq!(refused(&single, 8..12, &names), None, "one voxel is enough");
    assert!(refused(&single, 8..12, &names[..1]).unwrap().contains("0..=1"));
    single[[0, 0, 0]] = -1;
    assert!(refused(&single, 8..12, &names).is_some());
    let mut odd = settings.clone();
    odd.window = Some([15, 32, 32]);
    let source = LabelledVolumes::new(vec![volume(&odd).unwrap()], Device::Cpu).unwrap();
    let error = SegmenterTrainer::new(&odd, None, source, Device::Cpu)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("multiples of 2"), "{error}");
}

/// Slices 4 to 19 of the scene with a molecule, without any label.
fn points_alone<'a>(points: &'a [Pick], names: &'a [String]) -> SlabLabels<'a> {
    SlabLabels {
        z: 4..20,
        labels: None,
        confidence: None,
        points,
        names,
    }
}

#[test]
fn a_list_of_points_is_enough_to_learn_from() {
    tch::set_num_threads(2);
    let network = NetworkConfig::Picker(PickerConfig {
        maps: vec![8, 16],
        outputs: vec!["molecule".into()],
        window: 16,
    });
    let settings = SegmenterOptions {
        network: Some(ModelDescription::new(network, None).into()),
        window: Some([16; 3]),
        window_shift: Some(3),
        epochs: Some(40),
        validation_share: 0.0,
        batch: 2,
        ..SegmenterOptions::of_preset("deepetpicker")
    };
    let (points, names) = ([molecule_at([12.0, 14.0, 14.0])], names());
    let mut training = LabelledTraining::new(&settings, Device::Cpu).unwrap();
    training
        .add(&tomogram(), &points_alone(&points, &names), false, &Job::quiet())
        .unwrap();
    // One point is one step of an epoch.
    assert_eq!(training.steps(), 40);
    training.train(u64::MAX, None, &Job::quiet()).unwrap();
    let scores = training.scores(8, &Job::quiet()).unwrap();
    assert!(scores[0].output == "molecule" && scores[0].dice > 0.7, "{scores:?}");

    let refused = |points: &[Pick], settings: &SegmenterOptions| {
        let mut training = LabelledTraining::new(settings, Device::Cpu).unwrap();
        let added = training.add(&tomogram(), &points_alone(points, &names), false, &Job::quiet());
        added.unwrap_err().to_string()
    };
    let text = refused(&[molecule_at([2.0, 14.0, 14.0])], &settings);
    assert!(text.contains("nothing in the slices 4:20 is"), "{text}");
    let text = refused(&points, &options(small(), 4));
    assert!(
        text.starts_with("output is membrane, must be centre, background or drawn about points"),
        "{text}"
    );
}
