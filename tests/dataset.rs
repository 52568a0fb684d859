//! A data set from its tomograms to its page: it learns, goes on where it was stopped, and outlives tomograms that
//! fail.
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array3;
use tomocut::dataset::{run_data_set, DataSetOptions, DataSetReport, DataSetTomogram};
use tomocut::diffusion::{DiffusionModel, LoadOptions};
use tomocut::networks::{CompactConfig, NetworkConfig};
use tomocut::predict::VolumeFormat;
use tomocut::runtime::{Job, Stage};
use tomocut::volume::{write_f32, write_labels, write_zarr, Geometry, Reduction, Tomogram, ZarrContent};
use tomocut::{Error, Result};

const SHAPE: [usize; 3] = [12, 96, 96];

/// A dark shell and dark balls; the labels, and as densities in the noise of `seed`.
fn scene(seed: u32) -> (Array3<f32>, Array3<i8>) {
    let label = |(z, y, x): (usize, usize, usize)| {
        let distance = |cz: f64, cy: f64, cx: f64| {
            let (dz, dy, dx) = (z as f64 - cz, y as f64 - cy, x as f64 - cx);
            (dz * dz + dy * dy + dx * dx).sqrt()
        };
        if distance(6.0, 70.0, 70.0) < 7.0 || distance(6.0, 20.0, 74.0) < 7.0 {
            2
        } else {
            let shell = (y as f64 - 36.0).hypot(x as f64 - 34.0) - 22.0;
            i8::from(shell.abs() < 2.5)
        }
    };
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let voxels = Array3::from_shape_fn(SHAPE, |at| {
        let noise: f32 = (0..4).map(|_| draw()).sum();
        0.8 * noise - if label(at) > 0 { 1.6 } else { 0.0 }
    });
    (voxels, Array3::from_shape_fn(SHAPE, label))
}

/// Two tomograms, the truth of the first, and a file that is none.
fn write_data(folder: &Path) -> Vec<DataSetTomogram> {
    let geometry = Geometry::new(SHAPE, 10.0);
    for (name, seed) in [("a", 1), ("b", 2)] {
        let (voxels, labels) = scene(seed);
        write_f32(&folder.join(format!("{name}.mrc")), &voxels, &geometry).unwrap();
        write_labels(&folder.join(format!("{name}_true.mrc")), &labels, &geometry).unwrap();
    }
    let tomogram = |name: &str| DataSetTomogram {
        path: folder.join(name),
        ..DataSetTomogram::default()
    };
    vec![
        DataSetTomogram {
            truth: Some(folder.join("a_true.mrc")),
            ..tomogram("a.mrc")
        },
        tomogram("b.mrc"),
    ]
}

fn model() -> DiffusionModel {
    tch::set_num_threads(2);
    DiffusionModel::builtin(&LoadOptions::default()).unwrap()
}

fn options() -> DataSetOptions {
    let mut options = DataSetOptions {
        slabs: 1,
        thickness: Some(4),
        held_out: 0.25,
        scores: 2,
        checkpoint_seconds: 0.0,
        ..DataSetOptions::default()
    };
    let training = &mut options.training;
    let network = NetworkConfig::Compact(CompactConfig {
        widths: vec![16, 16],
        blocks_down: vec![1, 1],
        blocks_up: vec![1],
        ..CompactConfig::default()
    });
    training.network = Some(network.into());
    training.window = Some([8, 32, 32]);
    training.steps = 60;
    training.warm_up = 5;
    training.ema_decay = 0.9;
    training.adamw.rate = 5e-3;
    options.prediction.core = Some([8, 48, 48]);
    options
}

fn run(
    model: &DiffusionModel,
    data: &[DataSetTomogram],
    out: &Path,
    options: &DataSetOptions,
) -> Result<DataSetReport> {
    run_data_set(model, data, out, options, &Job::quiet())
}

fn page(out: &Path) -> String {
    fs::read_to_string(out.join("report.html")).unwrap()
}

