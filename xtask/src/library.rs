//! Building the shared library, and the compiler flags of C programs beside it.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::layout::Layout;
use crate::libtorch::Libtorch;
use crate::process;

/// Which of cargo's profiles is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The tests' profile, in `debug/`.
    Dev,
    /// The demonstration's profile, in `release/`.
    Release,
}

/// A built libtomocut.so with the links that its soname asks for.
pub struct Library {
    /// The folder with the library and the program.
    pub folder: PathBuf,
    include: PathBuf,
    search: Vec<PathBuf>,
}

impl Library {
    /// Builds the library and the program, always by the same command so that nothing is built twice, and places the
    /// library's links.
    pub fn build(layout: &Layout, libtorch: &Libtorch, profile: Profile) -> Result<Self> {
        let mut command = process::command(layout, cargo());
        command.args(["build", "--package", "tomocut", "--lib", "--bins"]);
        if profile == Profile::Release {
            command.arg("--release");
        }
        libtorch.apply(&mut command);
        process::run(&mut command, "building the library")?;

        let folder = layout.target.join(if profile == Profile::Release {
            "release"
        } else {
            "debug"
        });
        let library = folder.join("libtomocut.so");
        if !library.exists() {
            return Err(Failure::new(format!("cargo built no {}", library.display())));
        }
        link(&folder.join(soname(layout.version()?)), "libtomocut.so")?;
        Ok(Self {
            folder,
            include: layout.root.join("include"),
            search: libtorch.library_folders(),
        })
    }

    /// The program `tomocut`.
    pub fn program(&self) -> PathBuf {
        self.folder.join("tomocut")
    }

    /// The library file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("libtomocut.so")
    }

    /// Compiler arguments that let a program find the header.
    pub fn include_flags(&self) -> Vec<String> {
        vec!["-I".into(), self.include.display().to_string()]
    }

    /// Compiler arguments that link a program to the library, to stand after its sources: the library itself by run
    /// path, libtorch only for the linker (the library has a run path of its own).
    pub fn link_flags(&self) -> Vec<String> {
        let folder = self.folder.display();
        let mut flags = vec![
            format!("-L{folder}"),
            "-ltomocut".into(),
            format!("-Wl,-rpath,{folder}"),
        ];
        flags.extend(
            self.search
                .iter()
                .map(|dir| format!("-Wl,-rpath-link,{}", dir.display())),
        );
        flags
    }
}

/// The cargo that runs this program.
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The library's soname: `libtomocut.so.0.MINOR`, later `libtomocut.so.MAJOR`; build.rs sets the same.
pub fn soname([major, minor, _]: [u32; 3]) -> String {
    if major == 0 {
        format!("libtomocut.so.0.{minor}")
    } else {
        format!("libtomocut.so.{major}")
    }
}

/// A symbolic link at `place`, whatever was there before.
pub fn link(place: &Path, to: &str) -> Result<()> {
    if fs::read_link(place).is_ok_and(|there| there == Path::new(to)) {
        return Ok(());
    }
    let failed = |e: std::io::Error| Failure::io("linking", place, &e);
    if place.symlink_metadata().is_ok() {
        fs::remove_file(place).map_err(failed)?;
    }
    std::os::unix::fs::symlink(to, place).map_err(failed)
}

/// Compiles one C or C++ program; the failure shows what the compiler said.
pub fn compile(compiler: &str, arguments: &[String], purpose: &str) -> Result<()> {
    process::capture(
        Command::new(compiler).args(arguments),
        &format!("{compiler}: {purpose}"),
    )
    .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soname_follows_the_version() {
        assert_eq!(soname([0, 3, 9]), "libtomocut.so.0.3");
        assert_eq!(soname([2, 3, 9]), "libtomocut.so.2");
    }

    #[test]
    fn links_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.so.0.1");
        fs::write(&place, "a file").unwrap();
        link(&place, "a.so").unwrap();
        link(&place, "a.so").unwrap();
        assert_eq!(fs::read_link(&place).unwrap(), Path::new("a.so"));
        link(&place, "b.so").unwrap();
        assert_eq!(fs::read_link(&place).unwrap(), Path::new("b.so"));
    }
}
