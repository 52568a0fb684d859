//! `cargo xtask libtorch [--cuda]`: libtorch 2.11.0 from its wheel, or the user's own.
mod pins;
mod wheels;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::process;

/// A usable libtorch.
#[derive(Debug)]
pub struct Libtorch {
    /// The folder with `lib/` and `include/`.
    pub folder: PathBuf,
    /// Whether the user exported `LIBTORCH` for it; otherwise it is the one that `.cargo/config.toml` names.
    exported: bool,
}

impl Libtorch {
    /// Prepares a cargo command. The default is left to `.cargo/config.toml`, so that a cargo started here and one
    /// started by hand see the same setting and torch-sys (a minute) is not built twice.
    pub fn apply(&self, command: &mut Command) {
        if !self.exported {
            command.env_remove("LIBTORCH");
        }
    }

    /// The folders that a linker searches for libtorch and the two CUDA libraries it names.
    pub fn library_folders(&self) -> Vec<PathBuf> {
        let nvidia = self.folder.join("../nvidia/cu13/lib");
        let mut folders = vec![self.folder.join("lib")];
        folders.extend(fs::canonicalize(nvidia));
        folders
    }
}

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let mut cuda = false;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("cuda") => cuda = true,
            other => return Err(other.unexpected().into()),
        }
    }
    ensure(layout, cuda).map(|_| ())
}

/// A libtorch that is there and complete: the exported one where it is valid, otherwise the one in `.libtorch/`, which
/// is fetched when it is missing.
pub fn ensure(layout: &Layout, cuda: bool) -> Result<Libtorch> {
    let home = layout.root.join(".libtorch");
    let own = home.join("torch");
    // `cargo xtask` itself gets LIBTORCH from .cargo/config.toml: only another value is the user's wish.
    let exported = std::env::var_os("LIBTORCH")
        .map(PathBuf::from)
        .filter(|dir| !same_folder(dir, &own));
    if let Some(folder) = exported {
        if let Some(fault) = fault_of(&folder, cuda) {
            return Err(Failure::new(format!("LIBTORCH is {}, {fault}", folder.display())));
        }
        println!("libtorch: using {} (from LIBTORCH)", folder.display());
        return Ok(Libtorch { folder, exported: true });
    }
    let ready = Libtorch {
        folder: own.clone(),
        exported: false,
    };
    if complete(&home, cuda) {
        println!("libtorch: using {}", own.display());
        return Ok(ready);
    }
    fetch(&home, cuda)?;
    println!("libtorch: ready in {}", own.display());
    Ok(ready)
}

