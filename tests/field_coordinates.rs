//! Coordinate files as people have them (`../shared/data/field_files`) and others of their kinds: right, or refused by
//! name. Where picks lie is what other programs' packages and the published conventions say, by
//! `tests/oracle/field_coordinates.py`.
mod development_data;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tomocut::picks::{read_labelled_csv_of, Pick, PickFormat, PickSet};
use tomocut::volume::{FileDescription, Geometry};

/// The tomogram of the files.
fn geometry() -> Geometry {
    Geometry::new([24, 40, 56], 10.0)
}

/// Its three points (x, y, z).
const POINTS: [[f64; 3]; 3] = [[10.0, 20.0, 5.0], [30.5, 12.25, 18.0], [50.0, 35.0, 12.0]];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/picks")
}

fn answers(name: &str) -> Vec<(String, Vec<[f64; 3]>)> {
    let text = std::fs::read_to_string(fixtures().join(name)).unwrap();
    let all: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let points = |value: &Value| serde_json::from_value(value.clone()).unwrap();
    all.iter().map(|(name, value)| (name.clone(), points(value))).collect()
}

fn read_as(path: &Path, geometry: &Geometry, name: &str) -> Result<PickSet, String> {
    let format = PickFormat::of(path).unwrap();
    PickSet::read(path, format, geometry, name).map_err(|error| error.to_string())
}

#[track_caller]
fn assert_at(set: &PickSet, expected: &[[f64; 3]], what: &str) {
    assert_eq!(set.picks.len(), expected.len(), "{what}: {:?}", set.picks);
    for (pick, expected) in set.picks.iter().zip(expected) {
        for (k, value) in expected.iter().enumerate() {
            assert!(
                (pick.position[2 - k] - value).abs() < 2e-3,
                "{what}: {pick:?}, not {expected:?}"
            );
        }
    }
}

/// A file of this `text`, read for the tomogram `name`.
fn read_text(file: &str, text: &str, name: &str) -> Result<PickSet, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    std::fs::write(&path, text).unwrap();
    read_as(&path, &geometry(), name)
}

#[track_caller]
fn assert_refused(answer: Result<PickSet, String>, reasons: &[&str]) {
    let error = answer.map(|set| set.picks).unwrap_err();
    for reason in reasons {
        assert!(error.contains(reason), "{error:?} does not say {reason:?}");
    }
}

fn field_files() -> Option<PathBuf> {
    development_data::data_folder().map(|folder| folder.join("field_files"))
}

#[test]
fn field_files_are_read_as_other_programs_read_them() {
    let Some(folder) = field_files() else { return };
    for (name, expected) in answers("field_files.json") {
        let set = read_as(&folder.join(&name), &geometry(), "TS_01").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_at(&set, &expected, &name);
    }
    let tomogram = FileDescription::read(&folder.join("04_relion_origin_shifts/TS_01.mrc")).unwrap();
    assert_eq!(
        (tomogram.geometry.shape, tomogram.geometry.voxel_angstrom),
        ([24, 40, 56], [10.0; 3])
    );
    let outlines = folder.join("11_imod_model_of_another_volume/m_two_objects.mod");
    let warnings = read_as(&outlines, &geometry(), "TS_01").unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("4 points of other contours"),
        "{warnings:?}"
    );
    // Whole molecules of tomocut's own, written in both ways.
    let own = Geometry::new([64, 500, 500], 12.0);
    for name in ["TS_01_points.star", "without_optics.star"] {
        let path = folder.join("08_written_star_and_relion5").join(name);
        assert_eq!(read_as(&path, &own, "TS_01").unwrap().picks.len(), 16, "{name}");
    }
}

