//! The README's snippets compile and link as printed; those that are programs run.
use std::path::Path;
use std::process::Command;

use super::Tally;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::Library;
use crate::process;

/// Compiles every fenced block that is marked `c` or `cpp`, and runs the programs among them on a small `my.mrc`.
pub fn run(layout: &Layout, library: &Library, tally: &mut Tally) -> Result<()> {
    let text = layout::read(&layout.root.join("README.md"))?;
    let folder = super::folder(layout).join("readme");
    layout::fresh_folder(&folder)?;
    let simulated = super::small_tomogram(layout, library, &folder);
    tally.test("c::readme::has_a_tomogram", || simulated);
    for (language, compiler, flags) in [
        ("c", "cc", &["-Wall", "-Wextra", "-Werror"][..]),
        ("cpp", "g++", &["-std=c++17", "-Wall", "-Wextra", "-Werror"][..]),
    ] {
        let snippets = fenced(&text, language);
        tally.test(&format!("c::readme::has_{language}"), || {
            if snippets.is_empty() {
                return Err(Failure::new(format!("README.md has no ```{language} block")));
            }
            Ok(())
        });
        for (line, snippet) in snippets {
            tally.test(&format!("c::readme::{language}_line_{line}"), || {
                let source = folder.join(format!("line-{line}.{language}"));
                layout::write_atomic(&source, &snippet)?;
                let program = snippet.contains("int main(");
                let mut flags = flags.to_vec();
                if !program {
                    // A function without a program: what it calls must still be there.
                    flags.extend(["-shared", "-fPIC", "-Wl,--no-undefined"]);
                }
                let built = folder.join(format!("line-{line}"));
                super::build(library, compiler, &flags, &[source], &built)?;
                if program {
                    runs(layout, library, &built, &folder)?;
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
