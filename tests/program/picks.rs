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
        for (read, given) in positions.iter().zip([10.5, 20.25, 3.0, 100.0, 64.0, 8.0]) {
            assert!((read - given).abs() < 0.51, "{name}: {positions:?}");
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

#[test]
fn a_doubtful_voxel_size_is_told_unless_one_is_given() {
    let folder = Folder::new();
    let voxels = ndarray::Array3::from_shape_fn((8, 100, 120), |(z, y, x)| (z * y + x) as f32);
    let geometry = tomocut::volume::Geometry::new([8, 100, 120], 1.0);
    tomocut::volume::write_f32(&folder.path("t.mrc"), &voxels, &geometry).unwrap();
    std::fs::write(folder.path("a.csv"), POINTS).unwrap();
    let (input, output, tomogram) = (folder.at("a.csv"), folder.at("b.star"), folder.at("t.mrc"));
    let arguments = [&input[..], &output, "--tomogram", &tomogram];
    let told = run(0, "picks", &arguments).err;
    assert!(
        told.contains(&format!("{tomogram}: the voxel size is 1.0 Angstrom")),
        "{told}"
    );
    let given = run(0, "picks", &[&arguments[..], &["--voxel-nm", "0.8"]].concat());
    assert!(!given.err.contains("voxel size"), "{}", given.err);
    let info = run(0, "info", &[&input, "--tomogram", &tomogram]);
    assert!(info.out.contains("the voxel size is 1.0 Angstrom"), "{}", info.out);
}

/// A star of two tomograms: by the file's name, whichever program gave it, or by the one that is given.
#[test]
fn picks_are_one_tomograms() {
    let folder = Folder::new();
    let columns = "_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n";
    let rows = "TS_01 1 2 3\nTS_01 4 5 20\n\nTS_02 7 8 9\n";
    std::fs::write(
        folder.path("two.star"),
        format!("data_particles\nloop_\n{columns}{rows}"),
    )
    .unwrap();
    let (input, output) = (folder.at("two.star"), folder.at("out.star"));
    let name = |tomogram: &str, more: &[&str]| {
        write_sample(&folder.path(tomogram));
        let tomogram = folder.at(tomogram);
        let answer = run(
            0,
            "picks",
            &[&[&input[..], &output, "--json", "--tomogram", &tomogram], more].concat(),
        );
        let text = std::fs::read_to_string(&output).unwrap();
        let names: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with("TS_"))
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        (answer, names)
    };
    let (answer, names) = name("rec_TS_01.mrc", &[]);
    assert_eq!(names, ["TS_01", "TS_01"]);
    assert_eq!(answer.json()["tomogram"], "TS_01");
    assert!(
        answer.err.contains("1 of 2 picks lie outside of the tomogram"),
        "{}",
        answer.err
    );
    let (answer, names) = name("other.mrc", &["--name", "TS_02"]);
    assert_eq!((names, &answer.err[..]), (vec!["TS_02".to_owned()], ""));
    let other = folder.at("other.mrc");
    let answer = run(3, "picks", &[&input, &output, "--tomogram", &other]);
    assert!(answer.err.contains("TS_01 (2), TS_02 (1)"), "{}", answer.err);
    let answer = run(3, "picks", &[&input, &output]);
    assert!(
        answer.err.contains("one of them must be named: TS_01 (2), TS_02 (1)"),
        "{}",
        answer.err
    );
    // A file without names gets the name of the tomogram's file, or the one that is given.
    std::fs::write(folder.path("a.csv"), POINTS).unwrap();
    let tomogram = folder.at("rec_TS_01.mrc");
    for (more, name) in [(vec![], "TS_01"), (vec!["--name", "rec_A"], "rec_A")] {
        let input = folder.at("a.csv");
        run(
            0,
            "picks",
            &[&[&input[..], &output, "--tomogram", &tomogram], &more[..]].concat(),
        );
        assert!(
            std::fs::read_to_string(&output)
                .unwrap()
                .contains(&format!("\n{name} ")),
            "{name}"
        );
    }
    let answer = run(
        0,
        "info",
        &["--json", "--tomogram", &other, "--tomogram-name", "TS_01", &input],
    );
    let about = &answer.json()["files"][0];
    assert_eq!(
        (&about["points"], &about["outside"], &about["tomogram"]),
        (&2.into(), &1.into(), &"TS_01".into())
    );
}
