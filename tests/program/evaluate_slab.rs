//! The program on slabs: figures, files and page.
use std::path::{Path, PathBuf};

use ndarray::Array3;
use serde_json::Value;
use tomocut::picks::{Pick, PickFormat, PickSet};
use tomocut::volume::{write_f32, write_labels, write_scores, Geometry};

/// A small volume with known truth: a dark sheet and dark balls; the prediction of its slices 10 to 29 has three of
/// the four balls there, in order of their scores right, wrong, right, right.
struct Scene {
    folder: tempfile::TempDir,
}

const BALLS: [[usize; 3]; 5] = [[14, 10, 10], [18, 34, 12], [22, 14, 36], [26, 36, 36], [36, 24, 10]];

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let geometry = Geometry::new([40, 48, 48], 20.0);
        let truth = Array3::from_shape_fn([40, 48, 48], |(z, y, x)| {
            let near = |c: &[usize; 3]| {
                let squares = [z, y, x]
                    .into_iter()
                    .zip(c)
                    .map(|(a, b)| (a as f64 - *b as f64).powi(2));
                squares.sum::<f64>() <= 9.0
            };
            if BALLS.iter().any(near) {
                3i8
            } else if x == 24 {
                1
            } else if x == 25 && y < 3 {
                9
            } else {
                0
            }
        });
        let noise = |z: usize, y: usize, x: usize| ((z * 7919 + y * 104_729 + x * 1_299_709) % 1000) as f32 / 1000.0;
        let voxels = Array3::from_shape_fn([40, 48, 48], |(z, y, x)| {
            noise(z, y, x) - f32::from(truth[[z, y, x]].signum())
        });
        write_labels(&at("truth.mrc"), &truth, &geometry).unwrap();
        write_f32(&at("tomogram.mrc"), &voxels, &geometry).unwrap();
        let table = "label,class,model\n0,background,\n1,membrane,a\n3,particle,b\n9,membrane_protein,c\n";
        std::fs::write(at("labels.csv"), table).unwrap();
        let rows: Vec<String> = BALLS.iter().map(|[z, y, x]| format!("3,{x},{y},{z}")).collect();
        let particles = format!("label,x_vox,y_vox,z_vox\n5,1,1,20\n{}\n", rows.join("\n"));
        std::fs::write(at("particles.csv"), particles).unwrap();
        let slab = geometry.slab(10..30).unwrap();
        let labels = truth
            .slice(ndarray::s![10..30, .., ..])
            .mapv(|t| [0, 1, 0, 2, 0, 0, 0, 0, 0, 1][t as usize]);
        write_labels(&at("p_labels.mrc"), &labels, &slab).unwrap();
        write_scores(&at("p_score.mrc"), &labels.mapv(|v| f32::from(v.min(1))), &slab, true).unwrap();
        // A quarter for everything but membrane, three quarters for it.
        let membrane = labels.mapv(|v| if v == 1 { 0.75 } else { 0.25 });
        write_scores(&at("p_membrane.mrc"), &membrane, &slab, false).unwrap();
        let molecule = labels.mapv(|v| if v == 2 { 1.0 } else { 0.0 });
        write_scores(&at("p_molecule.mrc"), &molecule, &slab, false).unwrap();
        write_scores(
            &at("p_raw.mrc"),
            &labels.mapv(|v| f32::from(v.min(1)) * 3.0 - 1.0),
            &slab,
            false,
        )
        .unwrap();
        let near = |n: usize| BALLS[n].map(|v| v as f64 + 0.5);
        let picks = [(near(2), 0.2), (near(0), 0.9), ([20.0, 3.0, 44.0], 0.7), (near(1), 0.5)];
        let picks = picks.map(|(position, score)| Pick {
            position,
            diameter_nm: 12.0,
            score,
        });
        PickSet::new(picks.to_vec(), &geometry, "t")
            .write(&at("p.csv"), PickFormat::Csv)
            .unwrap();
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All of the prediction but its scores, and the truth, with `more` options.
    fn run(&self, more: &[&str]) -> std::process::Output {
        let mut program = crate::started::program("evaluate");
        program.current_dir(self.folder.path());
        program.args([
            "--labels",
            "p_labels.mrc",
            "--points",
            "p.csv",
            "--tomogram",
            "tomogram.mrc",
        ]);
        program.args(["--truth-labels", "truth.mrc", "--label-table", "labels.csv"]);
        program.args(["--truth-points", "particles.csv", "--truth-point-label", "3"]);
        program.args(more).output().unwrap()
    }

    fn text(&self, more: &[&str]) -> String {
        let output = self.run(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn number(report: &Value, pointer: &str) -> f64 {
    let value = report.pointer(pointer).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("{pointer} in {report:#}"))
}

#[test]
fn a_slab_is_scored_by_its_nzstart() {
    let scene = Scene::new();
    let options = [
        "--score",
        "p_score.mrc",
        "--membrane-score",
        "p_membrane.mrc",
        "--diameter-nm",
        "12",
    ];
    let report: Value = serde_json::from_str(&scene.text(&[&options[..], &["--json"]].concat())).unwrap();
    let number = |pointer: &str| number(&report, pointer);
    assert_eq!((number("/z/0"), number("/z/1"), number("/voxel_nm")), (10.0, 30.0, 2.0));
    for name in [
        "foreground_dice",
        "foreground_iou",
        "membrane_dice",
        "membrane_iou",
        "molecule_dice",
        "score_auc",
    ] {
        assert_eq!(number(&format!("/voxels/{name}/value")), 1.0, "{name}");
        assert!((0.3..1.0).contains(&number(&format!("/voxels/{name}/floor"))), "{name}");
    }
    // The floor's IoU is that of its Dice.
    let dice = number("/voxels/foreground_dice/floor");
    assert!((number("/voxels/foreground_iou/floor") - dice / (2.0 - dice)).abs() < 1e-12);
    // A score of 0 and 1 that is right is calibrated; 0.25 and 0.75 that is right is a quarter off.
    assert_eq!(number("/voxels/score_calibration/error"), 0.0);
    assert_eq!(number("/voxels/membrane_score_auc/value"), 1.0);
    assert_eq!(number("/voxels/membrane_score_calibration/error"), 0.25);
    assert_eq!(number("/voxels/membrane_score_calibration/bins/3/share_positive"), 0.0);
    let counts = |place: &str| ["found", "wrong", "missed"].map(|name| number(&format!("/points/{place}/{name}")));
    assert_eq!((number("/points/truths"), number("/points/match_voxels")), (4.0, 3.0));
    assert_eq!(counts("prediction"), [3.0, 1.0, 1.0]);
    assert_eq!(counts("prediction_at_truths"), [3.0, 1.0, 1.0]);
    assert!(number("/points/floor_at_truths/recall") >= 0.5);
    // Right, wrong, right, right: (1 + 2/3 + 3/4) / 4.
    let average = (1.0 + 2.0 / 3.0 + 0.75) / 4.0;
    assert!((number("/points/average_precision/value") - average).abs() < 1e-12);
    let table = scene.text(&options);
    assert!(
        table.contains("foreground Dice") && table.contains("4 true molecules"),
        "{table}"
    );
}

#[test]
fn picks_are_counted_at_the_numbers_asked_for_and_by_boxes() {
    let scene = Scene::new();
    let json = |more: &[&str]| -> Value { serde_json::from_str(&scene.text(&[more, &["--json"]].concat())).unwrap() };
    let report = json(&["--diameter-nm", "12", "--match-voxels", "1", "--at-picks", "1,3,99"]);
    for (n, [picks, found, wrong]) in [[1, 1, 0], [3, 2, 1], [99, 3, 1]].into_iter().enumerate() {
        let at = |name: &str| number(&report, &format!("/points/at_picks/{n}/{name}")) as usize;
        assert_eq!(
            [at("picks"), at("prediction/found"), at("prediction/wrong")],
            [picks, found, wrong]
        );
        let floor = at("floor/found") + at("floor/wrong");
        // Both are counted to the same number, the floor has more peaks to give.
        assert!(floor == picks || n == 2 && floor > 4, "{floor}");
    }
    assert_eq!(number(&report, "/points/match_nm"), 2.0);
    // Half a voxel off along every axis is 0.87 voxels away: boxes of 6 share 5.5^3 of 432 - 5.5^3 = 0.626.
    for (iou, found) in [("0.62", 3.0), ("0.63", 0.0)] {
        let report = json(&["--diameter-nm", "12", "--box-iou", iou]);
        assert_eq!(number(&report, "/points/by_box/side_voxels"), 6.0);
        assert_eq!(number(&report, "/points/by_box/prediction/found"), found, "{iou}");
    }
    assert_eq!(number(&json(&["--diameter-nm", "12"]), "/points/by_box/iou"), 0.3);
    // Without a diameter there are no boxes.
    assert!(json(&["--match-voxels", "0.8"]).pointer("/points/by_box").is_none());
    assert_eq!(
        number(&json(&["--match-voxels", "0.8"]), "/points/prediction/found"),
        0.0
    );
}

#[test]
fn the_page_holds_everything_and_nothing_foreign() {
    let scene = Scene::new();
    std::fs::copy(scene.at("p_labels.mrc"), scene.at("a<b>&\"c.mrc")).unwrap();
    let more = [
        "--labels",
        "a<b>&\"c.mrc",
        "--score",
        "p_score.mrc",
        "--membrane-score",
        "p_membrane.mrc",
        "--diameter-nm",
        "12",
        "--at-picks",
        "2",
        "--html",
        "page.html",
        "--json=report.json",
        "--slices",
        "2",
    ];
    let table = scene.text(&more);
    assert!(table.contains("foreground Dice"));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(scene.at("report.json")).unwrap()).unwrap();
    assert_eq!(number(&report, "/points/truths"), 4.0);
    let page = std::fs::read_to_string(scene.at("page.html")).unwrap();
    assert!(page.contains("a&lt;b&gt;&amp;&quot;c.mrc") && !page.contains("a<b>"));
    for foreign in ["<script", "http:", "https:", "<link", "NaN", "inf\"", "/tmp"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // Slices 15 and 25: a grey picture, and tints of truth, prediction and disagreement each.
    for said in [
        "slice z = 15",
        "slice z = 25",
        "2.0000 nm",
        "Structure score",
        "Membrane score",
        "best 2: recall",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let pictures = embedded_pictures(&page, scene.folder.path());
    assert_eq!(pictures.len(), 8);
    let [grey, truth, prediction, both] = [0, 1, 2, 3].map(|n| &pictures[n]);
    assert_eq!((grey.width(), grey.height()), (48, 48));
    assert!((0..48).all(|y| grey.get_pixel(24, y)[0] < 128), "the sheet is dark");
    // Slice 15 cuts the first ball, which lies at x 10, y 10, and the sheet.
    let (membrane, molecule) = (truth.get_pixel(24, 20), truth.get_pixel(10, 10));
    assert!(membrane[0] > membrane[2] && molecule[2] > molecule[0] && membrane[3] == molecule[3]);
    assert_eq!(
        (truth.get_pixel(40, 40)[3], prediction.get_pixel(24, 20)),
        (0, membrane)
    );
    let hit = both.get_pixel(24, 20);
    assert!(hit == both.get_pixel(10, 10) && hit[1] > hit[0]);
    // The same inputs give the same page.
    scene.text(&more);
    assert_eq!(page, std::fs::read_to_string(scene.at("page.html")).unwrap());
}

#[test]
fn molecules_have_a_score_and_filaments_a_dice() {
    let scene = Scene::new();
    let more = [
        "--molecule-score",
        "p_molecule.mrc",
        "--filament-labels",
        "9",
        "--diameter-nm",
        "12",
        "--json",
    ];
    let report: Value = serde_json::from_str(&scene.text(&more)).unwrap();
    assert_eq!(number(&report, "/voxels/molecule_score_auc/value"), 1.0);
    assert_eq!(number(&report, "/voxels/molecule_score_calibration/error"), 0.0);
    // The option makes filaments of the 3 voxels per slice that the table calls unclear; the prediction has them as
    // membrane, beside the 48 of the sheet.
    assert_eq!(number(&report, "/voxels/filament_dice/value"), 0.0);
    assert_eq!(number(&report, "/voxels/filament_iou/value"), 0.0);
    assert!((number(&report, "/voxels/membrane_dice/value") - 96.0 / 99.0).abs() < 1e-12);
}

#[test]
fn scores_that_are_no_probabilities_have_no_reliability() {
    let scene = Scene::new();
    let report = scene.text(&["--score", "p_raw.mrc", "--diameter-nm", "12", "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(number(&report, "/voxels/score_auc/value"), 1.0);
    assert_eq!(report.pointer("/voxels/score_calibration"), Some(&Value::Null));
}

#[test]
fn wrong_usage_is_told_apart_from_unfit_files() {
    let scene = Scene::new();
    for more in [
        &["--diameter-nm", "12", "--match-nm", "3", "--match-voxels", "2"][..],
        &["--diameter-nm", "12", "--box-iou", "1.5"],
        &["--diameter-nm", "12", "--at-picks", "5,0"],
        &["--diameter-nm", "-1"],
        &["--diameter-nm", "12", "--z", "12:12"],
        &["--truth-masks", "."],
        &[],
    ] {
        assert_eq!(scene.run(more).status.code(), Some(2), "{more:?}");
    }
    let unfit = scene.run(&["--diameter-nm", "12", "--score", "truth.mrc", "--z", "30:50"]);
    assert_eq!(unfit.status.code(), Some(3));
    let unwritten = scene.run(&["--diameter-nm", "12", "--html", "missing/page.html"]);
    assert_eq!(unwritten.status.code(), Some(5));
}

/// The PNG pictures within a page, in order.
pub fn embedded_pictures(page: &str, folder: &Path) -> Vec<image::RgbaImage> {
    use base64::Engine;
    let encoded = page.split("data:image/png;base64,").skip(1);
    let decode = |(n, rest): (usize, &str)| {
        let text = rest.split('"').next().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let path = folder.join(format!("embedded{n}.png"));
        std::fs::write(&path, bytes).unwrap();
        image::open(path).unwrap().to_rgba8()
    };
    encoded.enumerate().map(decode).collect()
}
