//! Where things lie in the repository and what its version is.
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// The folders of one checkout.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The repository's root.
    pub root: PathBuf,
    /// Cargo's output folder (`CARGO_TARGET_DIR`, otherwise `target/`).
    pub target: PathBuf,
}

impl Layout {
    /// The checkout that this program was started from.
    pub fn find() -> Result<Self> {
        // Cargo names the package's folder at run time; the compiled-in one serves a program started by hand.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package
            .parent()
            .ok_or_else(|| Failure::new(format!("{} has no parent folder", package.display())))?
            .to_path_buf();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Self { root, target })
    }

    /// The package's version from Cargo.toml: major, minor, patch.
    pub fn version(&self) -> Result<[u32; 3]> {
        let path = self.root.join("Cargo.toml");
        let text = fs::read_to_string(&path).map_err(|e| Failure::io("reading", &path, &e))?;
        package_version(&text).ok_or_else(|| Failure::new(format!("{} names no version", path.display())))
    }
}

/// The version of the `[package]` table.
fn package_version(manifest: &str) -> Option<[u32; 3]> {
    let table: toml::Table = manifest.parse().ok()?;
    let version = table.get("package")?.get("version")?.as_str()?;
    let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// Reads a text file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Failure::io("reading", path, &e))
}

/// Writes a text file whole or not at all: a temporary file beside it, then a rename.
pub fn write_atomic(path: &Path, text: &str) -> Result<()> {
    let failed = |e: std::io::Error| Failure::io("writing", path, &e);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// An empty folder at `path`: what was there is removed.
pub fn fresh_folder(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(|e| Failure::io("removing", path, &e))?;
    }
    fs::create_dir_all(path).map_err(|e| Failure::io("making", path, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_packages_own() {
        let manifest = "[dependencies]\na = { version = \"9.9.9\" }\n[package]\nversion = \"1.22.3-rc.1\"\n";
        assert_eq!(package_version(manifest), Some([1, 22, 3]));
        assert_eq!(package_version("[package]\nname = \"a\"\n"), None);
    }

    #[test]
    fn writing_replaces_the_whole_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/file.txt");
        write_atomic(&path, "a longer first text").unwrap();
        write_atomic(&path, "second").unwrap();
        assert_eq!(read(&path).unwrap(), "second");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
