//! `tomocut slab` and `tomocut denoise`.
use std::time::Instant;

use tomocut::runtime::Job;
use tomocut::volume::Tomogram;

use crate::started::{run, write_sample, Folder, Running};

#[test]
fn bad_inputs_are_told_apart() {
    let folder = Folder::new();
    write_sample(&folder.path("sample.mrc"));
    let (input, out) = (folder.at("sample.mrc"), folder.at("out"));
    let refused = |code: i32, arguments: &[&str], words: &str| {
        let answer = run(code, "slab", arguments);
        assert!(answer.err.contains(words), "{arguments:?}: {}", answer.err);
    };
    refused(3, &[&folder.at("absent.mrc"), "--z", "1:2"], "absent.mrc");
    refused(3, &[env!("CARGO_BIN_EXE_tomocut"), "--z", "1:2"], "tomocut slab: ");
    refused(3, &[&input, "--z", "10:99", "--out", &out], "within 0:16");
    refused(3, &[&input, "--z", "1:2", "--model", "no-such-model"], "no-such-model");
    refused(
        5,
        &[&input, "--z", "1:2", "--out", "/proc/no-such-folder"],
        "/proc/no-such-folder",
    );
    refused(
        3,
        &[&input, "--suggest", "--thickness", "17"],
        "thickness is 17, must be 1..=16",
    );
    assert!(folder.names("out").is_empty());
}

#[test]
fn a_whole_run_writes_its_files_and_says_which() {
    let folder = Folder::new();
    write_sample(&folder.path("sample.mrc"));
    let (input, out, dump) = (folder.at("sample.mrc"), folder.at("out"), folder.at("dump.safetensors"));
    let whole = [
        "--z",
        "7:8",
        "--out",
        &out,
        "--json",
        "--float32",
        "--threads",
        "1",
        "--dump",
        &dump,
    ];
    let answer = run(0, "slab", &[&[&input[..]], &whole[..]].concat());
    assert!(!answer.err.contains('\r'), "no bar without a terminal");
    assert!(
        answer.err.contains(" %  ") && answer.err.contains("_labels.mrc"),
        "{}",
        answer.err
    );
    let names = folder.names("out");
    assert_eq!(names.len(), 10, "{names:?}");
    let json = answer.json();
    assert!(json["report"]["seconds"].is_array() && json["report"]["settings"]["n_eigenvectors"].is_u64());
    for (_, file) in json["files"].as_object().unwrap() {
        assert!(std::path::Path::new(file.as_str().unwrap()).exists(), "{file}");
    }
    assert_eq!(json["files"].as_object().unwrap().len(), 11);
    assert!(json["files"]["points_coords"].is_string() && folder.path("dump.safetensors").exists());
    let quiet = run(
        0,
        "slab",
        &[&input, "--z", "7:8", "--out", &out, "--quiet", "--threads", "1"],
    );
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn slabs_are_suggested_and_the_best_is_taken() {
    let folder = Folder::new();
    write_sample(&folder.path("sample.mrc"));
    let (input, out) = (folder.at("sample.mrc"), folder.at("out"));
    // Wherever the best five of the sixteen slices lie, five more fit beside them.
    let answer = run(0, "slab", &[&input, "--suggest", "2", "--thickness", "5", "--quiet"]);
    assert_eq!((answer.out.lines().count(), answer.err.as_str()), (2, ""));
    let json = run(0, "slab", &["--suggest", &input, "--thickness=5", "--json", "--quiet"]).json();
    assert_eq!(json["slabs"].as_array().unwrap().len(), 1);
    assert!(json["slabs"][0]["z_first"].is_u64() && json["settings"]["thickness"] == 5);
    assert_eq!(json["profile"].as_array().unwrap().len(), 16);
    let answer = run(
        0,
        "slab",
        &[
            &input,
            "--z",
            "auto",
            "--thickness",
            "1",
            "--out",
            &out,
            "--threads",
            "1",
        ],
    );
    assert!(answer.out.starts_with("Slices "), "{}", answer.out);
}

#[test]
fn ctrl_c_leaves_no_file() {
    let folder = Folder::new();
    write_sample(&folder.path("sample.mrc"));
    let (input, out) = (folder.at("sample.mrc"), folder.at("out"));
    let mut slab = Running::start("slab", &[&input, "--z", "0:16", "--out", &out, "--threads", "1"]);
    assert!(slab.says(" %  "), "it ended: {}", slab.said());
    let pressed = Instant::now();
    slab.signal("INT");
    let (code, said) = slab.end();
    println!("  Ctrl-C: ended in {} ms", pressed.elapsed().as_millis());
    assert_eq!(code, Some(130), "{said}");
    assert!(
        said.contains("cancelled during") && folder.names("out").is_empty(),
        "{said}"
    );
}

#[test]
fn a_denoised_slab_overlays_the_tomogram() {
    let folder = Folder::new();
    write_sample(&folder.path("sample.mrc"));
    let (input, out) = (folder.at("sample.mrc"), folder.at("clean.mrc"));
    let answer = run(0, "denoise", &[&input, "--z", "6:8", "--out", &out, "--threads", "1"]);
    assert_eq!(answer.out, format!("{out}\n"));
    let clean = Tomogram::open(&folder.path("clean.mrc"), &Job::quiet()).unwrap();
    assert_eq!(
        (clean.geometry().shape, clean.geometry().start),
        ([2, 128, 128], [6, 0, 0])
    );
    run(3, "denoise", &[&input, "--z", "10:99", "--out", &out]);
    run(
        5,
        "denoise",
        &[&input, "--z", "6:7", "--out", &folder.at("no/clean.mrc")],
    );
}
