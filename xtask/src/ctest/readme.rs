//! The snippets of the README and of `docs/` compile and link as printed; those that are programs run.
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Tally;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::Library;
use crate::process;

/// A language of fenced blocks: its mark, its compiler, the compiler's flags.
const LANGUAGES: [(&str, &str, &[&str]); 2] = [
    ("c", "cc", &["-Wall", "-Wextra", "-Werror"]),
    ("cpp", "g++", &["-std=c++17", "-Wall", "-Wextra", "-Werror"]),
];

/// Compiles every fenced block that is marked just `c` or `cpp`, and runs the programs among them on a small `my.mrc`.
pub fn run(layout: &Layout, library: &Library, tally: &mut Tally) -> Result<()> {
    let folder = super::folder(layout).join("readme");
    layout::fresh_folder(&folder)?;
    let simulated = super::small_tomogram(layout, library, &folder);
    tally.test("c::readme::has_a_tomogram", || simulated);
    let readme = layout::read(&layout.root.join("README.md"))?;
    for (language, _, _) in LANGUAGES {
        tally.test(&format!("c::readme::has_{language}"), || {
            if fenced(&readme, language).is_empty() {
                return Err(Failure::new(format!("README.md has no ```{language} block")));
            }
            Ok(())
        });
    }
    compile(layout, library, tally, "README", &readme, &folder)?;
    for document in documents(layout)? {
        let name = document.file_stem().unwrap_or_default().to_string_lossy();
        compile(layout, library, tally, &name, &layout::read(&document)?, &folder)?;
    }
    Ok(())
}

/// The pages of `docs/`. The tutorial's blocks name their files; [`crate::hosts`] follows it.
fn documents(layout: &Layout) -> Result<Vec<PathBuf>> {
    let folder = layout.root.join("docs");
    let entries = std::fs::read_dir(&folder).map_err(|e| Failure::io("reading", &folder, &e))?;
    let pages = entries.flatten().map(|entry| entry.path());
    let mut pages: Vec<PathBuf> = pages
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.sort();
    Ok(pages)
}

/// The blocks of one document, built in `folder`.
fn compile(layout: &Layout, library: &Library, tally: &mut Tally, name: &str, text: &str, folder: &Path) -> Result<()> {
    for (language, compiler, flags) in LANGUAGES {
        for (line, snippet) in fenced(text, language) {
            tally.test(&format!("c::readme::{name}_{language}_line_{line}"), || {
                let source = folder.join(format!("{name}-{line}.{language}"));
                layout::write_atomic(&source, &snippet)?;
                let program = snippet.contains("int main(");
                let mut flags = flags.to_vec();
                if !program {
                    // A function without a program: what it calls must still be there.
                    flags.extend(["-shared", "-fPIC", "-Wl,--no-undefined"]);
                }
                let built = folder.join(format!("{name}-{line}"));
                super::build(library, compiler, &flags, &[source], &built)?;
                if program {
                    runs(layout, library, &built, folder)?;
                }
                Ok(())
            });
        }
    }
    Ok(())
}

/// Runs a program without arguments beside `my.mrc`; the loader's finds the library that is tested.
fn runs(layout: &Layout, library: &Library, program: &Path, folder: &Path) -> Result<()> {
    let mut command: Command = process::command(layout, program);
    command.current_dir(folder).env("TOMOCUT_LIBRARY", library.file());
    process::capture(&mut command, &program.display().to_string()).map(|_| ())
}

/// Fenced blocks of one language: the line their first line stands on, and their text.
fn fenced(markdown: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, usize, String)> = None;
    for (index, line) in markdown.lines().enumerate() {
        match (&mut open, line.trim_end().strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim() == language, index + 2, String::new())),
            (Some(_), Some("")) => {
                if let Some((true, start, text)) = open.take() {
                    blocks.push((start, text));
                }
            }
            (Some((_, _, text)), _) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_of_the_language_are_taken() {
        let text = "a\n```c\nint x;\n```\n```cpp\nint y;\n```\n```\n```c\n```\n\n```c \nint z;\n\n```\n";
        assert_eq!(
            fenced(text, "c"),
            [(3, "int x;\n".to_string()), (13, "int z;\n\n".to_string())]
        );
        assert_eq!(fenced(text, "cpp"), [(6, "int y;\n".to_string())]);
        assert!(fenced(text, "sh").is_empty());
    }
}