fn same_folder(a: &Path, b: &Path) -> bool {
    a == b || matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// What keeps a folder from serving as libtorch, as the end of a sentence; None when it serves.
fn fault_of(folder: &Path, cuda: bool) -> Option<String> {
    if folder.is_relative() {
        return Some("must be an absolute path".into());
    }
    let cuda_library = ["lib/libtorch_cuda.so"].into_iter().filter(|_| cuda);
    for part in ["lib/libtorch_cpu.so", "lib/libc10.so", "include", "build-version"]
        .into_iter()
        .chain(cuda_library)
    {
        if !folder.join(part).exists() {
            return Some(format!("which has no {part}: unset it, or name a libtorch 2.11"));
        }
    }
    let version = fs::read_to_string(folder.join("build-version")).unwrap_or_default();
    if version.trim().starts_with("2.11.") {
        None
    } else {
        Some(format!("whose build-version is '{}', must be 2.11.x", version.trim()))
    }
}

/// Whether `.libtorch/` holds the wanted set as pinned (the CUDA set includes the CPU set).
fn complete(home: &Path, cuda: bool) -> bool {
    let marker = fs::read_to_string(home.join(".complete")).unwrap_or_default();
    let pinned = marker == pins::marker(true) || (!cuda && marker == pins::marker(false));
    pinned && fault_of(&home.join("torch"), cuda).is_none()
}

/// Downloads, checks and unpacks into a folder beside the final one, then renames: an interrupted run leaves nothing
/// that looks complete.
fn fetch(home: &Path, cuda: bool) -> Result<()> {
    if cfg!(not(all(target_os = "linux", target_arch = "x86_64"))) {
        return Err(Failure::new(
            "libtorch wheels are pinned for x86_64 Linux only: set LIBTORCH to a libtorch 2.11",
        ));
    }
    process::require("python3", "python3 python3-pip")?;
    let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    if !pip.is_ok_and(|output| output.status.success()) {
        return Err(Failure::new("pip of python3 is missing: apt-get install python3-pip"));
    }

    remove_leftovers(home);
    let partial = home.join(format!(".partial-{}", std::process::id()));
    layout::fresh_folder(&partial)?;
    let outcome = fetch_into(home, &partial, cuda);
    // The wheels are not needed any more, whatever happened.
    let removed = fs::remove_dir_all(&partial).map_err(|e| Failure::io("removing", &partial, &e));
    outcome.and(removed)
}

fn fetch_into(home: &Path, partial: &Path, cuda: bool) -> Result<()> {
    let pins = pins::wanted(cuda);
    let size = if cuda { "about 2.5 GB" } else { "544 MB" };
    println!(
        "libtorch: downloading {} wheels, {size}, into {}",
        pins.len(),
        home.display()
    );
    let folder = wheels::download(&pins, partial)?;
    println!("libtorch: checking SHA-256");
    let wheels = wheels::verify(&folder, &pins)?;
    let unpacked = partial.join("unpacked");
    for wheel in &wheels {
        println!(
            "libtorch: unpacking {}",
            wheel.file_name().unwrap_or_default().to_string_lossy()
        );
        wheels::unpack(wheel, &unpacked, cuda)?;
    }
    layout::write_atomic(
        &unpacked.join("torch/build-version"),
        &format!("{}\n", pins::BUILD_VERSION),
    )?;
    if let Some(fault) = fault_of(&unpacked.join("torch"), cuda) {
        return Err(Failure::new(format!("what was unpacked is incomplete: {fault}")));
    }
    install(home, partial, &unpacked)?;
    layout::write_atomic(&home.join(".complete"), &pins::marker(cuda))
}

/// Moves every unpacked folder to its place; what was there before goes where it is deleted with the wheels.
fn install(home: &Path, partial: &Path, unpacked: &Path) -> Result<()> {
    let marker = home.join(".complete");
    if marker.exists() {
        fs::remove_file(&marker).map_err(|e| Failure::io("removing", &marker, &e))?;
    }
    let replaced = partial.join("replaced");
    fs::create_dir_all(&replaced).map_err(|e| Failure::io("making", &replaced, &e))?;
    for entry in fs::read_dir(unpacked)
        .map_err(|e| Failure::io("reading", unpacked, &e))?
        .flatten()
    {
        let place = home.join(entry.file_name());
        if place.exists() {
            fs::rename(&place, replaced.join(entry.file_name())).map_err(|e| Failure::io("moving", &place, &e))?;
        }
        fs::rename(entry.path(), &place).map_err(|e| Failure::io("moving to", &place, &e))?;
    }
    Ok(())
}

/// Deletes what killed runs left: `.partial-PID` folders whose process is gone. Failing to is harmless.
fn remove_leftovers(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let alive = |pid: &str| Path::new("/proc").join(pid).exists();
        if name.strip_prefix(".partial-").is_some_and(|pid| !alive(pid)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libtorch(version: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("lib")).unwrap();
        fs::create_dir_all(folder.path().join("include")).unwrap();
        for library in ["lib/libtorch_cpu.so", "lib/libc10.so"] {
            fs::write(folder.path().join(library), "").unwrap();
        }
        fs::write(folder.path().join("build-version"), version).unwrap();
        folder
    }

    #[test]
    fn a_users_libtorch_is_judged_by_its_parts_and_version() {
        let good = libtorch("2.11.0+cpu\n");
        assert_eq!(fault_of(good.path(), false), None);
        assert!(fault_of(good.path(), true).unwrap().contains("libtorch_cuda.so"));
        fs::remove_file(good.path().join("lib/libtorch_cpu.so")).unwrap();
        assert!(fault_of(good.path(), false).unwrap().contains("lib/libtorch_cpu.so"));
        let old = libtorch("2.1.0");
        assert!(fault_of(old.path(), false).unwrap().contains("'2.1.0', must be 2.11.x"));
        assert!(fault_of(Path::new("relative/torch"), false)
            .unwrap()
            .contains("absolute"));
    }

    #[test]
    fn only_a_marker_with_these_pins_counts_as_complete() {
        let home = tempfile::tempdir().unwrap();
        let torch = libtorch("2.11.0+cu130");
        fs::rename(torch.path(), home.path().join("torch")).unwrap();
        assert!(!complete(home.path(), false));
        fs::write(home.path().join(".complete"), pins::marker(false)).unwrap();
        assert!(complete(home.path(), false) && !complete(home.path(), true));
        fs::write(home.path().join(".complete"), pins::marker(true)).unwrap();
        assert!(complete(home.path(), false));
        assert!(
            !complete(home.path(), true),
            "the marker alone does not stand for libtorch_cuda.so"
        );
        fs::write(
            home.path().join(".complete"),
            pins::marker(false).replace("2.11.0", "2.10.0"),
        )
        .unwrap();
        assert!(!complete(home.path(), false));
    }

    #[test]
    fn unpacked_folders_replace_old_ones() {
        let home = tempfile::tempdir().unwrap();
        let partial = home.path().join(".partial-1");
        for (path, text) in [
            ("torch/version.py", "old"),
            (".partial-1/unpacked/torch/version.py", "new"),
        ] {
            layout::write_atomic(&home.path().join(path), text).unwrap();
        }
        install(home.path(), &partial, &partial.join("unpacked")).unwrap();
        assert_eq!(layout::read(&home.path().join("torch/version.py")).unwrap(), "new");
    }

    #[test]
    fn leftovers_of_the_dead_go_and_those_of_the_living_stay() {
        let home = tempfile::tempdir().unwrap();
        let mine = home.path().join(format!(".partial-{}", std::process::id()));
        let dead = home.path().join(".partial-999999999");
        for folder in [&mine, &dead] {
            fs::create_dir(folder).unwrap();
        }
        remove_leftovers(home.path());
        assert!(mine.exists() && !dead.exists());
    }
}
