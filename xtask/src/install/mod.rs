//! `cargo xtask install`: library, headers, CMake and pkg-config files, the program and licences, under a prefix or in
//! an archive.
mod licences;
mod run_path;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::{self, Library, Profile};
use crate::libtorch::{self, Libtorch};
use crate::process;

/// Where an installed library looks for libtorch.
const RUN_PATH: &str = "$ORIGIN:$ORIGIN/tomocut/torch/lib";
/// Where the installed program does.
const PROGRAM_RUN_PATH: &str = "$ORIGIN/../lib/tomocut/torch/lib";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    prefix: Option<PathBuf>,
    archive: Option<PathBuf>,
    with_libtorch: bool,
}

/// What an installation holds beside the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// libtorch too, in `lib/tomocut/`.
    pub libtorch: bool,
    /// The library must not look for libtorch in the folder that it was built with.
    pub portable: bool,
}

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let plan = parse(arguments)?;
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let library = Library::build(layout, &torch, Profile::Release)?;
    let here = std::env::current_dir().map_err(|e| Failure::new(format!("the current folder: {e}")))?;
    if let Some(prefix) = plan.prefix {
        let contents = Contents {
            libtorch: plan.with_libtorch,
            portable: plan.with_libtorch,
        };
        let prefix = here.join(prefix);
        place(layout, &library, &torch, &prefix, contents)?;
        println!("install: ready in {}", prefix.display());
    }
    if let Some(file) = plan.archive {
        let file = here.join(file);
        archive(layout, &library, &torch, &file, plan.with_libtorch)?;
        println!("install: wrote {}", file.display());
    }
    Ok(())
}

fn parse(arguments: Vec<OsString>) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("prefix") => plan.prefix = Some(parser.value()?.into()),
            lexopt::Arg::Long("archive") => plan.archive = Some(parser.value()?.into()),
            lexopt::Arg::Long("with-libtorch") => plan.with_libtorch = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if plan.prefix.is_none() && plan.archive.is_none() {
        return Err(Failure::usage("install needs --prefix FOLDER or --archive FILE.tar.gz"));
    }
    Ok(plan)
}

/// Installs under a prefix. What lies there already of the same names is replaced, each file whole.
pub fn place(layout: &Layout, library: &Library, torch: &Libtorch, prefix: &Path, contents: Contents) -> Result<()> {
    place_library(layout, library, prefix, contents.portable)?;
    copy_folder(&layout.root.join("include"), &prefix.join("include"))?;
    for (template, place) in [
        ("tomocutConfig.cmake", "lib/cmake/tomocut/tomocutConfig.cmake"),
        (
            "tomocutConfigVersion.cmake",
            "lib/cmake/tomocut/tomocutConfigVersion.cmake",
        ),
        ("tomocut.pc", "lib/pkgconfig/tomocut.pc"),
    ] {
        let text = layout::read(&layout.root.join(format!("cmake/{template}.in")))?;
        layout::write_atomic(&prefix.join(place), &filled(&text, layout.version()?))?;
    }
    place_program(layout, library, prefix, contents.portable)?;
    place_mpi_program(layout, prefix)?;
    // To be copied into a host's own sources.
    for source in entries(&layout.root.join("c-examples"))? {
        if source.is_file() {
            let name = source.file_name().unwrap_or_default();
            copy(&source, &prefix.join("share/tomocut/examples").join(name))?;
        }
    }
    // For MATLAB and Octave: sources, because each version has a binary interface of its own.
    copy_folder(&layout.root.join("c-examples/mex"), &prefix.join("share/tomocut/mex"))?;

    let doc = prefix.join("share/doc/tomocut");
    copy(&layout.root.join("LICENSE"), &doc.join("LICENSE"))?;
    copy(&layout.root.join("README.md"), &doc.join("README.md"))?;
    layout::write_atomic(&doc.join("rust-packages.txt"), &licences::of_packages(layout)?)?;
    if contents.libtorch {
        place_libtorch(torch, prefix, &doc)?;
    }
    Ok(())
}