/// Volumes, labels and network of two folders are the same bytes.
fn assert_same_results(one: &Path, other: &Path) {
    let mut compared = 0;
    for folder in ["", "slabs"] {
        for entry in fs::read_dir(one.join(folder)).unwrap() {
            let name = entry.unwrap().file_name();
            if [".mrc", ".csv", ".safetensors"]
                .iter()
                .any(|end| name.to_string_lossy().ends_with(end))
            {
                let read = |out: &Path| fs::read(out.join(folder).join(&name)).unwrap();
                assert!(read(one) == read(other), "{name:?} differs");
                compared += 1;
            }
        }
    }
    // Of each tomogram three outputs, labels and picks; of the slab labels, score, two likelihoods and points; the
    // network.
    assert_eq!(compared, 2 * 5 + 5 + 1);
}

#[test]
fn a_stopped_run_ends_with_the_bytes_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let (data, model, options) = (write_data(folder.path()), model(), options());
    let whole = folder.path().join("whole");
    let report = run(&model, &data, &whole, &options).unwrap();
    let network = &report.network;
    assert_eq!((network.slabs, network.steps, network.scores.len()), (1, 60, 2));
    assert!(report.tomograms.iter().all(|t| t.failure.is_none() && !t.was_there));
    let html = page(&whole);
    for words in [
        "<svg",
        "learnt from",
        "Dice with the truth",
        "Most",
        "report/a_z6.png",
        "training.seed",
    ] {
        assert!(html.to_lowercase().contains(&words.to_lowercase()), "no {words}");
    }
    check_links(&html, &whole);

    // Stopped after the first report of each of these stages, again and again.
    let stopped = folder.path().join("stopped");
    for stage in [Stage::Attention, Stage::Train, Stage::Train, Stage::Predict] {
        let reports = Cell::new(0);
        let job = Job::quiet().with_every_report().with_progress(|progress| {
            reports.set(reports.get() + i32::from(progress.stage == stage));
            reports.get() < 3
        });
        let answer = run_data_set(&model, &data, &stopped, &options, &job);
        assert!(matches!(answer, Err(Error::Cancelled { .. })), "{stage:?}: {answer:?}");
    }
    // What a kill leaves: the state of an earlier moment than the files.
    run(&model, &data, &stopped, &options).unwrap();
    assert_same_results(&whole, &stopped);

    let again = run(&model, &data, &stopped, &options).unwrap();
    assert!(again.tomograms.iter().all(|t| t.was_there));
    fs::remove_file(stopped.join("b_labels.mrc")).unwrap();
    let again = run(&model, &data, &stopped, &options).unwrap();
    assert_eq!(
        again.tomograms.iter().map(|t| t.was_there).collect::<Vec<_>>(),
        [true, false]
    );
    assert_same_results(&whole, &stopped);
}

/// Every picture of the page is a file of the run.
fn check_links(html: &str, out: &Path) {
    let files: Vec<PathBuf> = html
        .split("<img src=\"")
        .skip(1)
        .map(|rest| out.join(rest.split('"').next().unwrap()))
        .collect();
    // Three slices of each tomogram, and two of the slab.
    assert_eq!(files.len(), 8);
    for file in files {
        let (width, height) = image::image_dimensions(&file).unwrap();
        assert!(
            width > 2 * height && height == 256,
            "{} is {width} x {height}",
            file.display()
        );
    }
}

