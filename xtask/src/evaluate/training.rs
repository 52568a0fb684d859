//! `cargo xtask evaluate-training`: from a slab that nobody labelled to a network for the rest,
//! docs/measured/networks.md.
//!
//! Per tomogram: a slab is segmented, networks learn from what was found in it, and all are scored on slices that none
//! of them learnt from.
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::{json, Value};

use super::data_sets::{DataSet, Source, TomogramSource, DATA_SETS};
use super::models::Model;
use super::{json as run_for_json, labels, training_page, Bench, Files};
use crate::demo::Programs;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::libtorch;
use crate::process;

/// Slices that are learnt from, and slices of a simulated tomogram that are scored.
const LEARNT: &str = "54:74";
const SCORED: &str = "24:44";
/// Steps of a training from random weights, as many as the program takes from the built-in network.
const SCRATCH_STEPS: &str = "300";

/// A network of the table.
struct Row {
    name: &'static str,
    /// Options of `tomocut train`; none: the built-in network as it ships.
    training: Option<&'static [&'static str]>,
    /// Learns from the truth of the slab, not from what was found.
    truth: bool,
}

const ROWS: [Row; 4] = [
    Row {
        name: "built-in network",
        training: None,
        truth: false,
    },
    Row {
        name: "adapted to the slab",
        training: Some(&[]),
        truth: false,
    },
    Row {
        name: "from random weights on the slab",
        training: Some(&["--scratch", "--steps", SCRATCH_STEPS]),
        truth: false,
    },
    Row {
        name: "adapted to true labels",
        training: Some(&[]),
        truth: true,
    },
];

/// What is asked for.
#[derive(Default)]
struct Plan {
    /// Only the data sets whose names hold this; the page is then printed and not written.
    only: Option<String>,
    /// Segmentations of slabs and networks that an earlier call left are taken as they are.
    reuse: bool,
}

/// The command: `[--only TEXT] [--reuse]`.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let plan = parse(arguments)?;
    let data = std::env::var_os("TOMOCUT_DATA").map_or_else(|| layout.root.join("../shared/data"), PathBuf::from);
    let chosen = |set: &&DataSet| plan.only.as_ref().is_none_or(|text| set.name.contains(text));
    let sets: Vec<(&DataSet, &TomogramSource)> = DATA_SETS
        .iter()
        .filter(chosen)
        .filter_map(|set| match &set.source {
            Source::Tomogram(source) => Some((set, source)),
            Source::Pictures(_) => None,
        })
        .collect();
    if !sets.iter().any(|(set, _)| set.file(&data).exists()) {
        let message = format!(
            "no development data in {}: name their folder in TOMOCUT_DATA",
            data.display()
        );
        return Err(Failure::new(message));
    }
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let bench = Bench {
        programs: Programs::build(layout, &torch)?,
        folder: layout.target.join("evaluate-training"),
        data,
        layout,
    };
    let mut results = Vec::new();
    for (set, source) in sets {
        results.push((set, measure(&bench, set, source, plan.reuse)?));
    }
    let page = training_page::page(&results);
    println!("{page}");
    if plan.only.is_none() {
        let path = layout.root.join("docs/measured/networks.md");
        layout::write_atomic(&path, &page)?;
        println!("evaluate-training: wrote {}", path.display());
    }
    Ok(())
}

fn parse(arguments: Vec<OsString>) -> Result<Plan> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut plan = Plan::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("only") => plan.only = Some(parser.value()?.string()?),
            Long("reuse") => plan.reuse = true,
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(plan)
}