#[test]
fn field_files_that_cannot_be_read_are_refused_by_name() {
    let Some(folder) = field_files() else { return };
    let read = |name: &str, tomogram: &str| read_as(&folder.join(name), &geometry(), tomogram);
    for name in [
        "05_coordinates_in_other_pixels",
        "06_picks_of_other_tomograms",
        "14_csv_of_excel_napari_python",
    ] {
        assert_refused(
            read(&format!("{name}/b12_kaggle.csv"), "TS_01"),
            &[
                "none of the 2 picks lies in the tomogram of 56 x 40 x 24 voxels",
                "in Angstrom?",
            ],
        );
    }
    assert_refused(
        read("05_coordinates_in_other_pixels/unbinned.coords", "TS_01"),
        &["divided by 4 they would"],
    );
    assert_refused(
        read("05_coordinates_in_other_pixels/far.csv", "TS_01"),
        &["x_angstrom is 3 times column x"],
    );
    assert_refused(
        read("06_picks_of_other_tomograms/b3c_other_only.star", "TS_01"),
        &["no picks of the tomogram \"TS_01\" in it but of TS_99 (3)"],
    );
    assert_refused(
        read("06_picks_of_other_tomograms/b7_two_tomograms.tbl", "TS_01"),
        &["1 (3), 2 (3)", "NAME.doc"],
    );
}

#[test]
fn a_tomogram_is_found_by_any_programs_name_for_it() {
    let Some(folder) = field_files() else { return };
    let names = folder.join("07_tomogram_name_never_matches");
    for name in ["rec_TS_01", "TS_01_10.00Apx", "TS_01_Vol", "TS_01"] {
        for file in ["two_tomos.star", "b3b_tomoname_ext.star"] {
            let set = read_as(&names.join(file), &geometry(), name).unwrap();
            assert_at(&set, &POINTS, file);
            assert_eq!(
                set.tomogram,
                if file == "two_tomos.star" {
                    "TS_01"
                } else {
                    "TS_01.tomostar"
                }
            );
        }
    }
    // A name that is given, and Dynamo's number.
    let second = read_as(&names.join("two_tomos.star"), &geometry(), "TS_02").unwrap();
    assert_eq!(
        (second.tomogram.as_str(), second.picks[0].position),
        ("TS_02", [6.0, 21.0, 11.0])
    );
    let table = folder.join("06_picks_of_other_tomograms/b7_two_tomograms.tbl");
    let set = read_as(&table, &geometry(), "1").unwrap();
    assert_at(&set, &POINTS, "1");
    // With a list, by name.
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(&table, copy.path().join("two.tbl")).unwrap();
    std::fs::write(
        copy.path().join("tomograms.doc"),
        "1 /a/rec_TS_01.mrc\n2 /a/rec_TS_02.mrc\n",
    )
    .unwrap();
    let set = read_as(&copy.path().join("two.tbl"), &geometry(), "TS_01").unwrap();
    assert_at(&set, &POINTS, "list");
    assert_eq!(set.tomogram, "TS_01");
    std::fs::write(copy.path().join("two.doc"), "1 /a/TS_05.mrc\n").unwrap();
    assert_refused(
        read_as(&copy.path().join("two.tbl"), &geometry(), "TS_05"),
        &["line 4: column 20 is 2, which", "does not list"],
    );
}

#[test]
fn other_files_of_the_kinds_are_read() {
    for (name, expected) in answers("kinds.json") {
        let set = read_as(&fixtures().join("kinds").join(&name), &geometry(), "TS_01");
        assert_at(&set.unwrap_or_else(|error| panic!("{name}: {error}")), &expected, &name);
    }
}

/// A STAR file with these columns and rows, after `optics`.
fn star(optics: &str, columns: &str, rows: &[&str]) -> String {
    let columns: Vec<String> = columns.split(' ').map(|column| format!("_{column}")).collect();
    format!(
        "{optics}\ndata_particles\nloop_\n{}\n{}\n",
        columns.join("\n"),
        rows.join("\n")
    )
}

const PLAIN: &str = "rlnCoordinateX rlnCoordinateY rlnCoordinateZ";

