//! `cargo xtask header [--check]`: include/tomocut.h from src/capi by cbindgen, and the loader's list of its functions.
mod functions;
pub mod layout_program;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};

/// A committed file and what it should hold.
struct Generated {
    path: PathBuf,
    text: String,
}

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let mut only_check = false;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("check") => only_check = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if only_check {
        return check(layout);
    }
    for file in files(layout)? {
        layout::write_atomic(&file.path, &file.text)?;
        println!(
            "header: wrote {} ({} lines)",
            file.path.display(),
            file.text.lines().count()
        );
    }
    Ok(())
}

/// Fails, with the lines that differ, when a committed file is not what src/capi gives.
pub fn check(layout: &Layout) -> Result<()> {
    for file in files(layout)? {
        let committed = layout::read(&file.path)?;
        if let Some(lines) = difference(&committed, &file.text) {
            return Err(Failure::new(format!(
                "{} is stale: run `cargo xtask header` and commit it\n{lines}",
                file.path.display()
            )));
        }
        println!("header: {} is current", file.path.display());
    }
    Ok(())
}

/// Names of all functions of the committed header.
pub fn function_names(layout: &Layout) -> Result<Vec<String>> {
    functions::names(&layout::read(&layout.root.join("include/tomocut.h"))?)
}

/// Everything that is generated.
fn files(layout: &Layout) -> Result<[Generated; 2]> {
    let include = layout.root.join("include");
    let header = generate(layout)?;
    let list = functions::list(&header)?;
    Ok([
        Generated {
            path: include.join("tomocut.h"),
            text: header,
        },
        Generated {
            path: include.join("tomocut/functions.h"),
            text: list,
        },
    ])
}

/// The header's text.
fn generate(layout: &Layout) -> Result<String> {
    let settings = layout.root.join("cbindgen.toml");
    let mut config = cbindgen::Config::from_file(&settings).map_err(Failure::new)?;
    let [major, minor, patch] = layout.version()?;
    config.after_includes = config.after_includes.map(|text| {
        text.replace("@VERSION@", &(major * 1_000_000 + minor * 1000 + patch).to_string())
            .replace("@MAJOR@", &major.to_string())
            .replace("@MINOR@", &minor.to_string())
            .replace("@PATCH@", &patch.to_string())
    });
    // The module alone, without `cargo metadata`: no network, no libtorch, and dependencies cannot change the header.
    // cbindgen follows its `mod` declarations, in their order; each file must be given once, or its functions repeat.
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(layout.root.join("src/capi/mod.rs"))
        .generate()
        .map_err(|e| Failure::new(format!("cbindgen: {e}")))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).map_err(|e| Failure::new(format!("cbindgen wrote no UTF-8: {e}")))?;
    let mut lines: Vec<String> = text.lines().map(tidy).collect();
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    Ok(lines.join("\n").trim().to_string() + "\n")
}

/// A line as it stands in the header: no trailing blanks; one star in front of a line of documentation (cbindgen adds
/// one to those of a block comment); a negative constant in parentheses, so that `x -TOMOCUT_E_IO` means what it says.
fn tidy(line: &str) -> String {
    let mut line = line.trim_end().to_string();
    if let Some((indent, rest)) = line.split_once("* *") {
        if indent.trim().is_empty() && (rest.is_empty() || rest.starts_with(' ')) {
            line = format!("{indent}*{rest}");
        }
    }
    if let Some((name, value)) = line.strip_prefix("#define ").and_then(|rest| rest.split_once(' ')) {
        if value
            .strip_prefix('-')
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        {
            return format!("#define {name} ({value})");
        }
    }
    line
}

/// The lines that differ between the common beginning and the common end of two texts; None when they are equal.
fn difference(committed: &str, generated: &str) -> Option<String> {
    const SHOWN: usize = 12;
    if committed == generated {
        return None;
    }
    let old: Vec<&str> = committed.lines().collect();
    let new: Vec<&str> = generated.lines().collect();
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let room = old.len().min(new.len()) - start;
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(room)
        .take_while(|(a, b)| a == b)
        .count();
    let mut text = format!("  from line {}:", start + 1);
    for (sign, lines) in [('-', &old[start..old.len() - end]), ('+', &new[start..new.len() - end])] {
        for line in lines.iter().take(SHOWN) {
            text += &format!("\n  {sign}{line}");
        }
        if lines.len() > SHOWN {
            text += &format!("\n  {sign}... {} more lines", lines.len() - SHOWN);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_constants_get_parentheses() {
        assert_eq!(tidy("#define TOMOCUT_E_IO -5"), "#define TOMOCUT_E_IO (-5)");
        assert_eq!(tidy("#define TOMOCUT_OK 0  "), "#define TOMOCUT_OK 0");
        assert_eq!(tidy(" * -5"), " * -5");
    }

    #[test]
    fn a_line_of_documentation_has_one_star() {
        assert_eq!(tidy("     * * text * * text"), "     * text * * text");
        assert_eq!(tidy(" * *"), " *");
        assert_eq!(tidy(" * **bold**"), " * **bold**");
        assert_eq!(tidy("const char * *name"), "const char * *name");
    }

    #[test]
    fn a_difference_names_its_first_line_and_both_sides() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            difference("a\nb\nc\n", "a\nX\nY\nc\n").unwrap(),
            "  from line 2:\n  -b\n  +X\n  +Y"
        );
        assert_eq!(difference("a\na\n", "a\n").unwrap(), "  from line 2:\n  -a");
        assert_eq!(difference("a\n", "a").unwrap(), "  from line 2:", "the end of the file");
    }
}
