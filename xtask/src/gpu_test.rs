//! `cargo xtask gpu-test [-- FILTER]`: the ignored tests whose names start with `gpu_`.
use std::ffi::OsString;

use crate::failure::{Failure, Result};
use crate::layout::Layout;
use crate::library;
use crate::libtorch;
use crate::process;

/// The command: needs a GPU of NVIDIA's and the CUDA set of libtorch.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let mut name = OsString::from("gpu_");
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Value(value) => name = value,
            other => return Err(other.unexpected().into()),
        }
    }
    if !std::path::Path::new("/dev/nvidiactl").exists() {
        return Err(Failure::new(
            "no NVIDIA GPU here (no /dev/nvidiactl): nothing was tested",
        ));
    }
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, true)?;
    let mut tests = process::command(layout, library::cargo());
    tests.args(["test", "--", "--ignored", "--nocapture"]).arg(name);
    torch.apply(&mut tests);
    process::run(&mut tests, "cargo test")
}