#[test]
fn pixels_of_relion_are_those_that_a_label_says() {
    let optics = |columns: &str, row: &str| {
        let columns: Vec<String> = columns.split(' ').map(|column| format!("_{column}")).collect();
        format!("data_optics\nloop_\n{}\n{row}\n", columns.join("\n"))
    };
    let read = |text: &str| read_text("p.star", text, "TS_01");
    let rows = ["40 80 20", "122 49 72", "200 140 48"];
    // The images' size and their binning give the tilt series' size.
    let binned = optics("rlnOpticsGroup rlnImagePixelSize rlnTomoSubtomogramBinning", "1 5.0 2");
    assert_at(&read(&star(&binned, PLAIN, &rows)).unwrap(), &POINTS, "binned");
    // Pixels on the detector, in micrometres.
    let columns = format!("{PLAIN} rlnDetectorPixelSize rlnMagnification");
    let detector = rows.map(|row| format!("{row} 5 20000"));
    assert_at(
        &read(&star("", &columns, &detector.each_ref().map(String::as_str))).unwrap(),
        &POINTS,
        "detector",
    );
    // Headers are rounded.
    let near = star("", &format!("{PLAIN} rlnDetectorPixelSize"), &["50 35 12 9.96"]);
    assert_at(&read(&near).unwrap(), &POINTS[2..], "rounded");
    // Old origins are in pixels.
    let columns = format!("{PLAIN} rlnOriginX rlnOriginY rlnOriginZ");
    let old = star("", &format!("{columns} rlnDetectorPixelSize"), &["48 84 16 8 4 -4 2.5"]);
    assert_at(&read(&old).unwrap(), &POINTS[..1], "origins");
    assert_refused(
        read(&star("", &columns, &["10 20 5 1 0 0"])),
        &["line 10: rlnOriginX is in pixels"],
    );
    assert_at(
        &read(&star("", &columns, &["10 20 5 0 0 0"])).unwrap(),
        &POINTS[..1],
        "no origins",
    );
    // Two sizes.
    let two = optics("rlnTomoTiltSeriesPixelSize", "2.5");
    let two = star(&two, &format!("{PLAIN} rlnDetectorPixelSize"), &["40 80 20 10"]);
    assert_refused(
        read(&two),
        &["line 12: rlnTomoTiltSeriesPixelSize is 2.5, rlnDetectorPixelSize is 10"],
    );
    let images = star(&optics("rlnImagePixelSize", "5"), PLAIN, &["10 20 5"]);
    assert_refused(
        read(&images),
        &["rlnImagePixelSize is 5, the tomogram's voxels have 10 A"],
    );
    let missing = star(&binned, &format!("{PLAIN} rlnOpticsGroup"), &["10 20 5 2"]);
    assert_refused(read(&missing), &["rlnOpticsGroup \"2\" is not in the optics block"]);
    let negative = star("", &format!("{PLAIN} rlnDetectorPixelSize"), &["40 80 20 -1"]);
    assert_refused(read(&negative), &["rlnDetectorPixelSize is -1, must be positive"]);
    // A size is of no use for a tomogram without one.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.star");
    std::fs::write(
        &path,
        star("", &format!("{PLAIN} rlnDetectorPixelSize"), &["40 80 20 2.5"]),
    )
    .unwrap();
    assert_refused(
        read_as(&path, &Geometry::new([24, 40, 56], 0.0), "TS_01"),
        &["voxel_angstrom is 0", "2.5 A"],
    );
    // Angles without one of them.
    let columns =
        "rlnCenteredCoordinateXAngst rlnCenteredCoordinateYAngst rlnCenteredCoordinateZAngst rlnOriginXAngst \
                   rlnTomoSubtomogramRot";
    assert_refused(read(&star("", columns, &["0 0 0 5 90"])), &["rlnTomoSubtomogramTilt"]);
    assert!(read(&star("", columns, &["0 0 0 0 90"])).is_ok());
    // Two tables of positions.
    let two = format!(
        "{}{}",
        star("", PLAIN, &["1 2 3"]).replace("particles", "a"),
        star("", PLAIN, &["1 2 3"]).replace("particles", "b")
    );
    assert_refused(read(&two), &["data_a, data_b"]);
    let flat = star("", "rlnCoordinateX rlnCoordinateY", &["1 2"]);
    assert_refused(read(&flat), &["its labels: rlnCoordinateX rlnCoordinateY"]);
}

