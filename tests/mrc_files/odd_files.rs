//! Odd, old, permuted, packed and corrupt files of other programs.
//!
//! The expected values come from `tests/oracle/mrc_edge.py`, which reads the files with mrcfile.
use std::path::{Path, PathBuf};

use tomocut::runtime::Job;
use tomocut::volume::Tomogram;
use tomocut::Error;

fn data_folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("TOMOCUT_DATA").map_or(beside, PathBuf::from);
    let is_there = folder.join("mrc_edge").is_dir();
    if !is_there {
        eprintln!(
            "skipped: no mrc_edge in {}; TOMOCUT_DATA names the data folder",
            folder.display()
        );
    }
    is_there.then_some(folder)
}

#[test]
fn odd_files_read_as_mrcfile_reads_them_or_give_an_error() {
    let Some(data) = data_folder() else { return };
    let fixture = include_str!("../fixtures/volume/mrc_edge.json");
    let rows: Vec<serde_json::Value> = serde_json::from_str(fixture).unwrap();
    let listed = |entry: &std::fs::DirEntry| {
        let name = format!("mrc_edge/{}", entry.file_name().to_string_lossy());
        rows.iter().any(|row| row["file"] == name.as_str())
    };
    for entry in std::fs::read_dir(data.join("mrc_edge")).unwrap() {
        let entry = entry.unwrap();
        assert!(listed(&entry), "{:?} is not in the fixture", entry.path());
    }
    for row in &rows {
        let path = data.join(row["file"].as_str().unwrap());
        let opened = Tomogram::open(&path, &Job::quiet());
        if row["readable"] == false {
            let error = opened.expect_err(&path.display().to_string());
            assert!(matches!(error, Error::Format { .. }), "{error}");
            assert!(error.to_string().contains(path.file_name().unwrap().to_str().unwrap()));
            eprintln!("{error}");
            continue;
        }
        let tomogram = opened.unwrap();
        let triple = |key: &str| -> [f64; 3] { std::array::from_fn(|k| row[key][k].as_f64().unwrap()) };
        let geometry = tomogram.geometry();
        assert_eq!(geometry.shape.map(|n| n as f64), triple("shape"), "{}", path.display());
        assert_eq!(geometry.start.map(f64::from), triple("start"), "{}", path.display());
        for (voxel, expected) in geometry.voxel_angstrom.iter().zip(triple("voxel")) {
            assert!(
                (voxel - expected.max(0.0)).abs() <= 1e-5 * expected.abs(),
                "{}",
                path.display()
            );
        }
        let voxels = tomogram.read_slices(0..geometry.shape[0]).unwrap();
        let mean = voxels.iter().map(|v| f64::from(*v)).sum::<f64>() / voxels.len() as f64;
        let scale = row["max"].as_f64().unwrap() - row["min"].as_f64().unwrap() + 1e-6;
        assert!(
            (mean - row["mean"].as_f64().unwrap()).abs() < 1e-5 * scale,
            "{}",
            path.display()
        );
        for sample in row["samples"].as_array().unwrap() {
            let at: [usize; 3] = std::array::from_fn(|k| sample[k].as_u64().unwrap() as usize);
            assert_eq!(
                voxels[at],
                sample[3].as_f64().unwrap() as f32,
                "{} {at:?}",
                path.display()
            );
            // One slice alone gives the same voxels.
            let slice = tomogram.read_slices(at[0]..at[0] + 1).unwrap();
            assert_eq!(slice[[0, at[1], at[2]]], voxels[at]);
        }
    }
}
