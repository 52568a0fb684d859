//! `tomocut phantom`.
use ndarray::Array3;
use tomocut::volume::{write_f32, Geometry};

use crate::started::{run, same_bytes, Folder, Running};

/// A ball that fills a quarter of its box.
fn write_ball(path: &std::path::Path) {
    let ball = Array3::from_shape_fn([12; 3], |(z, y, x)| {
        let squares: f32 = [z, y, x].into_iter().map(|v| (v as f32 - 5.5).powi(2)).sum();
        f32::from(u8::from(squares < 16.0))
    });
    write_f32(path, &ball, &Geometry::new([12; 3], 10.0)).unwrap();
}

#[test]
fn settings_come_from_options_files_and_words_and_can_be_given_back() {
    let folder = Folder::new();
    std::fs::write(folder.path("s.json"), r#"{"tilt_step": 12, "membranes": 1, "seed": 9}"#).unwrap();
    let file = folder.at("s.json");
    let arguments = [
        "--size",
        "32x32x16",
        "--settings",
        &file,
        "--set",
        "seed=3",
        "--set",
        "filaments=0",
    ];
    let printed = run(0, "phantom", &[&arguments[..], &["--print-settings"]].concat());
    let settings = printed.json();
    assert_eq!((&settings["seed"], &settings["tilt_step"]), (&3.into(), &12.0.into()));
    assert_eq!(settings["shape"], serde_json::json!([16, 32, 32]));
    std::fs::write(folder.path("whole.json"), &printed.out).unwrap();
    let out = folder.at("out");
    let answer = run(
        0,
        "phantom",
        &[&arguments[..], &["--out", &out, "--stem", "a"]].concat(),
    );
    assert!(
        answer.out.ends_with("out/a_preview.png\n") && answer.err.contains(" %  simulate"),
        "{}",
        answer.err
    );
    assert!(!answer.err.contains('\r'), "no bar without a terminal");
    let again = [
        "--settings",
        &folder.at("whole.json"),
        "--out",
        &out,
        "--stem",
        "b",
        "--quiet",
    ];
    let answer = run(0, "phantom", &again);
    assert_eq!((answer.out.as_str(), answer.err.as_str()), ("", ""));
    for ending in [".mrc", "_labels.mrc", "_instances.csv", "_parameters.json"] {
        let at = |stem: &str| folder.path(&format!("out/{stem}{ending}"));
        assert!(same_bytes(&at("a"), &at("b")), "{ending}");
    }
    assert_eq!(folder.names("out").len(), 14);
}

#[test]
fn densities_are_placed_beside_what_is_drawn() {
    let folder = Folder::new();
    write_ball(&folder.path("ball.mrc"));
    let (ball, out) = (folder.at("ball.mrc"), folder.at("out"));
    let answer = run(
        0,
        "phantom",
        &[
            "--quiet",
            "--size",
            "40x40x24",
            "--density",
            &ball,
            "--density",
            &ball,
            "--set",
            "tilt_step=12",
            "--set",
            "membranes=0",
            "--set",
            "species=2",
            "--out",
            &out,
        ],
    );
    assert_eq!(answer.out, "");
    let table = std::fs::read_to_string(folder.path("out/phantom_instances.csv")).unwrap();
    assert!(
        table.contains("2,density,3,") && table.contains("2,density,4,"),
        "{table}"
    );
    assert!(folder.path("out/phantom_preview.png").exists());
    let absent = folder.at("absent.mrc");
    let answer = run(
        3,
        "phantom",
        &["--size", "16x16x16", "--density", &absent, "--out", &out],
    );
    assert!(answer.err.contains("absent.mrc"), "{}", answer.err);
    run(5, "phantom", &["--size", "16x16x16", "--out", "/proc/no-such-folder"]);
}

#[test]
fn ctrl_c_leaves_no_file() {
    let folder = Folder::new();
    let mut phantom = Running::start("phantom", &["--size", "256x256x128", "--out", &folder.at("out")]);
    assert!(phantom.says(" %  simulate"), "it ended: {}", phantom.said());
    phantom.signal("INT");
    let (code, said) = phantom.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("cancelled during"), "{said}");
    assert!(folder.names("out").is_empty());
}
