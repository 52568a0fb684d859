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
    let out = bench.fresh(&format!("{}_{}_{}", source.folder, source.tomogram, source.z), model)?;
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
    source.truth(&folder, &mut evaluate);
    evaluate.arg("--html").arg(out.join("page.html"));
    json(&mut evaluate, "tomocut evaluate")
}