#[test]
fn tables_of_spreadsheets_have_one_meaning_or_are_refused() {
    let read = |text: &str| read_text("p.csv", text, "TS_01");
    for text in [
        "x;y;z\n10,0;20,0;5,0\n30,5;12,25;18,0\n50;35;12\n",
        "sep=;\r\nx;y;z\r\n10;20;5\r\n30.5;12.25;18\r\n50;35;12\r\n",
        "x\ty\tz\n10\t20\t5\n30.5\t12.25\t18\n50\t35\t12\n",
        "# z,y,x\n5,20,10\n18,12.25,30.5\n12,35,50\n",
        "10 20 5\n30.5 12.25 18\n50 35 12\n",
        "x [nm],y [nm],z [nm]\n10,20,5\n30.5,12.25,18\n50,35,12\n",
        "Position X,Position Y,Position Z,Unit\n10,20,5,px\n305,122.5,180,angstrom\n50,35,12,nm\n",
        "x,y,z,score,diameter_nm,label\n10,20,5,NaN,,ribosome\n30.5,12.25,18,,,\n50,35,12,0.5,20,a\n",
        "run_name,x,y,z\nTS_01,10,20,5\nTS_02,1,1,1\nTS_01,30.5,12.25,18\n\"TS_01\",50,35,12\n",
        "x,y,z\r10,20,5\r30.5,12.25,18\r50,35,12\r",
    ] {
        assert_at(
            &read(text).unwrap_or_else(|error| panic!("{text:?}: {error}")),
            &POINTS,
            text,
        );
    }
    for (text, reason) in [
        ("x,y,z\n10,20,5\n1,5,2,5,3,5\n", "line 3: 6 columns, must be 3"),
        (
            "x;y;z\n10,5;20;5\n10.5;1;1\n",
            "line 2: a number with a comma (column x), line 3 has one with a point",
        ),
        ("0,10,20,5\n1,30,12,18\n", "line 1: column 1 counts the lines"),
        (
            "index,axis-0,axis-1,axis-2,axis-3\n0,0,5,20,10\n",
            "more than three axes",
        ),
        ("x_um,y_um,z_um\n1,2,3\n", "no columns x, y, z"),
        ("x,y,z,unit\n1,2,3,furlong\n", "line 2: unit is \"furlong\""),
        (
            "x,y,z,tomogram\n1,2,3,TS_07\n",
            "no picks of the tomogram \"TS_01\" in it but of TS_07 (1)",
        ),
        ("x,y,z,tomogram\n1,2,3,TS_01\n1,2,3,\n", "line 3 names no tomogram"),
        ("x,y,z\n1,2,3\n500,350,120\n", "line 3: z is 120.0, far outside"),
        ("x,y,\"z\n1,2,3\n", "line 1: a quote is not closed"),
        (
            "x,y,z,x_angstrom,y_angstrom,z_angstrom\n10,20,5,200,400,100\n",
            "is 20 times column x",
        ),
        ("x,y,z\n1,2,inf\n", "is not finite"),
    ] {
        assert_refused(read(text), &[reason]);
    }
    // Half a file in Angstrom is no voxels, one stray pick is.
    let stray = read("x,y,z\n1,2,3\n4,5,6\n500,2,3\n").unwrap();
    assert!(
        stray.warnings[0].contains("1 of 3 picks lie outside"),
        "{:?}",
        stray.warnings
    );
    assert_refused(
        read_text("p.csv", "\u{feff}x_angstrom,y_angstrom,z_angstrom\n4000,1,1\n", "TS_01"),
        &["none of the 1 picks"],
    );
    // Truths with their labels.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "label,x,y,z\n3,10,20,5\n4,400,1,1\n3,11,20,5\n").unwrap();
    let (rows, warnings) = read_labelled_csv_of(&path, &geometry(), "").unwrap();
    assert_eq!(rows.iter().map(|row| row.label).collect::<Vec<_>>(), [3, 4, 3]);
    assert_eq!(warnings, ["1 of 3 picks lie outside of the tomogram"]);
    std::fs::write(&path, "label,x,y,z\n3.5,10,20,5\n").unwrap();
    let error = read_labelled_csv_of(&path, &geometry(), "").unwrap_err().to_string();
    assert!(error.contains("line 2: label is 3.5"), "{error}");
    std::fs::write(&path, [0xff, 0xfe, b'x', 0]).unwrap();
    assert_refused(read_as(&path, &geometry(), ""), &["UTF-16"]);
}

