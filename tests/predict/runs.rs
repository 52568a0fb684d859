//! Ranks, stopped runs, and predictions that are there already.
use std::fs;
use std::ops::Range;

use ndarray::{s, Array3};
use tomocut::predict::{finished_files, predict, Inputs, PickingOptions, PredictOptions};
use tomocut::runtime::Job;
use tomocut::volume::{write_f32, Geometry, SliceSource, Tomogram};

use super::{compact, files, files_seen, options, run, tomogram, voxels, SHAPE};

#[test]
fn ranks_and_resumed_runs_give_the_same_bytes() {
    let model = compact();
    let alone = tempfile::tempdir().unwrap();
    run(&model, alone.path(), &options([20, 24, 30]));
    let reference = files(alone.path());
    assert_eq!(
        reference.len(),
        5,
        "three probabilities, labels, their record, and nothing else"
    );
    for size in [2, 4] {
        let folder = tempfile::tempdir().unwrap();
        for rank in (0..size).rev() {
            let mut options = options([20, 24, 30]);
            options.rank = rank;
            options.size = size;
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
fn other_settings_start_afresh() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options([20, 24, 30]);
    options.size = 2;
    run(&model, folder.path(), &options);
    options.threshold = Some(0.6);
    options.size = 1;
    let report = run(&model, folder.path(), &options);
    assert_eq!((report.resumed, report.finished), (0, true));
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
fn a_kill_while_volumes_are_put_in_place_loses_nothing() {
    let model = compact();
    let alone = tempfile::tempdir().unwrap();
    run(&model, alone.path(), &options([20, 24, 30]));
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("tomogram_molecule.mrc");
    let block = || fs::create_dir_all(blocked.join("in the way")).unwrap();
    let failed = |job: &Job| {
        let result = predict(&model, &tomogram(10.0), folder.path(), &options([20, 24, 30]), job);
        let text = result.unwrap_err().to_string();
        assert!(text.contains("tomogram_molecule.mrc"), "{text}");
    };
    // What is in the way from the beginning is told before anything is computed.
    block();
    failed(&Job::quiet());
    assert_eq!(files_seen(folder.path()).len(), 1, "nothing but what is in the way");
    fs::remove_dir_all(&blocked).unwrap();
    // All tiles are there, but the folder can no longer take one of the volumes.
    let late = Job::quiet().with_every_report().with_progress(|progress| {
        if progress.fraction > 0.5 {
            block();
        }
        true
    });
    failed(&late);
    assert_eq!(files_seen(folder.path()).len(), 2, "the membranes are in place");
    fs::remove_dir_all(&blocked).unwrap();
    let report = run(&model, folder.path(), &options([20, 24, 30]));
    assert_eq!((report.finished, report.computed), (true, 0));
    assert!(files(folder.path()) == files(alone.path()));
}

/// What a run of version 0.1 left: its tiles are of no use here, and are computed again.
#[test]
fn state_of_an_earlier_version_is_thrown_away() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options([20, 24, 30]);
    options.size = 2;
    run(&model, folder.path(), &options);
    let state = folder.path().join(".tomogram.predict/run.json");
    let old = r#"{"version": "0.1.0", "tomogram": "tomogram", "model": 7, "settings": "[0..45]", "tiles": 27}"#;
    fs::write(&state, old).unwrap();
    options.size = 1;
    let report = run(&model, folder.path(), &options);
    assert_eq!((report.resumed, report.finished), (0, true));
}

#[test]
fn a_finished_prediction_is_known_by_its_inputs_and_settings() {
    let model = compact();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.mrc");
    let write = |voxels: &Array3<f32>| write_f32(&file, voxels, &Geometry::new(SHAPE, 10.0)).unwrap();
    write(&voxels());
    let out = folder.path().join("out");
    let is_there = |options: &PredictOptions| {
        let tomogram = Tomogram::open(&file, &Job::quiet()).unwrap();
        let inputs = Inputs {
            model: &model,
            tomogram: &tomogram,
            excluded: None,
        };
        finished_files(&inputs, &out, options, &Job::quiet()).unwrap()
    };
    let options = options([45, 70, 83]);
    assert!(is_there(&options).is_none(), "nothing is there");
    let opened = Tomogram::open(&file, &Job::quiet()).unwrap();
    let report = predict(&model, &opened, &out, &options, &Job::quiet()).unwrap();
    assert_eq!(is_there(&options).unwrap(), report.files);
    // What changes no byte is not compared.
    let memory = PredictOptions {
        memory: 1 << 29,
        size: 3,
        ..options.clone()
    };
    assert!(is_there(&memory).is_some());
    for other in [
        PredictOptions {
            threshold: Some(0.5),
            ..options.clone()
        },
        PredictOptions {
            picking: Some(PickingOptions::default()),
            ..options.clone()
        },
    ] {
        assert!(is_there(&other).is_none(), "{other:?}");
    }
    // One voxel of the tomogram.
    let mut other = voxels();
    other[[3, 3, 3]] += 1.0;
    write(&other);
    assert!(is_there(&options).is_none(), "of another tomogram");
    write(&voxels());
    assert!(is_there(&options).is_some());
    fs::remove_file(&report.files[0]).unwrap();
    assert!(is_there(&options).is_none(), "a file is missing");
}
