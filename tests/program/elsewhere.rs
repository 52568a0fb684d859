//! Results that go where others look for them: labels into the tomogram's own OME-Zarr folder, a copick project.
use std::path::Path;

use serde_json::Value;
use tomocut::runtime::Job;
use tomocut::volume::{write_zarr, Geometry, Reduction, Tomogram, ZarrContent};

use crate::started::{run, write_sample, Folder, SAMPLE};

/// The sample as an OME-Zarr folder.
fn write_zarr_sample(folder: &Folder, path: &Path) {
    write_sample(&folder.path("sample.mrc"));
    let sample = Tomogram::open(&folder.path("sample.mrc"), &Job::quiet()).unwrap();
    let voxels = sample.read_slices(0..SAMPLE[0]).unwrap();
    let content = ZarrContent {
        name: "sample",
        reduction: Reduction::Mean,
    };
    let mut read = |block: &[std::ops::Range<usize>; 3]| {
        let [z, y, x] = block.clone();
        Ok(voxels.slice(ndarray::s![z, y, x]).iter().copied().collect::<Vec<f32>>())
    };
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_zarr(path, &Geometry::new(SAMPLE, 10.0), content, &Job::quiet(), &mut read).unwrap();
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn labels(path: &Path) -> ndarray::Array3<f32> {
    let volume = Tomogram::open(path, &Job::quiet()).unwrap();
    assert_eq!(volume.geometry().voxel_angstrom, [10.0; 3]);
    volume.read_labels(0..SAMPLE[0]).unwrap()
}

#[test]
fn labels_go_into_the_tomogram_s_own_folder() {
    let folder = Folder::new();
    let image = folder.path("t.zarr");
    write_zarr_sample(&folder, &image);
    let (input, out) = (folder.at("t.zarr"), folder.at("out"));
    let arguments = [
        &input[..],
        "--out",
        &out,
        "--labels",
        "--labels-image",
        "structures",
        "--json",
    ];
    let answer = run(0, "predict", &arguments).json();
    assert_eq!(answer["tomograms"][0]["outcome"], "done");
    assert_eq!(
        json(&image.join("labels/.zattrs"))["labels"],
        serde_json::json!(["structures"])
    );
    let written = image.join("labels/structures");
    assert_eq!(labels(&written), labels(&folder.path("out/t_labels.mrc")));
    let properties = json(&written.join(".zattrs"))["image-label"]["properties"].clone();
    assert_eq!(properties[0]["class"], "membrane");
    // What was written into it makes it no other tomogram.
    let again = run(0, "predict", &arguments).json();
    assert_eq!(again["tomograms"][0]["outcome"], "there already");
    assert_eq!(again["tomograms"][0]["files"].as_array().unwrap().len(), 2);
    let refused = run(
        3,
        "predict",
        &[&folder.at("sample.mrc"), "--out", &out, "--labels-image", "structures"],
    );
    assert!(
        refused.err.contains("must be an OME-Zarr image to hold labels"),
        "{}",
        refused.err
    );
}

#[test]
fn a_copick_project_is_read_and_written() {
    let folder = Folder::new();
    let run_folder = folder.path("static/ExperimentRuns/TS_1");
    write_zarr_sample(&folder, &run_folder.join("VoxelSpacing10.000/wbp.zarr"));
    std::fs::create_dir(folder.path("overlay")).unwrap();
    let project = serde_json::json!({
        "config_type": "filesystem", "name": "test", "pickable_objects": [],
        "static_root": format!("local://{}", folder.at("static")),
        "overlay_root": format!("local://{}", folder.at("overlay")),
    });
    std::fs::write(folder.path("project.json"), project.to_string()).unwrap();
    let (input, out) = (folder.at("project.json"), folder.at("out"));
    let arguments = ["--picks", "auto", "--formats", "csv", "--copick", &input, "--json"];
    let answer = run(0, "predict", &[&[&input[..], "--out", &out], &arguments[..]].concat()).json();
    let picks = answer["tomograms"][0]["picks"].as_u64().unwrap();
    assert!(picks > 0, "{answer}");
    let written = folder.path("overlay/ExperimentRuns/TS_1");
    let segmentation = written.join("Segmentations/10.000_tomocut_0_structures-multilabel.zarr");
    assert_eq!(labels(&segmentation), labels(&folder.path("out/TS_1_labels.mrc")));
    let file = json(&written.join("Picks/tomocut_0_molecule.json"));
    assert_eq!(
        (
            file["run_name"].as_str(),
            file["points"].as_array().unwrap().len() as u64
        ),
        (Some("TS_1"), picks)
    );
    // The folder is a project as well; what it holds can be learnt from.
    let tomogram = folder.at("static/ExperimentRuns/TS_1/VoxelSpacing10.000/wbp.zarr");
    let (map, points) = (
        segmentation.display().to_string(),
        written.join("Picks/tomocut_0_molecule.json"),
    );
    let model = folder.at("model.safetensors");
    let points = points.display().to_string();
    let learnt = [
        "--labels", &map, "--points", &points, "--out", &model, "--steps", "1", "--json",
    ];
    let answer = run(0, "train", &[&[&tomogram[..]], &learnt[..]].concat()).json();
    assert_eq!(answer["step"], 1);
    let answer = run(
        0,
        "predict",
        &[&folder.at("static"), "--out", &folder.at("again"), "--labels"],
    );
    assert!(answer.out.contains("wbp.zarr: done"), "{}", answer.out);
    assert_eq!(folder.names("again"), ["TS_1_labels.mrc"]);
}

#[test]
fn a_zarr_tomogram_of_one_large_chunk_is_refused_with_what_it_takes() {
    let folder = Folder::new();
    let path = folder.path("x.zarr");
    std::fs::create_dir(&path).unwrap();
    let metadata = r#"{"zarr_format": 2, "shape": [96, 512, 512], "chunks": [96, 512, 512], "dtype": "<f4",
        "fill_value": 0, "order": "C", "filters": null, "compressor": null}"#;
    std::fs::write(path.join(".zarray"), metadata).unwrap();
    let mut bytes = Vec::with_capacity(96 << 20);
    (0..24_u32 << 20).for_each(|n| bytes.extend((n.wrapping_mul(2_654_435_761) as f32).to_le_bytes()));
    std::fs::write(path.join("0.0.0"), bytes).unwrap();
    let arguments = [
        &folder.at("x.zarr"),
        "--out",
        &folder.at("out"),
        "--labels",
        "--region",
        "0:8,0:32,0:32",
    ];
    let refused = run(4, "predict", &[&arguments[..], &["--memory", "200M"]].concat());
    let words = "reading its voxels takes 480 MiB beside slices and tiles";
    assert!(refused.err.contains(words), "{}", refused.err);
    run(0, "predict", &[&arguments[..], &["--memory", "600M"]].concat());
}