#[test]
fn tables_of_dynamo_say_their_voxels_and_their_tomogram() {
    let row = |tomogram: &str, apix: &str| {
        let mut fields = vec!["0"; 42];
        (fields[19], fields[35]) = (tomogram, apix);
        (fields[23], fields[24], fields[25]) = ("11", "21", "6");
        fields.join(" ") + "\n"
    };
    let read = |text: &str, name: &str| read_text("p.tbl", text, name);
    for apix in ["10", "10.04", "0", "1"] {
        assert_at(&read(&row("7", apix), "TS_01").unwrap(), &POINTS[..1], apix);
    }
    assert_refused(read(&row("7", "20"), "TS_01"), &["line 1: column 36 (apix) is 20"]);
    assert_refused(read(&row("7.5", "10"), "TS_01"), &["line 1: column 20 is 7.5"]);
    assert_refused(
        read(&row("7", "10"), "8"),
        &["no picks of the tomogram \"8\" in it but of 7 (1)"],
    );
    let set = read(&row("7", "10"), "7").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.tbl");
    set.write(&path, PickFormat::Dynamo).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.split_whitespace().nth(19), Some("7"));
}

#[test]
fn json_of_python_and_of_other_runs() {
    let file = |run: &str, score: &str, unit: &str| {
        format!(
            r#"{{"pickable_object_name": "a", "user_id": "NaN", "session_id": "0", "run_name": {run}, "voxel_spacing": 10.0,
             "unit": "{unit}", "points": [{{"location": {{"x": 100, "y": 200, "z": 50}}, "score": {score}}}]}}"#
        )
    };
    let read = |text: &str, name: &str| read_text("p.json", text, name);
    assert_at(
        &read(&file("\"TS_01\"", "NaN", "angstrom"), "rec_TS_01").unwrap(),
        &POINTS[..1],
        "NaN",
    );
    assert_at(
        &read(&file("null", "0.5", "angstrom"), "TS_01").unwrap(),
        &POINTS[..1],
        "no run",
    );
    assert_refused(
        read(&file("\"TS_02\"", "1", "angstrom"), "TS_01"),
        &["no picks of the tomogram", "TS_02 (1)"],
    );
    let voxels = file("null", "1", "voxel").replace("10.0", "20.0");
    assert_refused(read(&voxels, "TS_01"), &["voxels of 20 A"]);
    let boxes = r#"{"boxes_3d": [[10, 20, 5, "manual", NaN, 0]], "apix": Infinity}"#;
    assert_at(
        &read_text("a_info.json", boxes, "TS_01").unwrap(),
        &POINTS[..1],
        "EMAN2",
    );
}

