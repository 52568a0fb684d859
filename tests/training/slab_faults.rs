//! Labels and tomograms that do not suit: each is trained on all the same, or refused with its reason.
use ndarray::{s, Array3};
use tch::Device;
use tomocut::networks::ModelDescription;
use tomocut::picks::Pick;
use tomocut::runtime::{Generator, Job};
use tomocut::segmenter::{
    LabelledTraining, LabelledVolume, LabelledVolumes, OptimiserName, SegmenterOptions, SlabLabels, SlabView,
};
use tomocut::train::{Example, ExampleSource, SgdOptions, Windows};
use tomocut::volume::{Geometry, Tomogram};

use super::segmenter::{names, options, small};

/// White noise of `shape` voxels of 1 nm.
fn noise(shape: [usize; 3]) -> Tomogram {
    let mut state = 7u32;
    let voxels = Array3::from_shape_fn(shape, |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    });
    Tomogram::from_array(voxels, Geometry::new(shape, 10.0)).unwrap()
}

/// A window of `extents` voxels for the network of `description`.
fn window(source: &LabelledVolumes, description: &ModelDescription, extents: [usize; 3]) -> Example {
    let windows = Windows {
        extents,
        foreground: SegmenterOptions::default().foreground,
        shift: None,
        outputs: description.network.outputs(),
        bright: description.bright,
    };
    source.example(&windows, &mut Generator::new(1, 1)).unwrap()
}

/// Trains three steps on all slices with these labels.
fn three_steps(
    settings: &SegmenterOptions,
    labels: &Array3<i8>,
    confidence: Option<&Array3<f32>>,
) -> tomocut::Result<LabelledTraining> {
    let (depth, rows, cols) = labels.dim();
    let mut training = LabelledTraining::new(settings, Device::Cpu)?;
    let names = names();
    let slab = SlabLabels {
        z: 0..depth,
        labels: Some(labels.view()),
        confidence: confidence.map(Array3::view),
        points: &[],
        names: &names,
    };
    training.add(&noise([depth, rows, cols]), &slab, false, &Job::quiet())?;
    training.train(3, None, &Job::quiet())?;
    for (name, tensor) in training.model()?.weights() {
        assert!(bool::try_from(tensor.isfinite().all()).unwrap(), "{name}");
    }
    Ok(training)
}

fn error_of(result: tomocut::Result<LabelledTraining>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn one_voxel_of_a_label_is_enough() {
    let mut labels = Array3::zeros((16, 32, 32));
    labels[[5, 6, 7]] = 2;
    let settings = options(small(), 3);
    assert_eq!(three_steps(&settings, &labels, None).unwrap().step(), 3);
    // But not to be in two parts.
    let mut split = settings;
    split.validation_share = 0.2;
    assert!(error_of(three_steps(&split, &labels, None)).contains("validation share"));
}

#[test]
fn labels_without_confidence_are_refused() {
    let mut labels = Array3::zeros((16, 32, 32));
    labels.slice_mut(s![.., 4..8, ..]).fill(1);
    let settings = options(small(), 3);
    let mut confidence = Array3::zeros((16, 32, 32));
    let error = error_of(three_steps(&settings, &labels, Some(&confidence)));
    assert!(error.contains("confidence above 0"), "{error}");
    confidence[[0, 0, 0]] = f32::NAN;
    let error = error_of(three_steps(&settings, &labels, Some(&confidence)));
    assert!(error.contains("confidence is NaN"), "{error}");
    confidence[[0, 0, 0]] = 0.5;
    // One voxel that counts: most windows teach nothing, and none makes a NaN.
    assert_eq!(three_steps(&settings, &labels, Some(&confidence)).unwrap().step(), 3);
}

#[test]
fn tomograms_smaller_than_a_window_and_odd_ones_are_padded_and_masked() {
    for shape in [(2, 1, 3), (3, 70, 5), (17, 33, 31)] {
        let mut labels = Array3::zeros(shape);
        labels[[0, 0, 0]] = 1;
        labels[[shape.0 - 1, shape.1 - 1, shape.2 - 1]] = 2;
        assert_eq!(
            three_steps(&options(small(), 3), &labels, None).unwrap().step(),
            3,
            "{shape:?}"
        );
    }
    // The padding counts for nothing.
    let settings = options(small(), 3);
    let labels = Array3::from_elem((3, 5, 7), 1_i8);
    let names = names();
    let slab = SlabLabels {
        z: 0..3,
        labels: Some(labels.view()),
        confidence: None,
        points: &[],
        names: &names,
    };
    let (tomogram, job) = (noise([3, 5, 7]), Job::quiet());
    let volume = LabelledVolume::new(&tomogram, &slab, &settings.description(), &SlabView::default(), &job).unwrap();
    let source = LabelledVolumes::new(vec![volume], Device::Cpu).unwrap();
    let example = window(&source, &settings.description(), [16, 32, 32]);
    assert_eq!(example.image.size(), [1, 16, 32, 32]);
    let sum = |x: &tch::Tensor| x.sum(tch::Kind::Float).double_value(&[]);
    assert_eq!(sum(&example.weight), 105.0);
    assert_eq!(sum(&example.truth.get(0)), 105.0);
}

#[test]
fn a_run_that_explodes_stops_with_the_step_and_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good.checkpoint");
    let mut settings = options(small(), 500);
    settings.warm_up = 0;
    settings.optimiser = OptimiserName::Nesterov;
    settings.nesterov = SgdOptions {
        rate: 1.0,
        momentum: 0.9999,
        weight_decay: 10.0,
    };
    settings.clip = 1e6;
    let mut labels = Array3::zeros((16, 32, 32));
    labels.slice_mut(s![.., 4..8, ..]).fill(1);
    let mut training = three_steps(&settings, &labels, None).unwrap();
    training.save(&path).unwrap();
    let error = training.train(u64::MAX, None, &Job::quiet()).unwrap_err().to_string();
    assert!(
        error.contains("step") && error.contains("good.checkpoint, of step 3"),
        "{error}"
    );
    for (name, tensor) in training.model().unwrap().weights() {
        assert!(bool::try_from(tensor.isfinite().all()).unwrap(), "{name}");
    }
}

