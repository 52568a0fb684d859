//! tomocut_loader.h: every way in which loading fails has its own words, and a host's own BLAS stays out of the
//! library.
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Tally;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::{self, Library};
use crate::process;

/// Compiles the hosts of tests/loader and runs them.
pub fn run(layout: &Layout, library: &Library, tally: &mut Tally) -> Result<()> {
    let folder = super::folder(layout).join("loader");
    layout::fresh_folder(&folder)?;
    let sources = layout.root.join("tests/loader");
    let load = folder.join("host/bin/load");
    let built = unlinked(library, &[], &[sources.join("load.c")], &load);
    tally.test("c::loader::compiles", || built);

    let soname = library::soname(layout.version()?);
    tally.test("c::loader::loads_by_path", || {
        let said = loaded(layout, &load, Some(&library.file()), &[])?;
        expect(&said, &["status ok", &library.file().display().to_string()])
    });
    tally.test("c::loader::loads_from_beside_the_host", || {
        let beside = folder.join("host/lib").join(&soname);
        layout::write_atomic(&beside, "")?;
        std::fs::remove_file(&beside).map_err(|e| Failure::io("removing", &beside, &e))?;
        library::link(&beside, &library.file().display().to_string())?;
        let said = loaded(layout, &load, None, &[]);
        std::fs::remove_file(&beside).map_err(|e| Failure::io("removing", &beside, &e))?;
        expect(&said?, &["status ok", "host/bin/../lib/"])
    });
    tally.test("c::loader::loads_by_environment", || {
        let file = library.file().display().to_string();
        expect(
            &loaded(layout, &load, None, &[("TOMOCUT_LIBRARY", &file)])?,
            &["status ok"],
        )?;
        let said = loaded(layout, &load, None, &[("TOMOCUT_LIBRARY", "/nowhere/libtomocut.so")])?;
        let words = [
            "status io",
            "/nowhere/libtomocut.so cannot be opened",
            "named by the environment variable TOMOCUT_LIBRARY",
        ];
        expect(&said, &words)
    });
    tally.test("c::loader::not_found_names_the_places", || {
        let said = loaded(layout, &load, None, &[])?;
        let places = [format!("host/bin/{soname}"), format!("host/bin/../lib/{soname}")];
        expect(
            &said,
            &[
                "status io",
                "was not found. Tried:",
                &places[0],
                &places[1],
                "TOMOCUT_LIBRARY",
            ],
        )
    });
    failures(layout, &load, &folder, tally)?;
    blas(layout, library, &sources, &folder, tally)
}

/// Libraries that must be refused.
fn failures(layout: &Layout, load: &Path, folder: &Path, tally: &mut Tally) -> Result<()> {
    let [major, minor, patch] = layout.version()?;
    let number = |major: u32, minor: u32| major * 1_000_000 + minor * 1000 + patch;
    let version = |number: u32| format!("unsigned tomocut_version(void) {{ return {number}; }}\n");
    let refused = |tally: &mut Tally, name: &str, file: &Path, words: &[&str]| {
        tally.test(&format!("c::loader::{name}"), || {
            expect(&loaded(layout, load, Some(file), &[])?, words)
        });
    };

    let text = folder.join("text.so");
    layout::write_atomic(&text, "not a library, but long enough to be one\n")?;
    refused(
        tally,
        "refuses_a_text",
        &text,
        &["status format", "text.so is no shared library"],
    );

    let other = fake(folder, "other", "int other(void) { return 1; }\n", &[])?;
    refused(
        tally,
        "refuses_another_library",
        &other,
        &["status format", "is not tomocut: it has no tomocut_version"],
    );

    let older = fake(
        folder,
        "older",
        &version(if minor == 0 { 9 } else { number(major, minor - 1) }),
        &[],
    )?;
    refused(
        tally,
        "refuses_an_older_abi",
        &older,
        &["status version", "older than the", "the first two numbers"],
    );
    let newer = fake(folder, "newer", &version(number(major, minor + 1)), &[])?;
    let newer_is = format!(
        "is tomocut {major}.{}.{patch}, newer than the {major}.{minor}.{patch}",
        minor + 1
    );
    refused(tally, "refuses_a_newer_abi", &newer, &["status version", &newer_is]);

    let poor = fake(folder, "poor", &version(number(major, minor)), &[])?;
    refused(
        tally,
        "names_a_missing_function",
        &poor,
        &["status version", "has no tomocut_last_error, which"],
    );

    // Another machine's library: the same file with the number of its architecture changed.
    let foreign = folder.join("foreign.so");
    let mut bytes = std::fs::read(&other).map_err(|e| Failure::io("reading", &other, &e))?;
    bytes[18] = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    std::fs::write(&foreign, &bytes).map_err(|e| Failure::io("writing", &foreign, &e))?;
    refused(
        tally,
        "refuses_another_architecture",
        &foreign,
        &["status unsupported", "was built for", "this program for"],
    );

    let torch = fake(folder, "torch", "int torch(void) { return 1; }\n", &[])?;
    let needy = fake(
        folder,
        "needy",
        &version(number(major, minor)),
        &["-Wl,--no-as-needed", &torch.display().to_string()],
    )?;
    std::fs::remove_file(&torch).map_err(|e| Failure::io("removing", &torch, &e))?;
    refused(
        tally,
        "names_a_missing_dependency",
        &needy,
        &["status io", "needy.so cannot be loaded: ", "torch.so: cannot open"],
    );
    Ok(())
}

