//! `cargo xtask demo`: a simulated tomogram with known truth, a slab of it segmented, and the score;
//! or a slab of the user's own file.
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::layout::Layout;
use crate::library::{Library, Profile};
use crate::libtorch;
use crate::process;

/// The simulated tomogram: extents in x, y, z and the slices that are segmented.
const PHANTOM_SIZE: &str = "256x256x64";
const PHANTOM_SLAB: &str = "22:42";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Folder of the results; none: `target/demo`.
    out: Option<PathBuf>,
    /// Arguments of `tomocut slab` for a file of the user's; none: the simulation.
    own: Option<Vec<OsString>>,
}

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let plan = parse(arguments)?;
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let programs = Programs::build(layout, &torch)?;
    // Results and the user's file are named from where the command was typed.
    let here = std::env::current_dir().map_err(|e| Failure::new(format!("the current folder: {e}")))?;
    let out = plan
        .out
        .map_or_else(|| layout.target.join("demo"), |out| here.join(out));
    match plan.own {
        Some(arguments) => {
            let mut slab = programs.subcommand(layout, "slab");
            slab.current_dir(here).args(with_out(arguments, &out));
            process::run(&mut slab, "tomocut slab")
        }
        None => simulated(layout, &programs, &out),
    }
}

/// `[--out DIR]`, then either nothing or, after `--`, the arguments of `tomocut slab`.
fn parse(arguments: Vec<OsString>) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy().into_owned();
        if text == "--out" {
            let folder = rest.next().ok_or_else(|| Failure::usage("--out needs a folder"))?;
            plan.out = Some(folder.into());
        } else if let Some(folder) = text.strip_prefix("--out=") {
            plan.out = Some(folder.into());
        } else if text == "--" {
            plan.own = Some(rest.by_ref().collect());
        } else if text.starts_with('-') {
            return Err(Failure::usage(format!(
                "unknown option {text}: options of tomocut slab stand after --, \
                 as in `cargo xtask demo -- my.mrc --z 40:60`"
            )));
        } else {
            plan.own = Some(std::iter::once(argument).chain(rest.by_ref()).collect());
        }
    }
    // `demo --` asks for nothing of its own.
    plan.own = plan.own.filter(|arguments| !arguments.is_empty());
    Ok(plan)
}

/// The user's arguments, with the folder of the results unless they name one.
fn with_out(mut arguments: Vec<OsString>, out: &Path) -> Vec<OsString> {
    let named = |a: &OsString| a == "--out" || a.to_string_lossy().starts_with("--out=");
    if !arguments.iter().any(named) {
        arguments.extend(["--out".into(), out.into()]);
    }
    arguments
}

/// The release build's program.
pub struct Programs {
    program: PathBuf,
}

impl Programs {
    /// Builds library and program, as `cargo xtask install` does.
    pub fn build(layout: &Layout, torch: &libtorch::Libtorch) -> Result<Self> {
        let library = Library::build(layout, torch, Profile::Release)?;
        Ok(Self {
            program: library.program(),
        })
    }

    /// `tomocut SUBCOMMAND`.
    pub fn subcommand(&self, layout: &Layout, name: &str) -> Command {
        let mut command = process::command(layout, &self.program);
        command.arg(name);
        command
    }
}

fn simulated(layout: &Layout, programs: &Programs, out: &Path) -> Result<()> {
    let truth = out.join("phantom");
    println!("demo: simulating a tomogram, {PHANTOM_SIZE} voxels of 1 nm, signal-to-noise ratio 0.3");
    let mut phantom = programs.subcommand(layout, "phantom");
    phantom.arg("--out").arg(&truth).args(["--size", PHANTOM_SIZE]);
    phantom.args(["--voxel-nm", "1.0", "--snr", "0.3", "--seed", "1"]);
    process::run(&mut phantom, "tomocut phantom")?;

    println!("demo: segmenting slices {PHANTOM_SLAB} with the built-in model");
    let mut slab = programs.subcommand(layout, "slab");
    slab.arg(truth.join("phantom.mrc"))
        .args(["--z", PHANTOM_SLAB])
        .arg("--out")
        .arg(out);
    process::run(&mut slab, "tomocut slab")?;

    println!("demo: the answer beside the truth, and beside what a blur with a threshold reaches");
    let mut evaluate = programs.subcommand(layout, "evaluate");
    evaluate.arg("--tomogram").arg(truth.join("phantom.mrc"));
    evaluate.arg("--truth-labels").arg(truth.join("phantom_labels.mrc"));
    evaluate.arg("--truth-points").arg(truth.join("phantom_instances.csv"));
    // The phantom's own numbers: 1 membrane, 2 molecule, 3 filament.
    evaluate.args([
        "--membrane-labels",
        "1",
        "--molecule-labels",
        "2",
        "--filament-labels",
        "3",
        "--truth-point-label",
        "2",
    ]);
    evaluate.args(["--diameter-nm", "20"]);
    evaluate.arg("--labels").arg(out.join("phantom_labels.mrc"));
    evaluate.arg("--score").arg(out.join("phantom_score.mrc"));
    evaluate.arg("--points").arg(out.join("phantom_points.csv"));
    let page = out.join("phantom_evaluation.html");
    evaluate.arg("--html").arg(&page);
    process::run(&mut evaluate, "tomocut evaluate")?;

    println!("demo: labels  {}", out.join("phantom_labels.mrc").display());
    println!("demo: points  {}", out.join("phantom_points.csv").display());
    println!("demo: picture {}", out.join("phantom_overlay.png").display());
    println!("demo: scores  {}", page.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_file_of_ones_own_takes_all_that_follows() {
        let own = parse(words("-- my.mrc --z 40:60")).unwrap();
        assert_eq!(
            own,
            Plan {
                out: None,
                own: Some(words("my.mrc --z 40:60"))
            }
        );
        assert_eq!(parse(words("my.mrc --z 40:60")).unwrap(), own);
        let both = parse(words("--out here -- --z 1:2 my.mrc")).unwrap();
        assert_eq!(
            both,
            Plan {
                out: Some("here".into()),
                own: Some(words("--z 1:2 my.mrc"))
            }
        );
    }

    #[test]
    fn without_a_file_it_is_the_simulation() {
        for text in ["", "--"] {
            assert_eq!(parse(words(text)).unwrap(), Plan::default());
        }
        assert_eq!(parse(words("--out=x")).unwrap().out, Some("x".into()));
        assert_eq!(parse(words("--z 1:2")).unwrap_err().status(), 2);
        assert_eq!(parse(words("--out")).unwrap_err().status(), 2);
    }

    #[test]
    fn the_folder_is_added_only_where_none_is_named() {
        let out = Path::new("/o");
        assert_eq!(with_out(words("a.mrc"), out), words("a.mrc --out /o"));
        assert_eq!(with_out(words("a.mrc --out b"), out), words("a.mrc --out b"));
        assert_eq!(with_out(words("a.mrc --out=b"), out), words("a.mrc --out=b"));
    }
}
