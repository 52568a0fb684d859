//! Reading what zarr-python and ome-zarr-py wrote, exact truth of what is written here, and faults.
use std::fs;
use std::path::{Path, PathBuf};

use half::f16;
use ndarray::Array3;
use serde_json::{json, Value};
use tempfile::TempDir;

use super::{write_blocks_as_zarr, write_zarr, Reduction, ZarrContent, ZarrVoxel};
use crate::runtime::Job;
use crate::volume::{BlockFile, BlockType, Geometry, Moments, Tomogram};
use crate::{Error, Result};

/// Shape of the fixtures; tests/oracle/zarr_fixtures.py made them and says what they hold.
pub(super) const SHAPE: [usize; 3] = [3, 5, 6];

pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/zarr")
        .join(name)
}

pub(super) fn open(path: &Path) -> Result<Tomogram> {
    Tomogram::open(path, &Job::quiet())
}

pub(super) fn whole(tomogram: &Tomogram) -> Array3<f32> {
    tomogram.read_slices(0..tomogram.geometry().shape[0]).unwrap()
}

pub(super) fn signed() -> Array3<f32> {
    Array3::from_shape_fn(SHAPE, |(z, y, x)| (100 * z + 10 * y + x) as f32 - 50.0)
}

fn unsigned() -> Array3<f32> {
    signed() + 50.0
}

pub(super) fn close(own: [f64; 3], expected: [f64; 3]) {
    let worst = (0..3).map(|i| (own[i] - expected[i]).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-9, "{own:?}, expected {expected:?}");
}

/// A copy of a fixture that a test may damage.
pub(super) fn copy(name: &str) -> (TempDir, PathBuf) {
    fn into(from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let place = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => into(&entry.path(), &place),
                false => drop(fs::copy(entry.path(), place).unwrap()),
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    into(&fixture(name), &path);
    (folder, path)
}

pub(super) fn change(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut document = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut document);
    fs::write(path, document.to_string()).unwrap();
}

fn refused(path: &Path, words: &str) -> Error {
    let error = open(path).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    error
}

#[test]
fn images_of_other_writers_are_read_with_their_place() {
    for (name, edges, origin) in [
        ("written_04.ome.zarr", [10.0, 12.5, 15.0], [0.0; 3]),
        ("written_05.ome.zarr", [10.0; 3], [100.0, 200.0, 300.0]),
        // 2.5 (4, 2, 2), and 2.5 (10, 20, 30) + (1, 2, 3).
        ("time.zarr", [10.0, 5.0, 5.0], [26.0, 52.0, 78.0]),
        ("sharded.zarr", [8.0; 3], [0.0; 3]),
    ] {
        let tomogram = open(&fixture(name)).unwrap();
        assert_eq!(tomogram.geometry().shape, SHAPE, "{name}");
        close(tomogram.geometry().voxel_angstrom, edges);
        close(tomogram.geometry().origin_angstrom, origin);
        assert_eq!(tomogram.name(), name.split('.').next().unwrap());
        assert_eq!(whole(&tomogram), signed(), "{name}");
        // Slice by slice, out of the middle of a chunk.
        for z in [1, 0, 2] {
            let slice = tomogram.read_slices(z..z + 1).unwrap();
            assert_eq!(slice, signed().slice(ndarray::s![z..z + 1, .., ..]), "{name} {z}");
        }
        assert_eq!(
            tomogram.read_slices(1..3).unwrap(),
            signed().slice(ndarray::s![1..3, .., ..])
        );
    }
}

#[test]
fn a_resolution_is_opened_by_its_own_path() {
    let coarse = open(&fixture("written_04.ome.zarr/s1")).unwrap();
    assert_eq!((coarse.geometry().shape, coarse.name()), ([2, 3, 3], "written_04_s1"));
    close(coarse.geometry().voxel_angstrom, [20.0, 25.0, 30.0]);
    close(coarse.geometry().origin_angstrom, [5.0, 6.25, 7.5]);
    assert_eq!(whole(&coarse), signed().slice(ndarray::s![..;2, ..;2, ..;2]));
    // Two folders below its group, as the group names it.
    let inner = open(&fixture("time.zarr/volumes/0")).unwrap();
    close(inner.geometry().voxel_angstrom, [10.0, 5.0, 5.0]);
}

#[test]
fn arrays_without_metadata_have_no_voxel_size() {
    for (name, truth) in [
        ("bare_u1.zarr", unsigned()),
        ("bare_u4.zarr", unsigned()),
        ("bare_f8.zarr", signed()),
        ("bare_i8.zarr", signed()),
    ] {
        let tomogram = open(&fixture(name)).unwrap();
        assert_eq!(tomogram.geometry().voxel_nm(), None);
        assert_eq!(whole(&tomogram), truth, "{name}");
    }
    for name in ["bare_gzip_3.zarr", "bare_blosc_3.zarr"] {
        let own = whole(&open(&fixture(name)).unwrap());
        for ((z, y, x), value) in own.indexed_iter() {
            // numpy's remainder is never negative; the chunks of the last slice were never written.
            let truth = if z == 2 {
                7.0
            } else {
                signed()[(z, y, x)].rem_euclid(100.0)
            };
            assert_eq!(*value, truth, "{name} {z} {y} {x}");
        }
    }
}

