//! The C side of `cargo xtask test`: header, recorded ABI, programs under sanitizers and valgrind, README snippets.
mod headers;
mod install;
mod loader;
mod mpi;
mod old_host;
mod programs;
mod readme;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::abi;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::{self, Library};
use crate::libtorch::Libtorch;
use crate::process;

/// A test by its name.
type Named<'a> = (String, Box<dyn FnOnce() -> Result<()> + Send + 'a>);

/// What has been tried and what failed.
#[derive(Default)]
pub struct Tally {
    filter: Option<String>,
    passed: usize,
    filtered: usize,
    failed: Vec<String>,
}

impl Tally {
    /// Whether any test whose name begins so may run: what such tests need in common is made only then.
    fn wants(&self, group: &str) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.starts_with(group) || group.contains(filter.as_str()))
    }

    /// Runs one test, unless the filter leaves it out, and prints its line.
    fn test(&mut self, name: &str, body: impl FnOnce() -> Result<()>) {
        if self.leaves_out(name) {
            return;
        }
        let start = Instant::now();
        let outcome = body();
        self.record(name, outcome, start.elapsed());
    }

    /// Runs tests that do not disturb each other, as many at a time as there are cores (at most four, for the memory's
    /// sake).
    fn beside(&mut self, tests: Vec<Named>) {
        let mut left: Vec<Named> = tests.into_iter().filter(|(name, _)| !self.leaves_out(name)).collect();
        left.reverse();
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
        let (left, tally) = (Mutex::new(left), Mutex::new(self));
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some((name, body)) = next() {
                        let start = Instant::now();
                        let outcome = body();
                        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                        tally.record(&name, outcome, start.elapsed());
                    }
                });
            }
        });
    }

    /// Whether the filter leaves a test out, which is then counted.
    fn leaves_out(&mut self, name: &str) -> bool {
        let out = self
            .filter
            .as_ref()
            .is_some_and(|filter| !name.contains(filter.as_str()));
        self.filtered += usize::from(out);
        out
    }

    /// Counts a test that has run and prints its line.
    fn record(&mut self, name: &str, outcome: Result<()>, took: Duration) {
        let took = took.as_secs_f64();
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("test {name} ... ok ({took:.1} s)");
            }
            Err(failure) => {
                println!("test {name} ... FAILED ({took:.1} s)");
                for line in failure.to_string().lines() {
                    println!("    {line}");
                }
                self.failed.push(name.to_string());
            }
        }
    }

    /// The closing line, in cargo's words.
    fn summary(&self) -> String {
        format!(
            "C side: {}. {} passed; {} failed; {} filtered out",
            if self.failed.is_empty() { "ok" } else { "FAILED" },
            self.passed,
            self.failed.len(),
            self.filtered
        )
    }
}

/// The folder of what the tests compile and write.
pub fn folder(layout: &Layout) -> PathBuf {
    layout.target.join("ctest")
}

/// Simulates `my.mrc` in a folder.
fn small_tomogram(layout: &Layout, library: &Library, folder: &std::path::Path) -> Result<()> {
    let mut simulate = process::command(layout, library.program());
    simulate.args(["phantom", "--size", "64x64x64", "--stem", "my", "--quiet", "--out"]);
    process::capture(simulate.arg(folder), "tomocut phantom").map(|_| ())
}

/// The tools that these tests need beside the compilers.
pub fn require_tools() -> Result<()> {
    process::require_compilers()?;
    process::require("valgrind", "valgrind")
}

/// Runs all of it; only tests whose name contains `filter`, where one is given.
pub fn run(layout: &Layout, library: &Library, torch: &Libtorch, filter: Option<&str>) -> Result<()> {
    let start = Instant::now();
    let mut tally = Tally {
        filter: filter.map(str::to_string),
        ..Tally::default()
    };
    println!("\nrunning the tests of the C side");
    layout::fresh_folder(&folder(layout))?;
    headers::run(layout, library, &mut tally)?;
    tally.test("c::abi::symbols", || abi::check_symbols(layout, library));
    tally.test("c::abi::layout", || abi::check_layout(layout, library));
    tally.test("c::abi::members", || abi::check_members(layout));
    old_host::run(layout, library, &mut tally)?;
    programs::examples(layout, library, &mut tally)?;
    if tally.wants("c::readme") {
        readme::run(layout, library, &mut tally)?;
    }
    mpi::run(layout, library, &mut tally)?;
    programs::run(layout, library, &mut tally)?;
    loader::run(layout, library, &mut tally)?;
    if tally.wants("c::install") {
        install::run(layout, library, torch, &mut tally)?;
    }

    println!(
        "\n{}; finished in {:.1} s",
        tally.summary(),
        start.elapsed().as_secs_f64()
    );
    if tally.failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "failed on the C side: {}",
            tally.failed.join(", ")
        )))
    }
}

/// Compiles and links one program against the library: `flags`, header, `sources`, library.
fn build(library: &Library, compiler: &str, flags: &[&str], sources: &[PathBuf], out: &std::path::Path) -> Result<()> {
    let mut arguments: Vec<String> = flags.iter().map(|flag| flag.to_string()).collect();
    arguments.extend(library.include_flags());
    arguments.extend(sources.iter().map(|path| path.display().to_string()));
    arguments.extend(["-o".into(), out.display().to_string()]);
    arguments.extend(library.link_flags());
    arguments.push("-lm".into());
    library::compile(compiler, &arguments, &out.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_and_filters() {
        let mut tally = Tally {
            filter: Some("abi".into()),
            ..Tally::default()
        };
        tally.test("c::abi::a", || Ok(()));
        tally.test("c::abi::b", || Err(Failure::new("no")));
        tally.test("c::header", || Err(Failure::new("never run")));
        assert!(tally.wants("c::abi") && !tally.wants("c::header"));
        assert_eq!(tally.summary(), "C side: FAILED. 1 passed; 1 failed; 1 filtered out");
        assert_eq!(tally.failed, ["c::abi::b"]);
        let all = ["c::abi::d", "c::abi::e", "c::other", "c::abi::f"];
        tally.beside(
            all.iter()
                .map(|name| -> Named {
                    let ends_well = !name.ends_with('e');
                    let body = move || if ends_well { Ok(()) } else { Err(Failure::new("no")) };
                    (name.to_string(), Box::new(body))
                })
                .collect(),
        );
        assert_eq!(tally.summary(), "C side: FAILED. 3 passed; 2 failed; 2 filtered out");
        assert_eq!(tally.failed, ["c::abi::b", "c::abi::e"]);
    }
}