/// Names of the rows with what `tomocut evaluate` says of each.
fn measure(bench: &Bench, set: &DataSet, source: &TomogramSource, reuse: bool) -> Result<Vec<(String, Value)>> {
    let model = Model {
        name: "slab".to_owned(),
        options: Vec::new(),
    };
    let tomogram = bench.data.join(source.folder).join(source.tomogram);
    let out = bench.made(&format!("{}_{}", source.folder, source.tomogram))?;
    // Where only positions are known they are too few for a few slices: the whole tomogram is scored.
    let scored = if source.particles.is_some() { SCORED } else { source.z };
    println!("evaluate-training: {}, slab", set.name);
    let segment = |z: &str, told: &[&str], name: &str| -> Result<Files> {
        let kept = out.join(format!("{name}.json"));
        if let Some(files) = std::fs::read(&kept).ok().filter(|_| reuse) {
            let known = |e| Failure::new(format!("{}: {e}", kept.display()));
            return Ok(Files(serde_json::from_slice(&files).map_err(known)?));
        }
        let files = bench.segment(&model, &tomogram, z, told, &out.join(name))?;
        layout::write_atomic(&kept, &files.0.to_string())?;
        Ok(files)
    };
    // A number of picks is one of the whole tomogram.
    let told: Vec<&str> = source
        .told
        .iter()
        .copied()
        .take_while(|word| *word != "--picks")
        .collect();
    let learnt = segment(LEARNT, &told, "learnt")?;
    let slab = segment(scored, source.told, "scored")?;
    let mut rows = vec![(
        "the slab's way, slice by slice".to_owned(),
        score(bench, source, &slab)?,
    )];
    for row in ROWS.iter().filter(|row| !row.truth || source.particles.is_some()) {
        println!("evaluate-training: {}, {}", set.name, row.name);
        let folder = out.join(row.name.replace(' ', "_"));
        std::fs::create_dir_all(&folder).map_err(|e| Failure::io("making", &folder, &e))?;
        let network = match row.training {
            Some(options) => Some(train(bench, source, row, options, &learnt, (&folder, reuse))?),
            None => None,
        };
        let made = predict(bench, source, network.as_deref(), scored, &folder)?;
        rows.push((row.name.to_owned(), score(bench, source, &made)?));
    }
    Ok(rows)
}

/// Trains a network on the slab `learnt` and gives its file.
fn train(
    bench: &Bench,
    source: &TomogramSource,
    row: &Row,
    options: &[&str],
    learnt: &Files,
    (folder, reuse): (&Path, bool),
) -> Result<PathBuf> {
    let data = bench.data.join(source.folder);
    let file = folder.join("network.safetensors");
    if reuse && file.exists() {
        return Ok(file);
    }
    let mut train = bench.programs.subcommand(bench.layout, "train");
    train.arg(data.join(source.tomogram)).args(["--z", LEARNT]);
    if row.truth {
        let names = labels::classes(&data.join("labels.csv"))?.join(",");
        train.arg("--labels").arg(data.join("labels.mrc.gz"));
        train.arg("--points").arg(data.join(source.points));
        train.args(["--names", &names]);
    } else {
        train.args(["--labels", learnt.get("labels")?, "--points", learnt.get("points_csv")?]);
    }
    train.args(options).args(["--quiet", "--json", "--out"]).arg(&file);
    run_for_json(&mut train, "tomocut train")?;
    Ok(file)
}

/// Predicts the slices `z` with the file `network` or the built-in one.
fn predict(bench: &Bench, source: &TomogramSource, network: Option<&Path>, z: &str, folder: &Path) -> Result<Files> {
    let mut predict = bench.programs.subcommand(bench.layout, "predict");
    predict.arg(bench.data.join(source.folder).join(source.tomogram));
    if let Some(network) = network {
        predict.arg("--model").arg(network);
    }
    predict.args(["--region", &format!("{z},:,:"), "--picks", "auto"]);
    predict.args(["--diameter-nm", source.diameter_nm]);
    predict.args(["--again", "--quiet", "--json", "--out"]).arg(folder);
    run_for_json(&mut predict, "tomocut predict")?;
    let stem = folder.join(source.tomogram.split('.').next().unwrap_or_default());
    let file = |ending: &str| format!("{}_{ending}", stem.display());
    Ok(Files(json!({"files": {
        "labels": file("labels.mrc"),
        "membrane": file("membrane.mrc"),
        "molecule": file("molecule.mrc"),
        "points_csv": file("points.csv"),
    }})))
}

/// What `tomocut evaluate` says of labels and points.
fn score(bench: &Bench, source: &TomogramSource, files: &Files) -> Result<Value> {
    let folder = bench.data.join(source.folder);
    let mut evaluate = bench.evaluate();
    evaluate
        .arg("--json")
        .arg("--tomogram")
        .arg(folder.join(source.tomogram));
    evaluate.args(["--labels", files.get("labels")?, "--points", files.get("points_csv")?]);
    evaluate.args(["--membrane-score", files.get("membrane")?]);
    evaluate.args(["--molecule-score", files.get("molecule")?]);
    source.truth(&folder, &mut evaluate);
    run_for_json(&mut evaluate, "tomocut evaluate")
}