#[test]
fn one_bad_tomogram_stops_nothing_and_other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut data, model, mut options) = (write_data(folder.path()), model(), options());
    options.training.steps = 2;
    let bad = folder.path().join("bad.mrc");
    fs::write(&bad, "no tomogram").unwrap();
    data.insert(
        0,
        DataSetTomogram {
            path: bad.clone(),
            ..DataSetTomogram::default()
        },
    );
    let out = folder.path().join("out");
    let report = run(&model, &data, &out, &options).unwrap();
    let failed: Vec<bool> = report.tomograms.iter().map(|t| t.failure.is_some()).collect();
    assert_eq!(failed, [true, false, false]);
    assert!(page(&out).contains("What went wrong") && page(&out).contains("bad.mrc"));

    options.training.seed = 9;
    let refused = run(&model, &data, &out, &options).unwrap_err().to_string();
    assert!(refused.starts_with("training.seed is 9, must be 1"), "{refused}");
    data[1].slab = Some(2..6);
    let refused = run(&model, &data, &out, &options).unwrap_err().to_string();
    assert!(
        refused.starts_with("slab of a is \"2:6\", must be not given"),
        "{refused}"
    );
    options.restart = true;
    let report = run(&model, &data, &out, &options).unwrap();
    assert!(report.tomograms.iter().all(|t| !t.was_there));
    assert!(out.join("slabs/a_2-6_labels.mrc").exists());
    // Mended, it is predicted by the network that is there.
    options.restart = false;
    write_f32(&bad, &scene(3).0, &Geometry::new(SHAPE, 10.0)).unwrap();
    let report = run(&model, &data, &out, &options).unwrap();
    let there: Vec<bool> = report.tomograms.iter().map(|t| t.was_there).collect();
    assert_eq!(
        (there, report.tomograms[0].failure.is_none()),
        (vec![false, true, true], true)
    );

    let twice = [data[1].clone(), data[1].clone()];
    let refused = run(&model, &twice, &out, &options).unwrap_err().to_string();
    assert!(refused.contains("must not have the name of"), "{refused}");
    // Of the same name, from another folder, in another call.
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let other = DataSetTomogram {
        path: elsewhere.join(data[1].path.file_name().unwrap()),
        ..data[1].clone()
    };
    fs::copy(&data[1].path, &other.path).unwrap();
    let refused = run(&model, &[other], &out, &options).unwrap_err().to_string();
    assert!(
        refused.contains("are those of") && refused.contains("restart"),
        "{refused}"
    );
    assert!(run(&model, &[], &out, &options).is_err());
    options.memory = 1 << 20;
    let small = folder.path().join("small");
    let refused = run(&model, &data, &small, &options).unwrap_err().to_string();
    assert!(refused.contains("none of the slabs can be learnt from"), "{refused}");
}

/// A tomogram as an OME-Zarr folder.
fn write_zarr_tomogram(path: &Path, seed: u32) {
    let voxels = scene(seed).0;
    let content = ZarrContent {
        name: "tomogram",
        reduction: Reduction::Mean,
    };
    let mut read = |block: &[std::ops::Range<usize>; 3]| {
        let [z, y, x] = block.clone();
        Ok(voxels.slice(ndarray::s![z, y, x]).iter().copied().collect::<Vec<f32>>())
    };
    write_zarr(path, &Geometry::new(SHAPE, 10.0), content, &Job::quiet(), &mut read).unwrap();
}

#[test]
fn a_data_set_of_zarr_folders_is_one_of_mrc_files() {
    let folder = tempfile::tempdir().unwrap();
    let (data, model, mut options) = (write_data(folder.path()), model(), options());
    options.training.steps = 2;
    let mrc = folder.path().join("mrc");
    run(&model, &data, &mrc, &options).unwrap();
    let mut folders = data.clone();
    for (member, (name, seed)) in folders.iter_mut().zip([("a", 1), ("b", 2)]) {
        member.path = folder.path().join(format!("{name}.zarr"));
        write_zarr_tomogram(&member.path, seed);
    }
    for format in [VolumeFormat::Mrc, VolumeFormat::Zarr] {
        let out = folder.path().join(format!("zarr{}", format.ending()));
        options.prediction.format = format;
        let report = run(&model, &folders, &out, &options).unwrap();
        let names: Vec<&str> = report.tomograms.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(
            report.tomograms.iter().all(|t| t.failure.is_none()),
            "{:?}",
            report.tomograms
        );
        assert!(page(&out).contains("Dice with the truth"));
        let again = run(&model, &folders, &out, &options).unwrap();
        assert!(again.tomograms.iter().all(|t| t.was_there));
        // The same voxels: the same results; what an MRC file's labels say of its making differs.
        let read = |path: PathBuf| {
            let volume = Tomogram::open(&path, &Job::quiet()).unwrap();
            volume.read_slices(0..SHAPE[0]).unwrap()
        };
        for name in ["a_labels", "b_labels", "a_membrane", "b_molecule"] {
            let of = |out: &Path, ending: &str| read(out.join(format!("{name}{ending}")));
            assert_eq!(of(&out, format.ending()), of(&mrc, ".mrc"), "{name} as {format:?}");
        }
        for name in ["a_points.csv", "b_points.csv"] {
            let text = |out: &Path| fs::read_to_string(out.join(name)).unwrap();
            assert_eq!(text(&out), text(&mrc), "{name}");
        }
    }
}
