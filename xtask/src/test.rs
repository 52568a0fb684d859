//! `cargo xtask test [-- FILTER]`: everything the tests need, then the tests of both languages.
use std::ffi::OsString;

use crate::ctest;
use crate::failure::{Failure, Result};
use crate::header;
use crate::layout::Layout;
use crate::library::{self, Library, Profile};
use crate::libtorch;
use crate::process;

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let filter = filter(arguments)?;
    ctest::require_tools()?;
    let torch = libtorch::ensure(layout, false)?;
    // A stale header ends it here: C programs compiled with it would hand the library structs of another shape.
    header::check(layout)?;
    // From here everything is tried, so that one run shows all that is wrong.
    let mut failures = Vec::new();
    let library = Library::build(layout, &torch, Profile::Dev)?;
    failures.extend(ctest::run(layout, &library, &torch, filter.as_deref()).err());

    // Package by package, as a plain `cargo test` selects them: together they would share other features, and half of
    // the dependencies would be built twice. A filter "c::..." names none of them.
    let rust = !filter.as_deref().is_some_and(|filter| filter.starts_with("c::"));
    for package in ["tomocut", "tomocut-lab", "xtask"].into_iter().filter(|_| rust) {
        let mut tests = process::command(layout, library::cargo());
        tests.args(["test", "--no-fail-fast", "--package", package]);
        if let Some(filter) = &filter {
            tests.args(["--", filter]);
        }
        torch.apply(&mut tests);
        failures.extend(process::run(&mut tests, &format!("cargo test of {package}")).err());
    }

    if failures.is_empty() {
        println!("all tests passed");
        return Ok(());
    }
    let said: Vec<String> = failures.iter().map(ToString::to_string).collect();
    Err(Failure::new(said.join("\nxtask: ")))
}

/// The one word that names must contain, if any.
fn filter(arguments: Vec<OsString>) -> Result<Option<String>> {
    let mut filter = None;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Value(value) if filter.is_none() => filter = Some(value.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_filter_is_taken_with_or_without_dashes() {
        let parse = |words: &[&str]| filter(words.iter().map(OsString::from).collect());
        assert_eq!(parse(&[]).unwrap(), None);
        assert_eq!(parse(&["abi"]).unwrap().as_deref(), Some("abi"));
        assert_eq!(parse(&["--", "abi"]).unwrap().as_deref(), Some("abi"));
        assert_eq!(parse(&["a", "b"]).unwrap_err().status(), 2);
        assert_eq!(parse(&["--fast"]).unwrap_err().status(), 2);
    }
}
