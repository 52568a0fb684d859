//! `cargo xtask evaluate`: the quality table, docs/quality.md, from data sets with truth.
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::demo::Programs;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::libtorch;
use crate::process;

/// A tomogram with truth, in the folder of development data.
struct DataSet {
    /// Its name in the table.
    name: &'static str,
    /// Its folder.
    folder: &'static str,
    /// The tomogram's file.
    tomogram: &'static str,
    /// The file of true positions.
    points: &'static str,
    /// Labels of the positions that count, where the folder has `labels.mrc.gz` and `labels.csv`: its particles, not the
    /// proteins in its membranes. None where only positions are known.
    particles: Option<&'static str>,
    /// Diameter of a typical molecule, and how far a hit may be off, in nm.
    diameter_nm: &'static str,
    match_nm: &'static str,
}

/// The middle 20 slices: every one of these tomograms has 128.
const SLAB: &str = "54:74";

const fn simulated(
    name: &'static str,
    folder: &'static str,
    tomogram: &'static str,
    particles: &'static str,
) -> DataSet {
    DataSet {
        name,
        folder,
        tomogram,
        points: "particles.csv",
        particles: Some(particles),
        // From 12 nm (a small enzyme) to 27 nm (a ribosome).
        diameter_nm: "20",
        match_nm: "10",
    }
}

const DATA_SETS: [DataSet; 5] = [
    simulated("sim_pn_dev1, SNR 0.8", "sim_pn_dev1", "tomo_easy.mrc.gz", "3,4,5,6,7,8"),
    simulated("sim_pn_dev1, SNR 0.1", "sim_pn_dev1", "tomo_hard.mrc.gz", "3,4,5,6,7,8"),
    simulated("sim_pn_dev2, SNR 0.1", "sim_pn_dev2", "tomo_hard.mrc.gz", "3,4,5,6,7,8"),
    // Its ribosomes; most of the other particles are of 5 nm, four voxels.
    DataSet {
        diameter_nm: "27",
        match_nm: "12.5",
        ..simulated(
            "sim_semi_TE1 (ribosomes), SNR 0.1",
            "sim_semi_TE1",
            "tomo_hard.mrc.gz",
            "4",
        )
    },
    DataSet {
        name: "EMPIAR-11658 tomogram 9, real",
        folder: "real_empiar11658_tomo9",
        tomogram: "tomo9.mrc.gz",
        points: "ribosomes_80S.csv",
        particles: None,
        // Ribosomes; four voxels.
        diameter_nm: "27",
        match_nm: "12.5",
    },
];

/// Columns of the table: heading, the value's path in the report of `tomocut-evaluate`, the trivial floor's.
const COLUMNS: [(&str, &str, &str); 6] = [
    (
        "foreground Dice",
        "/voxels/foreground_dice/value",
        "/voxels/foreground_dice/floor",
    ),
    (
        "membrane Dice",
        "/voxels/membrane_dice/value",
        "/voxels/membrane_dice/floor",
    ),
    ("AUC of the score", "/voxels/score_auc/value", "/voxels/score_auc/floor"),
    ("molecule F1", "/points/prediction/f1", "/points/floor/f1"),
    ("molecule recall", "/points/prediction/recall", "/points/floor/recall"),
    (
        "recall with as many picks as truths",
        "/points/prediction_at_truths/recall",
        "/points/floor_at_truths/recall",
    ),
];

/// The command: no arguments.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    if let Some(argument) = lexopt::Parser::from_args(arguments).next()? {
        return Err(argument.unexpected().into());
    }
    let data = std::env::var_os("TOMOCUT_DATA").map_or_else(|| layout.root.join("../shared/data"), PathBuf::from);
    if !data.join(DATA_SETS[0].folder).exists() {
        return Err(Failure::new(format!(
            "no development data in {}: name their folder in TOMOCUT_DATA",
            data.display()
        )));
    }
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let programs = Programs::build(layout, &torch)?;
    let mut rows = Vec::new();
    for set in &DATA_SETS {
        println!("evaluate: {}", set.name);
        rows.push((set.name, measure(layout, &programs, &data, set)?));
    }
    let path = layout.root.join("docs/quality.md");
    let page = page(&rows);
    layout::write_atomic(&path, &page)?;
    println!("{page}\nevaluate: wrote {}", path.display());
    Ok(())
}

