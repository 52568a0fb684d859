//! Coordinate files as people have them (`../shared/data/field_files`) and others of their kinds: right, or refused by
//! name. Where picks lie is what other programs' packages and the published conventions say, by
//! `tests/oracle/field_coordinates.py`.
#[path = "../development_data/mod.rs"]
mod development_data;
mod models;
mod star;
mod tables;

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
fn assert_at(set: &PickSet, expected: &[[f64; 3]], subject: &str) {
    assert_eq!(set.picks.len(), expected.len(), "{subject}: {:?}", set.picks);
    for (pick, expected) in set.picks.iter().zip(expected) {
        for (k, value) in expected.iter().enumerate() {
            assert!(
                (pick.position[2 - k] - value).abs() < 2e-3,
                "{subject}: {pick:?}, not {expected:?}"
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
