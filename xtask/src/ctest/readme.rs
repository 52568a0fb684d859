//! The README's snippets compile and link as printed.
use super::Tally;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::Library;

/// Compiles every fenced block that is marked `c` or `cpp`.
pub fn run(layout: &Layout, library: &Library, tally: &mut Tally) -> Result<()> {
    let text = layout::read(&layout.root.join("README.md"))?;
    let folder = super::folder(layout).join("readme");
    layout::fresh_folder(&folder)?;
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
                let mut flags = flags.to_vec();
                if !snippet.contains("int main(") {
                    // A function without a program: what it calls must still be there.
                    flags.extend(["-shared", "-fPIC", "-Wl,--no-undefined"]);
                }
                super::build(
                    library,
                    compiler,
                    &flags,
                    &[source],
                    &folder.join(format!("line-{line}")),
                )
            });
        }
    }
    Ok(())
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