/// The bytes of a model that tomocut writes of picks at `positions` (z, y, x) in the volume `drawn_on`.
fn model(positions: &[[f64; 3]], drawn_on: &Geometry, change: impl Fn(&mut Vec<u8>)) -> (tempfile::TempDir, PathBuf) {
    let picks = positions.iter().map(|position| Pick {
        position: *position,
        diameter_nm: 20.0,
        score: 0.5,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.mod");
    PickSet::new(picks.collect(), drawn_on, "TS_01")
        .write(&path, PickFormat::Imod)
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Bytes before the flags of the first object and of the model.
const OBJECT_FLAGS: usize = 8 + 232 + 4 + 132;
const MODEL_FLAGS: usize = 8 + 128 + 16;

#[test]
fn models_are_placed_by_the_volume_that_they_were_drawn_on() {
    let mut tomogram = geometry();
    tomogram.origin_angstrom = [-70.0, 30.0, 500.0];
    let read = |path: &Path| read_as(path, &tomogram, "TS_01");
    // On a slab, and on a binned copy of it: pixel edges, not centres, stay in place in x and y.
    let slab = tomogram.slab(8..20).unwrap();
    let (_folder, path) = model(
        &[[-3.0, 20.0, 10.0], [10.0, 12.25, 30.5], [4.0, 35.0, 50.0]],
        &slab,
        |_| (),
    );
    let set = read(&path).unwrap();
    assert_at(&set, &POINTS, "slab");
    assert!((set.picks[0].diameter_nm - 20.0).abs() < 1e-3 && set.warnings.is_empty());
    let mut binned = slab.clone();
    (binned.shape, binned.voxel_angstrom) = ([6, 20, 28], [20.0; 3]);
    let (_folder, path) = model(
        &[[-1.5, 9.75, 4.75], [5.0, 5.875, 15.0], [2.0, 17.25, 24.75]],
        &binned,
        |_| (),
    );
    let set = read(&path).unwrap();
    assert_at(&set, &POINTS, "binned slab");
    assert!((set.picks[0].diameter_nm - 20.0).abs() < 1e-3);
    // The same volume: its header's size was corrected since, its origin has the other sign.
    let mut wrong = tomogram.clone();
    wrong.voxel_angstrom = [1.0; 3];
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &wrong, |_| ());
    let set = read(&path).unwrap();
    assert_at(&set, &POINTS[..1], "corrected");
    assert!(
        set.warnings[0].contains("the size is taken for corrected"),
        "{:?}",
        set.warnings
    );
    let mut mirrored = tomogram.clone();
    mirrored.origin_angstrom = tomogram.origin_angstrom.map(|origin| -origin);
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &mirrored, |_| ());
    assert_at(&read(&path).unwrap(), &POINTS[..1], "sign");
    // Turned, and drawn on something without a size.
    let turn = |bytes: &mut Vec<u8>| {
        let end = bytes.len() - 4;
        bytes[end - 12..end - 8].copy_from_slice(&90.0_f32.to_be_bytes());
    };
    let (_folder, path) = model(&[[-3.0, 20.0, 10.0]], &slab, turn);
    assert_refused(read(&path), &["turned by [0.0, 0.0, 90.0] degrees"]);
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &tomogram, turn);
    assert_at(&read(&path).unwrap(), &POINTS[..1], "turned, the same volume");
    let mut unsized_copy = Geometry::new([12, 20, 28], 1.0);
    unsized_copy.origin_angstrom = [0.0; 3];
    let (_folder, path) = model(&[[2.5, 9.75, 4.75]], &unsized_copy, |_| ());
    assert_refused(read(&path), &["drawn on pixels of 1 A"]);
    let swap = |bytes: &mut Vec<u8>| bytes[MODEL_FLAGS + 1] |= 1;
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &tomogram, swap);
    assert_refused(read(&path), &["y and z swapped"]);
    // A tomogram without a size takes its own models and no others.
    let unknown = Geometry::new([24, 40, 56], 0.0);
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &unknown, |_| ());
    assert_at(&read_as(&path, &unknown, "").unwrap(), &POINTS[..1], "unknown");
    assert_at(&read(&path).unwrap(), &POINTS[..1], "no reference");
    let (_folder, path) = model(&[[-3.0, 20.0, 10.0]], &slab, |_| ());
    assert_refused(
        read_as(&path, &unknown, ""),
        &["voxel_angstrom is 0", "drawn on pixels of 10 A"],
    );
}

#[test]
fn points_of_open_and_closed_contours_are_picks_where_no_others_are() {
    let flags = |flags: u32| {
        move |bytes: &mut Vec<u8>| bytes[OBJECT_FLAGS..OBJECT_FLAGS + 4].copy_from_slice(&flags.to_be_bytes())
    };
    let positions = [[5.0, 20.0, 10.0], [18.0, 12.25, 30.5], [12.0, 35.0, 50.0]];
    for (kind, warned) in [(1 << 9, false), (1 << 3, false), (0, true)] {
        let (_folder, path) = model(&positions, &geometry(), flags(kind));
        let set = read_as(&path, &geometry(), "TS_01").unwrap();
        assert_at(&set, &POINTS, "kinds");
        assert_eq!(
            set.warnings.iter().any(|warning| warning.contains("closed contours")),
            warned,
            "{kind}"
        );
    }
}

