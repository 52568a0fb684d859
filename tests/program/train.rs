//! `tomocut train` and `tomocut predict`, of tomograms and of pictures.
use std::path::Path;

use crate::started::{run, same_bytes, write_sample, write_sample_labels, Folder, Running};

const NETWORK: &str = r#"{"network": "compact", "in_channels": 1, "widths": [8],
    "blocks_down": [1], "blocks_up": [], "outputs": ["membrane"]}"#;

fn arguments<'a>(input: &'a str, labels: &'a str, model: &'a str) -> Vec<&'a str> {
    let mut arguments = vec![
        input,
        "--labels",
        labels,
        "--names",
        "membrane",
        "--out",
        model,
        "--network",
        NETWORK,
    ];
    arguments.extend([
        "--steps",
        "20",
        "--set",
        "window=[16,16,16]",
        "--validation",
        "0.2",
        "--rounds",
        "1",
    ]);
    arguments.extend(["--threads", "1"]);
    arguments
}

#[test]
fn a_training_that_is_stopped_again_and_again_ends_with_the_same_model() {
    let folder = Folder::new();
    write_sample(&folder.path("sample.mrc"));
    write_sample_labels(&folder.path("labels.mrc"));
    let (input, labels) = (folder.at("sample.mrc"), folder.at("labels.mrc"));
    let (whole, stopped) = (folder.at("whole.safetensors"), folder.at("stopped.safetensors"));
    let answer = run(
        0,
        "train",
        &[&arguments(&input, &labels, &whole)[..], &["--json"]].concat(),
    );
    assert!(
        answer.err.contains("score") && answer.err.contains("round 1 of self-training"),
        "{}",
        answer.err
    );
    let json = answer.json();
    assert_eq!(
        (&json["step"], &json["settings"]["rounds"]),
        (&json["steps"], &1.into())
    );
    assert!(json["fit"]["membrane"]["dice"].is_f64(), "{json}");
    let checkpoint = folder.path("stopped.safetensors.checkpoint");
    let mut stops = 0;
    let mut code = Some(130);
    for _ in 0..40 {
        let mut training = Running::start("train", &arguments(&input, &labels, &stopped));
        if training.says("%  train") {
            std::thread::sleep(std::time::Duration::from_millis(30));
            training.signal("INT");
        }
        let (ended, said) = training.end();
        assert!(ended == Some(130) || ended == Some(0), "{said}");
        code = ended;
        if code == Some(0) {
            break;
        }
        stops += usize::from(said.contains("the same command goes on from there"));
        assert!(stops == 0 || checkpoint.exists());
    }
    if code == Some(130) {
        run(0, "train", &arguments(&input, &labels, &stopped));
    }
    println!("  Ctrl-C: {stops} checkpoints");
    assert!(!checkpoint.exists());
    assert!(same_bytes(Path::new(&whole), Path::new(&stopped)));
    predictions_are_kept(&folder, &whole);
}

/// What `tomocut predict` makes with the model.
fn predictions_are_kept(folder: &Folder, model: &str) {
    std::fs::create_dir(folder.path("data")).unwrap();
    for name in ["one.mrc", "two.mrc"] {
        std::fs::copy(folder.path("sample.mrc"), folder.path("data").join(name)).unwrap();
    }
    let (data, out) = (folder.at("data"), folder.at("out"));
    let predict = [
        "--model",
        model,
        "--out",
        &out,
        "--region",
        ":,0:48,0:48",
        "--threads",
        "1",
    ];
    let answer = run(
        0,
        "predict",
        &[&[&data[..]], &predict[..], &["--json", "--membranes"]].concat(),
    )
    .json();
    let tomograms = answer["tomograms"].as_array().unwrap();
    assert_eq!(tomograms.len(), 2);
    assert_eq!(tomograms[0]["outcome"], "done");
    assert_eq!(tomograms[0]["files"].as_array().unwrap().len(), 4, "{answer}");
    assert_eq!(answer["settings"]["membranes"]["gap_nm"], 8.0);
    let again = [&[&data[..]], &predict[..], &["--membranes"]].concat();
    let answer = run(0, "predict", &again);
    assert_eq!(
        answer.out.matches("one.mrc: there already").count(),
        1,
        "{}",
        answer.out
    );
    let answer = run(0, "predict", &[&again[..], &["--again"]].concat());
    assert!(answer.out.contains("two.mrc: done"), "{}", answer.out);
    // One that is no tomogram fails, the others go on.
    std::fs::write(folder.path("data/three.mrc"), "this is no tomogram").unwrap();
    let answer = run(1, "predict", &again);
    assert!(
        answer.err.contains("three.mrc") && answer.err.contains("1 of 3 tomograms failed"),
        "{}",
        answer.err
    );
    run(
        3,
        "predict",
        &[&folder.at("absent.mrc"), "--model", model, "--out", &out],
    );
    run(
        3,
        "predict",
        &[&data, "--model", &folder.at("absent.safetensors"), "--out", &out],
    );
}

fn write_pictures(folder: &Folder) {
    for kind in ["images", "masks"] {
        std::fs::create_dir(folder.path(kind)).unwrap();
    }
    for n in 0..2_u32 {
        let inside = |x: u32, y: u32| x.abs_diff(24 + 8 * n).pow(2) + y.abs_diff(30).pow(2) < 150;
        let picture = image::GrayImage::from_fn(64, 64, |x, y| {
            image::Luma([(x + y) as u8 / 2 + 120 * u8::from(inside(x, y))])
        });
        let mask = image::GrayImage::from_fn(64, 64, |x, y| image::Luma([255 * u8::from(inside(x, y))]));
        picture.save(folder.path(&format!("images/p{n}.png"))).unwrap();
        mask.save(folder.path(&format!("masks/p{n}.png"))).unwrap();
    }
}

#[test]
fn pictures_are_learnt_from_and_predicted() {
    let folder = Folder::new();
    write_pictures(&folder);
    let (images, masks, model) = (folder.at("images"), folder.at("masks"), folder.at("m.safetensors"));
    let train = [
        "--images",
        &images,
        "--network",
        "sdseg-small",
        "--set",
        "window=[1,64,64]",
        "--set",
        "batch=1",
    ];
    let more = ["--steps", "2", "--seed", "3", "--threads", "1", "--out", &model];
    run(0, "train", &[&train[..], &more[..], &["--masks", &masks]].concat());
    run(
        3,
        "train",
        &[&train[..], &more[..], &["--masks", &folder.at("nowhere")]].concat(),
    );
    let out = folder.at("out");
    let predict = [
        "--pictures",
        &images,
        "--model",
        &model,
        "--out",
        &out,
        "--threads",
        "1",
    ];
    let json = run(
        0,
        "predict",
        &[&predict[..], &["--json", "--set", "samples=2"]].concat(),
    )
    .json();
    assert_eq!(json["pictures"], 2);
    assert!(
        json["stability"]["dice"].is_f64() && json["settings"]["samples"] == 2,
        "{json}"
    );
    assert!(folder.names("out").len() >= 2);
}