#[test]
fn broken_metadata_are_told() {
    let (_keep, path) = copy("time.zarr");
    let attributes = path.join(".zattrs");
    let image = |document: &mut Value, name: &str, value: Value| document["multiscales"][0][name] = value;
    for (name, value, words) in [
        ("version", json!("0.6"), "OME-Zarr 0.6, must be 0.4 or 0.5"),
        ("axes", json!([]), "multiscales has no list of axes"),
        (
            "axes",
            json!([{"name": "x"}, {"name": "y"}, {"name": "z"}]),
            "5 numbers",
        ),
        (
            "datasets",
            json!([{"path": "../time.zarr"}]),
            "must lie within the group",
        ),
        ("datasets", json!([{"path": "volumes/1"}]), "volumes/1"),
        (
            "coordinateTransformations",
            json!([{"type": "rotation"}]),
            "of type rotation",
        ),
        (
            "coordinateTransformations",
            json!([{"type": "scale", "scale": [1, 1, -1, 1, 1]}]),
            "axis z is -4, must be positive",
        ),
    ] {
        let before = fs::read(&attributes).unwrap();
        change(&attributes, |document| {
            image(document, name, value);
            // Otherwise the number of axes is what is wrong.
            if words.starts_with("5") {
                image(document, "coordinateTransformations", Value::Null);
                document["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] =
                    json!([1, 2, 3, 4, 5]);
            }
        });
        let words = words.replace("5 numbers", "does not hold 3 numbers");
        refused(&path, &words);
        fs::write(&attributes, before).unwrap();
    }
    change(&attributes, |document| {
        for (axis, name) in ["t", "c", "x", "y", "z"].into_iter().enumerate() {
            document["multiscales"][0]["axes"][axis]["name"] = json!(name);
        }
    });
    assert!(matches!(
        refused(&path, "axes are t, c, x, y, z, must be z, y, x"),
        Error::Unsupported(_)
    ));
    fs::write(&attributes, "{\"multiscales\": [").unwrap();
    assert!(matches!(refused(&path, "no JSON"), Error::Format { .. }));
    fs::write(&attributes, "{}").unwrap();
    refused(&path, "without OME metadata");
    // The array by itself is still one, of unknown voxel size.
    assert_eq!(open(&path.join("volumes/0")).unwrap().geometry().voxel_nm(), None);
    change(&path.join("volumes/0/.zarray"), |array| array["shape"][1] = json!(2));
    refused(&path.join("volumes/0"), "those before z, y, x must be 1");
    change(&path.join("volumes/0/.zarray"), |array| {
        array["compressor"] = json!({"id": "imagecodecs_jpeg2k"})
    });
    assert!(matches!(
        refused(&path.join("volumes/0"), "imagecodecs_jpeg2k"),
        Error::Unsupported(_)
    ));
    let empty = tempfile::Builder::new().suffix(".zarr").tempdir().unwrap();
    refused(empty.path(), "without zarr metadata");
}

#[test]
fn units_that_are_none_leave_the_voxel_size_open() {
    let (_keep, path) = copy("sharded.zarr");
    for unit in [json!(null), json!("pixel")] {
        change(&path.join("zarr.json"), |document| {
            document["attributes"]["ome"]["multiscales"][0]["axes"][1]["unit"] = unit;
        });
        let tomogram = open(&path).unwrap();
        assert_eq!(tomogram.geometry().voxel_nm(), None);
        assert_eq!(whole(&tomogram), signed());
    }
}

#[test]
fn damaged_chunks_are_named_and_missing_ones_hold_the_fill_value() {
    for (name, chunk) in [
        ("written_04.ome.zarr", "s0/0/1/0"),
        ("written_05.ome.zarr", "s0/c/0/1/0"),
        ("bare_i8.zarr", "0/1/0"),
        ("bare_f8.zarr", "0/1/0"),
        ("sharded.zarr", "s0/c/0/1/0"),
    ] {
        let (_keep, path) = copy(name);
        let bytes = fs::read(path.join(chunk)).unwrap();
        fs::write(path.join(chunk), &bytes[..bytes.len() / 2]).unwrap();
        let tomogram = open(&path).unwrap();
        let error = tomogram.read_slices(0..1).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, Error::Format { .. }) && text.contains(chunk),
            "{name}: {text}"
        );
        // The other row of chunks is whole.
        assert!(tomogram.read_slices(2..3).is_ok());
        fs::remove_file(path.join(chunk)).unwrap();
        let slices = open(&path).unwrap().read_slices(0..2).unwrap();
        for ((z, y, x), value) in slices.indexed_iter() {
            let truth = if y >= 3 && x < 4 { 0.0 } else { signed()[(z, y, x)] };
            assert_eq!(*value, truth, "{name} {z} {y} {x}");
        }
    }
}

