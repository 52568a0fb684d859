//! The program on single pictures.
use std::path::Path;

use ndarray::{Array2, Array3, Axis};
use serde_json::Value;
use tiff::encoder::{colortype, TiffEncoder};
use tomocut::volume::{write_f32, Geometry};

use super::evaluate_slab::embedded_pictures;

const SHAPE: (usize, usize) = (24, 32);

/// A dark line along column 10 on a rough ground.
fn picture(seed: usize) -> Array2<f32> {
    Array2::from_shape_fn(SHAPE, |(r, c)| {
        let rough = ((r * 7919 + c * 104_729 + seed * 31) % 64) as f32;
        if c == 10 {
            rough * 0.5
        } else {
            120.0 + rough
        }
    })
}

fn mask() -> Array2<u8> {
    Array2::from_shape_fn(SHAPE, |(_, c)| if c == 10 { 254 } else { 60 * u8::from(c == 11) })
}

fn write_mrc(path: &Path, picture: Array2<f32>) {
    let volume: Array3<f32> = picture.insert_axis(Axis(0));
    write_f32(path, &volume, &Geometry::new([1, SHAPE.0, SHAPE.1], 0.0)).unwrap();
}

fn write_grey_tiff(path: &Path, picture: &Array2<u8>) {
    let mut encoder = TiffEncoder::new(std::fs::File::create(path).unwrap()).unwrap();
    let pixels: Vec<u8> = picture.iter().copied().collect();
    encoder
        .write_image::<colortype::Gray8>(SHAPE.1 as u32, SHAPE.0 as u32, &pixels)
        .unwrap();
}

fn write_colour_tiff(path: &Path, picture: &Array2<f32>) {
    let mut encoder = TiffEncoder::new(std::fs::File::create(path).unwrap()).unwrap();
    // Colours that differ: their mean is the picture.
    let pixels: Vec<u8> = picture
        .iter()
        .flat_map(|v| [*v as u8 + 9, *v as u8, *v as u8 - 9])
        .collect();
    encoder
        .write_image::<colortype::RGB8>(SHAPE.1 as u32, SHAPE.0 as u32, &pixels)
        .unwrap();
}

fn run(folder: &Path, more: &[&str]) -> std::process::Output {
    let mut program = crate::started::program("evaluate");
    program
        .current_dir(folder)
        .args(["--truth-masks", "masks", "--scores", "scores"]);
    program.args(more).output().unwrap()
}