/// The centre of what `plane` of the volume holds, in voxels, and its mass.
fn centre(truth: &tch::Tensor) -> ([f64; 3], f64) {
    let (depth, rows, cols) = truth.size3().unwrap();
    let mass = truth.sum(tch::Kind::Double).double_value(&[]);
    let at = std::array::from_fn(|axis| {
        let mut shape = [1; 3];
        shape[axis] = [depth, rows, cols][axis];
        let ramp = tch::Tensor::arange(shape[axis], (tch::Kind::Double, Device::Cpu)).view(shape);
        (truth * ramp).sum(tch::Kind::Double).double_value(&[]) / mass
    });
    (at, mass)
}

/// A ball in voxels of 1 nm for a network of 2 nm, and of 0.5 nm: it is where it was, and of the size it had, in nm.
#[test]
fn voxels_of_another_size_are_brought_to_the_networks() {
    let shape = [24, 36, 40];
    let (middle, radius) = ([11.0, 15.0, 21.0], 6.0);
    let inside = |(z, y, x): (usize, usize, usize)| {
        let far: f64 = [z, y, x].iter().zip(middle).map(|(a, b)| (*a as f64 - b).powi(2)).sum();
        far <= radius * radius
    };
    let labels = Array3::from_shape_fn(shape, |at| i8::from(inside(at)) * 2);
    let voxels = noise(shape).read_slices(0..shape[0]).unwrap();
    let voxels = ndarray::Zip::indexed(&voxels).map_collect(|at, v| if inside(at) { v - 3.0 } else { *v });
    let tomogram = Tomogram::from_array(voxels, Geometry::new(shape, 10.0)).unwrap();
    let names = names();
    let points = [Pick {
        position: middle,
        diameter_nm: 12.0,
        score: 1.0,
    }];
    for (edge, expected) in [(2.0, [12, 18, 20]), (0.5, [48, 72, 80]), (1.2, [24, 36, 40])] {
        let slab = SlabLabels {
            z: 2..22,
            labels: Some(labels.slice(s![2..22, .., ..])),
            confidence: None,
            points: &points,
            names: &names,
        };
        let description = ModelDescription::new(small(), Some(edge));
        let view = SlabView {
            margin: 40,
            ..SlabView::default()
        };
        let volume = LabelledVolume::new(&tomogram, &slab, &description, &view, &Job::quiet()).unwrap();
        let source = LabelledVolumes::new(vec![volume], Device::Cpu).unwrap();
        let example = window(&source, &description, expected.map(|n: usize| n.next_multiple_of(8)));
        let scale = expected[0] as f64 / shape[0] as f64;
        let close = |actual: f64, expected: f64, far: f64| (actual - expected).abs() < far;
        for plane in [1, 2] {
            let (at, _) = centre(&example.truth.get(plane));
            for axis in 0..3 {
                let there = (middle[axis] + 0.5) * scale - 0.5;
                assert!(
                    close(at[axis], there, 0.1),
                    "{edge} {plane}: {at:?} is not {there} on {axis}"
                );
            }
        }
        let (_, mass) = centre(&example.truth.get(1));
        let ball = labels.iter().filter(|label| **label == 2).count() as f64 * scale.powi(3);
        assert!(close(mass / ball, 1.0, 0.05), "{edge}: {mass} is not {ball}");
        // Dark where the label is; weight over the labelled slices.
        let mean = (&example.image.get(0) * &example.truth.get(1))
            .sum(tch::Kind::Float)
            .double_value(&[])
            / mass;
        assert!(mean < -1.0, "{edge}: {mean}");
        let weight = example.weight.sum(tch::Kind::Float).double_value(&[]);
        let slices = 20.0 * scale * (expected[1] * expected[2]) as f64;
        assert!(close(weight / slices, 1.0, 0.01), "{edge}: {weight} is not {slices}");
    }
}

#[test]
fn the_network_keeps_its_voxel_size_or_takes_the_first() {
    let mut labels = Array3::zeros((16, 32, 32));
    labels[[5, 6, 7]] = 2;
    let mut settings = options(small(), 3);
    settings.network = Some(ModelDescription::new(small(), Some(2.0)).into());
    let outcome = |settings: &SegmenterOptions| {
        let mut training = three_steps(settings, &labels, None).unwrap();
        training.model().unwrap().description().voxel_nm
    };
    assert_eq!(outcome(&settings), Some(2.0));
    settings.network = Some(small().into());
    assert_eq!(outcome(&settings), Some(1.0));
}
