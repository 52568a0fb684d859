//! Volumes as people have them: the small inputs made after public bug reports, each read as its users expect.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tomocut::runtime::{CancelToken, Job, Logger};
use tomocut::volume::{FileDescription, Tomogram};

/// The folder of a kind of field files; None, which is said, where the development data are absent.
fn folder(kind: &str) -> Option<PathBuf> {
    crate::development_data::data_folder().map(|data| data.join("field_files").join(kind))
}

/// Opens a file and gives what the log was told.
fn open(path: &Path) -> (tomocut::Result<Tomogram>, Vec<String>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let logger = Logger::new(move |_, _, text| log.lock().unwrap().push(text.to_owned()));
    let tomogram = Tomogram::open(path, &Job::new(CancelToken::default(), logger));
    let told = told.lock().unwrap().clone();
    (tomogram, told)
}

/// Sum of the voxels, and two of them, of the volume of 56 x 40 x 24 that most of these files hold: by zarr-python 3.1
/// and mrcfile 1.5.
const SUM: f64 = 5_335_899.881_426_811;
const VOXELS: [([usize; 3], f32); 2] = [([3, 5, 7], 86.188_385), ([20, 30, 50], 86.906_63)];

fn check_voxels(path: &Path, sum: f64, last: f32) {
    let volume = open(path).0.unwrap();
    assert_eq!(volume.geometry().shape, [24, 40, 56]);
    let voxels = volume.read_slices(0..24).unwrap();
    let total: f64 = voxels.iter().map(|v| f64::from(*v)).sum();
    assert!((total - sum).abs() < 1e-3, "{}: {total}", path.display());
    assert_eq!([voxels[VOXELS[0].0], voxels[VOXELS[1].0]], [VOXELS[0].1, last]);
}

#[test]
fn zarr_folders_of_other_writers() {
    let Some(folder) = folder("13_zarr_metadata_and_codecs") else {
        return;
    };
    for (name, voxel_nm, words) in [
        (
            "c11_notransform",
            None,
            "resolution 0 has no coordinateTransformations: its voxel size is unknown",
        ),
        ("c14_nan_arrayattr", Some(1.0), ""),
        ("c14_nan_attr", Some(1.0), ""),
        ("c2_unit_in_transform", Some(1.0), ""),
        ("v3_blosc_nthreads", Some(1.0), ""),
        ("v3_nc_blosc", Some(1.0), ""),
        ("v3_nc_gzip", Some(1.0), ""),
    ] {
        let path = folder.join(format!("{name}.zarr"));
        check_voxels(&path, SUM, VOXELS[1].1);
        let (volume, told) = open(&path);
        assert_eq!(volume.unwrap().geometry().voxel_nm(), voxel_nm, "{name}");
        assert_eq!(told.is_empty(), words.is_empty(), "{name}: {told:?}");
        assert!(told.join(" ").contains(words), "{name}: {told:?}");
    }
    let broken_off = folder.join("nochunks.zarr");
    check_voxels(&broken_off, 1_786_421.313_434_600_8, 0.0);
    let words = "18 of 27 chunks (66.7 %) are missing";
    assert!(
        open(&broken_off).1.join(" ").contains(words),
        "{:?}",
        open(&broken_off).1
    );
    let described = FileDescription::read(&broken_off).unwrap();
    assert!(described.warnings.join(" ").contains(words));
    let zip = folder.join("plain.zarr.zip");
    for text in [open(&zip).0.unwrap_err(), FileDescription::read(&zip).unwrap_err()].map(|e| e.to_string()) {
        assert!(text.contains("plain.zarr.zip: a zip archive"), "{text}");
    }
}

#[test]
fn a_packed_file_with_zeros_behind_it() {
    let Some(folder) = folder("15_batches_and_names") else {
        return;
    };
    for name in ["trail.mrc.gz", "mapgz/a.map.gz"] {
        check_voxels(&folder.join(name), SUM, VOXELS[1].1);
        assert!(FileDescription::read(&folder.join(name)).is_ok());
    }
}

#[test]
fn voxel_sizes_that_are_nonsense_are_told() {
    let Some(folder) = folder("12_voxel_size_nonsense_not_told") else {
        return;
    };
    for (name, words) in [
        (
            "are_cellz1",
            "the cell along z is 1 Angstrom long, as one voxel may be, for 24 voxels",
        ),
        (
            "are_mz_nz_cell_a",
            "the cell along z is 10 Angstrom long, as one voxel may be, for 24 voxels",
        ),
        (
            "cellz_a",
            "the edges of a voxel differ: 12 x 12 x 0.3 Angstrom (x, y, z)",
        ),
        (
            "mrcz_m1_cell_whole",
            "along x is 560 Angstrom, tomograms have 0.5 to 100 (10 if that is the whole cell)",
        ),
        ("vox1", "the voxel size is 1.0 Angstrom along x, y and z"),
    ] {
        let path = folder.join(format!("{name}.mrc"));
        let (volume, told) = open(&path);
        let volume = volume.unwrap();
        assert!(told.join("\n").contains(words), "{name}: {told:?}");
        assert!(
            told.iter().all(|text| text.contains(name)),
            "the file is named: {told:?}"
        );
        assert!(
            FileDescription::read(&path)
                .unwrap()
                .warnings
                .join("\n")
                .contains(words),
            "{name}"
        );
        // A size that the user gives is not doubted, and counts along every axis.
        let sized = Tomogram::open_sized(&path, Some(1.2), &Job::quiet()).unwrap();
        assert_eq!(sized.geometry().voxel_angstrom, [12.0; 3]);
        assert!(volume.with_voxel_nm(Some(0.0), &Job::quiet()).is_err());
    }
}

#[test]
fn masks_and_labels_that_imod_stored_as_signed_bytes() {
    let Some(folder) = folder("03_imod_signed_bytes_mask") else {
        return;
    };
    let read = |name: &str| {
        let volume = open(&folder.join(name)).0.unwrap();
        volume.read_labels(0..volume.geometry().shape[0]).unwrap()
    };
    let mask = read("mask01.mrc");
    assert!((mask.mean().unwrap() - 0.3125).abs() < 1e-6);
    assert_eq!(read("mask_imod_signed.mrc"), mask);
    assert_eq!(read("mask_imod_unsigned.mrc"), mask);
    assert_eq!(
        read("mask255_nostamp.mrc").mapv(|v| f32::from(u8::from(v > 0.0))).len(),
        mask.len()
    );
    let truth = read("truth_imod_signed.mrc");
    assert!(
        truth.iter().all(|label| (0.0..=3.0).contains(label)),
        "-128 to -125 are 0 to 3"
    );
    // Out of the middle, where the volume's first slice was not read before.
    let again = open(&folder.join("truth_imod_signed.mrc")).0.unwrap();
    assert_eq!(
        again.read_labels(20..21).unwrap(),
        truth.slice(ndarray::s![20..21, .., ..])
    );
    let own = read("TS_01_labels.mrc");
    assert!(
        own.iter().all(|label| (0.0..=3.0).contains(label)),
        "this library's stamp, too, is IMOD's"
    );
}
