//! Every header of include/ compiles alone, and twice in one program, in every language it promises.
use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Tally;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::{self, Library};
use crate::process;

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-pedantic", "-Werror"];
/// What a program of a header alone is linked with.
#[derive(Clone, Copy)]
enum Link {
    Nothing,
    Library,
    Loader,
}

/// Every header that a host includes, the languages it is for, and what it needs at the end.
const HEADERS: [(&str, Languages, Link); 3] = [
    ("tomocut.h", Languages::All, Link::Nothing),
    ("tomocut_loader.h", Languages::All, Link::Loader),
    ("tomocut.hpp", Languages::FromCpp17, Link::Library),
];

/// The languages that a header promises.
#[derive(Clone, Copy)]
enum Languages {
    All,
    FromCpp17,
}

impl Languages {
    fn hold(self, standard: &str) -> bool {
        match self {
            Self::All => true,
            Self::FromCpp17 => standard.starts_with("c++") && standard != "c++11",
        }
    }
}

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
        for (header, languages, link) in HEADERS {
            let units = units(&folder, header, extension)?;
            for standard in standards {
                if !languages.hold(standard) {
                    continue;
                }
                tally.test(&format!("c::header::{header}_{compiler}_{standard}"), || {
                    let mut arguments = vec![format!("-std={standard}")];
                    arguments.extend(WARNINGS.map(String::from));
                    arguments.extend(library.include_flags());
                    // Two units in one program: a definition in the header would meet itself here.
                    arguments.extend(units.iter().map(|unit| unit.display().to_string()));
                    let program = folder.join(format!("{compiler}-{standard}"));
                    arguments.extend(["-o".into(), program.display().to_string()]);
                    match link {
                        Link::Nothing => {}
                        Link::Library => arguments.extend(library.link_flags()),
                        Link::Loader => arguments.push("-ldl".into()),
                    }
                    library::compile(compiler, &arguments, "the header alone and twice")
                });
            }
        }
    }
    tally.test("c::header::tomocut_hpp_has_every_function", || every_function(layout));
    Ok(())
}

/// tomocut.hpp calls every function of tomocut.h, those apart that are for tests.
fn every_function(layout: &Layout) -> Result<()> {
    const FOR_TESTS: [&str; 1] = ["tomocut_debug_panic"];
    let folder = layout.root.join("include/tomocut");
    let mut text = String::new();
    for entry in std::fs::read_dir(&folder)
        .map_err(|e| Failure::io("reading", &folder, &e))?
        .flatten()
    {
        if entry.path().extension().is_some_and(|extension| extension == "hpp") {
            text += &layout::read(&entry.path())?;
        }
    }
    let words: BTreeSet<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let names = crate::header::function_names(layout)?;
    let missing: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !words.contains(name) && !FOR_TESTS.contains(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "include/tomocut/*.hpp call no {}",
        missing.join(", no ")
    )))
}

/// A unit that holds nothing but the header, and one that includes it twice and has a main.
fn units(folder: &std::path::Path, header: &str, extension: &str) -> Result<[PathBuf; 2]> {
    let once = folder.join(format!("once-{header}.{extension}"));
    let twice = folder.join(format!("twice-{header}.{extension}"));
    let include = format!("#include \"{header}\"\n");
    layout::write_atomic(&once, &include)?;
    layout::write_atomic(&twice, &format!("{include}{include}int main(void) {{ return 0; }}\n"))?;
    Ok([once, twice])
}
