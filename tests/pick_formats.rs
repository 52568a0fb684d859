//! Coordinate files: what other programs' packages read from ours, what we read from theirs, and round trips.
//!
//! The fixtures come from `tests/oracle/picks_oracle.py`, which reads our files with imodmodel, starfile and
//! dynamotable; the files that it read are committed as the bytes expected here.
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;
use tomocut::picks::{read_labelled_csv, Pick, PickFormat, PickSet};
use tomocut::volume::Geometry;
use tomocut::Error;

fn geometry() -> Geometry {
    let mut geometry = Geometry::new([128, 200, 301], 10.0);
    geometry.voxel_angstrom = [12.0, 11.0, 10.0];
    geometry.origin_angstrom = [120.0, 0.0, -30.0];
    geometry
}

/// The molecules of the fixtures.
fn example() -> PickSet {
    let picks = vec![
        Pick {
            position: [63.0, 100.0, 150.0],
            diameter_nm: 27.0,
            score: 0.875,
        },
        Pick {
            position: [0.0, 0.0, 0.0],
            diameter_nm: 13.5,
            score: 0.5,
        },
        Pick {
            position: [127.0, 199.25, 300.5],
            diameter_nm: 27.0,
            score: -1.25,
        },
    ];
    PickSet::new(picks, &geometry(), "TS 01")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/picks")
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join(name)).unwrap()).unwrap()
}

fn close(own: f64, expected: f64, tolerance: f64) -> bool {
    (own - expected).abs() <= tolerance
}

/// The files for the oracle, and the bytes it has read before.
#[test]
fn files_are_what_other_programs_read() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("pick_formats");
    std::fs::create_dir_all(&folder).unwrap();
    for format in PickFormat::ALL {
        let path = folder.join(format!("points.{}", format.extension()));
        assert_eq!(PickFormat::of(&path).unwrap(), format);
        example().write(&path, format).unwrap();
    }
    for format in PickFormat::ALL {
        let name = format!("points.{}", format.extension());
        let expected = std::fs::read(fixtures().join(&name)).unwrap_or_default();
        let own = std::fs::read(folder.join(&name)).unwrap();
        assert!(own == expected, "{name} differs from the fixture");
    }
}

/// What the packages saw is what the conventions say.
#[test]
fn other_programs_see_the_stated_conventions() {
    let seen = json("oracle.json");
    let set = example();
    let geometry = geometry();
    let value = |key: &str, row: usize, column: usize| seen[key][row][column].as_f64().unwrap();
    for (n, pick) in set.picks.iter().enumerate() {
        for k in 0..3 {
            // k counts x, y, z.
            let (v, edge, extent) = (
                pick.position[2 - k],
                geometry.voxel_angstrom[2 - k],
                geometry.shape[2 - k] as f64,
            );
            assert!(close(value("csv", n, k), v, 1e-3));
            assert!(close(value("csv", n, 3 + k), v * edge, 1e-3));
            assert!(close(value("star", n, k), (v - extent / 2.0) * edge, 1e-3));
            assert!(close(value("tbl", n, 1 + k), v + 1.0, 1e-3));
            assert!(close(value("mod", n, k), if k == 2 { v } else { v + 0.5 }, 1e-3));
            assert!(close(value("coords", n, k), v.round(), 0.0));
            assert!(close(value("copick", n, k), v * edge, 1e-3));
            // The oracle's voxels are cubes of 10 Angstrom, those of this tomogram are not.
            let middle = (extent / 2.0).floor();
            assert!(close(value("eman2", n, k), (v - middle) * edge / 10.0 + middle, 1e-3));
        }
        assert!(close(value("csv", n, 6), pick.diameter_nm, 1e-3));
        for (key, column) in [("csv", 7), ("star", 3), ("tbl", 4), ("copick", 3), ("eman2", 3)] {
            assert!(close(value(key, n, column), pick.score, 1e-6), "{key}");
        }
        assert!(close(value("tbl", n, 5), 10.0, 1e-6));
        assert!(close(seen["mod_value"][n].as_f64().unwrap(), pick.score, 1e-6));
        assert!(close(
            seen["mod_radius"][n].as_f64().unwrap(),
            pick.diameter_nm / 1.1 / 2.0,
            1e-3
        ));
    }
    assert_eq!(seen["star_name"], serde_json::json!(["TS_01"]));
    assert_eq!(seen["csv_name"], serde_json::json!(["TS 01"]));
    assert_eq!(
        seen["copick_names"],
        serde_json::json!(["molecule", "tomocut", "0", "TS 01", "angstrom"])
    );
    assert_eq!(seen["copick_trusted"], serde_json::json!([false, 10.0]));
    // 27 nm are 24.5 voxels of 1.1 nm, a box half as large again.
    assert_eq!(
        seen["eman2_class"],
        serde_json::json!({"boxsize": 38, "name": "molecule"})
    );
    assert_eq!(seen["mod_max"], serde_json::json!([301, 200, 128]));
    assert_eq!(seen["mod_scattered"], true);
    assert_eq!(seen["mod_pixel"], serde_json::json!([1.1, -9]));
    assert_eq!(seen["mod_minx"][0], serde_json::json!([10.0, 11.0, 12.0]));
    assert_eq!(seen["mod_minx"][1], serde_json::json!([30.0, 0.0, -120.0]));
}