/// A `.tar.gz` with one folder, `tomocut-VERSION-linux-ARCHITECTURE`: an installation that may be unpacked anywhere.
pub fn archive(layout: &Layout, library: &Library, torch: &Libtorch, file: &Path, with_libtorch: bool) -> Result<()> {
    process::require("tar", "tar")?;
    process::require("gzip", "gzip")?;
    let [major, minor, patch] = layout.version()?;
    let name = format!("tomocut-{major}.{minor}.{patch}-linux-{}", std::env::consts::ARCH);
    let staging = layout.target.join("install");
    layout::fresh_folder(&staging)?;
    let contents = Contents {
        libtorch: with_libtorch,
        portable: true,
    };
    place(layout, library, torch, &staging.join(&name), contents)?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|e| Failure::io("making", folder, &e))?;
    }
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    // Nobody's names and no times: the same files give the same archive.
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--gzip",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
    ]);
    tar.args(["--mtime=@0", "--mode=u+rw,go+r,go-w", "--file"])
        .arg(&partial)
        .arg("--directory")
        .arg(&staging)
        .arg(&name);
    process::capture(&mut tar, "tar")?;
    fs::rename(&partial, file).map_err(|e| Failure::io("moving to", file, &e))?;
    fs::remove_dir_all(&staging).map_err(|e| Failure::io("removing", &staging, &e))
}

/// The library with its links.
fn place_library(layout: &Layout, library: &Library, prefix: &Path, portable: bool) -> Result<()> {
    let version = layout.version()?;
    let folder = prefix.join("lib");
    let name = format!("libtomocut.so.{}.{}.{}", version[0], version[1], version[2]);
    let built = library.file();
    let mut bytes = fs::read(&built).map_err(|e| Failure::io("reading", &built, &e))?;
    if portable {
        run_path::set(&mut bytes, RUN_PATH)?;
    }
    write(&folder.join(&name), &bytes, 0o755)?;
    let soname = library::soname(version);
    library::link(&folder.join(&soname), &name)?;
    library::link(&folder.join("libtomocut.so"), &soname)
}

/// The program with its man page and the completions of shells.
fn place_program(layout: &Layout, library: &Library, prefix: &Path, portable: bool) -> Result<()> {
    let built = library.program();
    let mut bytes = fs::read(&built).map_err(|e| Failure::io("reading", &built, &e))?;
    if portable {
        run_path::set(&mut bytes, PROGRAM_RUN_PATH)?;
    }
    write(&prefix.join("bin/tomocut"), &bytes, 0o755)?;
    for (arguments, place) in [
        (&["man"][..], "share/man/man1/tomocut.1"),
        (&["completions", "bash"], "share/bash-completion/completions/tomocut"),
        (&["completions", "zsh"], "share/zsh/site-functions/_tomocut"),
        (&["completions", "fish"], "share/fish/vendor_completions.d/tomocut.fish"),
    ] {
        let mut command = process::command(layout, &built);
        let text = process::capture(command.args(arguments), &format!("tomocut {}", arguments.join(" ")))?;
        layout::write_atomic(&prefix.join(place), &text)?;
    }
    Ok(())
}

/// The program of c-examples that shares a tomogram among the ranks of MPI: MPI libraries differ, so it is built by the
/// one that is here.
fn place_mpi_program(layout: &Layout, prefix: &Path) -> Result<()> {
    if !process::found("mpicc") {
        println!("install: tomocut-predict-mpi is left out: mpicc is missing (apt-get install libopenmpi-dev)");
        return Ok(());
    }
    let source = layout.root.join("c-examples/predict_mpi.c");
    let arguments = [
        "-O2".to_string(),
        format!("-I{}", prefix.join("include").display()),
        source.display().to_string(),
        "-o".into(),
        prefix.join("bin/tomocut-predict-mpi").display().to_string(),
        format!("-L{}", prefix.join("lib").display()),
        "-ltomocut".into(),
        "-lm".into(),
        "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib".into(),
        "-Wl,--allow-shlib-undefined".into(),
    ];
    library::compile("mpicc", &arguments, &source.display().to_string())
}

