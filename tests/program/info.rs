//! `tomocut info`.
use std::io::Write;

use ndarray::Array3;
use serde_json::Value;
use tomocut::networks::{CompactConfig, ModelDescription, NetworkConfig, SegmentationModel};
use tomocut::runtime::Generator;
use tomocut::volume::{write_f32, Geometry};

use crate::started::{run, write_sample, Folder};

fn odd(answer: &Value) -> String {
    answer["odd"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned() + "\n")
        .collect()
}

fn describe(file: &str, more: &[&str]) -> Value {
    let answer = run(0, "info", &[&[file, "--json"], more].concat());
    answer.json()["files"][0].clone()
}

#[test]
fn a_tomogram_is_described() {
    let folder = Folder::new();
    write_sample(&folder.path("t.mrc"));
    let about = describe(&folder.at("t.mrc"), &[]);
    assert_eq!(about["kind"], "tomogram, MRC");
    assert_eq!(about["shape_zyx"], serde_json::json!([16, 128, 128]));
    assert_eq!(about["voxels"], "float32, mode 2, little-endian");
    assert!(about["min"].as_f64().unwrap() < -2.0 && about["deviation"].as_f64().unwrap() > 0.5);
    assert_eq!(odd(&about), "");
    let text = run(0, "info", &[&folder.at("t.mrc"), "--header"]).out;
    assert!(
        text.contains("128 x 128 x 16 (x, y, z)") && text.contains("1.0000 nm"),
        "{text}"
    );
    assert!(!text.contains("deviation"), "{text}");
}

#[test]
fn what_is_odd_about_a_tomogram_is_said() {
    let folder = Folder::new();
    let write = |name: &str, shape: [usize; 3], edges: [f64; 3]| {
        let geometry = Geometry {
            voxel_angstrom: edges,
            ..Geometry::new(shape, 0.0)
        };
        write_f32(&folder.path(name), &Array3::zeros(shape), &geometry).unwrap();
    };
    write("constant.mrc", [2, 8, 8], [1.0; 3]);
    let text = odd(&describe(&folder.at("constant.mrc"), &[]));
    assert!(text.contains("1.0 Angstrom") && text.contains("same value"), "{text}");
    write("unknown.mrc", [9, 8, 8], [0.0; 3]);
    let text = odd(&describe(&folder.at("unknown.mrc"), &[]));
    assert!(text.contains("unknown") && text.contains("longest axis"), "{text}");
    write("unequal.mrc", [2, 8, 8], [10.0, 10.0, 12.0]);
    assert!(odd(&describe(&folder.at("unequal.mrc"), &[])).contains("edges of a voxel differ"));
    let whole = std::fs::read(folder.path("unequal.mrc")).unwrap();
    std::fs::write(folder.path("short.mrc"), &whole[..whole.len() - 40]).unwrap();
    assert!(odd(&describe(&folder.at("short.mrc"), &[])).contains("40 bytes shorter"));
    std::fs::write(folder.path("long.mrc"), [&whole[..], &[0; 9]].concat()).unwrap();
    assert!(odd(&describe(&folder.at("long.mrc"), &[])).contains("9 bytes longer"));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&whole).unwrap();
    std::fs::write(folder.path("packed.mrc.gz"), packed.finish().unwrap()).unwrap();
    let about = describe(&folder.at("packed.mrc.gz"), &[]);
    assert_eq!(about["voxels"], "float32, mode 2, little-endian, gzip");
    std::fs::write(folder.path("none.mrc"), "this is no tomogram").unwrap();
    let answer = run(3, "info", &[&folder.at("none.mrc"), &folder.at("long.mrc")]);
    assert!(
        answer.err.contains("none.mrc") && answer.out.contains("long.mrc"),
        "{}",
        answer.err
    );
}

#[test]
fn weights_points_and_pictures_are_described() {
    let folder = Folder::new();
    let network = NetworkConfig::Compact(CompactConfig {
        widths: vec![8],
        blocks_down: vec![1],
        blocks_up: vec![],
        outputs: vec!["membrane".to_owned()],
        ..CompactConfig::default()
    });
    let description = ModelDescription::new(network, Some(1.5));
    let model = SegmentationModel::random(description, &mut Generator::new(1, 0), tch::Device::Cpu).unwrap();
    model.save(&folder.path("m.safetensors")).unwrap();
    let about = describe(&folder.at("m.safetensors"), &[]);
    assert!(
        about["kind"].as_str().unwrap().starts_with("segmentation network"),
        "{about}"
    );
    assert_eq!(
        (&about["network"], &about["voxel_nm"]),
        (&"compact".into(), &1.5.into())
    );
    assert_eq!(about["outputs"], serde_json::json!(["membrane"]));
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/models/builtin.safetensors");
    if std::path::Path::new(builtin).exists() {
        assert!(describe(builtin, &[])["kind"]
            .as_str()
            .unwrap()
            .starts_with("diffusion model"));
    }
    std::fs::write(folder.path("p.csv"), "x,y,z\n1,2,3\n1,2,3\n500,2,3\n").unwrap();
    write_sample(&folder.path("t.mrc"));
    let about = describe(&folder.at("p.csv"), &["--tomogram", &folder.at("t.mrc")]);
    assert_eq!((&about["points"], &about["outside"]), (&3.into(), &1.into()));
    assert!(odd(&about).contains("twice"));
    std::fs::write(folder.path("m.pth"), b"PK\x03\x04").unwrap();
    let answer = run(3, "info", &[&folder.at("m.pth")]);
    assert!(answer.err.contains("m.pth"), "{}", answer.err);
}
