//! Folders that others write, and that are written into.
use std::fs;
use std::path::Path;

use ndarray::Array3;
use serde_json::{json, Value};

use super::tests::{change, close, copy, open, signed, whole, SHAPE};
use super::write_label_image;
use crate::runtime::Job;
use crate::volume::{BlockFile, BlockType, Geometry};

#[test]
fn metadata_of_other_writers_are_read() {
    let (_keep, path) = copy("written_04.ome.zarr");
    let before = open(&path).unwrap();
    change(&path.join(".zattrs"), |document| {
        document["multiscales"][0]["datasets"].as_array_mut().unwrap().reverse();
    });
    let after = open(&path).unwrap();
    assert_eq!(after.geometry(), before.geometry(), "the finest, wherever it stands");
    assert_eq!(whole(&after), whole(&before));
    // The unit in the transformation, and none at the axes.
    change(&path.join(".zattrs"), |document| {
        let image = &mut document["multiscales"][0];
        image["axes"] = json!([{"name": "z"}, {"name": "y"}, {"name": "x"}]);
        for level in image["datasets"].as_array_mut().unwrap() {
            level["coordinateTransformations"][0]["unit"] = json!("nanometer");
        }
    });
    close(open(&path).unwrap().geometry().voxel_angstrom, [10.0, 12.5, 15.0]);
    change(&path.join(".zattrs"), |document| {
        for level in document["multiscales"][0]["datasets"].as_array_mut().unwrap() {
            level["coordinateTransformations"] = Value::Null;
        }
    });
    assert_eq!(open(&path).unwrap().geometry().voxel_nm(), None);

    for (name, codec) in [
        (
            "bare_gzip_3.zarr",
            json!({"name": "numcodecs.gzip", "configuration": {"level": 5}}),
        ),
        (
            "bare_blosc_3.zarr",
            json!({"name": "numcodecs.blosc", "configuration": {"cname": "zstd", "shuffle": 1, "nthreads": 8}}),
        ),
    ] {
        let (_keep, path) = copy(name);
        let truth = whole(&open(&path).unwrap());
        change(&path.join("zarr.json"), |document| {
            let codecs = document["codecs"].as_array_mut().unwrap();
            *codecs.last_mut().unwrap() = codec;
        });
        let text = fs::read_to_string(path.join("zarr.json")).unwrap();
        let noted = text.replacen(
            "\"attributes\":{",
            "\"attributes\":{\"mean\": NaN, \"range\": [-Infinity, 1]",
            1,
        );
        assert_ne!(noted, text, "{text}");
        fs::write(path.join("zarr.json"), noted).unwrap();
        assert_eq!(whole(&open(&path).unwrap()), truth, "{name}");
    }
}

#[test]
fn labels_go_into_the_folder_of_their_image() {
    let folder = tempfile::tempdir().unwrap();
    let geometry = Geometry::new(SHAPE, 10.0);
    let file = BlockFile::open(&folder.path().join("labels"), &geometry, BlockType::Label, "test").unwrap();
    let truth = Array3::from_shape_fn(SHAPE, |(z, y, x)| ((z + y + x) % 3) as f32);
    file.write([0; 3], SHAPE, &truth.iter().copied().collect::<Vec<_>>())
        .unwrap();
    let classes = ["membrane".to_owned(), "molecule".to_owned()];
    let write = |image: &Path, name: &str| write_label_image(&file, (image, name), &geometry, &classes, &Job::quiet());
    for (name, metadata) in [("written_04.ome.zarr", ".zattrs"), ("written_05.ome.zarr", "zarr.json")] {
        let (_keep, image) = copy(name);
        let before = open(&image).unwrap().files().to_vec();
        // By the group, and by its finest array; again, which replaces it.
        write(&image, "structures").unwrap();
        write(&image.join("s0"), "others").unwrap();
        write(&image, "structures").unwrap();
        let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        let attributes = |folder: &Path| match metadata {
            ".zattrs" => json(&folder.join(metadata)),
            _ => json(&folder.join(metadata))["attributes"]["ome"].clone(),
        };
        assert_eq!(
            attributes(&image.join("labels"))["labels"],
            json!(["structures", "others"]),
            "{name}"
        );
        let label = attributes(&image.join("labels/structures"));
        assert_eq!(label["image-label"]["source"]["image"], "../../");
        assert_eq!(
            label["image-label"]["properties"][1],
            json!({"label-value": 2, "class": "molecule"})
        );
        assert_eq!(label["image-label"]["colors"][0]["label-value"], 1);
        let levels = |document: &Value| document["multiscales"][0]["datasets"].as_array().unwrap().len();
        assert_eq!(
            levels(&label),
            levels(&attributes(&image)),
            "as many resolutions as the image"
        );
        let read = open(&image.join("labels/structures")).unwrap();
        assert_eq!(
            (read.geometry().voxel_angstrom, whole(&read)),
            ([10.0; 3], truth.clone()),
            "{name}"
        );
        // The image is what it was.
        assert_eq!(open(&image).unwrap().files(), before);
        assert_eq!(whole(&open(&image).unwrap()), signed());
        let text = write(&image, "a/b").unwrap_err().to_string();
        assert!(text.contains("must be the name of a folder"), "{text}");
    }
    let (_keep, bare) = copy("bare_u1.zarr");
    assert!(write(&bare, "structures")
        .unwrap_err()
        .to_string()
        .contains("must be an OME-Zarr image"));
}
