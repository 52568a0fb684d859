//! `cargo xtask abi [--record]`: exported symbols and struct layout against what is recorded in abi/.
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::header::layout_program;
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
    let library = Library::build(layout, &torch, Profile::Dev)?;
    if !record {
        check_symbols(layout, &library)?;
        check_layout(layout, &library)?;
        println!("abi: symbols and layout are as recorded");
        return Ok(());
    }
    let symbols = exported(&library)?;
    let structs = measured(layout, &library)?;
    let mut files = vec![
        (recorded(layout, "symbols.txt"), symbols.clone()),
        (recorded(layout, "layout.txt"), structs.clone()),
    ];
    // The first record of a soname is kept: programs built then must run with every later library of that soname.
    let oldest = oldest(layout)?;
    if !oldest.exists() {
        let header = layout::read(&layout.root.join("include/tomocut.h"))?;
        files.push((oldest.join("tomocut.h"), header));
        files.push((oldest.join("symbols.txt"), symbols));
        files.push((oldest.join("layout.txt"), structs));
    }
    for (path, text) in files {
        layout::write_atomic(&path, &text)?;
        println!("abi: wrote {}", path.display());
    }
    Ok(())
}

/// The folder with the oldest header of this soname, and the symbols and layout that belong to it.
pub fn oldest(layout: &Layout) -> Result<PathBuf> {
    let [major, minor, _] = layout.version()?;
    let series = if major == 0 {
        format!("0.{minor}")
    } else {
        major.to_string()
    };
    Ok(layout.root.join("abi").join(series))
}

/// Nothing that a program of the oldest header relies on is gone: no symbol, no constant, no member at its place;
/// structs have at most grown.
pub fn check_oldest(layout: &Layout) -> Result<()> {
    let oldest = oldest(layout)?;
    let mut gone = lost(
        &layout::read(&oldest.join("symbols.txt"))?,
        &layout::read(&recorded(layout, "symbols.txt"))?,
    );
    gone.extend(lost(
        &layout::read(&oldest.join("layout.txt"))?,
        &layout::read(&recorded(layout, "layout.txt"))?,
    ));
    if gone.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "programs built against {} would break: raise the minor version, or put back\n  {}",
        oldest.join("tomocut.h").display(),
        gone.join("\n  ")
    )))
}

/// Lines of an old record that a new one does not keep; the size of a struct is kept where it is no smaller.
fn lost(old: &str, new: &str) -> Vec<String> {
    let lines: BTreeSet<&str> = new.lines().collect();
    let size = |line: &str| -> Option<(String, u64)> {
        let (name, size) = line.strip_prefix("sizeof ")?.split_once(' ')?;
        Some((name.to_string(), size.parse().ok()?))
    };
    let sizes: BTreeMap<String, u64> = new.lines().filter_map(size).collect();
    old.lines()
        .filter(|line| {
            let grown = size(line).is_some_and(|(name, old)| sizes.get(&name).is_some_and(|new| *new >= old));
            !lines.contains(line) && !grown
        })
        .map(str::to_string)
        .collect()
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

/// Members of all structs: hosts should have few to learn; everything else is a setting by name.
const MOST_MEMBERS: usize = 130;

/// The structs of the header have few members.
pub fn check_members(layout: &Layout) -> Result<()> {
    let header = layout::read(&layout.root.join("include/tomocut.h"))?;
    let members: usize = layout_program::structs(&header)
        .iter()
        .map(|one| one.members.len())
        .sum();
    if members <= MOST_MEMBERS {
        return Ok(());
    }
    let message = format!(
        "the structs of tomocut.h have {members} members, must be at most {MOST_MEMBERS}: make settings of them"
    );
    Err(Failure::new(message))
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

/// What a program that is made from the header prints.
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
    let source = folder.join("layout.c");
    let header = layout::read(&layout.root.join("include/tomocut.h"))?;
    layout::write_atomic(&source, &layout_program::program(&header))?;
    arguments.push(source.display().to_string());
    arguments.extend(["-o".into(), program.display().to_string()]);
    arguments.extend(library.link_flags());
    library::compile("cc", &arguments, "layout.c")?;
    process::capture(&mut process::command(layout, &program), "layout")
}

/// Fails with the lines that only one side has.
fn compare(name: &str, recorded: &str, actual: &str) -> Result<()> {
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
        "{name} differ from abi/ (- recorded, + now); where that is meant, run `cargo xtask abi --record` and raise \
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
    fn structs_may_grow_and_nothing_else_may_change() {
        let old = "sizeof a 8\noffsetof a.x 0 size 8\nA 1\n";
        assert!(lost(old, "sizeof a 16\noffsetof a.x 0 size 8\noffsetof a.y 8 size 8\nA 1\n").is_empty());
        assert_eq!(lost(old, "sizeof a 4\noffsetof a.x 0 size 4\nA 1\n").len(), 2);
        assert_eq!(lost(old, "sizeof a 8\noffsetof a.x 0 size 8\nA 2\n"), ["A 1"]);
    }

    #[test]
    fn a_changed_record_shows_both_sides() {
        assert!(compare("x", "a\nb\n", "b\na\n").is_ok());
        let text = compare("x", "a\nb\n", "b\nc\n").unwrap_err().to_string();
        assert!(text.contains("  -a\n  +c") && !text.contains("b\n  "), "{text}");
    }
}