fn data_folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("TOMOCUT_DATA").map_or(beside, PathBuf::from);
    let own = folder.join("imod_mod").is_dir();
    if !own {
        eprintln!(
            "skipped: no imod_mod in {}; TOMOCUT_DATA names the data folder",
            folder.display()
        );
    }
    own.then_some(folder)
}

#[test]
fn files_of_other_programs_are_read() {
    let Some(data) = data_folder() else { return };
    let expected = json("samples.json");
    let check = |path: PathBuf, format: PickFormat, whole: &Geometry, shift: [f64; 3], expected: &Value| {
        // The table's first tomogram of two.
        let name = if format == PickFormat::Dynamo { "1" } else { "tomo_ts01" };
        let set = PickSet::read(&path, format, whole, name).unwrap();
        assert_eq!(
            set.picks.len() as u64,
            expected["points"].as_u64().unwrap(),
            "{}",
            path.display()
        );
        for k in 0..3 {
            // k counts x, y, z; shift turns the file's coordinates into voxels.
            let sum: f64 = set.picks.iter().map(|p| p.position[2 - k] - shift[k]).sum();
            let scale = 1e-6 * set.picks.len() as f64 * 2000.0;
            assert!(
                close(sum, expected["sum"][k].as_f64().unwrap(), scale),
                "{}",
                path.display()
            );
            let first = set.picks[0].position[2 - k] - shift[k];
            assert!(
                close(first, expected["first"][k].as_f64().unwrap(), 1e-3),
                "{}",
                path.display()
            );
        }
    };
    for (name, row) in expected["mod"].as_object().unwrap() {
        // The volume that the model was drawn on.
        let triple = |key: &str| [2, 1, 0].map(|k: usize| row[key][k].as_f64().unwrap());
        let mut whole = Geometry::new(triple("extents").map(|n| n as usize), 0.0);
        whole.voxel_angstrom = triple("pixel");
        whole.origin_angstrom = triple("origin").map(|origin| -origin);
        check(
            data.join("imod_mod").join(name),
            PickFormat::Imod,
            &whole,
            [-0.5, -0.5, 0.0],
            row,
        );
    }
    let folder = data.join("star_tbl");
    check(
        folder.join("t_double.tbl"),
        PickFormat::Dynamo,
        &Geometry::new([300; 3], 10.0),
        [-1.0; 3],
        &expected["tbl"]["t_double.tbl"],
    );
    check(
        folder.join("one_loop.star"),
        PickFormat::Star,
        &Geometry::new([2000; 3], 5.0),
        [0.0; 3],
        &expected["star"]["one_loop.star"],
    );
    // No particles in these, for different reasons.
    let whole = Geometry::new([300; 3], 10.0);
    let read = |name: &str| PickSet::read(&folder.join(name), PickFormat::Star, &whole, "t");
    for name in [
        "TS_01.star",
        "basic_double_quote.star",
        "loop_single_quote.star",
        "empty_loop.star",
    ] {
        assert!(matches!(read(name), Err(Error::Format { .. })), "{name}");
    }
}