/// Segments one slab and scores it.
fn measure(layout: &Layout, programs: &Programs, data: &Path, set: &DataSet) -> Result<Value> {
    let folder = data.join(set.folder);
    let tomogram = folder.join(set.tomogram);
    let out = layout
        .target
        .join("evaluate")
        .join(set.folder)
        .join(set.tomogram.replace('.', "_"));
    layout::fresh_folder(&out)?;
    let mut slab = programs.slab(layout);
    slab.arg(&tomogram)
        .args(["--z", SLAB, "--quiet", "--json", "--out"])
        .arg(&out);
    let made = json(&process::capture(&mut slab, "tomocut-slab")?, "tomocut-slab")?;
    let file = |name: &str| {
        let path = made.pointer(&format!("/files/{name}")).and_then(Value::as_str);
        path.ok_or_else(|| Failure::new(format!("tomocut-slab --json names no file {name}")))
    };

    let mut evaluate = programs.evaluate(layout);
    evaluate.arg("--json").arg("--tomogram").arg(&tomogram);
    evaluate.args([
        "--labels",
        file("labels")?,
        "--score",
        file("score")?,
        "--points",
        file("points_csv")?,
    ]);
    if let Some(particles) = set.particles {
        evaluate.arg("--truth-labels").arg(folder.join("labels.mrc.gz"));
        evaluate.arg("--label-table").arg(folder.join("labels.csv"));
        evaluate.args(["--truth-point-label", particles]);
    }
    evaluate.arg("--truth-points").arg(folder.join(set.points));
    evaluate.args(["--diameter-nm", set.diameter_nm, "--match-nm", set.match_nm]);
    json(
        &process::capture(&mut evaluate, "tomocut-evaluate")?,
        "tomocut-evaluate",
    )
}

fn json(text: &str, program: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| Failure::new(format!("{program} printed no JSON: {e}")))
}

/// The whole page. No dates, times or paths: the same results give the same bytes.
fn page(rows: &[(&str, Value)]) -> String {
    let mut text = String::from(
        "# Quality\n\nMade by `cargo xtask evaluate`: the built-in model and the default preset on the middle 20 slices \
         of each data set,\nwith no setting changed between them. Beside each value, in parentheses, stands the trivial \
         floor: the best of three\nGaussian blurs thresholded at the true foreground fraction, or as many \
         Laplacian-of-Gaussian peaks as there are picks.\n\n",
    );
    text += "| data |";
    for (heading, _, _) in COLUMNS {
        text += &format!(" {heading} |");
    }
    text += &format!("\n| --- |{}\n", " --- |".repeat(COLUMNS.len()));
    for (name, report) in rows {
        text += &format!("| {name} |");
        for (_, value, floor) in COLUMNS {
            text += &format!(" {} |", cell(report, value, floor));
        }
        text.push('\n');
    }
    text
}

/// A value with its floor; a dash where the truth does not say.
fn cell(report: &Value, value: &str, floor: &str) -> String {
    let number = |path| report.pointer(path).and_then(Value::as_f64);
    match (number(value), number(floor)) {
        (Some(value), Some(floor)) => format!("{value:.3} ({floor:.3})"),
        (Some(value), None) => format!("{value:.3}"),
        _ => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_shows_the_value_its_floor_or_a_dash() {
        let report = serde_json::json!({"a": {"dice": 0.61249, "floor": 0.5, "none": null}});
        assert_eq!(cell(&report, "/a/dice", "/a/floor"), "0.612 (0.500)");
        assert_eq!(cell(&report, "/a/dice", "/a/none"), "0.612");
        assert_eq!(cell(&report, "/a/none", "/a/floor"), "-");
    }

    #[test]
    fn every_row_has_every_column() {
        let page = page(&[("x", serde_json::json!({}))]);
        let table: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(table.len(), 3);
        assert!(
            table.iter().all(|line| line.matches('|').count() == COLUMNS.len() + 2),
            "{table:?}"
        );
    }
}