/// Writes `truth` and reads the finest resolution back.
fn round_trip<T: ZarrVoxel>(path: &Path, truth: &Array3<T>, geometry: &Geometry, reduction: Reduction) {
    let content = ZarrContent {
        name: "test",
        reduction,
    };
    write_zarr(path, geometry, content, &Job::quiet(), &mut |[z, y, x]| {
        let part = truth.slice(ndarray::s![z.clone(), y.clone(), x.clone()]);
        Ok(part.iter().copied().collect())
    })
    .unwrap();
}

#[test]
fn what_is_written_is_read_at_every_resolution() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zarr");
    let mut geometry = Geometry::new([5, 150, 131], 10.0);
    geometry.origin_angstrom = [100.0, -20.0, 7.5];
    let truth = Array3::from_shape_fn(geometry.shape, |(z, y, x)| {
        ((z * 7 + y * 3 + x * 5) % 1000) as f32 - 300.0
    });
    round_trip(&path, &truth, &geometry, Reduction::Mean);
    let own = open(&path).unwrap();
    // What it is stands where an MRC file has its labels.
    let written = Geometry {
        labels: vec![format!("tomocut {}: score", env!("CARGO_PKG_VERSION"))],
        ..geometry
    };
    assert_eq!(own.geometry(), &written);
    assert_eq!(whole(&own), truth);
    let mut finer = truth;
    for (level, shape) in [(1, [3, 75, 66]), (2, [2, 38, 33])] {
        let coarse = open(&path.join(level.to_string())).unwrap();
        let factor = f64::from(1 << level);
        assert_eq!(coarse.geometry().shape, shape);
        close(coarse.geometry().voxel_angstrom, [10.0 * factor; 3]);
        close(
            coarse.geometry().origin_angstrom,
            geometry.origin_angstrom.map(|o| o + 5.0 * (factor - 1.0)),
        );
        let coarse = whole(&coarse);
        for ((z, y, x), value) in coarse.indexed_iter() {
            let span = |at: usize, axis: usize| 2 * at..(2 * at + 2).min(finer.shape()[axis]);
            let block = finer.slice(ndarray::s![span(z, 0), span(y, 1), span(x, 2)]);
            assert!((value - block.mean().unwrap()).abs() < 1e-3, "{level} {z} {y} {x}");
        }
        finer = coarse;
    }
    assert!(!path.join("3").exists(), "75 and 66 voxels are halved, 38 are not");
}

#[test]
fn blocks_become_a_folder_that_replaces_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let geometry = Geometry::new([4, 70, 9], 0.0);
    let value = |z: usize, y: usize, x: usize| ((z + y / 3 + x) % 3) as f32;
    for stored in [BlockType::Label, BlockType::Byte, BlockType::Half] {
        let file = BlockFile::open(&folder.path().join(format!("{stored:?}")), &geometry, stored, "test").unwrap();
        let factor = if stored == BlockType::Label { 1.0 } else { 0.5 };
        let voxels: Vec<f32> = (0..4 * 70 * 9)
            .map(|i| factor * value(i / 630, i / 9 % 70, i % 9))
            .collect();
        file.write([0; 3], geometry.shape, &voxels).unwrap();
        let path = folder.path().join("b.zarr");
        write_blocks_as_zarr(&file, &path, &geometry, "b", &Job::quiet()).unwrap();
        assert!(file.rows(3, 60..71).is_err() && file.rows(4, 0..1).is_err());
        let own = open(&path).unwrap();
        assert_eq!(own.geometry().voxel_nm(), None, "an unknown voxel size stays unknown");
        for ((z, y, x), voxel) in whole(&own).indexed_iter() {
            let truth = match stored {
                BlockType::Label => value(z, y, x),
                BlockType::Byte => (127.5 * value(z, y, x)).round(),
                BlockType::Half => 0.5 * value(z, y, x),
            };
            assert_eq!(*voxel, truth, "{stored:?}");
        }
        let coarse = whole(&open(&path.join("1")).unwrap());
        if stored == BlockType::Label {
            assert!(coarse.iter().all(|label| [0.0, 1.0, 2.0].contains(label)));
        }
        file.finish(Moments::default()).unwrap();
    }
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 4, "three block files and one folder: {left:?}");
}

#[test]
fn nothing_is_left_of_a_write_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let content = ZarrContent {
        name: "test",
        reduction: Reduction::Mean,
    };
    let geometry = Geometry::new([4, 130, 9], 1.0);
    let mut asked = 0;
    let failed = write_zarr::<f16>(
        &folder.path().join("c.zarr"),
        &geometry,
        content,
        &Job::quiet(),
        &mut |[z, y, x]| {
            asked += 1;
            match asked {
                1 => Ok(vec![f16::ONE; z.len() * y.len() * x.len()]),
                _ => Err(Error::State("no more".into())),
            }
        },
    );
    assert!(failed.unwrap_err().to_string().contains("no more"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
