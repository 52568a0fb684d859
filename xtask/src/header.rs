//! `cargo xtask header [--check]`: include/tomocut.h from src/capi by cbindgen.
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};

/// The committed header.
pub fn path(layout: &Layout) -> PathBuf {
    layout.root.join("include/tomocut.h")
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
    let text = generate(layout)?;
    let path = path(layout);
    layout::write_atomic(&path, &text)?;
    println!("header: wrote {} ({} lines)", path.display(), text.lines().count());
    Ok(())
}

/// Fails, with the lines that differ, when the committed header is not what src/capi gives.
pub fn check(layout: &Layout) -> Result<()> {
    let path = path(layout);
    let committed = layout::read(&path)?;
    let generated = generate(layout)?;
    match difference(&committed, &generated) {
        None => {
            println!("header: {} is current", path.display());
            Ok(())
        }
        Some(lines) => Err(Failure::new(format!(
            "{} is stale: run `cargo xtask header` and commit it\n{lines}",
            path.display()
        ))),
    }
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
    // The files alone, without `cargo metadata`: no network, no libtorch, and dependencies cannot change the header.
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in sources(&layout.root.join("src/capi/mod.rs"))? {
        builder = builder.with_src(file);
    }
    let bindings = builder.generate().map_err(|e| Failure::new(format!("cbindgen: {e}")))?;
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

/// A module file and the files of the modules it declares, in the order of the declarations: the order of the header.
/// Test modules are left out.
fn sources(module: &Path) -> Result<Vec<PathBuf>> {
    let text = layout::read(module)?;
    let folder = module.parent().unwrap_or(Path::new("."));
    // Modules of `a/mod.rs` lie in `a/`, modules of `a/b.rs` in `a/b/`.
    let folder = match module.file_stem() {
        Some(stem) if stem != "mod" => folder.join(stem),
        _ => folder.to_path_buf(),
    };
    let mut files = vec![module.to_path_buf()];
    for name in declared_modules(&text) {
        let candidates = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
        let file = candidates.iter().find(|path| path.exists());
        let file =
            file.ok_or_else(|| Failure::new(format!("{} declares {name}, which has no file", module.display())))?;
        files.extend(sources(file)?);
    }
    Ok(files)
}

/// Names in `mod name;` declarations outside `#[cfg(test)]`.
fn declared_modules(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut test_only = false;
    for line in text.lines().map(str::trim) {
        let bare = line
            .strip_prefix("pub ")
            .or_else(|| line.strip_prefix("pub(crate) "))
            .unwrap_or(line);
        let name = bare.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name.filter(|_| !test_only) {
            names.push(name.trim().to_string());
        }
        test_only = line.starts_with("#[cfg(test)]") || (test_only && line.starts_with("#["));
    }
    names
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
    fn modules_come_in_the_order_of_their_declaration_without_tests() {
        let text =
            "mod status;\npub mod engine;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod more;\n\
                    pub(crate) mod slab;\nmod inline { }\n// mod note;\n";
        assert_eq!(declared_modules(text), ["status", "engine", "slab"]);
    }

    #[test]
    fn nested_modules_are_found_in_both_layouts() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("mod.rs", "mod a;\nmod b;\n"),
            ("a.rs", "mod c;\n"),
            ("a/c.rs", ""),
            ("b/mod.rs", "mod d;\n"),
            ("b/d.rs", ""),
        ] {
            layout::write_atomic(&root.path().join(path), text).unwrap();
        }
        let found = sources(&root.path().join("mod.rs")).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|p| p.strip_prefix(root.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["mod.rs", "a.rs", "a/c.rs", "b/mod.rs", "b/d.rs"]);
        layout::write_atomic(&root.path().join("b/d.rs"), "mod lost;").unwrap();
        assert!(sources(&root.path().join("mod.rs"))
            .unwrap_err()
            .to_string()
            .contains("lost"));
    }

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
