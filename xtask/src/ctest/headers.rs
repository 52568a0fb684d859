//! Every header of include/ compiles alone, and twice in one program, in every language it promises.
use std::path::PathBuf;

use super::Tally;
use crate::failure::Result;
use crate::layout::{self, Layout};
use crate::library::{self, Library};
use crate::process;

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-pedantic", "-Werror"];
const C: [&str; 3] = ["c99", "c11", "c17"];
const CPP: [&str; 3] = ["c++11", "c++17", "c++20"];

/// Runs the matrix of compilers and language versions; clang takes part where it is installed.
pub fn run(layout: &Layout, library: &Library, tally: &mut Tally) -> Result<()> {
    let folder = super::folder(layout).join("headers");
    layout::fresh_folder(&folder)?;
    let mut compilers = vec![("gcc", "c", C), ("g++", "cc", CPP)];
    if process::found("clang") && process::found("clang++") {
        compilers.extend([("clang", "c", C), ("clang++", "cc", CPP)]);
    }
    for (compiler, extension, standards) in compilers {
        let [once, twice] = units(&folder, extension)?;
        for standard in standards {
            tally.test(&format!("c::header::{compiler}_{standard}"), || {
                let mut arguments = vec![format!("-std={standard}")];
                arguments.extend(WARNINGS.map(String::from));
                arguments.extend(library.include_flags());
                // Two units in one program: a definition in the header would meet itself here.
                arguments.extend([once.display().to_string(), twice.display().to_string()]);
                arguments.extend([
                    "-o".into(),
                    folder.join(format!("{compiler}-{standard}")).display().to_string(),
                ]);
                library::compile(compiler, &arguments, "the header alone and twice")
            });
        }
    }
    Ok(())
}

/// A unit that holds nothing but the header, and one that includes it twice and has a main.
fn units(folder: &std::path::Path, extension: &str) -> Result<[PathBuf; 2]> {
    let once = folder.join(format!("once.{extension}"));
    let twice = folder.join(format!("twice.{extension}"));
    layout::write_atomic(&once, "#include \"tomocut.h\"\n")?;
    layout::write_atomic(
        &twice,
        "#include \"tomocut.h\"\n#include \"tomocut.h\"\nint main(void) { return 0; }\n",
    )?;
    Ok([once, twice])
}
