//! Written files: their contents, and what failed writes leave.
use std::io::Write;

use ndarray::Array3;
use proptest::prelude::*;
use tomocut::runtime::{write_atomically, Job};
use tomocut::volume::{write_f32, write_i16, write_labels, write_scores, Geometry, Tomogram};
use tomocut::Error;

use super::synthetic::{read_all, save};

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_written_is_read_back(
        shape in [1usize..6, 1usize..7, 1usize..8], seed: u32, voxel in 0.0..20.0f64, start in -5i32..50,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mrc");
        let mut geometry = Geometry::new(shape, voxel);
        geometry.start = [start, 1, -2];
        geometry.origin_angstrom = [-3.5, 0.25, 1e4];
        geometry.labels = vec!["first".into(), "second".into()];
        let code = |z: usize, y: usize, x: usize| {
            (seed.wrapping_mul(2_654_435_761).wrapping_add((z * 64 + y * 8 + x) as u32 * 40_503) >> 7) % 127
        };
        let labels = Array3::from_shape_fn(shape, |(z, y, x)| code(z, y, x) as i8 - 60);
        write_labels(&path, &labels, &geometry).unwrap();
        let back = Tomogram::open(&path, &Job::quiet()).unwrap();
        prop_assert_eq!(back.read_slices(0..shape[0]).unwrap(), labels.mapv(f32::from));
        let read = back.geometry();
        prop_assert_eq!(&read.labels[..2], &geometry.labels[..]);
        prop_assert!(read.labels[2].starts_with("tomocut "));
        prop_assert_eq!(read.start, geometry.start);
        for k in 0..3 {
            prop_assert!((read.origin_angstrom[k] - geometry.origin_angstrom[k]).abs() < 1e-3);
            prop_assert!((read.voxel_angstrom[k] - voxel).abs() < 1e-5 * voxel);
        }
        let scores = labels.mapv(|v| f32::from(v) / 64.0);
        for half in [false, true] {
            write_scores(&path, &scores, &geometry, half).unwrap();
            prop_assert_eq!(read_all(&path).unwrap(), scores.clone());
        }
        write_i16(&path, &labels.mapv(|v| i16::from(v) * 200), &geometry).unwrap();
        prop_assert_eq!(read_all(&path).unwrap(), labels.mapv(|v| f32::from(v) * 200.0));
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn statistics_and_labels_of_written_files_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mrc");
    let mut geometry = Geometry::new([2, 1, 2], 10.0);
    geometry.labels = (0..10).map(|n| format!("label {n}")).collect();
    write_f32(
        &path,
        &Array3::from_shape_vec([2, 1, 2], vec![1.0, 2.0, 3.0, 6.0]).unwrap(),
        &geometry,
    )
    .unwrap();
    let (header, _) = mrc::read_as::<f32, _>(&path).unwrap();
    assert_eq!((header.dmin, header.dmax, header.dmean), (1.0, 6.0, 3.0));
    assert!((header.rms - 3.5f32.sqrt()).abs() < 1e-6);
    assert_eq!((header.ispg, header.map, header.nlabl), (1, *b"MAP ", 10));
    let labels = header.get_labels();
    assert_eq!((labels[0].as_str(), labels[8].as_str()), ("label 1", "label 9"));
    assert!(labels[9].starts_with("tomocut "));
}

#[test]
fn failed_writes_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Array3::<f32>::zeros([4, 8, 8]);
    let geometry = Geometry::new([4, 8, 8], 10.0);
    let kept = save(folder.path(), "kept.mrc", b"old");
    let broken = write_atomically(&kept, |file| {
        file.write_all(b"half").map_err(|e| Error::io("writing", &kept, e))?;
        Err(Error::Internal("on purpose".into()))
    });
    assert!(broken.is_err());
    assert_eq!(std::fs::read(&kept).unwrap(), b"old");
    let shape = write_f32(&kept, &volume, &Geometry::new([4, 8, 9], 10.0)).unwrap_err();
    assert!(matches!(shape, Error::InvalidArgument { .. }));
    let nowhere = write_f32(&folder.path().join("no/such/folder.mrc"), &volume, &geometry).unwrap_err();
    assert!(matches!(nowhere, Error::Io { .. }));
    assert!(matches!(
        write_f32(folder.path(), &volume, &geometry),
        Err(Error::Io { .. })
    ));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Needs the right to mount: skipped, saying so, without it.
#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mounted.is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: a small tmpfs cannot be mounted here");
        return;
    }
    let result = write_f32(
        &folder.path().join("out.mrc"),
        &Array3::zeros([16, 64, 64]),
        &Geometry::new([16, 64, 64], 1.0),
    );
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    std::process::Command::new("umount")
        .arg(folder.path())
        .status()
        .unwrap();
    let text = result.unwrap_err().to_string();
    assert!(text.contains("out.mrc") && text.contains("space"), "{text}");
    assert_eq!(left, 0);
}
