//! Prediction in tiles against the whole volume at once; ranks, resuming, faults.
use std::fs;
use std::ops::Range;
use std::path::Path;

use ndarray::{s, Array3};
use tch::{Device, Tensor};
use tomocut::networks::{CompactConfig, ModelDescription, NetworkConfig, Pass, PickerConfig, SegmentationModel};
use tomocut::predict::{
    predict, predict_and_find, AfterNetwork, MembraneOptions, Output, PickMethod, PickingOptions, PredictOptions,
    PredictReport, ProbabilityType, Rank, VolumeFormat,
};
use tomocut::runtime::{Error, Generator, Job};
use tomocut::volume::{Geometry, SliceSource, Tomogram};

const SHAPE: [usize; 3] = [45, 70, 83];

fn voxels() -> Array3<f32> {
    let mut state = 7u32;
    Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
        100.0 + 20.0 * noise + 15.0 * ((z as f32 / 9.0).sin() + (y as f32 / 7.0).cos() * (x as f32 / 11.0).sin())
    })
}

fn tomogram(voxel_angstrom: f64) -> Tomogram {
    Tomogram::from_array(voxels(), Geometry::new(SHAPE, voxel_angstrom)).unwrap()
}

fn model(network: NetworkConfig, voxel_nm: Option<f64>) -> SegmentationModel {
    tch::set_num_threads(2);
    let description = ModelDescription::new(network, voxel_nm);
    SegmentationModel::random(description, &mut Generator::new(5, 1), Device::Cpu).unwrap()
}

fn compact() -> SegmentationModel {
    let config = CompactConfig {
        widths: vec![16, 24],
        blocks_down: vec![1, 1],
        blocks_up: vec![1],
        ..CompactConfig::default()
    };
    model(NetworkConfig::Compact(config), None)
}

fn options(core: [usize; 3]) -> PredictOptions {
    PredictOptions {
        core: Some(core),
        ..PredictOptions::default()
    }
}

fn run(model: &SegmentationModel, folder: &Path, options: &PredictOptions) -> PredictReport {
    predict(model, &tomogram(10.0), folder, options, &Job::quiet()).unwrap()
}

