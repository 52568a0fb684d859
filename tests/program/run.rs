//! `tomocut run`: killed, stopped by Ctrl-C and gone on with, to the same bytes.
use crate::started::{run, same_bytes, write_sample, Folder, Running};

const NETWORK: &str = r#"{"network": "compact", "in_channels": 1, "widths": [8],
    "blocks_down": [1], "blocks_up": [], "outputs": ["membrane", "molecule", "centre"]}"#;

fn arguments<'a>(data: &'a str, out: &'a str, steps: &'a str) -> Vec<&'a str> {
    let mut arguments = vec![
        data,
        "--out",
        out,
        "--slabs",
        "1",
        "--thickness",
        "2",
        "--network",
        NETWORK,
    ];
    arguments.extend([
        "--steps",
        steps,
        "--set",
        "training.window=[16,16,16]",
        "--threads",
        "1",
        "--json",
    ]);
    arguments
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("data")).unwrap();
    for name in ["one.mrc", "two.mrc"] {
        write_sample(&folder.path("data").join(name));
    }
    let (data, whole, out) = (folder.at("data"), folder.at("whole"), folder.at("out"));
    let answer = run(0, "run", &arguments(&data, &whole, "8"));
    for words in ["labelling ", "predicting two (2 of 2)"] {
        assert!(answer.err.contains(words), "{words}: {}", answer.err);
    }
    let json = answer.json();
    assert_eq!(
        (&json["steps"], &json["tomograms"][0]["outcome"]),
        (&8.into(), &"done".into())
    );
    assert!(json["settings"]["training"].is_object(), "{json}");
    for (words, signal) in [
        ("labelling ", "KILL"),
        ("training", "KILL"),
        ("training", "INT"),
        ("predicting one", "KILL"),
    ] {
        let mut running = Running::start("run", &arguments(&data, &out, "8"));
        assert!(running.says(words), "it ended before {words}: {}", running.said());
        running.signal(signal);
        let (code, said) = running.end();
        assert_eq!(code, (signal == "INT").then_some(130), "{said}");
        assert!(signal == "KILL" || said.contains("the same command goes on"), "{said}");
    }
    run(0, "run", &arguments(&data, &out, "8"));
    for name in [
        "network.safetensors",
        "one_labels.mrc",
        "one_centre.mrc",
        "two_membrane.mrc",
    ] {
        let at = |place: &str| folder.path(place).join(name);
        assert!(same_bytes(&at("whole"), &at("out")), "{name}");
    }
    let json = run(0, "run", &arguments(&data, &out, "8")).json();
    assert!(json["tomograms"]
        .as_array()
        .unwrap()
        .iter()
        .all(|one| one["outcome"] == "there already"));
    let answer = run(3, "run", &arguments(&data, &out, "9"));
    assert!(
        answer
            .err
            .contains("steps is 9, must be 8 as in the run that stands in"),
        "{}",
        answer.err
    );
    std::fs::write(folder.path("data/bad.mrc"), "this is no tomogram").unwrap();
    let answer = run(1, "run", &arguments(&data, &out, "8"));
    assert!(
        answer.err.contains("1 of 3 tomograms failed") && answer.err.contains("bad.mrc"),
        "{}",
        answer.err
    );
}
