//! A tomogram: segmented, then scored.
use serde_json::Value;

use super::data_sets::TomogramSource;
use super::models::Model;
use super::{json, Bench};
use crate::failure::Result;

/// Segments one slab and scores it; a page of it lies beside the results.
pub fn measure(bench: &Bench, source: &TomogramSource, model: &Model) -> Result<Value> {
    let folder = bench.data.join(source.folder);
    let tomogram = folder.join(source.tomogram);
    let out = bench.fresh(&format!("{}_{}", source.folder, source.tomogram), model)?;
    let files = bench.segment(model, &tomogram, source.z, source.told, &out)?;

    let mut evaluate = bench.evaluate();
    evaluate.arg("--json").arg("--tomogram").arg(&tomogram);
    evaluate.args(["--labels", files.get("labels")?, "--score", files.get("score")?]);
    for (name, option) in [("membrane", "--membrane-score"), ("molecule", "--molecule-score")] {
        if let Some(score) = files.find(name) {
            evaluate.args([option, score]);
        }
    }
    evaluate.args(["--points", files.get("points_csv")?]);
    if let Some(particles) = source.particles {
        evaluate.arg("--truth-labels").arg(folder.join("labels.mrc.gz"));
        evaluate.arg("--label-table").arg(folder.join("labels.csv"));
        evaluate.args(["--truth-point-label", particles]);
    }
    evaluate.arg("--truth-points").arg(folder.join(source.points));
    evaluate.args(["--diameter-nm", source.diameter_nm]).args(source.reach);
    if !source.at_picks.is_empty() {
        let numbers: Vec<String> = source.at_picks.iter().map(usize::to_string).collect();
        evaluate.args(["--at-picks", &numbers.join(",")]);
    }
    evaluate.arg("--html").arg(out.join("page.html"));
    json(&mut evaluate, "tomocut-evaluate")
}
