//! `cargo xtask abi [--record]`: exported symbols and struct layout against what is recorded in abi/.
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::{self, Library, Profile};
use crate::{libtorch, process};

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let mut record = false;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("record") => record = true,
            other => return Err(other.unexpected().into()),
        }
    }
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let library = Library::build(layout, &torch, Profile::Dev, &[])?;
    if !record {
        check_symbols(layout, &library)?;
        check_layout(layout, &library)?;
        println!("abi: symbols and layout are as recorded");
        return Ok(());
    }
    for (path, text) in [
        (recorded(layout, "symbols.txt"), exported(&library)?),
        (recorded(layout, "layout.txt"), measured(layout, &library)?),
    ] {
        layout::write_atomic(&path, &text)?;
        println!("abi: wrote {}", path.display());
    }
    Ok(())
}

/// The library exports exactly the recorded names.
pub fn check_symbols(layout: &Layout, library: &Library) -> Result<()> {
    compare(
        "exported symbols",
        &layout::read(&recorded(layout, "symbols.txt"))?,
        &exported(library)?,
    )
}

/// Sizes and offsets, printed by a C program, are the recorded ones.
pub fn check_layout(layout: &Layout, library: &Library) -> Result<()> {
    compare(
        "struct layout",
        &layout::read(&recorded(layout, "layout.txt"))?,
        &measured(layout, library)?,
    )
}

fn recorded(layout: &Layout, name: &str) -> PathBuf {
    layout.root.join("abi").join(name)
}

/// The names that the library defines for others, sorted, one a line.
fn exported(library: &Library) -> Result<String> {
    let mut command = Command::new("nm");
    command
        .args(["-D", "--defined-only", "--format=posix"])
        .arg(library.file());
    Ok(symbol_names(&process::capture(&mut command, "nm")?))
}

/// The first word of every line of nm's POSIX format.
fn symbol_names(listing: &str) -> String {
    let names: BTreeSet<&str> = listing
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.into_iter().map(|name| format!("{name}\n")).collect()
}

/// What tests/c/layout.c prints.
fn measured(layout: &Layout, library: &Library) -> Result<String> {
    let folder = layout.target.join("abi");
    layout::fresh_folder(&folder)?;
    let program = folder.join("layout");
    let mut arguments = vec![
        "-std=c11".to_string(),
        "-Wall".into(),
        "-Wextra".into(),
        "-Werror".into(),
    ];
    arguments.extend(library.include_flags());
    arguments.push(layout.root.join("tests/c/layout.c").display().to_string());
    arguments.extend(["-o".into(), program.display().to_string()]);
    arguments.extend(library.link_flags());
    library::compile("cc", &arguments, "layout.c")?;
    process::capture(&mut process::command(layout, &program), "layout")
}

/// Fails with the lines that only one side has.
fn compare(what: &str, recorded: &str, actual: &str) -> Result<()> {
    let old: BTreeSet<&str> = recorded.lines().filter(|line| !line.is_empty()).collect();
    let new: BTreeSet<&str> = actual.lines().filter(|line| !line.is_empty()).collect();
    let lines: Vec<String> = old
        .difference(&new)
        .map(|line| format!("  -{line}"))
        .chain(new.difference(&old).map(|line| format!("  +{line}")))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{what} differ from abi/ (- recorded, + now); where that is meant, run `cargo xtask abi --record` and raise \
         the version\n{}",
        lines.join("\n")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_nm_and_sorted() {
        let listing = "tomocut_b T 0000000000001130 0000000000000010\ntomocut_a T 0000000000001120 10\nx D 1 1\n";
        assert_eq!(symbol_names(listing), "tomocut_a\ntomocut_b\nx\n");
    }

    #[test]
    fn a_changed_record_shows_both_sides() {
        assert!(compare("x", "a\nb\n", "b\na\n").is_ok());
        let text = compare("x", "a\nb\n", "b\nc\n").unwrap_err().to_string();
        assert!(text.contains("  -a\n  +c") && !text.contains("b\n  "), "{text}");
    }
}
