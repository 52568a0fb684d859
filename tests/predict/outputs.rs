//! Kinds of files: OME-Zarr, molecules, membranes.
use std::fs;
use std::path::Path;

use tomocut::predict::{predict, MembraneOptions, Output, PickMethod, PickingOptions, PredictOptions, VolumeFormat};
use tomocut::runtime::{Error, Job};
use tomocut::volume::Tomogram;

use super::{compact, files, files_seen, options, read, run, tomogram};

/// Every file below a folder, by its path within.
fn files_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(inner) = open.pop() {
        for path in fs::read_dir(inner).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => open.push(path),
                false => all.push((
                    path.strip_prefix(folder).unwrap().to_string_lossy().into_owned(),
                    fs::read(&path).unwrap(),
                )),
            }
        }
    }
    all.sort();
    all
}

#[test]
fn zarr_holds_what_mrc_holds_whatever_the_ranks_and_kills() {
    let model = compact();
    let mrc = tempfile::tempdir().unwrap();
    let mut options = options([20, 24, 30]);
    options.region_first = Some([5, 0, 3]);
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
        (options.rank, options.size) = (rank, 2);
        run(&model, folder.path(), &options);
    }
    assert!(files_below(folder.path()) == reference, "2 ranks");

    // Killed while the folders were made and put in place: one is there, of another a part.
    let killed = tempfile::tempdir().unwrap();
    (options.rank, options.size) = (1, 2);
    run(&model, killed.path(), &options);
    let placed = "tomogram_membrane.zarr";
    fs::rename(alone.path().join(placed), killed.path().join(placed)).unwrap();
    let part = killed.path().join(".tomogram.predict/tomogram_molecule.zarr/0");
    fs::create_dir_all(&part).unwrap();
    fs::write(part.join("0"), "half").unwrap();
    options.rank = 0;
    assert!(run(&model, killed.path(), &options).finished);
    assert!(files_below(killed.path()) == reference, "killed at the end");
}

#[test]
fn molecules_and_membranes_follow_the_network() {
    let model = compact();
    let after = |options: PredictOptions| PredictOptions {
        picking: Some(PickingOptions {
            output: Some("molecule".to_owned()),
            method: Some(PickMethod::Peaks),
            threshold: Some(0.45),
            diameter_nm: 6.0,
            ..PickingOptions::default()
        }),
        membranes: Some(MembraneOptions::default()),
        ..options
    };
    // Labels only: the probabilities that are needed are not left behind.
    let alone = tempfile::tempdir().unwrap();
    let mut labels = after(options([20, 24, 30]));
    labels.outputs = vec![Output::Labels];
    let report = run(&model, alone.path(), &labels);
    let picks = report.after.picks.clone().unwrap();
    assert_eq!(report.n_picks, picks.picks.len());
    assert!(report.finished && picks.picks.len() > 3, "{}", picks.picks.len());
    let reference = files(alone.path());
    let names: Vec<&str> = reference.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[0], ".tomogram.predict.json");
    let expected = [
        "labels.mrc",
        "membrane_mask.mrc",
        "membrane_objects.mrc",
        "points.csv",
        "points.star",
    ];
    assert_eq!(names[1..], expected.map(|name| format!("tomogram_{name}")));
    assert_eq!(report.files.len(), 5);
    // Each pick is a voxel of the map that has its score.
    let folder = tempfile::tempdir().unwrap();
    run(&model, folder.path(), &after(options([45, 70, 83])));
    let map = read(folder.path(), "molecule");
    for pick in &picks.picks {
        assert_eq!(map[pick.position.map(|v| v as usize)], pick.score as f32);
    }
    // Of two processes the one that completes the plan finds them.
    let shared = tempfile::tempdir().unwrap();
    for rank in [1, 0] {
        let mut part = labels.clone();
        (part.rank, part.size) = (rank, 2);
        let report = run(&model, shared.path(), &part);
        assert_eq!((report.finished, report.after.picks.is_some()), (rank == 0, rank == 0));
    }
    assert!(files(shared.path()) == reference);
    // Stopped among the picks: nothing is computed again but what follows the network.
    let stopped = tempfile::tempdir().unwrap();
    let job = Job::quiet()
        .with_every_report()
        .with_progress(|progress| progress.fraction < 0.9);
    let refused = predict(&model, &tomogram(10.0), stopped.path(), &labels, &job);
    assert!(matches!(refused, Err(Error::Cancelled { .. })), "{refused:?}");
    assert!(files_seen(stopped.path()).iter().all(|name| !name.contains("labels")));
    let report = run(&model, stopped.path(), &labels);
    assert!(report.finished && report.computed <= 1, "{}", report.computed);
    assert!(files(stopped.path()) == reference);
    // A voxel size that is unknown is told before anything is computed.
    let unknown = predict(&model, &tomogram(0.0), folder.path(), &labels, &Job::quiet());
    assert!(unknown.unwrap_err().to_string().contains("voxel_nm is unknown"));
}
