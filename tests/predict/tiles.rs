//! Tiles against the whole volume at once.
use ndarray::{s, Array3};
use tch::Tensor;
use tomocut::networks::{CompactConfig, GreyScale, NetworkConfig, Pass, PickerConfig, SegmentationModel};
use tomocut::predict::{predict, predict_slices, Output, PredictOptions, ProbabilityType};
use tomocut::runtime::{Error, Job};
use tomocut::volume::Tomogram;

use super::{compact, files, model, options, read, run, tomogram, voxels, SHAPE};

fn largest_difference(a: &Array3<f32>, b: &Array3<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The network on the whole volume at once, the last voxels repeated up to a multiple of its divisor, in the grey scale
/// of the engine.
fn untiled(model: &SegmentationModel) -> Vec<Array3<f32>> {
    let voxels = voxels();
    let mut sample = Array3::zeros((32, SHAPE[1], SHAPE[2]));
    for (index, mut target) in sample.outer_iter_mut().enumerate() {
        target.assign(&voxels.index_axis(ndarray::Axis(0), (2 * index + 1) * SHAPE[0] / 64));
    }
    let (mean, deviation) = tomocut::volume::grey_scale(sample.view()).unwrap();
    let divisor = model.network().divisor() as usize;
    let padded = SHAPE.map(|n| n.next_multiple_of(divisor));
    let values: Vec<f32> = (0..padded.iter().product::<usize>())
        .map(|i| {
            let at = [i / (padded[1] * padded[2]), i / padded[2] % padded[1], i % padded[2]];
            let at: [usize; 3] = std::array::from_fn(|axis| at[axis].min(SHAPE[axis] - 1));
            ((voxels[at] - mean) * (1.0 / deviation)).clamp(-6.0, 6.0)
        })
        .collect();
    let extents = padded.map(|n| n as i64);
    let input = Tensor::from_slice(&values).view([1, 1, extents[0], extents[1], extents[2]]);
    let _guard = tch::no_grad_guard();
    let logits = model
        .network()
        .forward(&input, &mut Pass::Inference, &Job::quiet())
        .unwrap();
    let probabilities = model.network().activation().probabilities(&logits.main).unwrap().get(0);
    (0..probabilities.size()[0])
        .map(|c| {
            let flat = Vec::<f32>::try_from(&probabilities.get(c).contiguous().view([-1])).unwrap();
            let whole = Array3::from_shape_vec(padded, flat).unwrap();
            whole.slice(s![..SHAPE[0], ..SHAPE[1], ..SHAPE[2]]).to_owned()
        })
        .collect()
}

#[test]
fn tiles_give_what_the_whole_volume_gives() {
    let model = compact();
    let whole = untiled(&model);
    assert!(
        whole[0].iter().any(|p| *p > 0.55) && whole[0].iter().any(|p| *p < 0.45),
        "nothing to compare"
    );
    for core in [[13, 70, 31], [45, 24, 24], [20, 33, 83]] {
        let folder = tempfile::tempdir().unwrap();
        let options = PredictOptions {
            threshold: Some(0.5),
            ..options(core)
        };
        let report = run(&model, folder.path(), &options);
        assert!(report.finished && report.computed == report.tiles && report.tiles > 1);
        for (index, name) in ["membrane", "molecule", "centre"].into_iter().enumerate() {
            // float16 keeps 11 bits: half a unit of 2^-11 below 1.
            let worst = largest_difference(&read(folder.path(), name), &whole[index]);
            assert!(worst < 1e-5 + 2.5e-4, "{core:?} {name}: {worst}");
        }
        let labels = read(folder.path(), "labels");
        for (at, label) in labels.indexed_iter() {
            let (membrane, molecule) = (whole[0][at], whole[1][at]);
            if (membrane - molecule).abs() > 1e-4 && (membrane.max(molecule) - 0.5).abs() > 1e-4 {
                let truth = match membrane.max(molecule) < 0.5 {
                    true => 0.0,
                    false => f32::from(1 + u8::from(molecule > membrane)),
                };
                assert_eq!(*label, truth, "{at:?}");
            }
        }
    }
}

#[test]
fn slices_in_memory_are_those_of_the_whole_volume() {
    let model = compact();
    let whole = untiled(&model);
    let (tomogram, job) = (tomogram(10.0), Job::quiet());
    let scale = GreyScale::of(&tomogram, model.description().input, false, &job).unwrap();
    for memory in [1 << 30, 6 << 20] {
        let maps = predict_slices(&model, &tomogram, 12..31, scale, memory, &job).unwrap();
        assert_eq!(maps.len(), 3);
        for (map, whole) in maps.iter().zip(&whole) {
            let worst = largest_difference(map, &whole.slice(s![12..31, .., ..]).to_owned());
            assert!(worst < 1e-5, "{memory}: {worst}");
        }
    }
    let refused = predict_slices(&model, &tomogram, 12..31, scale, 1 << 16, &job);
    assert!(matches!(refused, Err(Error::OutOfMemory(_))));
}

#[test]
fn labels_are_cut_at_the_largest_expected_dice_of_all_structure() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    let report = run(&model, folder.path(), &options([20, 24, 30]));
    let (membrane, molecule) = (read(folder.path(), "membrane"), read(folder.path(), "molecule"));
    let structure = (&membrane + &molecule).mapv(|p| p.min(1.0));
    // Every threshold tried, the plain way.
    let total: f64 = structure.iter().map(|p| f64::from(*p)).sum();
    let expected = |threshold: f32| {
        let above: Vec<f64> = structure
            .iter()
            .filter(|p| **p > threshold)
            .map(|p| f64::from(*p))
            .collect();
        2.0 * above.iter().sum::<f64>() / (above.len() as f64 + total)
    };
    let threshold = report.threshold.unwrap();
    let best = (0..200).map(|n| expected(n as f32 / 200.0)).fold(0.0, f64::max);
    assert!(expected(threshold) > best - 1e-4, "{} of {best}", expected(threshold));
    let labels = read(folder.path(), "labels");
    assert!(
        labels.iter().any(|l| *l == 0.0) && labels.iter().any(|l| *l > 0.0),
        "nothing to compare"
    );
    for (at, label) in labels.indexed_iter() {
        assert_eq!(*label > 0.0, structure[at] > threshold, "{at:?}");
        if *label > 0.0 && (membrane[at] - molecule[at]).abs() > 1e-3 {
            assert_eq!(*label, f32::from(1 + u8::from(molecule[at] > membrane[at])), "{at:?}");
        }
    }
}