/// RELION 5's two ways in, by its sources: the import of coordinates (import_coordinates.cpp, MetaDataTable::read
/// without a name) reads the first data block; extraction (ParticleSet::read) wants rlnTomoTiltSeriesPixelSize in the optics
/// where there are any, and rlnTomoName and coordinates of every particle.
fn relion_takes(text: &str) -> Result<usize, String> {
    let blocks: Vec<&str> = text.split("\ndata_").skip(1).collect();
    let rows = |block: &str| {
        let lines = block
            .lines()
            .skip(1)
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.filter(|line| !line.starts_with('_') && *line != "loop_").count()
    };
    let first = blocks.first().ok_or("no block")?;
    for label in [
        "_rlnCenteredCoordinateXAngst",
        "_rlnCenteredCoordinateYAngst",
        "_rlnCenteredCoordinateZAngst",
        "_rlnTomoName",
    ] {
        if !first.contains(label) {
            return Err(format!("the first block has no {label}"));
        }
    }
    let optics = blocks.iter().find(|block| block.starts_with("optics\n"));
    if optics.is_some_and(|block| rows(block) > 0 && !block.contains("_rlnTomoTiltSeriesPixelSize")) {
        return Err("rlnTomoTiltSeriesPixelSize missing from optics".into());
    }
    let particles = blocks
        .iter()
        .find(|block| block.starts_with("particles\n"))
        .ok_or("no particles")?;
    Ok(rows(particles))
}

#[test]
fn relion_5_takes_what_is_written() {
    let picks = POINTS.map(|[x, y, z]| Pick {
        position: [z, y, x],
        diameter_nm: 20.0,
        score: 0.5,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("TS_01_points.star");
    PickSet::new(picks.to_vec(), &geometry(), "TS_01")
        .write(&path, PickFormat::Star)
        .unwrap();
    assert_eq!(relion_takes(&std::fs::read_to_string(&path).unwrap()), Ok(3));
    // The rules tell right from wrong.
    if let Some(data) = field_files() {
        let read = |name: &str| std::fs::read_to_string(data.join("08_written_star_and_relion5").join(name)).unwrap();
        assert!(relion_takes(&read("TS_01_points.star")).is_err());
        assert_eq!(relion_takes(&read("without_optics.star")), Ok(16));
    }
    // RELION's own reader, where Debian's package is there.
    let program = std::process::Command::new("relion_star_printtable")
        .arg(&path)
        .args(["data_particles", "_rlnTomoName"])
        .output();
    match program {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["TS_01"; 3]);
        }
        Err(error) => eprintln!("skipped: relion_star_printtable: {error}"),
    }
}

/// Whatever is written carries the name, and is refused for another tomogram where its format holds one.
#[test]
fn written_files_carry_the_name() {
    let picks = POINTS.map(|[x, y, z]| Pick {
        position: [z, y, x],
        diameter_nm: 20.0,
        score: 0.5,
    });
    let folder = tempfile::tempdir().unwrap();
    for name in ["TS_01", "TS 01, \"left\""] {
        let set = PickSet::new(picks.to_vec(), &geometry(), name);
        for format in PickFormat::ALL {
            let path = folder.path().join(format!("p.{}", format.extension()));
            set.write(&path, format).unwrap();
            let back = read_as(&path, &geometry(), "").unwrap();
            match format {
                PickFormat::Csv | PickFormat::Copick => assert_eq!(back.tomogram, name),
                PickFormat::Star => assert_eq!(back.tomogram, name.split(' ').collect::<Vec<_>>().join("_")),
                _ => continue,
            }
            assert_refused(
                read_as(&path, &geometry(), "TS_02"),
                &["no picks of the tomogram \"TS_02\""],
            );
        }
    }
    let mut unknown = geometry();
    unknown.voxel_angstrom = [0.0; 3];
    for format in PickFormat::ALL {
        let path = folder.path().join(format!("u.{}", format.extension()));
        PickSet::new(picks.to_vec(), &unknown, "TS_01")
            .write(&path, format)
            .unwrap();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for nothing in ["NaN", "nan", "PixelSize", "MINX", "0.0000"] {
            assert!(!text.contains(nothing), "{format:?}: {nothing}");
        }
        let back = read_as(&path, &unknown, "TS_01").unwrap();
        assert!((back.picks[0].position[2] - 10.0).abs() < 0.5, "{format:?}");
    }
}
