//! `tomocut picks`.
use crate::started::{run, write_sample, Folder};

const POINTS: &str = "x,y,z,score\n10.5,20.25,3,0.5\n100,64,8,0.75\n";

#[test]
fn every_format_gives_the_same_positions_back() {
    let folder = Folder::new();
    write_sample(&folder.path("t.mrc"));
    std::fs::write(folder.path("a.csv"), POINTS).unwrap();
    let tomogram = folder.at("t.mrc");
    for name in ["b.star", "b.tbl", "b.mod", "b.coords", "b.json", "b_info.json"] {
        let answer = run(
            0,
            "picks",
            &[&folder.at("a.csv"), &folder.at(name), "--tomogram", &tomogram],
        );
        assert_eq!(answer.out, format!("2 molecules -> {}\n", folder.at(name)));
        assert!(answer.err.is_empty(), "{}", answer.err);
        let back = ["--tomogram", &tomogram, "--json"];
        let answer = run(
            0,
            "picks",
            &[&[&folder.at(name)[..], &folder.at("back.csv")], &back[..]].concat(),
        );
        assert_eq!(answer.json()["picks"], 2);
        let text = std::fs::read_to_string(folder.path("back.csv")).unwrap();
        let positions: Vec<f64> = text
            .lines()
            .skip(1)
            .flat_map(|line| line.split(',').take(3).map(|field| field.parse().unwrap()))
            .collect();
        for (found, given) in positions.iter().zip([10.5, 20.25, 3.0, 100.0, 64.0, 8.0]) {
            assert!((found - given).abs() < 0.51, "{name}: {positions:?}");
        }
    }
}

#[test]
fn what_cannot_be_told_is_asked_for() {
    let folder = Folder::new();
    std::fs::write(folder.path("a.txt"), POINTS).unwrap();
    let (input, output) = (folder.at("a.txt"), folder.at("b.star"));
    let answer = run(2, "picks", &[&input, &output]);
    assert!(answer.err.contains("must end in .csv"), "{}", answer.err);
    let answer = run(0, "picks", &[&input, &output, "--from", "csv"]);
    assert!(
        answer.err.contains("warning: ") && answer.err.contains("--tomogram"),
        "{}",
        answer.err
    );
    assert_eq!(run(0, "picks", &[&input, &output, "--from", "csv", "--quiet"]).err, "");
    run(3, "picks", &[&folder.at("absent.csv"), &output]);
    run(5, "picks", &[&input, &folder.at("no/b.csv"), "--from", "csv"]);
    run(2, "picks", &[&input, &output, "--from", "paper"]);
}
