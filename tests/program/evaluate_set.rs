//! The program on a table of tomograms and methods.
use ndarray::{s, Array3};
use serde_json::Value;
use tomocut::picks::{Pick, PickFormat, PickSet};
use tomocut::volume::{write_f32, write_labels, Geometry};

use crate::started::{run, Folder};

const SHAPE: [usize; 3] = [8, 16, 16];

/// Two tomograms with a sheet at x = 6 and two true points in each; a method that is right and one that is a voxel off
/// and has one point too many.
fn scene() -> Folder {
    let folder = Folder::new();
    let geometry = Geometry::new(SHAPE, 20.0);
    let sheet = |x: usize| Array3::from_shape_fn(SHAPE, |(_, _, column)| i8::from(column == x));
    for name in ["t1", "t2"] {
        let truth = sheet(6);
        write_labels(&folder.path(&format!("{name}_truth.mrc")), &truth, &geometry).unwrap();
        // As tomocut writes a slab: labels of slices 2 to 5.
        let slab = truth.slice(s![2..6, .., ..]).mapv(|v| 2 * v);
        write_labels(
            &folder.path(&format!("{name}_slab.mrc")),
            &slab,
            &geometry.slab(2..6).unwrap(),
        )
        .unwrap();
        let scores = sheet(7).mapv(|v| 0.25 + 0.5 * f32::from(v));
        write_f32(&folder.path(&format!("{name}_off.mrc")), &scores, &geometry).unwrap();
        let truths = "label,x_vox,y_vox,z_vox\n1,4,4,3\n1,12,12,4\n7,2,2,2\n1,4,4,7\n";
        std::fs::write(folder.path(&format!("{name}_truth.csv")), truths).unwrap();
        std::fs::write(folder.path(&format!("{name}_own.csv")), "x,y,z\n4,4,3\n12,12,4\n").unwrap();
        std::fs::write(folder.path(&format!("{name}_off.coords")), "4 4 3\n4 5 3\n12 12 5\n").unwrap();
    }
    let mut table = String::from(
        "tomogram,method,membranes,true_membranes,points,true_points,point_label,z,diameter_nm\n# a comment\n",
    );
    for name in ["t1", "t2"] {
        let truth = format!("{name}_truth.mrc#1");
        table += &format!("{name},,{name}_slab.mrc#2,{truth},{name}_own.csv,{name}_truth.csv,1,,8\n");
        table +=
            &format!("{name},\"other, 1\",{name}_off.mrc#>0.5,{truth},{name}_off.coords,{name}_truth.csv,1,2:6,8\n");
    }
    std::fs::write(folder.path("set.csv"), table).unwrap();
    folder
}

fn figure<'a>(report: &'a Value, group: &str, name: &str) -> &'a Value {
    let figures = report["figures"].as_array().unwrap();
    let is_it = |figure: &&Value| figure["group"] == group && figure["name"] == name;
    &figures.iter().find(is_it).unwrap()["methods"]
}

#[test]
fn methods_stand_beside_each_other_with_intervals() {
    let folder = scene();
    let (table, csv, page) = (folder.at("set.csv"), folder.at("out.csv"), folder.at("out.html"));
    let report = run(0, "evaluate", &["--table", &table, "--json"]).json();
    assert_eq!(report["methods"], serde_json::json!(["tomocut", "other, 1"]));
    assert_eq!(report["tomograms"], serde_json::json!(["t1", "t2"]));
    assert_eq!(report["warnings"], serde_json::json!([]));
    let values = |group: &str, name: &str| {
        let methods = figure(&report, group, name);
        [0, 1].map(|n| methods[n]["overall"].as_f64().unwrap())
    };
    assert_eq!(values("membranes", "Dice, mean of slices"), [1.0, 0.0]);
    assert_eq!(values("membranes", "Dice of all voxels"), [1.0, 0.0]);
    // Sheets a voxel of 2 nm apart.
    assert_eq!(values("membranes", "HD95"), [0.0, 2.0]);
    assert_eq!(values("membranes", "average surface distance"), [0.0, 2.0]);
    // A point a voxel off is right by both rules, the second hit of a truth is wrong, slice 7 and label 7 are out.
    assert_eq!(values("points by distance", "precision"), [1.0, 2.0 / 3.0]);
    assert_eq!(values("points by distance", "recall"), [1.0, 1.0]);
    assert_eq!(values("points by box", "F1"), [1.0, 0.8]);
    let own = &figure(&report, "membranes", "HD95")[1];
    assert_eq!(
        (&own["low"], &own["high"], &own["count"]),
        (&2.0.into(), &2.0.into(), &2.into())
    );

    // The other method's Dice is 1 lower, on both tomograms.
    let difference = &figure(&report, "membranes", "Dice of all voxels")[1]["difference"];
    let expected = serde_json::json!({"value": -1.0, "low": -1.0, "high": -1.0, "count": 2});
    assert_eq!(difference, &expected);

    let answer = run(0, "evaluate", &["--table", &table, "--csv", &csv, "--html", &page]);
    assert!(
        answer.out.contains("95 % intervals of 2000 bootstrap resamples"),
        "{}",
        answer.out
    );
    assert!(answer.out.contains("2.000 [2.000, 2.000]"), "{}", answer.out);
    let rows = std::fs::read_to_string(&csv).unwrap();
    assert!(
        rows.contains("\nmembranes,HD95,nm,overall,\"other, 1\",2,2,2,2\n"),
        "{rows}"
    );
    assert!(
        rows.contains("\nmembranes,HD95,nm,difference,\"other, 1\",2,2,2,2\n"),
        "{rows}"
    );
    assert!(answer.out.contains("less tomocut"), "{}", answer.out);
    assert!(std::fs::read_to_string(&page).unwrap().contains("other, 1</th>"));
}

