//! `cargo xtask train-model`, `evaluate-ncut` and `evaluate-sdseg`: the project's own programs, built for release, that
//! train what ships and measure on data with truth. What follows `--` goes to the program.
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::layout::Layout;
use crate::library;
use crate::libtorch;
use crate::process;

/// Turns that libgomp's threads wait awake for, its own default. Cargo's settings here make them sleep at once, for the
/// sake of busy machines; on an idle one a training of small layers then takes twice as long.
const SPINS: &str = "300000";

/// Makes the built-in model again: every argument goes to `tomocut-train-model`.
pub fn train_model(layout: &Layout, arguments: &[OsString]) -> Result<()> {
    run(layout, "tomocut-train-model", for_the_program(arguments))
}

/// docs/measured/ncut.md and its contact sheet; with arguments neither is written.
pub fn evaluate_ncut(layout: &Layout, arguments: &[OsString]) -> Result<()> {
    let page = [
        ("--page", "docs/measured/ncut.md"),
        ("--sheet", "docs/measured/ncut_sheet.png"),
    ];
    measure(layout, "tomocut-measure-ncut", &page, arguments)
}

/// docs/measured/sdseg.md; with arguments it is not written.
pub fn evaluate_sdseg(layout: &Layout, arguments: &[OsString]) -> Result<()> {
    measure(
        layout,
        "tomocut-measure-sdseg",
        &[("--page", "docs/measured/sdseg.md")],
        arguments,
    )
}

/// Runs `program` on the development data, and for its `pages` where the user says nothing.
fn measure(layout: &Layout, program: &str, pages: &[(&str, &str)], arguments: &[OsString]) -> Result<()> {
    let data = std::env::var_os("TOMOCUT_DATA").map_or_else(|| layout.root.join("../shared/data"), PathBuf::from);
    if !data.is_dir() {
        let message = format!(
            "no development data in {}: name their folder in TOMOCUT_DATA",
            data.display()
        );
        return Err(Failure::new(message));
    }
    let mut all = vec!["--data".into(), data.into_os_string()];
    if arguments.is_empty() {
        for (option, page) in pages {
            all.extend([option.into(), layout.root.join(page).into_os_string()]);
        }
    }
    all.extend_from_slice(for_the_program(arguments));
    run(layout, program, &all)
}

/// The arguments without the dashes that set them apart from cargo's.
fn for_the_program(arguments: &[OsString]) -> &[OsString] {
    match arguments {
        [dashes, rest @ ..] if dashes == "--" => rest,
        all => all,
    }
}

fn run(layout: &Layout, program: &str, arguments: &[OsString]) -> Result<()> {
    process::require_compilers()?;
    process::run(lab_program(layout, program)?.args(arguments), program)
}

/// A program of lab/, built for release when it is run.
pub fn lab_program(layout: &Layout, program: &str) -> Result<Command> {
    let torch = libtorch::ensure(layout, false)?;
    let mut run = process::command(layout, library::cargo());
    run.args(["run", "--release", "--package", "tomocut-lab", "--bin", program, "--"])
        .env("GOMP_SPINCOUNT", SPINS);
    torch.apply(&mut run);
    Ok(run)
}