#[test]
fn a_region_keeps_its_place() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options([16, 16, 40]);
    options.region_first = Some([10, 5, 20]);
    options.region_end = Some([30, 40, 83]);
    options.probability = ProbabilityType::Byte;
    run(&model, folder.path(), &options);
    let whole = untiled(&model);
    let part = whole[0].slice(s![10..30, 5..40, 20..83]).mapv(|p| (p * 255.0).round());
    assert!(largest_difference(&read(folder.path(), "membrane"), &part) <= 1.0);
    let volume = Tomogram::open(&folder.path().join("tomogram_membrane.mrc"), &Job::quiet()).unwrap();
    assert_eq!(volume.geometry().start, [10, 5, 20]);
    assert_eq!(volume.geometry().origin_angstrom, [100.0, 50.0, 200.0]);
}

#[test]
fn mirrors_average_what_the_mirrored_volumes_give() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options([24, 24, 83]);
    options.mirrors = true;
    options.outputs = vec![Output::Probabilities, Output::Deviations];
    run(&model, folder.path(), &options);
    let plain = untiled(&model);
    let mean = read(folder.path(), "membrane");
    let deviation = read(folder.path(), "membrane_std");
    assert!(
        largest_difference(&mean, &plain[0]) > 1e-3,
        "a random network is not symmetric"
    );
    // Chebyshev over eight values: none lies further from their mean than sqrt(7) standard deviations.
    for ((mean, deviation), plain) in mean.iter().zip(&deviation).zip(&plain[0]) {
        assert!((mean - plain).abs() <= 7f32.sqrt() * deviation + 2e-3);
    }
}

#[test]
fn other_voxel_sizes_are_brought_to_the_networks() {
    let config = CompactConfig {
        widths: vec![16, 24],
        blocks_down: vec![1, 1],
        blocks_up: vec![1],
        ..CompactConfig::default()
    };
    let model = model(NetworkConfig::Compact(config), Some(2.0));
    let mut maps = Vec::new();
    for core in [[45, 70, 83], [20, 20, 40]] {
        let folder = tempfile::tempdir().unwrap();
        let report = run(&model, folder.path(), &options(core));
        assert_eq!(report.network_shape, [23, 35, 42]);
        maps.push(read(folder.path(), "molecule"));
    }
    assert_eq!(maps[0].dim(), (SHAPE[0], SHAPE[1], SHAPE[2]));
    assert!(largest_difference(&maps[0], &maps[1]) < 5.1e-4);
}

#[test]
fn windows_of_a_fixed_side_cover_everything() {
    let network = NetworkConfig::Picker(PickerConfig {
        maps: vec![4, 6],
        window: 32,
        ..PickerConfig::default()
    });
    let model = model(network, None);
    let folder = tempfile::tempdir().unwrap();
    let report = run(
        &model,
        folder.path(),
        &PredictOptions {
            memory: 64 << 20,
            ..PredictOptions::default()
        },
    );
    assert!(report.finished && report.tiles > 8);
    assert!(read(folder.path(), "molecule")
        .iter()
        .all(|p| (0.0..=1.0).contains(p) && *p > 0.0));
}

#[test]
fn wrong_settings_are_named() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    type Change = fn(&mut PredictOptions);
    let cases: [(&str, Change); 8] = [
        ("region_first, region_end along y is 0, 71", |o| {
            o.region_end = Some([10, 71, 10])
        }),
        ("threshold is 1.5, must be 0..=1", |o| o.threshold = Some(1.5)),
        ("outputs is 0 items", |o| o.outputs.clear()),
        ("outputs is deviations", |o| o.outputs.push(Output::Deviations)),
        ("core[0] is 0", |o| o.core = Some([0, 1, 1])),
        ("rank is 2, must be below size, 2", |o| (o.rank, o.size) = (2, 2)),
        ("resume is false", |o| (o.size, o.resume) = (2, false)),
        ("MiB are allowed", |o| {
            o.core = None;
            o.memory = 1000;
        }),
    ];
    for (name, change) in cases {
        let mut options = options([20, 24, 30]);
        change(&mut options);
        let error = predict(&model, &tomogram(10.0), folder.path(), &options, &Job::quiet()).unwrap_err();
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
    assert!(files(folder.path()).is_empty());
}
