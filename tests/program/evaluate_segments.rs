//! The program on segments of images, with label files in the layouts of the benchmarks.
use std::path::Path;

use serde_json::Value;

use crate::started::{run, Folder};

const SIDE: u32 = 8;

/// A picture of labels: left half, right half.
fn write_halves(path: &Path, left: u8, right: u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let picture = image::GrayImage::from_fn(SIDE, SIDE, |x, _| {
        image::Luma([if x < SIDE / 2 { left } else { right }])
    });
    picture.save(path).unwrap();
}

fn report(folder: &Folder, more: &[&str]) -> Value {
    let (segments, truth) = (folder.at("segments"), folder.at("truth"));
    run(
        0,
        "evaluate",
        &[&["--segments", &segments, "--truth", &truth, "--json"], more].concat(),
    )
    .json()
}

fn iou(report: &Value) -> [f64; 3] {
    ["over_classes", "over_images", "over_pixels"].map(|average| report[average]["iou"].as_f64().unwrap())
}

#[test]
fn coco_stuff_s_fine_labels_become_27_classes() {
    let folder = Folder::new();
    // A car beside sky, then a truck beside unlabelled pixels: vehicle twice.
    write_halves(&folder.path("truth/000000000139.png"), 2, 156);
    write_halves(&folder.path("truth/000000000285.png"), 7, 255);
    write_halves(&folder.path("segments/000000000139_labels.png"), 0, 1);
    write_halves(&folder.path("segments/000000000285_labels.png"), 1, 0);
    // What else `tomocut ncut` writes.
    write_halves(&folder.path("segments/000000000139_overlay.png"), 9, 9);
    let coco = ["--classes", "coco-stuff-27"];
    let per_image = report(&folder, &coco);
    assert_eq!((&per_image["classes"], &per_image["images"]), (&2.into(), &2.into()));
    assert_eq!(
        (&per_image["match"], &per_image["label_set"]),
        (&"per-image".into(), &coco[1].into())
    );
    assert_eq!(iou(&per_image), [1.0, 1.0, 1.0]);
    let names: Vec<&Value> = per_image["by_class"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["name"])
        .collect();
    assert_eq!(names, ["vehicle", "sky"]);
    // Globally segment 0 can be vehicle in one image alone; ties go one way.
    let global = report(&folder, &[&coco[..], &["--match", "global"]].concat());
    assert!(iou(&global)[0] < 1.0, "{global}");
    assert_eq!(
        iou(&report(&folder, &[&coco[..], &["--match", "merged"]].concat())),
        [1.0, 1.0, 1.0]
    );
}

#[test]
fn cityscapes_files_are_found_in_their_folders() {
    let folder = Folder::new();
    let place = "truth/frankfurt/frankfurt_000000_000294";
    write_halves(&folder.path(&format!("{place}_gtFine_labelIds.png")), 7, 26);
    // What else the benchmark has beside it.
    write_halves(&folder.path(&format!("{place}_gtFine_instanceIds.png")), 1, 1);
    write_halves(
        &folder.path("segments/frankfurt_000000_000294_leftImg8bit_labels.png"),
        5,
        5,
    );
    let cityscapes = report(&folder, &["--classes", "cityscapes-27"]);
    // One segment over two classes of equal size: it is one of them, and half right there.
    assert_eq!(iou(&cityscapes), [0.25, 0.25, 0.25]);
    assert_eq!(cityscapes["over_pixels"]["accuracy"], 0.5);
    let csv = folder.at("classes.csv");
    report(&folder, &["--classes", "cityscapes-27", "--csv", &csv]);
    let rows = std::fs::read_to_string(csv).unwrap();
    assert!(
        rows.starts_with("class,name,truth,prediction,both,iou\n0,road,32,64,32,0.5\n"),
        "{rows}"
    );
}

#[test]
fn ade20k_has_150_classes_and_other_files_are_refused() {
    let folder = Folder::new();
    write_halves(&folder.path("truth/ADE_val_00000001.png"), 0, 150);
    write_halves(&folder.path("segments/ADE_val_00000001_labels.png"), 3, 4);
    let ade20k = ["--classes", "ade20k-150"];
    let scores = report(&folder, &ade20k);
    assert_eq!(
        (&scores["by_class"][0]["class"], iou(&scores)),
        (&149.into(), [1.0, 1.0, 1.0])
    );
    // Without a benchmark every label is a class.
    assert_eq!(report(&folder, &[])["classes"], 2);
    let refused = |parts: &[&str], more: &[&str]| {
        let (segments, truth) = (folder.at("segments"), folder.at("truth"));
        let answer = run(
            3,
            "evaluate",
            &[&["--segments", &segments, "--truth", &truth], more].concat(),
        );
        parts
            .iter()
            .for_each(|part| assert!(answer.err.contains(part), "{}", answer.err));
    };
    refused(&["holds no *_gtFine_labelIds.png"], &["--classes", "cityscapes-27"]);
    write_halves(&folder.path("truth/ADE_val_00000002.png"), 1, 200);
    refused(&["holds no segments of \"ADE_val_00000002\""], &ade20k);
    write_halves(&folder.path("segments/ADE_val_00000002_labels.png"), 0, 1);
    refused(&["ADE_val_00000002.png", "200", "SceneParse150"], &ade20k);
    write_halves(&folder.path("truth/ADE_val_00000002.png"), 0, 0);
    let wide = image::GrayImage::new(SIDE + 1, SIDE);
    wide.save(folder.path("segments/ADE_val_00000002_labels.png")).unwrap();
    refused(&["(8, 9)", "(8, 8)"], &ade20k);
    let colours = image::RgbImage::new(SIDE, SIDE);
    colours.save(folder.path("truth/ADE_val_00000002.png")).unwrap();
    refused(&["has colours"], &ade20k);
}
