//! The programs of tests/c and tests/cpp: compiled, run under ASan and UBSan, and the marked ones under valgrind; and
//! the examples.
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Named, Tally};
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::Library;
use crate::process::{self, Watched};

/// A program that has not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(600);
/// The same under valgrind, which is some thirty times slower.
const VALGRIND_LIMIT: Duration = Duration::from_secs(1500);
/// valgrind's exit status for an error of memory; no program uses it itself.
const VALGRIND_STATUS: i32 = 9;
/// A source with this in its first lines is run under valgrind too.
const VALGRIND_MARK: &str = "/* valgrind */";

const PLAIN: [&str; 6] = ["-g", "-O0", "-Wall", "-Wextra", "-Werror", "-pthread"];
const SANITIZERS: [&str; 3] = [
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
];

/// How a test program is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    Sanitizers,
    Valgrind,
}

/// What each example is run with, beside a small `my.mrc`.
const EXAMPLES: [(&str, &[&str]); 4] = [
    ("memory", &[]),
    ("ncut", &["my.mrc", "32", "segments"]),
    ("slab", &["my.mrc", "30", "32", "results"]),
    ("train_and_predict", &["my.mrc", "28", "36", "results"]),
];

/// The examples compile without a warning and work on a small tomogram. Those that need MPI are built by
/// [`super::mpi`].
pub fn examples(layout: &Layout, library: &Library, tally: &mut Tally) -> Result<()> {
    if !tally.wants("c::examples") {
        return Ok(());
    }
    let folder = super::folder(layout).join("examples");
    layout::fresh_folder(&folder)?;
    let simulated = super::small_tomogram(layout, library, &folder);
    tally.test("c::examples::have_a_tomogram", || simulated);
    let sources = sources(&layout.root.join("c-examples"), "")?;
    let sources = sources.into_iter().filter(|source| !super::mpi::needs_mpi(source));
    for source in sources {
        let name = stem(&source);
        tally.test(&format!("c::examples::{name}"), || {
            let (compiler, standard) = match source.extension().is_some_and(|extension| extension == "cpp") {
                true => ("g++", "-std=c++17"),
                false => ("cc", "-std=c99"),
            };
            let program = folder.join(&name);
            let flags = [standard, "-O2", "-Wall", "-Wextra", "-Werror"];
            super::build(library, compiler, &flags, &[source], &program)?;
            let arguments = EXAMPLES
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, arguments)| *arguments);
            let arguments = arguments.ok_or_else(|| Failure::new(format!("nothing is said of how {name} is run")))?;
            let mut command = process::command(layout, &program);
            process::capture(command.current_dir(&folder).args(arguments), &name).map(|_| ())
        });
    }
    Ok(())
}

/// The programs `tests/c/test_*.c` and `tests/cpp/test_*.cpp`, and a leak that both watchers must find.
pub fn run(layout: &Layout, library: &Library, tally: &mut Tally) -> Result<()> {
    let cpp = sources(&layout.root.join("tests/cpp"), "test_")?;
    tally.test("c::cpp::exist", || some(&cpp, "tests/cpp"));
    let sources = sources(&layout.root.join("tests/c"), "test_")?;
    tally.test("c::programs::exist", || some(&sources, "tests/c"));
    let mut tests: Vec<Named> = Vec::new();
    for (source, prefix) in cpp.iter().map(|s| (s, "cpp_")).chain(sources.iter().map(|s| (s, ""))) {
        let name = format!("{prefix}{}", stem(source));
        let full = format!("c::sanitizers::{name}");
        let body = move || check(&name, &watched(layout, library, source, Watch::Sanitizers)?);
        tests.push((full, Box::new(body)));
    }
    for source in &sources {
        if marked(&layout::read(source)?) {
            let name = stem(source);
            let full = format!("c::valgrind::{name}");
            let body = move || check(&name, &watched(layout, library, source, Watch::Valgrind)?);
            tests.push((full, Box::new(body)));
        }
    }
    tally.beside(tests);
    let leak = super::folder(layout).join("leak.c");
    layout::write_atomic(&leak, include_str!("leak.c"))?;
    tally.test("c::sanitizers::find_a_seeded_leak", || {
        let outcome = watched(layout, library, &leak, Watch::Sanitizers)?;
        found(&outcome, "LeakSanitizer: detected memory leaks", |status| status != 0)
    });
    tally.test("c::valgrind::finds_a_seeded_leak", || {
        let outcome = watched(layout, library, &leak, Watch::Valgrind)?;
        found(&outcome, "definitely lost in loss record", |status| {
            status == VALGRIND_STATUS
        })
    });
    Ok(())
}

