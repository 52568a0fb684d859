//! A volume's slices as pictures.
use ndarray::Array3;
use tomocut::volume::{write_f32, Geometry};

fn run(folder: &std::path::Path, arguments: &[&str]) -> std::process::Output {
    let mut program = crate::started::program("slices");
    program.current_dir(folder).args(arguments).output().unwrap()
}

#[test]
fn slices_become_pictures_that_evaluate_takes() {
    let folder = tempfile::tempdir().unwrap();
    let (values, labels) = (
        Array3::from_shape_fn((3, 6, 8), |(z, y, x)| (100 * z + 10 * y + x) as f32 - 125.0),
        Array3::from_shape_fn((3, 6, 8), |(z, y, _)| if y < 2 * z { 13.0 } else { 0.0 }),
    );
    for (name, volume) in [("ct.mrc", &values), ("organs.mrc", &labels)] {
        write_f32(&folder.path().join(name), volume, &Geometry::new([3, 6, 8], 10.0)).unwrap();
    }
    let done = run(
        folder.path(),
        &["ct.mrc", "--window", "-125:275", "--out", "images", "--z", "1:3"],
    );
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!folder.path().join("images/ct_z000.png").exists());
    let picture = image::open(folder.path().join("images/ct_z002.png"))
        .unwrap()
        .to_luma8();
    // 253 of 400 grey values above black.
    assert_eq!((picture.dimensions(), picture.get_pixel(3, 5)[0]), ((8, 6), 161));

    let done = run(folder.path(), &["organs.mrc", "--labels", "--out", "masks"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mask = image::open(folder.path().join("masks/organs_z002.png"))
        .unwrap()
        .to_luma8();
    assert_eq!((mask.get_pixel(0, 3)[0], mask.get_pixel(0, 4)[0]), (13, 0));
    let mut program = crate::started::program("evaluate");
    program.current_dir(folder.path());
    program.args([
        "--truth-masks",
        "masks",
        "--scores",
        "masks",
        "--mask-above",
        "12",
        "--json",
    ]);
    let report: serde_json::Value = serde_json::from_slice(&program.output().unwrap().stdout).unwrap();
    // Scores are masks from half of 8 bits on: none here. One slice of three is empty in both.
    assert_eq!(report["mean_dice"]["value"], 1.0 / 3.0);
    assert_eq!(report["dice_of_all"]["value"], 0.0);
}

#[test]
fn what_cannot_be_shown_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Array3::from_elem((2, 4, 4), 0.5_f32);
    write_f32(
        &folder.path().join("flat.mrc"),
        &volume,
        &Geometry::new([2, 4, 4], 10.0),
    )
    .unwrap();
    std::fs::write(folder.path().join("bad.nii"), b"no volume").unwrap();
    for (arguments, text) in [
        (&["flat.mrc"][..], "has values from 0.5 to 0.5"),
        (&["flat.mrc", "--labels"], "labels must be whole numbers"),
        (&["flat.mrc", "--window", "1:0"], "must be LOW:HIGH"),
        (&["flat.mrc", "--window", "0:1", "--z", "1:3"], "must be within 0:2"),
        (&["bad.nii"], "bad.nii"),
        (&["none.nii.gz"], "none.nii.gz"),
    ] {
        let done = run(folder.path(), arguments);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(text), "{arguments:?}: {said}");
    }
}