fn read(folder: &Path, name: &str) -> Array3<f32> {
    let path = folder.join(format!("tomogram_{name}.mrc"));
    let volume = Tomogram::open(&path, &Job::quiet()).unwrap();
    volume.read_slices(0..volume.geometry().shape[0]).unwrap()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

fn largest_difference(a: &Array3<f32>, b: &Array3<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The network on the whole volume at once, the last voxels repeated up to a multiple of its divisor, in the grey scale of the engine.
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
    let found = model.network().activation().probabilities(&logits.main).unwrap().get(0);
    (0..found.size()[0])
        .map(|c| {
            let flat = Vec::<f32>::try_from(&found.get(c).contiguous().view([-1])).unwrap();
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
fn ranks_and_resumed_runs_give_the_same_bytes() {
    let model = compact();
    let alone = tempfile::tempdir().unwrap();
    run(&model, alone.path(), &options([20, 24, 30]));
    let reference = files(alone.path());
    assert_eq!(reference.len(), 4, "three probabilities, labels, and nothing else");
    for size in [2, 4] {
        let folder = tempfile::tempdir().unwrap();
        for rank in (0..size).rev() {
            let mut options = options([20, 24, 30]);
            options.rank = Rank { rank, size };
            let report = run(&model, folder.path(), &options);
            assert_eq!(report.finished, rank == 0);
        }
        assert!(files(folder.path()) == reference, "{size} ranks");
    }
    // Cancelled after some tiles, then again.
    let folder = tempfile::tempdir().unwrap();
    let mut reports = 0;
    let job = Job::quiet().with_every_report().with_progress(|_| {
        reports += 1;
        reports < 4
    });
    let stopped = predict(&model, &tomogram(10.0), folder.path(), &options([20, 24, 30]), &job);
    drop(job);
    assert!(stopped.unwrap_err().to_string().contains("cancelled"));
    assert!(
        files_seen(folder.path()).is_empty(),
        "nothing is seen before all is done"
    );
    let journal = folder.path().join(".tomogram.predict/journal.0");
    let mut text = fs::read_to_string(&journal).unwrap();
    // What a kill in the middle of a line leaves.
    text.push_str("17 3ff0000000000000 40");
    fs::write(&journal, text).unwrap();
    let report = run(&model, folder.path(), &options([20, 24, 30]));
    assert!(
        report.resumed > 0 && report.computed > 0 && report.finished,
        "{report:?}"
    );
    assert!(files(folder.path()) == reference);
}

#[test]
fn zarr_holds_what_mrc_holds_whatever_the_ranks_and_kills() {
    let model = compact();
    let mrc = tempfile::tempdir().unwrap();
    let mut options = options([20, 24, 30]);
    options.region = Some([5..45, 0..70, 3..83]);
    run(&model, mrc.path(), &options);
    options.format = VolumeFormat::Zarr;
    let alone = tempfile::tempdir().unwrap();
    // What an earlier run left is replaced.
    fs::create_dir_all(alone.path().join("tomogram_labels.zarr/9")).unwrap();
    let report = run(&model, alone.path(), &options);
    assert!(report.finished && report.files[0].ends_with("tomogram_membrane.zarr"));
    for name in ["membrane", "molecule", "centre", "labels"] {
        let volume = Tomogram::open(&alone.path().join(format!("tomogram_{name}.zarr")), &Job::quiet()).unwrap();
        assert_eq!(volume.geometry().origin_angstrom, [50.0, 0.0, 30.0]);
        assert_eq!(volume.geometry().voxel_angstrom, [10.0; 3]);
        assert!(volume.read_slices(0..40).unwrap() == read(mrc.path(), name), "{name}");
    }
    let reference = files_below(alone.path());
    assert!(reference
        .iter()
        .any(|(name, _)| name.ends_with("tomogram_labels.zarr/1/0/0/0")));
    assert!(!reference.iter().any(|(name, _)| name.contains("/9")));
    let folder = tempfile::tempdir().unwrap();
    for rank in [1, 0] {
        options.rank = Rank { rank, size: 2 };
        run(&model, folder.path(), &options);
    }
    assert!(files_below(folder.path()) == reference, "2 ranks");

    // Killed while the folders were made and put in place: one is there, of another a part.
    let killed = tempfile::tempdir().unwrap();
    options.rank = Rank { rank: 1, size: 2 };
    run(&model, killed.path(), &options);
    let placed = "tomogram_membrane.zarr";
    fs::rename(alone.path().join(placed), killed.path().join(placed)).unwrap();
    let part = killed.path().join(".tomogram.predict/tomogram_molecule.zarr/0");
    fs::create_dir_all(&part).unwrap();
    fs::write(part.join("0"), "half").unwrap();
    options.rank.rank = 0;
    assert!(run(&model, killed.path(), &options).finished);
    assert!(files_below(killed.path()) == reference, "killed at the end");
}

/// Every file below a folder, by its path within.
fn files_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(inner) = open.pop() {
        for path in fs::read_dir(inner).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => open.push(path),
                false => found.push((
                    path.strip_prefix(folder).unwrap().to_string_lossy().into_owned(),
                    fs::read(&path).unwrap(),
                )),
            }
        }
    }
    found.sort();
    found
}

fn files_seen(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn other_settings_start_afresh() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options([20, 24, 30]);
    options.rank = Rank { rank: 0, size: 2 };
    run(&model, folder.path(), &options);
    options.threshold = Some(0.6);
    options.rank.size = 1;
    let report = run(&model, folder.path(), &options);
    assert_eq!((report.resumed, report.finished), (0, true));
}

#[test]
fn a_region_keeps_its_place() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    let region: [Range<usize>; 3] = [10..30, 5..40, 20..83];
    let mut options = options([16, 16, 40]);
    options.region = Some(region);
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
fn a_tomogram_that_vanishes_leaves_what_is_done() {
    struct Vanishing(Array3<f32>, bool);
    impl SliceSource for Vanishing {
        fn read(&self, z: Range<usize>) -> tomocut::Result<Array3<f32>> {
            // Single slices are asked for the grey scale.
            if self.1 && z.len() > 1 && z.end > 24 {
                return Err(tomocut::Error::format("tomogram", "the file is gone"));
            }
            Ok(self.0.slice(s![z, .., ..]).to_owned())
        }
    }
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    let open = |vanishing: bool| {
        let source = Box::new(Vanishing(voxels(), vanishing));
        Tomogram::from_source(source, Geometry::new(SHAPE, 10.0), "tomogram").unwrap()
    };
    let options = options([4, 70, 83]);
    let error = predict(&model, &open(true), folder.path(), &options, &Job::quiet()).unwrap_err();
    assert!(error.to_string().contains("the file is gone"), "{error}");
    assert!(files_seen(folder.path()).is_empty());
    let report = predict(&model, &open(false), folder.path(), &options, &Job::quiet()).unwrap();
    assert!(report.finished);
}

#[test]
fn wrong_settings_are_named() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    type Change = fn(&mut PredictOptions);
    let cases: [(&str, Change); 7] = [
        ("region y", |o| o.region = Some([0..10, 0..71, 0..10])),
        ("threshold", |o| o.threshold = Some(f32::NAN)),
        ("outputs", |o| o.outputs.clear()),
        ("outputs", |o| o.outputs.push(Output::Deviations)),
        ("core", |o| o.core = Some([0, 1, 1])),
        ("rank", |o| o.rank = Rank { rank: 2, size: 2 }),
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

#[test]
fn molecules_and_membranes_follow_the_network() {
    let model = compact();
    let after = || AfterNetwork {
        picking: Some(PickingOptions {
            output: Some("molecule".to_owned()),
            method: Some(PickMethod::Peaks),
            threshold: Some(0.45),
            diameter_nm: 6.0,
            ..PickingOptions::default()
        }),
        membranes: Some(MembraneOptions::default()),
        excluded: None,
    };
    let with = |folder: &Path, options: &PredictOptions| {
        predict_and_find(&model, &tomogram(10.0), folder, options, &after(), &Job::quiet()).unwrap()
    };
    // Labels only: the probabilities that are needed are not left behind.
    let alone = tempfile::tempdir().unwrap();
    let mut labels = options([20, 24, 30]);
    labels.outputs = vec![Output::Labels];
    let report = with(alone.path(), &labels);
    let picks = report.found.picks.unwrap();
    assert!(report.finished && picks.picks.len() > 3, "{}", picks.picks.len());
    let reference = files(alone.path());
    let names: Vec<&str> = reference.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "labels.mrc",
        "membrane_mask.mrc",
        "membrane_objects.mrc",
        "points.csv",
        "points.star",
    ];
    assert_eq!(names, expected.map(|name| format!("tomogram_{name}")));
    assert_eq!(report.files.len(), 5);
    // Each pick is a voxel of the map that has its score.
    let folder = tempfile::tempdir().unwrap();
    with(folder.path(), &options([45, 70, 83]));
    let map = read(folder.path(), "molecule");
    for pick in &picks.picks {
        assert_eq!(map[pick.position.map(|v| v as usize)], pick.score as f32);
    }
    // Of two processes the one that completes the plan finds them.
    let shared = tempfile::tempdir().unwrap();
    for rank in [1, 0] {
        let mut part = labels.clone();
        part.rank = Rank { rank, size: 2 };
        let report = with(shared.path(), &part);
        assert_eq!((report.finished, report.found.picks.is_some()), (rank == 0, rank == 0));
    }
    assert!(files(shared.path()) == reference);
    // Stopped among the picks: nothing is computed again but what follows the network.
    let stopped = tempfile::tempdir().unwrap();
    let job = Job::quiet()
        .with_every_report()
        .with_progress(|progress| progress.fraction < 0.9);
    let refused = predict_and_find(&model, &tomogram(10.0), stopped.path(), &labels, &after(), &job);
    assert!(matches!(refused, Err(Error::Cancelled { .. })), "{refused:?}");
    assert!(files_seen(stopped.path()).iter().all(|name| !name.contains("labels")));
    let report = with(stopped.path(), &labels);
    assert!(report.finished && report.computed <= 1, "{}", report.computed);
    assert!(files(stopped.path()) == reference);
    // A voxel size that is unknown is told before anything is computed.
    let unknown = predict_and_find(&model, &tomogram(0.0), folder.path(), &labels, &after(), &Job::quiet());
    assert!(unknown.unwrap_err().to_string().contains("voxel_nm is unknown"));
}

#[test]
fn a_kill_while_volumes_are_put_in_place_loses_nothing() {
    let model = compact();
    let alone = tempfile::tempdir().unwrap();
    run(&model, alone.path(), &options([20, 24, 30]));
    let folder = tempfile::tempdir().unwrap();
    // All tiles are there, but the folder cannot take one of the volumes.
    let blocked = folder.path().join("tomogram_molecule.mrc");
    fs::create_dir_all(blocked.join("in the way")).unwrap();
    let failed = predict(
        &model,
        &tomogram(10.0),
        folder.path(),
        &options([20, 24, 30]),
        &Job::quiet(),
    );
    assert!(failed.unwrap_err().to_string().contains("tomogram_molecule.mrc"));
    assert_eq!(files_seen(folder.path()).len(), 2, "the membranes are in place");
    fs::remove_dir_all(&blocked).unwrap();
    let report = run(&model, folder.path(), &options([20, 24, 30]));
    assert_eq!((report.finished, report.computed), (true, 0));
    assert!(files(folder.path()) == files(alone.path()));
}