/// Compiles a program for a watcher and runs it there.
///
/// It runs in the repository's root, as Rust's tests do; `TOMOCUT_TEST_DIR` (and `TMPDIR`) name an empty folder of its
/// own, `TOMOCUT_DATA` the development data where they are.
fn watched(layout: &Layout, library: &Library, source: &Path, watch: Watch) -> Result<Watched> {
    let folder = super::folder(layout).join(match watch {
        Watch::Sanitizers => "sanitizers",
        Watch::Valgrind => "valgrind",
    });
    let name = stem(source);
    let program = folder.join(&name);
    let scratch = folder.join(format!("{name}.scratch"));
    layout::fresh_folder(&scratch)?;

    let cpp = source.extension().is_some_and(|extension| extension == "cpp");
    let (compiler, standard) = if cpp {
        ("g++", "-std=c++17")
    } else {
        ("gcc", "-std=gnu11")
    };
    let mut flags = vec![standard];
    flags.extend(PLAIN);
    if watch == Watch::Sanitizers {
        flags.extend(SANITIZERS);
    }
    super::build(library, compiler, &flags, &[source.to_path_buf()], &program)?;
    let mut command = match watch {
        Watch::Sanitizers => {
            let symbols = process::capture(Command::new("nm").arg("-D").arg(&program), "nm")?;
            if !symbols.contains("__asan_init") {
                return Err(Failure::new(format!("{name} is not linked to AddressSanitizer")));
            }
            process::command(layout, &program)
        }
        Watch::Valgrind => {
            let mut command = process::command(layout, "valgrind");
            command.args(valgrind_arguments(&layout.root.join("tests/c/valgrind.supp")));
            command.arg(&program).env("OMP_NUM_THREADS", "1");
            command
        }
    };
    command.env("TOMOCUT_TEST_DIR", &scratch).env("TMPDIR", &scratch);
    let data = layout.root.join("../shared/data");
    if std::env::var_os("TOMOCUT_DATA").is_none() && data.exists() {
        command.env("TOMOCUT_DATA", data);
    }
    command.env("ASAN_OPTIONS", "detect_leaks=1");
    command.env("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1");
    let suppressions = layout.root.join("tests/c/lsan.supp");
    if suppressions.exists() {
        let mut options = OsString::from("print_suppressions=0:suppressions=");
        options.push(suppressions);
        command.env("LSAN_OPTIONS", options);
    }
    let limit = if watch == Watch::Valgrind {
        VALGRIND_LIMIT
    } else {
        LIMIT
    };
    process::watch(&mut command, &folder.join(format!("{name}.log")), limit)
}

fn valgrind_arguments(suppressions: &Path) -> Vec<String> {
    let mut arguments = vec![
        format!("--error-exitcode={VALGRIND_STATUS}"),
        "--leak-check=full".into(),
        "--errors-for-leak-kinds=definite".into(),
        "--show-leak-kinds=definite".into(),
        "--num-callers=30".into(),
    ];
    if suppressions.exists() {
        arguments.push(format!("--suppressions={}", suppressions.display()));
    }
    arguments
}

/// A program must have ended by itself with status 0.
fn check(name: &str, outcome: &Watched) -> Result<()> {
    match outcome.status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Failure::new(format!("{name}: {status}\n{}", tail(&outcome.said)))),
        None => Err(Failure::new(format!(
            "{name}: stopped after {:.0} s\n{}",
            outcome.took.as_secs_f64(),
            tail(&outcome.said)
        ))),
    }
}

/// A seeded fault must have been reported in the watcher's own words and by its status.
fn found(outcome: &Watched, words: &str, status: impl Fn(i32) -> bool) -> Result<()> {
    let code = outcome.status.and_then(|s| s.code());
    if outcome.said.contains(words) && code.is_some_and(status) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the leak was not reported (status {code:?})\n{}",
        tail(&outcome.said)
    )))
}

/// The end of what a program said: enough for a sanitizer's report.
fn tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(80)..].join("\n")
}

/// Whether a source asks to be run under valgrind too.
fn marked(source: &str) -> bool {
    source.lines().take(5).any(|line| line.contains(VALGRIND_MARK))
}

/// The C and C++ sources of a folder whose names start with `prefix`, sorted; none where the folder is missing.
fn sources(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(|e| Failure::io("reading", folder, &e))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "c" || e == "cpp") && stem(path).starts_with(prefix))
        .collect();
    files.sort();
    Ok(files)
}

fn some(sources: &[PathBuf], folder: &str) -> Result<()> {
    if sources.is_empty() {
        return Err(Failure::new(format!("{folder} holds no programs")));
    }
    Ok(())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn ended(code: Option<i32>, said: &str) -> Watched {
        Watched {
            status: code.map(|c| ExitStatus::from_raw(c << 8)),
            said: said.into(),
            took: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_program_passes_only_by_ending_well() {
        assert!(check("a", &ended(Some(0), "")).is_ok());
        assert!(check("a", &ended(Some(1), "why"))
            .unwrap_err()
            .to_string()
            .contains("why"));
        assert!(check("a", &ended(None, ""))
            .unwrap_err()
            .to_string()
            .contains("stopped after"));
    }

    #[test]
    fn a_seeded_leak_counts_only_when_reported() {
        let valgrind = |status: i32| status == VALGRIND_STATUS;
        assert!(found(&ended(Some(9), "x definitely lost y"), "definitely lost", valgrind).is_ok());
        assert!(found(&ended(Some(9), "crash"), "definitely lost", valgrind).is_err());
        assert!(found(&ended(Some(0), "x definitely lost y"), "definitely lost", valgrind).is_err());
    }

    #[test]
    fn sources_are_sorted_and_marked_by_their_first_lines() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["test_b.c", "test_a.c", "layout.c", "test_a.h"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let test_sources = sources(folder.path(), "test_").unwrap();
        assert_eq!(
            test_sources.iter().map(|p| stem(p)).collect::<Vec<_>>(),
            ["test_a", "test_b"]
        );
        assert!(sources(&folder.path().join("none"), "").unwrap().is_empty());
        assert!(marked("/* valgrind */\nint main"));
        assert!(!marked("\n\n\n\n\n\n/* valgrind */"));
    }
}
