//! `cargo xtask settings`: writes docs/settings.md and docs/settings.schema.json from the engine's own structs.
use crate::failure::Result;
use crate::layout::Layout;
use crate::library;
use crate::libtorch;
use crate::process;

/// The command: the test that compares the pages writes them where it is told to.
pub fn command(layout: &Layout) -> Result<()> {
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let mut tests = process::command(layout, library::cargo());
    tests.args(["test", "--package", "tomocut", "--test", "settings"]);
    tests.env("TOMOCUT_RECORD", "1");
    torch.apply(&mut tests);
    process::run(&mut tests, "cargo test --test settings")
}