#[test]
fn positions_that_count_from_the_middle_take_the_tomogram_s_extents() {
    let folder = scene();
    let geometry = Geometry::new(SHAPE, 20.0);
    write_f32(&folder.path("t1.mrc"), &Array3::ones(SHAPE), &geometry).unwrap();
    let pick = |position| Pick {
        position,
        diameter_nm: 8.0,
        score: 1.0,
    };
    let set = PickSet::new(vec![pick([3.0, 4.0, 4.0]), pick([4.0, 12.0, 12.0])], &geometry, "t1");
    set.write(&folder.path("t1.star"), PickFormat::Star).unwrap();
    let columns = "tomogram,points,true_points,point_label,z,diameter_nm";
    std::fs::write(
        folder.path("star.csv"),
        format!("{columns}\nt1.mrc,t1.star,t1_truth.csv,1,2:6,8\n"),
    )
    .unwrap();
    let report = run(0, "evaluate", &["--table", &folder.at("star.csv"), "--json"]).json();
    let f1 = &figure(&report, "points by distance", "F1")[0];
    // One tomogram alone has no interval.
    assert_eq!((&f1["overall"], &f1["low"]), (&1.0.into(), &Value::Null));
    assert_eq!(report["tomograms"], serde_json::json!(["t1"]));
}

#[test]
fn a_method_without_a_tomogram_is_told() {
    let folder = scene();
    let mut table = std::fs::read_to_string(folder.path("set.csv")).unwrap();
    let last = table.trim_end().rfind('\n').unwrap();
    table.truncate(last + 1);
    std::fs::write(folder.path("less.csv"), table).unwrap();
    let answer = run(0, "evaluate", &["--table", &folder.at("less.csv")]);
    assert!(answer.out.contains("other, 1 has none for t2"), "{}", answer.out);
}

#[test]
fn wrong_tables_are_refused_with_their_line() {
    let folder = scene();
    write_labels(
        &folder.path("small.mrc"),
        &Array3::zeros([8, 16, 15]),
        &Geometry::new([8, 16, 15], 20.0),
    )
    .unwrap();
    let flat = Geometry::new(SHAPE, 0.0);
    write_labels(&folder.path("unsized.mrc"), &Array3::zeros(SHAPE), &flat).unwrap();
    let refused = |text: &str, parts: &[&str]| {
        std::fs::write(folder.path("wrong.csv"), text).unwrap();
        let answer = run(3, "evaluate", &["--table", &folder.at("wrong.csv")]);
        for part in parts {
            assert!(answer.err.contains(part), "{text}: {}", answer.err);
        }
    };
    refused("", &["is empty"]);
    refused("tomogram,membranes\n", &["no rows"]);
    refused("membranes,true_membranes\na.mrc,b.mrc\n", &["no column tomogram"]);
    refused("tomogram,colour\nt1,red\n", &["\"colour\"", "true_membranes"]);
    refused("tomogram,membranes\nt1,\n", &["line 2", "nothing to score"]);
    refused(
        "tomogram,membranes\nt1,t1_slab.mrc\n",
        &["line 2", "has no truth", "true_membranes"],
    );
    let masks = "tomogram,membranes,true_membranes,z\n";
    refused(
        &format!("{masks}t1,absent.mrc,t1_truth.mrc\n"),
        &["line 2", "absent.mrc, which is not there"],
    );
    refused(
        &format!("{masks}absent.mrc,t1_slab.mrc,t1_truth.mrc\n"),
        &["tomogram is", "absent.mrc"],
    );
    refused(
        &format!("{masks}t1,t1_slab.mrc#x,t1_truth.mrc\n"),
        &["membranes is \"t1_slab.mrc#x\""],
    );
    refused(
        &format!("{masks}t1,small.mrc,t1_truth.mrc\n"),
        &["line 2", "[8, 16, 15]"],
    );
    refused(
        &format!("{masks}t1,t1_slab.mrc,t1_truth.mrc,1:4\n"),
        &["line 2", "t1_slab.mrc", "1..4"],
    );
    refused(
        &format!("{masks}t1,unsized.mrc,unsized.mrc\n"),
        &["line 2", "voxel_nm is unknown"],
    );
    let row = "t1,t1_slab.mrc,t1_truth.mrc\n";
    refused(&format!("{masks}{row}{row}"), &["line 3", "already, line 2"]);
    let methods = "tomogram,method,membranes,true_membranes\nt1,a,t1_slab.mrc,t1_truth.mrc\n";
    refused(
        &format!("{methods}t1,b,t1_off.mrc,t1_truth.mrc\n"),
        &["line 3", "other slices (0:8, not 2:6)"],
    );
    let other = "t1,b,t1_slab.mrc,t1_off.mrc\n";
    refused(&format!("{methods}{other}"), &["line 3", "another truth of membranes"]);
    let points = "tomogram,points,true_points,z,voxel_nm\nt1,t1_own.csv,t1_truth.csv,0:8,2\n";
    refused(points, &["line 2", "diameter_nm is missing"]);
    std::fs::write(folder.path("p.star"), "data_\n").unwrap();
    let star = "tomogram,points,true_points,z,voxel_nm,diameter_nm\nt1,p.star,t1_truth.csv,0:8,2,8\n";
    refused(star, &["line 2", "tomogram is t1", "count from its middle"]);
}