fn report(folder: &Path, more: &[&str]) -> Value {
    let output = run(folder, &[more, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn pictures_are_paired_by_name_whatever_their_format() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for folder in ["masks", "scores", "images"] {
        std::fs::create_dir(at(folder)).unwrap();
    }
    // One picture in each format; the masks' 60 are below half and do not count.
    write_grey_tiff(&at("masks/a.tif"), &mask());
    image::GrayImage::from_raw(32, 24, mask().iter().copied().collect())
        .unwrap()
        .save(at("masks/b.png"))
        .unwrap();
    write_mrc(&at("masks/c_mask.mrc"), mask().mapv(|v| f32::from(u8::from(v > 127))));
    write_grey_tiff(&at("masks/empty.tiff"), &Array2::zeros(SHAPE));
    std::fs::write(at("masks/README.txt"), "no picture").unwrap();
    let right = mask().mapv(|v| if v == 254 { 0.75 } else { 0.25 });
    write_mrc(&at("scores/a_membrane.mrc"), right.clone());
    // Upside down in value: AUC 0.
    write_mrc(&at("scores/b_score.mrc"), right.mapv(|v| 1.0 - v));
    write_mrc(&at("scores/c.mrc"), Array2::from_elem(SHAPE, 0.5));
    write_mrc(&at("scores/empty.mrc"), Array2::from_elem(SHAPE, 0.5));
    write_mrc(&at("scores/unasked.mrc"), Array2::from_elem(SHAPE, 0.5));

    let scores = report(folder.path(), &[]);
    assert_eq!(scores["pairs"], 4);
    assert_eq!(scores["mean_auc"]["value"], 0.5);
    assert_eq!(scores["mean_auc"]["floor"], Value::Null);
    let areas: Vec<&Value> = scores["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["auc"])
        .collect();
    assert_eq!(
        areas,
        [&Value::from(1.0), &Value::from(0.0), &Value::from(0.5), &Value::Null]
    );
    assert_eq!(scores["pictures"][0]["true_fraction"], 1.0 / 32.0);
    // The line alone; all but the line; nothing, of a line; nothing, of nothing.
    let dice: Vec<f64> = (0..4)
        .map(|n| scores["pictures"][n]["dice"].as_f64().unwrap())
        .collect();
    assert_eq!(dice, [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(scores["mean_dice"]["value"], 0.5);
    assert_eq!(scores["mean_iou"]["value"], 0.5);
    // A lower threshold lets the 60 in; the MRC mask has nothing above 1 then.
    let lower = report(folder.path(), &["--mask-above", "50"]);
    assert_eq!(lower["pictures"][0]["true_fraction"], 2.0 / 32.0);
    assert_eq!(lower["pictures"][2]["auc"], Value::Null);

    // With the pictures, a line filter is the floor; it finds these lines.
    write_colour_tiff(&at("images/a.tif"), &picture(1).mapv(|v| v.floor() + 10.0));
    let luma: Vec<u8> = picture(2).iter().map(|v| *v as u8).collect();
    image::GrayImage::from_raw(32, 24, luma)
        .unwrap()
        .save(at("images/b.png"))
        .unwrap();
    write_mrc(&at("images/c.mrc"), picture(3));
    write_mrc(&at("images/empty.mrc"), picture(4));
    let scores = report(folder.path(), &["--images", "images", "--html", "page.html"]);
    assert_eq!(scores["mean_auc"]["floor_sigma"], 1.0);
    for n in 0..3 {
        assert!(scores["pictures"][n]["floor"].as_f64().unwrap() > 0.98, "{n}");
    }
    let page = std::fs::read_to_string(at("page.html")).unwrap();
    // Three pictures, with a tint and a score each; the colours of the first are averaged.
    let pictures = embedded_pictures(&page, folder.path());
    assert_eq!(pictures.len(), 9);
    assert!(pictures[0].get_pixel(10, 5)[0] < 100 && pictures[0].get_pixel(20, 5)[0] > 100);
    assert_eq!(
        (pictures[1].get_pixel(10, 3)[3] > 0, pictures[1].get_pixel(11, 3)[3]),
        (true, 0)
    );
    let bright = report(folder.path(), &["--images", "images", "--bright"]);
    assert!(bright["mean_auc"]["floor"].as_f64().unwrap() < 0.5);

    // What does not fit is named.
    let said = |name: &str| {
        let output = run(folder.path(), &[]);
        assert_eq!(output.status.code(), Some(3));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(name), "{text}");
    };
    write_grey_tiff(&at("scores/a.tif"), &mask());
    said("both picture \"a\"");
    std::fs::remove_file(at("scores/a.tif")).unwrap();
    std::fs::remove_file(at("scores/c.mrc")).unwrap();
    said("holds no picture \"c\"");
    write_f32(
        &at("scores/c.mrc"),
        &Array3::zeros([2, 24, 32]),
        &Geometry::new([2, 24, 32], 0.0),
    )
    .unwrap();
    said("has 2 slices");
    write_f32(
        &at("scores/c.mrc"),
        &Array3::zeros([1, 24, 31]),
        &Geometry::new([1, 24, 31], 0.0),
    )
    .unwrap();
    said("its mask (24, 32)");
    std::fs::write(at("scores/c.mrc"), "short").unwrap();
    said("c.mrc");
}

/// The data's README: dark-line filters reach a mean AUC of 0.71 on these 48 slices. (0.6597, 0.7131 and 0.7180 at 1,
/// 2 and 3 pixels by scipy's Gaussian derivatives.)
#[test]
fn line_filters_on_the_real_slices() {
    let Some(data) = crate::development_data::data_folder() else {
        return;
    };
    let packed = data.join("real_dlcryotomo_2d.tar.gz");
    if !packed.is_file() {
        eprintln!("skipped: no {}", packed.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unpacked = std::process::Command::new("tar")
        .arg("xzf")
        .arg(&packed)
        .arg("-C")
        .arg(folder.path())
        .status();
    assert!(unpacked.unwrap().success());
    for kind in ["masks", "images"] {
        std::fs::create_dir(folder.path().join(kind)).unwrap();
        for group in ["A", "B", "C", "D", "E", "J"] {
            for file in std::fs::read_dir(folder.path().join(group).join(kind)).unwrap() {
                let file = file.unwrap();
                std::fs::rename(file.path(), folder.path().join(kind).join(file.file_name())).unwrap();
            }
        }
    }
    std::os::unix::fs::symlink("images", folder.path().join("scores")).unwrap();
    let scores = report(folder.path(), &["--images", "images"]);
    assert_eq!(scores["pairs"], 48);
    let floor = scores["mean_auc"]["floor"].as_f64().unwrap();
    eprintln!(
        "line filter on 48 slices: mean AUC {floor:.4}, sigma {}",
        scores["mean_auc"]["floor_sigma"]
    );
    assert!((floor - 0.718).abs() < 0.003, "{floor}");
    // The grey levels themselves: the rank statistics of scipy over the means of the colours.
    let grey = scores["mean_auc"]["value"].as_f64().unwrap();
    assert!((grey - 0.329_054_325_8).abs() < 1e-6, "{grey}");
}
