//! `cargo xtask evaluate-sdseg [-- ARGS]`: docs/sdseg.md, from data with truth.
use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::layout::Layout;
use crate::library;
use crate::libtorch;
use crate::process;

/// The command: every argument goes to `tomocut-measure-sdseg`; without any the page is written.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let data = std::env::var_os("TOMOCUT_DATA").map_or_else(|| layout.root.join("../shared/data"), PathBuf::from);
    if !data.is_dir() {
        let message = format!(
            "no development data in {}: name their folder in TOMOCUT_DATA",
            data.display()
        );
        return Err(Failure::new(message));
    }
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let mut run = process::command(layout, library::cargo());
    run.args(["run", "--release", "--bin", "tomocut-measure-sdseg", "--", "--data"])
        .arg(data);
    if arguments.is_empty() {
        run.arg("--page").arg(layout.root.join("docs/sdseg.md"));
    }
    run.args(arguments.iter().skip_while(|argument| *argument == "--"));
    torch.apply(&mut run);
    process::run(&mut run, "tomocut-measure-sdseg")
}
