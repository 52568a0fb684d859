//! `tomocut run --recipe cvpr2026`: one set of labels, two networks, every tomogram; killed on the way, to the same
//! bytes.
use std::path::Path;

use tch::{Device, Kind, Tensor};
use tomocut::diffusion::{write_model, ModelFileConfig, PerLevel, UnetConfig, VaeConfig};
use tomocut::runtime::Generator;

use crate::started::{run, same_bytes, Folder, Running};

/// The recipe at a size that a test has time for: narrow networks, a few slices and steps.
const SMALL: &str = r#"{
    "thickness": 4,
    "slab": {"tile_cells": 16, "adam_iterations": 21},
    "scores": 2,
    "training": {
        "network": {"network": "unet2d", "in_channels": 1, "widths": [4, 8], "dropout": [0.0, 0.0],
            "outputs": ["background", "membrane"], "window": 64, "margin": 0, "input": "slice"},
        "slice_side": [128, 128], "batch": 1, "steps": 4, "validation_every": 2
    },
    "molecules": {
        "training": {
            "network": {"network": "picker", "maps": [4, 8], "outputs": ["molecule"], "window": 24},
            "window": [16, 24, 24], "window_shift": 4, "batch": 2, "epochs": 2, "validation_share": 0.0,
            "point_labels": {"diameter": 5}
        }
    }
}"#;

/// Weights of the shape of Stable Diffusion, narrow and random: 16 layers of attention, an autoencoder of factor 8.
fn write_narrow_stable_diffusion(path: &Path, seed: u64) {
    let unet = UnetConfig {
        block_out_channels: vec![8, 16, 16, 16],
        attention_head_dim: PerLevel::Same(2),
        cross_attention_dim: None,
        norm_num_groups: 4,
        ..UnetConfig::default()
    };
    assert_eq!(unet.attention_layers(), 16);
    let vae = VaeConfig {
        block_out_channels: vec![8, 8, 8, 8],
        norm_num_groups: 4,
        ..VaeConfig::default()
    };
    let config = ModelFileConfig::latent("narrow", unet, vae, [0.5, 2.0]);
    let mut gen = Generator::new(seed, 0);
    let tensors: Vec<(String, Tensor)> = config
        .tensor_shapes()
        .unwrap()
        .into_iter()
        .map(|(name, shape)| {
            let drawn = gen.normal_tensor(&shape, Device::Cpu).unwrap() * 0.2;
            (name, drawn)
        })
        .collect();
    write_model(path, &config, &tensors, Kind::Float).unwrap();
}

fn cellpose() -> String {
    concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/cellpose/narrow.safetensors"
    )
    .to_owned()
}

/// Two simulated tomograms with their truth, a narrow model, the small settings and a table of truths.
fn folder() -> Folder {
    let folder = Folder::new();
    for (name, seed) in [("one", "1"), ("two", "3")] {
        let of = [
            "--size", "96x96x20", "--snr", "1", "--seed", seed, "--stem", name, "--quiet",
        ];
        run(0, "phantom", &[&of[..], &["--out", &folder.at("data")]].concat());
    }
    write_narrow_stable_diffusion(&folder.path("sd.safetensors"), 1);
    std::fs::write(folder.path("small.json"), SMALL).unwrap();
    std::fs::write(folder.path("one_true.csv"), "x_vox,y_vox,z_vox\n40,44,8\n72,68,8\n").unwrap();
    let table = "tomogram,labels,points\none,data/one_labels.mrc,one_true.csv\n";
    std::fs::write(folder.path("truths.csv"), table).unwrap();
    folder
}

/// The arguments of a run into `out`; `--z` names the slab of the first tomogram.
fn arguments(folder: &Folder, out: &str, more: &[&str]) -> Vec<String> {
    let mut arguments = vec![folder.at("data/one.mrc"), "--z".into(), "8:14".into()];
    arguments.extend([folder.at("data/two.mrc"), "--out".into(), folder.at(out)]);
    arguments.extend(["--recipe", "cvpr2026", "--threads", "1", "--json"].map(str::to_owned));
    arguments.extend(["--settings".into(), folder.at("small.json")]);
    arguments.extend(["--truth".into(), folder.at("truths.csv")]);
    arguments.extend(more.iter().map(|more| (*more).to_owned()));
    arguments
}

