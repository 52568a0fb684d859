//! Names of inputs and results: those that fall together, that look like results, that are no UTF-8; folders.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::development_data::data_folder;
use crate::started::{program, run, write_sample, Folder};

fn field_files(kind: &str) -> Option<PathBuf> {
    data_folder().map(|data| data.join("field_files").join(kind))
}

#[test]
fn two_inputs_of_one_name_are_refused_before_anything_is_computed() {
    let Some(data) = field_files("02_predict_same_stem") else {
        return;
    };
    let folder = Folder::new();
    let at = |name: &str| data.join(name).display().to_string();
    let (first, second) = (at("sess1/tomogram.mrc"), at("sess2/tomogram.mrc"));
    for more in ["--json", "--again"] {
        let answer = run(2, "predict", &[&first, &second, "--out", &folder.at("out"), more]);
        assert!(answer.err.contains("must not have the name of"), "{}", answer.err);
        assert!(
            answer.err.contains("sess1/tomogram.mrc") && answer.err.contains("sess2/tomogram.mrc"),
            "{}",
            answer.err
        );
        assert!(folder.names("out").is_empty());
    }
    let answer = run(0, "predict", &[&at("etomo"), "--out", &folder.at("etomo"), "--labels"]);
    assert!(
        answer.out.contains("TS_01.rec: done") && !answer.out.contains("TS_01.mrc"),
        "{}",
        answer.out
    );
    assert!(answer.err.contains("the tilt series of a tomogram beside it") && answer.err.contains("TS_01.mrc"));
    let labels = folder.path("etomo/TS_01_labels.mrc");
    let labels = tomocut::volume::Tomogram::open(&labels, &tomocut::runtime::Job::quiet()).unwrap();
    assert_eq!(labels.geometry().shape, [24, 40, 56], "those of the tomogram");
}

#[test]
fn what_is_there_already_is_of_the_same_input() {
    let Some(data) = field_files("02_predict_same_stem") else {
        return;
    };
    let folder = Folder::new();
    let at = |name: &str| data.join(name).display().to_string();
    let (first, second, out) = (at("sess1/tomogram.mrc"), at("sess2/tomogram.mrc"), folder.at("out"));
    let predict =
        |code, input: &str, more: &[&str]| run(code, "predict", &[&[input, "--out", &out, "--labels"], more].concat());
    assert!(predict(0, &first, &[]).out.contains(": done"));
    assert!(predict(0, &first, &[]).out.contains(": there already"));
    let refused = predict(3, &second, &[]);
    assert!(
        refused.err.contains("are those of") && refused.err.contains("sess1/tomogram.mrc"),
        "{}",
        refused.err
    );
    assert!(
        predict(0, &first, &[]).out.contains(": there already"),
        "nothing was touched"
    );
    assert!(predict(0, &second, &["--again"]).out.contains(": done"));
}

#[test]
fn every_error_of_a_batch_names_its_tomogram() {
    let Some(data) = field_files("15_batches_and_names") else {
        return;
    };
    let folder = Folder::new();
    let input = data.join("batch").display().to_string();
    let arguments = [
        &input,
        "--out",
        &folder.at("out"),
        "--picks",
        "auto",
        "--formats",
        "star",
        "--quiet",
    ];
    let answer = run(1, "predict", &arguments);
    for (name, words) in [
        ("b.mrc", "every voxel is 0"),
        ("c.mrc", "not finite"),
        ("d.mrc", "voxel_nm is unknown"),
        ("e.mrc", "truncated"),
    ] {
        let is_named = |line: &str| line.contains(name) && line.contains(words);
        assert!(answer.err.lines().any(is_named), "{name}: {}", answer.err);
    }
    assert!(answer.err.contains("4 of 5 tomograms failed"), "{}", answer.err);
}

#[test]
fn names_that_look_like_results_and_names_that_are_no_utf8() {
    let Some(data) = field_files("15_batches_and_names") else {
        return;
    };
    let folder = Folder::new();
    let at = |name: &str| data.join(name).display().to_string();
    let out = folder.at("like");
    let answer = run(0, "predict", &[&at("like"), "--out", &out, "--labels"]);
    assert!(answer.out.contains("vesicle_membrane.mrc: done"), "{}", answer.out);
    assert_eq!(folder.names("like"), ["b_labels.mrc", "vesicle_membrane_labels.mrc"]);
    let out = folder.at("latin1");
    let predict = || run(0, "predict", &[&at("latin1"), "--out", &out, "--labels", "--json"]).json();
    let (first, second) = (predict(), predict());
    assert_eq!(folder.names("latin1"), ["caf%E8_labels.mrc", "caf%E9_labels.mrc"]);
    for n in 0..2 {
        assert_eq!(first["tomograms"][n]["outcome"], "done");
        assert_eq!(second["tomograms"][n]["outcome"], "there already");
        assert_eq!(second["tomograms"][n]["files"].as_array().unwrap().len(), 1);
    }
    let answer = run(0, "predict", &[&at("mapgz"), "--out", &folder.at("mapgz"), "--labels"]);
    assert!(answer.out.contains("a.map.gz: done"), "{}", answer.out);
}

#[test]
fn endings_in_any_case_and_what_is_left_out() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("data")).unwrap();
    for name in ["TS.MRC", "a.st"] {
        write_sample(&folder.path("data").join(name));
    }
    write_sample(&folder.path("data").join(OsStr::from_bytes(b"\xe9.ccp4")));
    std::fs::write(folder.path("data/notes.txt"), "").unwrap();
    let (data, out) = (folder.at("data"), folder.at("data"));
    let answer = run(0, "predict", &[&data, "--out", &out, "--labels", "--json"]);
    let names = |key: &str, of: &str| {
        let all = answer.json()[key].as_array().unwrap().clone();
        all.iter()
            .map(|one| one[of].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("tomograms", "input").len(), 3);
    assert!(names("left_out", "file").iter().any(|name| name.ends_with("notes.txt")));
    // Results beside the tomograms are no tomograms of the next call.
    let again = run(0, "predict", &[&data, "--out", &out, "--labels"]);
    assert_eq!(again.out.matches("there already").count(), 3, "{}", again.out);
    assert!(again.err.contains("left out, a result of tomocut: "), "{}", again.err);
    let empty = folder.at("empty");
    std::fs::create_dir(&empty).unwrap();
    let output = program("predict").args([&empty, "--out", &out]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}
