//! Programs that were built with the oldest header of this soname run with today's library.
use std::path::{Path, PathBuf};

use super::Tally;
use crate::abi;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::{self, Library};
use crate::process;

/// Compares the records, and what one host says that was compiled against both headers.
pub fn run(layout: &Layout, library: &Library, tally: &mut Tally) -> Result<()> {
    tally.test("c::abi::the_oldest_header_still_holds", || abi::check_oldest(layout));
    let folder = super::folder(layout).join("old_host");
    layout::fresh_folder(&folder)?;
    tally.test("c::abi::an_old_program_runs", || {
        let old = said(layout, library, &abi::oldest(layout)?, &folder.join("old"))?;
        let new = said(layout, library, &layout.root.join("include"), &folder.join("new"))?;
        if old == new && old.contains("trainer: step 1 of 2") {
            return Ok(());
        }
        Err(Failure::new(format!("an old program says\n{old}and a new one\n{new}")))
    });
    Ok(())
}

/// Compiles the host against the header in `include` and runs it.
fn said(layout: &Layout, library: &Library, include: &Path, program: &Path) -> Result<String> {
    let source: PathBuf = layout.root.join("tests/abi/host.c");
    let mut arguments: Vec<String> = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"]
        .map(String::from)
        .into();
    arguments.extend(["-I".into(), include.display().to_string()]);
    arguments.extend([source.display().to_string(), "-o".into(), program.display().to_string()]);
    arguments.extend(library.link_flags());
    arguments.push("-lm".into());
    library::compile("gcc", &arguments, "tests/abi/host.c")?;
    let scratch = program.with_extension("scratch");
    layout::fresh_folder(&scratch)?;
    let mut command = process::command(layout, program);
    command.env("TOMOCUT_TEST_DIR", &scratch);
    process::capture(&mut command, "tests/abi/host.c")
}
