//! `cargo xtask faults [N]`: trainings and predictions that are killed N times at random moments (tests/faults.rs).
use std::ffi::OsString;

use crate::failure::{Failure, Result};
use crate::layout::Layout;
use crate::library;
use crate::libtorch;
use crate::process;

/// Kills of each kind of work where no number is given.
const KILLS: &str = "50";

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let mut kills = OsString::from(KILLS);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Value(value) if value.to_string_lossy().parse::<u32>().is_ok() => kills = value,
            lexopt::Arg::Value(value) => {
                let text = format!("N is \"{}\", must be a number of kills", value.to_string_lossy());
                return Err(Failure::usage(text));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let mut tests = process::command(layout, library::cargo());
    tests.args([
        "test",
        "--test",
        "faults",
        "--",
        "--ignored",
        "--nocapture",
        "many_kills",
    ]);
    tests.env("TOMOCUT_FAULTS_KILLS", kills);
    torch.apply(&mut tests);
    process::run(&mut tests, "cargo test")
}
