//! Tables of spreadsheets, Dynamo and Python, and JSON.
use super::*;

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
            r#"{{"pickable_object_name": "a", "user_id": "NaN", "session_id": "0", "run_name": {run},
            "voxel_spacing": 10.0,
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