#[test]
fn an_unknown_voxel_size_leaves_voxels() {
    let folder = tempfile::tempdir().unwrap();
    let mut set = example();
    set.geometry.voxel_angstrom = [0.0; 3];
    for format in PickFormat::ALL {
        let path = folder.path().join(format!("p.{}", format.extension()));
        set.write(&path, format).unwrap();
        let back = PickSet::read(&path, format, &set.geometry, "TS_01").unwrap();
        for (a, b) in set.picks.iter().zip(&back.picks) {
            assert!(
                a.position.iter().zip(b.position).all(|(a, b)| close(*a, b, 0.5)),
                "{format:?}"
            );
        }
    }
    let text = std::fs::read_to_string(folder.path().join("p.star")).unwrap();
    assert!(text.contains("_rlnCoordinateX") && !text.contains("Centered"));
}

#[test]
fn labelled_tables_and_wrong_ones() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let path = write(
        "particles.csv",
        "type,label,code,x_vox,y_vox,z_vox,q1\ncprotein,3,pdb,45.058,126.779,107.999,0.38\n\n",
    );
    let rows = read_labelled_csv(&path).unwrap();
    assert_eq!(
        (rows.len(), rows[0].label, rows[0].pick.position),
        (1, 3, [107.999, 126.779, 45.058])
    );
    assert_eq!(
        read_labelled_csv(&write("bare.csv", "1,2,3\n4,5,6\n")).unwrap()[1]
            .pick
            .position,
        [6.0, 5.0, 4.0]
    );
    let wrong = [
        ("a.csv", "a,b,c\n1,2,3\n", "no columns x, y, z"),
        ("a.csv", "x,y,z\n1,2\n", "line 2 has 2 columns only"),
        ("a.csv", "x,y,z\n1,two,3\n", "line 2: \"two\" is not a number"),
        ("a.csv", "x,y,z\n1,inf,3\n", "is not finite"),
        ("a.tbl", "1 1 0\n", "line 1 has 3 columns, must be 26 or more"),
        ("a.coords", "1 2\n", "line 1 has 2 columns"),
        (
            "a.star",
            "data_\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnCoordinateZ #3\n1 2\n",
            "line 6 has 2 fields",
        ),
        ("a.json", "{}", "not copick picks"),
        (
            "a.json",
            r#"{"pickable_object_name":"a","user_id":"b","session_id":"0","unit":"furlong"}"#,
            "unit is \"furlong\"",
        ),
        ("a_info.json", "[]", "no list boxes_3d"),
        ("a_info.json", r#"{"boxes_3d":[[1,2]]}"#, "box 1 is [1,2]"),
        ("a_info.json", r#"{"boxes_3d":[],"apix_unbin":0}"#, "apix_unbin is 0"),
        ("a.mod", "IMODV1.1", "not an IMOD model"),
        ("a.mod", "IMODV1.2", "ends where 232 more bytes"),
    ];
    for (name, text, reason) in wrong {
        let path = write(name, text);
        let error = PickSet::read(&path, PickFormat::of(&path).unwrap(), &geometry(), "t").unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    let two = "data_\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\nA 1 2 3\n'B' 4 5 6\n";
    let path = write("two.star", two);
    let set = PickSet::read(&path, PickFormat::Star, &geometry(), "B").unwrap();
    assert_eq!(set.picks[0].position, [6.0, 5.0, 4.0]);
    assert!(PickSet::read(&path, PickFormat::Star, &geometry(), "C").is_err());
    let mut set = example();
    set.picks[1].position[0] = f64::NAN;
    assert!(matches!(
        set.write(&path, PickFormat::Csv),
        Err(Error::InvalidArgument { .. })
    ));
    assert!(PickFormat::of(Path::new("points.txt")).is_err());
}

/// What copick and EMAN2 write and this engine does not: transformations, numbered sessions, binned tomograms, bare
/// boxes.
#[test]
fn copick_and_eman2_files_of_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, text: &str, geometry: &Geometry| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        PickSet::read(&path, PickFormat::of(&path).unwrap(), geometry, "t")
    };
    let picks = r#"{"pickable_object_name": "ribosome", "user_id": "me", "session_id": 7, "points": [
        {"location": {"x": 10, "y": 22, "z": 36}, "instance_id": null,
         "transformation_": [[1, 0, 0, 5], [0, 1, 0, 11], [0, 0, 1, -12], [0, 0, 0, 1]], "score": 0.25},
        {"location": {"x": 0, "y": 0, "z": 0}}]}"#;
    let set = read("ribosome.json", picks, &geometry()).unwrap();
    assert_eq!(set.picks[0].position, [2.0, 3.0, 1.5]);
    assert_eq!((set.picks[0].score, set.picks[1].score), (0.25, 1.0));
    // Full size is four times the resolution: 40 unbinned voxels of 2.5 Angstrom are 10 of 10.
    let boxes =
        r#"{"apix_unbin": 2.5, "boxes_3d": [[40, -20, 0, "manual", 0.5, 3], [0, 0, 0, "manual"]], "tlt_params": []}"#;
    let cubes = Geometry::new([128, 200, 301], 10.0);
    let set = read("TS_01_info.json", boxes, &cubes).unwrap();
    assert_eq!(set.picks[0].position, [64.0, 95.0, 160.0]);
    assert_eq!((set.picks[0].score, set.picks[1].position), (0.5, [64.0, 100.0, 150.0]));
    let old = r#"{"boxes_3d": [[1, 2, 3, "manual"]]}"#;
    assert_eq!(
        read("TS_01_info.json", old, &cubes).unwrap().picks[0].position,
        [3.0, 2.0, 1.0]
    );
    let unknown = Geometry::new([128, 200, 301], 0.0);
    assert!(read("TS_01_info.json", boxes, &unknown).is_err());
    assert!(read("ribosome.json", picks, &unknown).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(
        points in proptest::collection::vec((prop::array::uniform3(0.0..300.0f64), 0.0..60.0f64, -2.0..2.0f64), 0..20),
        edge in 1.0..40.0f64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let picks: Vec<Pick> =
            points.iter().map(|&(position, diameter_nm, score)| Pick { position, diameter_nm, score }).collect();
        let geometry = Geometry::new([301, 900, 900], edge);
        let set = PickSet::new(picks, &geometry, "TS_01");
        for format in PickFormat::ALL {
            let path = folder.path().join(format!("p.{}", format.extension()));
            set.write(&path, format).unwrap();
            let back = PickSet::read(&path, format, &geometry, "TS_01").unwrap();
            prop_assert_eq!(back.picks.len(), set.picks.len());
            for (a, b) in set.picks.iter().zip(&back.picks) {
                let tolerance = if format == PickFormat::Coords { 0.5001 } else { 1.1e-3 };
                for k in 0..3 {
                    prop_assert!(close(a.position[k], b.position[k], tolerance), "{:?} {:?} {:?}", format, a, b);
                }
                if format != PickFormat::Coords {
                    prop_assert!(close(a.score, b.score, 1e-6), "{:?}", format);
                }
                if matches!(format, PickFormat::Csv | PickFormat::Imod) {
                    prop_assert!(close(a.diameter_nm, b.diameter_nm, 1e-3), "{:?}", format);
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..800, at in 0usize..800,
    ) {
        let folder = tempfile::tempdir().unwrap();
        // A list of Dynamo's tomograms, too.
        std::fs::write(folder.path().join("list.doc"), &bytes).unwrap();
        for format in PickFormat::ALL {
            let path = folder.path().join("p");
            std::fs::write(&path, &bytes).unwrap();
            let _ = PickSet::read(&path, format, &geometry(), "t");
            example().write(&path, format).unwrap();
            let mut whole = std::fs::read(&path).unwrap();
            let place = at % whole.len();
            whole[place] = bytes.first().copied().unwrap_or(b' ');
            whole.truncate(cut.max(1));
            std::fs::write(&path, &whole).unwrap();
            let _ = PickSet::read(&path, format, &geometry(), "t");
        }
    }
}
