//! The rows: which weights and which preset.
use std::ffi::OsString;
use std::path::PathBuf;

use super::Bench;
use crate::failure::{Failure, Result};
use crate::{own_programs, process};

/// One row of every table.
pub struct Model {
    /// Its name in the page.
    pub name: String,
    /// Options of `tomocut slab`.
    pub options: Vec<OsString>,
}

/// Presets of the built-in model that have a row beside the default's.
const PRESETS: [&str; 1] = ["spectral"];

/// Seed of the random weights.
const SEED: &str = "20";

/// The built-in model, random weights of its shape, and what was `named`.
pub fn all(bench: &Bench, named: Vec<(String, PathBuf)>) -> Result<Vec<Model>> {
    let weights = |name: &str, file: PathBuf| Model {
        name: name.to_owned(),
        options: vec!["--model".into(), file.into()],
    };
    let mut models = vec![Model {
        name: "built-in model".to_owned(),
        options: Vec::new(),
    }];
    models.extend(PRESETS.iter().map(|preset: &&str| Model {
        name: format!("built-in model, {preset}"),
        options: vec!["--preset".into(), preset.into()],
    }));
    models.push(weights("random weights", random(bench)?));
    // Files are named from where the command was typed.
    let here = std::env::current_dir().map_err(|e| Failure::new(format!("the current folder: {e}")))?;
    models.extend(named.iter().map(|(name, file)| weights(name, here.join(file))));
    Ok(models)
}

/// Untrained weights in the shape of the built-in model.
fn random(bench: &Bench) -> Result<PathBuf> {
    let made = |e: std::io::Error| Failure::io("making", &bench.folder, &e);
    std::fs::create_dir_all(&bench.folder).map_err(made)?;
    let file = bench.folder.join("random.safetensors");
    let mut train = own_programs::lab_program(bench.layout, "tomocut-train-model")?;
    train.arg("--random").args(["--seed", SEED, "--out"]).arg(&file);
    process::run(&mut train, "tomocut-train-model --random")?;
    Ok(file)
}