/// libtorch's libraries and those of NVIDIA's that they need, side by side as their own run paths have it; their
/// licences.
fn place_libtorch(torch: &Libtorch, prefix: &Path, doc: &Path) -> Result<()> {
    let home = prefix.join("lib/tomocut");
    layout::fresh_folder(&home)?;
    for library in entries(&torch.folder.join("lib"))? {
        let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Not for C++ programs: Python's own part of it.
        if name.contains(".so") && !name.contains("python") {
            copy(&library, &home.join("torch/lib").join(&name))?;
        }
    }
    copy(&torch.folder.join("build-version"), &home.join("torch/build-version"))?;
    let beside = torch.folder.join("..");
    let nvidia = beside.join("nvidia");
    if nvidia.is_dir() {
        copy_folder(&nvidia, &home.join("nvidia"))?;
    }
    // Wheels keep their licences in NAME.dist-info/licenses.
    for folder in entries(&beside)? {
        let texts = folder.join("licenses");
        if texts.is_dir() {
            let name = folder.file_stem().unwrap_or_default();
            copy_folder(&texts, &doc.join("libtorch").join(name))?;
        }
    }
    Ok(())
}

/// A template with the version's numbers in place of @...@.
fn filled(template: &str, version: [u32; 3]) -> String {
    let [major, minor, patch] = version;
    template
        .replace("@VERSION@", &format!("{major}.{minor}.{patch}"))
        .replace("@SERIES@", &format!("{major}.{minor}"))
        .replace("@MAJOR@", &major.to_string())
        .replace("@MINOR@", &minor.to_string())
        .replace("@SONAME@", &library::soname(version))
}

/// What a folder holds, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::io("reading", folder, &e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// Copies a folder with all it holds; links are copied as what they name.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in entries(from)? {
        let place = to.join(entry.file_name().unwrap_or_default());
        if entry.is_dir() {
            copy_folder(&entry, &place)?;
        } else {
            copy(&entry, &place)?;
        }
    }
    Ok(())
}

/// Copies a file: under another name, then renamed, so that a program that uses the old one is not disturbed.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let partial = partial(to)?;
    fs::copy(from, &partial).map_err(|e| Failure::io("copying", from, &e))?;
    fs::rename(&partial, to).map_err(|e| Failure::io("moving to", to, &e))
}

/// Writes a file in the same way.
fn write(to: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let partial = partial(to)?;
    let failed = |e: std::io::Error| Failure::io("writing", to, &e);
    fs::write(&partial, bytes).map_err(failed)?;
    fs::set_permissions(&partial, std::os::unix::fs::PermissionsExt::from_mode(mode)).map_err(failed)?;
    fs::rename(&partial, to).map_err(failed)
}

/// The name that a file has until it is whole; its folder is made.
fn partial(to: &Path) -> Result<PathBuf> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|e| Failure::io("making", folder, &e))?;
    }
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &[&str]) -> Result<Plan> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn a_prefix_or_an_archive_is_needed() {
        let both = plan(&["--prefix", "/opt/tomocut", "--archive=a.tar.gz", "--with-libtorch"]).unwrap();
        assert_eq!(both.prefix.as_deref(), Some(Path::new("/opt/tomocut")));
        assert!(both.archive.is_some() && both.with_libtorch);
        assert_eq!(plan(&["--with-libtorch"]).unwrap_err().status(), 2);
        assert_eq!(plan(&["--prefix"]).unwrap_err().status(), 2);
        assert_eq!(plan(&["--prefix", "a", "b"]).unwrap_err().status(), 2);
    }

    #[test]
    fn templates_are_filled_with_the_soname_of_the_version() {
        let text = filled("@VERSION@ @SERIES@ @MAJOR@ @MINOR@ @SONAME@", [0, 3, 9]);
        assert_eq!(text, "0.3.9 0.3 0 3 libtomocut.so.0.3");
        assert!(filled("@SONAME@", [2, 3, 9]).ends_with("libtomocut.so.2"));
    }

    #[test]
    fn copies_replace_what_was_there_and_leave_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        layout::write_atomic(&from.join("deep/er.txt"), "new").unwrap();
        layout::write_atomic(&folder.path().join("to/deep/er.txt"), "an older, longer text").unwrap();
        copy_folder(&from, &folder.path().join("to")).unwrap();
        assert_eq!(layout::read(&folder.path().join("to/deep/er.txt")).unwrap(), "new");
        assert_eq!(entries(&folder.path().join("to/deep")).unwrap().len(), 1);
    }
}
