//! `cargo xtask train-model [-- ARGS]`: makes the built-in model again with the project's own program.
use std::ffi::OsString;

use crate::failure::Result;
use crate::layout::Layout;
use crate::library;
use crate::libtorch;
use crate::process;

/// The command: every argument goes to `tomocut-train-model`.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let mut run = process::command(layout, library::cargo());
    run.args(["run", "--release", "--bin", "tomocut-train-model", "--"]);
    run.args(arguments.iter().skip_while(|argument| *argument == "--"));
    torch.apply(&mut run);
    process::run(&mut run, "tomocut-train-model")
}