/// A host with a `dgemm_` of its own: linked to the library it takes libtorch's place, through the loader it does not.
fn blas(layout: &Layout, library: &Library, sources: &Path, folder: &Path, tally: &mut Tally) -> Result<()> {
    let files = [sources.join("host.c"), sources.join("segment.c")];
    let file = library.file().display().to_string();
    tally.test("c::loader::keeps_out_the_hosts_blas", || {
        let host = folder.join("host-loader");
        unlinked(library, &["-rdynamic", "-DLOADER"], &files, &host)?;
        let said = ran(layout, Command::new(&host).env("TOMOCUT_LIBRARY", &file), &host)?;
        expect(&said, &["labels: right", "calls of the host's dgemm_: 0"])?;
        if !blas_of(&said).contains("libtorch") {
            return Err(Failure::new(format!("BLAS is not libtorch's:\n{said}")));
        }
        let exported = process::capture(Command::new("nm").args(["-D", "--defined-only"]).arg(&host), "nm")?;
        if exported.contains(" tomocut_") {
            return Err(Failure::new("the host exports the loader's functions"));
        }
        Ok(())
    });
    // The same host without the loader, or the test above would prove nothing.
    tally.test("c::loader::a_linked_host_takes_over_blas", || {
        let host = folder.join("host-linked");
        super::build(library, "gcc", &["-rdynamic"], &files, &host)?;
        let said = ran(layout, &mut Command::new(&host), &host)?;
        if blas_of(&said).contains("host-linked") {
            return Ok(());
        }
        Err(Failure::new(format!("BLAS is not the host's:\n{said}")))
    });
    Ok(())
}

/// The line of the runtime report that names BLAS.
fn blas_of(report: &str) -> &str {
    report.lines().find(|line| line.starts_with("BLAS")).unwrap_or_default()
}

/// Compiles a host that is not linked to the library.
fn unlinked(library: &Library, flags: &[&str], sources: &[PathBuf], out: &Path) -> Result<()> {
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Failure::io("making", folder, &e))?;
    }
    let mut arguments: Vec<String> = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
        .map(String::from)
        .into();
    arguments.extend(flags.iter().map(|flag| flag.to_string()));
    arguments.extend(library.include_flags());
    arguments.extend(sources.iter().map(|path| path.display().to_string()));
    arguments.extend(["-o".into(), out.display().to_string(), "-ldl".into()]);
    library::compile("gcc", &arguments, &out.display().to_string())
}

/// A shared library of one function.
fn fake(folder: &Path, name: &str, source: &str, flags: &[&str]) -> Result<PathBuf> {
    let (text, out) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    layout::write_atomic(&text, source)?;
    let mut arguments = vec!["-shared".to_string(), "-fPIC".into(), text.display().to_string()];
    arguments.extend(flags.iter().map(|flag| flag.to_string()));
    arguments.extend(["-o".into(), out.display().to_string()]);
    library::compile("gcc", &arguments, name)?;
    Ok(out)
}

/// What the host of load.c says, whatever came of it.
fn loaded(layout: &Layout, load: &Path, library: Option<&Path>, environment: &[(&str, &str)]) -> Result<String> {
    let mut command = process::command(layout, load);
    command
        .env_remove("TOMOCUT_LIBRARY")
        .args(library)
        .envs(environment.iter().copied());
    let output = command.output().map_err(|e| Failure::io("starting", load, &e))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let ended = if said.contains("status ok") { 0 } else { 3 };
    if output.status.code() == Some(ended) && !said.contains("answered otherwise") {
        return Ok(said);
    }
    Err(Failure::new(format!("the host ended with {}:\n{said}", output.status)))
}

/// What a host says; it must end well.
fn ran(layout: &Layout, command: &mut Command, host: &Path) -> Result<String> {
    process::capture(command.current_dir(&layout.root), &host.display().to_string())
}

fn expect(said: &str, words: &[&str]) -> Result<()> {
    match words.iter().find(|words| !said.contains(**words)) {
        None => Ok(()),
        Some(missing) => Err(Failure::new(format!(
            "'{missing}' is not in what the host said:\n{said}"
        ))),
    }
}
