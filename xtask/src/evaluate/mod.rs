//! `cargo xtask evaluate`: the quality tables, docs/measured/quality.md, from data sets with truth.
mod data_sets;
mod labels;
mod models;
mod page;
mod pictures;
mod tomogram;
pub mod training;
mod training_page;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::demo::Programs;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::libtorch;
use crate::process;
use data_sets::{DataSet, Source, DATA_SETS, OTHER_SLICES};
use models::Model;

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Only the data sets whose names hold this; the page is then printed and not written.
    only: Option<String>,
    /// More rows: names and weights.
    models: Vec<(String, PathBuf)>,
}

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let plan = parse(arguments)?;
    let data = std::env::var_os("TOMOCUT_DATA").map_or_else(|| layout.root.join("../shared/data"), PathBuf::from);
    let chosen = |set: &&DataSet| plan.only.as_ref().is_none_or(|text| set.name.contains(text));
    let sets: Vec<&DataSet> = DATA_SETS.iter().chain(&OTHER_SLICES).filter(chosen).collect();
    if sets.is_empty() {
        return Err(Failure::usage("no data set has such a name"));
    }
    if !sets.iter().any(|set| set.file(&data).exists()) {
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
        folder: layout.target.join("evaluate"),
        data,
        layout,
    };
    let models = models::all(&bench, plan.models)?;
    let mut results = Vec::new();
    for set in sets {
        let mut rows = Vec::new();
        for model in &models {
            println!("evaluate: {}, {}", set.name, model.name);
            let report = match &set.source {
                Source::Tomogram(source) => tomogram::measure(&bench, source, model)?,
                Source::Pictures(source) => pictures::measure(&bench, source, model)?,
            };
            rows.push((model.name.clone(), report));
        }
        results.push((set, rows));
    }
    let page = page::page(&results);
    println!("{page}");
    if plan.only.is_none() {
        let path = layout.root.join("docs/measured/quality.md");
        layout::write_atomic(&path, &page)?;
        println!("evaluate: wrote {}", path.display());
    }
    println!(
        "evaluate: a page with curves and pictures of each run lies in {}",
        bench.folder.display()
    );
    Ok(())
}

/// `[--only TEXT] [--model NAME=FILE]...`
fn parse(arguments: Vec<OsString>) -> Result<Plan> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut plan = Plan::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("only") => plan.only = Some(parser.value()?.string()?),
            Long("model") => {
                let text = parser.value()?.string()?;
                let (name, file) = text
                    .split_once('=')
                    .filter(|(name, file)| !name.is_empty() && !file.is_empty())
                    .ok_or_else(|| Failure::usage(format!("--model is {text}, must be NAME=FILE")))?;
                plan.models.push((name.to_owned(), file.into()));
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(plan)
}

/// What every measurement needs.
struct Bench<'a> {
    layout: &'a Layout,
    programs: Programs,
    /// Folder of the development data.
    data: PathBuf,
    /// Folder of everything that is made here.
    folder: PathBuf,
}

impl Bench<'_> {
    /// The folder of one data set.
    fn made(&self, set: &str) -> Result<PathBuf> {
        let folder = self.folder.join(plain(set));
        std::fs::create_dir_all(&folder).map_err(|e| Failure::io("making", &folder, &e))?;
        Ok(folder)
    }

    /// An empty folder for one data set and one model.
    fn fresh(&self, set: &str, model: &Model) -> Result<PathBuf> {
        let folder = self.folder.join(plain(set)).join(plain(&model.name));
        layout::fresh_folder(&folder)?;
        Ok(folder)
    }

    /// Runs `tomocut slab` on the slices `z`, with what it is `told` beside, and gives the files that it names.
    fn segment(&self, model: &Model, tomogram: &Path, z: &str, told: &[&str], out: &Path) -> Result<Files> {
        let mut slab = self.programs.subcommand(self.layout, "slab");
        slab.arg(tomogram)
            .args(["--z", z, "--quiet", "--json", "--out"])
            .arg(out);
        slab.args(told).args(&model.options);
        let made = json(&mut slab, "tomocut slab")?;
        Ok(Files(made))
    }

    fn evaluate(&self) -> Command {
        self.programs.subcommand(self.layout, "evaluate")
    }
}

/// `name` as a file's.
fn plain(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// What `tomocut slab --json` said.
struct Files(Value);

impl Files {
    fn find(&self, name: &str) -> Option<&str> {
        self.0.get("files")?.get(name)?.as_str()
    }

    fn get(&self, name: &str) -> Result<&str> {
        let missing = || Failure::new(format!("tomocut slab --json names no file {name}"));
        self.find(name).ok_or_else(missing)
    }
}

/// Runs a program that prints JSON.
fn json(command: &mut Command, program: &str) -> Result<Value> {
    let text = process::capture(command, program)?;
    serde_json::from_str(&text).map_err(|e| Failure::new(format!("{program} printed no JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_names_and_files() {
        let parse = |text: &str| parse(text.split_whitespace().map(OsString::from).collect());
        let plan = parse("--model adapted=a/b.safetensors --only tomogram").unwrap();
        assert_eq!(plan.only.as_deref(), Some("tomogram"));
        assert_eq!(plan.models, [("adapted".to_owned(), PathBuf::from("a/b.safetensors"))]);
        for wrong in ["--model adapted", "--model =x", "--model x=", "--x"] {
            assert_eq!(parse(wrong).unwrap_err().status(), 2, "{wrong}");
        }
    }
}
