//! `cargo xtask doxygen`: pages about the headers; a warning of doxygen's is an error.
use std::process::Stdio;

use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::process;

/// What the second run adds: every parameter and result of the C functions must be documented.
const STRICT: &str =
    "INPUT = include/tomocut.h\nUSE_MDFILE_AS_MAINPAGE =\nWARN_NO_PARAMDOC = YES\nHTML_OUTPUT = strict\n";

/// The command.
pub fn command(layout: &Layout) -> Result<()> {
    process::require("doxygen", "doxygen")?;
    let folder = layout.target.join("doxygen");
    layout::fresh_folder(&folder)?;
    quiet(layout, "")?;
    quiet(layout, STRICT)?;
    println!(
        "doxygen: no warnings; pages in {}",
        folder.join("html/index.html").display()
    );
    Ok(())
}

/// Runs doxygen on docs/Doxyfile and some settings more; it must have nothing to say.
fn quiet(layout: &Layout, more: &str) -> Result<()> {
    let [major, minor, patch] = layout.version()?;
    let settings = layout::read(&layout.root.join("docs/Doxyfile"))?;
    let output = layout.target.join("doxygen");
    let settings = format!(
        "{settings}\nPROJECT_NUMBER = {major}.{minor}.{patch}\nOUTPUT_DIRECTORY = \"{}\"\n{more}",
        output.display()
    );
    let file = output.join("Doxyfile");
    layout::write_atomic(&file, &settings)?;
    let said = process::command(layout, "doxygen")
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Failure::new(format!("starting doxygen: {e}")))?;
    let warnings = String::from_utf8_lossy(&said.stderr).into_owned();
    if said.status.success() && warnings.trim().is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "doxygen ({}):\n{}",
        said.status,
        warnings.trim_end()
    )))
}