fn as_str(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn the_papers_recipe_runs_from_start_to_end_and_outlives_kills() {
    let folder = folder();
    let (sd, cellpose) = (folder.at("sd.safetensors"), cellpose());
    let with = |out: &str| arguments(&folder, out, &["--model", &sd, "--cellpose", &cellpose]);
    let answer = run(0, "run", &as_str(&with("whole")));
    let json = answer.json();
    assert_eq!(json["settings"]["preset"], "cvpr2026");
    assert_eq!(json["settings"]["slab"]["split"], "cellpose");
    assert_eq!((&json["steps"], &json["slabs"]), (&4.into(), &1.into()), "{json}");
    // What random weights find may hold no molecule; the run then says so and goes on.
    let molecules = &json["molecules"];
    assert!(
        molecules["failure"].is_string() || molecules["steps"].as_u64() > Some(0),
        "{json}"
    );
    let page = std::fs::read_to_string(folder.path("whole/report.html")).unwrap();
    for words in [
        "Training",
        "Dice with the truth",
        "mean of its slices",
        "training.slice_side",
    ] {
        assert!(page.contains(words), "no {words}");
    }
    for (words, signal) in [("labelling ", "KILL"), ("training", "KILL"), ("predicting one", "KILL")] {
        let mut running = Running::start("run", &as_str(&with("out")));
        assert!(running.says(words), "it ended before {words}: {}", running.said());
        running.signal(signal);
        running.end();
    }
    run(0, "run", &as_str(&with("out")));
    for name in ["network.safetensors", "one_labels.mrc", "two_membrane.mrc"] {
        let at = |place: &str| folder.path(place).join(name);
        assert!(same_bytes(&at("whole"), &at("out")), "{name}");
    }
    assert_eq!(folder.names("whole/slabs"), folder.names("out/slabs"));

    // The same weights by another name go on; others are another run.
    std::fs::rename(folder.path("sd.safetensors"), folder.path("moved.safetensors")).unwrap();
    let moved = folder.at("moved.safetensors");
    let again = arguments(&folder, "out", &["--model", &moved, "--cellpose", &cellpose]);
    let json = run(0, "run", &as_str(&again)).json();
    assert_eq!(json["tomograms"][0]["outcome"], "there already");
    write_narrow_stable_diffusion(&folder.path("moved.safetensors"), 2);
    let answer = run(3, "run", &as_str(&again));
    assert!(answer.err.contains("inputs.diffusion model is"), "{}", answer.err);
}

#[test]
fn the_stand_in_split_and_the_built_in_model_give_two_networks() {
    let folder = folder();
    // So few slices promise no molecule for certain: the best four are asked for.
    let more = ["--set", "slab.preset=default", "--set", "slab.n_points=4"];
    let json = run(0, "run", &as_str(&arguments(&folder, "out", &more))).json();
    assert_eq!(json["molecules"]["failure"], serde_json::Value::Null, "{json}");
    // Two epochs of up to four points, two in a step.
    assert!(
        (2..=4).contains(&json["molecules"]["steps"].as_u64().unwrap()),
        "{json}"
    );
    for name in [
        "molecules/network.safetensors",
        "molecules/one_molecule.mrc",
        "molecules/two_points.csv",
    ] {
        assert!(folder.path("out").join(name).exists(), "{name}");
    }
    let page = std::fs::read_to_string(folder.path("out/report.html")).unwrap();
    for words in [
        "Training of the molecules",
        "Molecules against the true ones",
        "cubes of 30 nm",
    ] {
        assert!(page.contains(words), "no {words}");
    }
    // The paper's own way without CellPose.
    let more = ["--set", "slab.split=circularity", "--set", "molecules=null"];
    let json = run(0, "run", &as_str(&arguments(&folder, "circular", &more))).json();
    assert_eq!(
        (&json["molecules"], &json["steps"]),
        (&serde_json::Value::Null, &4.into())
    );
}

#[test]
fn wrong_recipes_weights_and_tables_are_told_before_any_work() {
    let folder = folder();
    let refused = |code: i32, more: &[&str]| {
        let answer = run(code, "run", &as_str(&arguments(&folder, "out", more)));
        assert!(!folder.path("out/slabs").exists(), "{}", answer.err);
        answer.err
    };
    std::fs::write(folder.path("wrong.json"), r#"{"preset": "cvpr2026", "molecule": {}}"#).unwrap();
    let mut wrong = arguments(&folder, "out", &[]);
    let place = wrong.iter().position(|word| word == "cvpr2026").unwrap();
    wrong[place] = folder.at("wrong.json");
    let text = run(2, "run", &as_str(&wrong)).err;
    assert!(
        text.contains("wrong.json") && text.contains("do you mean molecules?"),
        "{text}"
    );
    wrong[place] = "cvpr2027".into();
    let text = run(2, "run", &as_str(&wrong)).err;
    assert!(text.contains("must be default, cvpr2026 or a JSON file"), "{text}");
    // A diffusion model is no CellPose network.
    let text = refused(3, &["--cellpose", &folder.at("sd.safetensors")]);
    assert!(text.contains("sd.safetensors"), "{text}");
    std::fs::write(
        folder.path("truths.csv"),
        "tomogram,labels\nthree,data/one_labels.mrc\n",
    )
    .unwrap();
    let text = refused(3, &["--set", "slab.preset=default"]);
    assert!(
        text.contains("names the tomogram \"three\", which is not in the run: there are one, two"),
        "{text}"
    );
}
