//! Files and folders that are whole or absent.
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Error, Result};

/// Writes `path` through `write`, which gets an empty temporary file in the same folder. Once it is on the disk, the
/// file is renamed to `path`, replacing what was there. On any error nothing is left behind and `path` is untouched.
///
/// # Errors
/// What `write` returns, and [`Error::Io`] naming `path`.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |e: std::io::Error| Error::io("writing", path, e);
    let mut temporary = tempfile::Builder::new()
        .prefix(".tomocut-")
        .suffix(".part")
        // As any other new file: what the user's umask leaves, not the 0600 of temporary files.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    write(temporary.as_file_mut())?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|e| failed(e.error))?;
    // The rename itself is safe once the folder is on the disk; some file systems cannot do that, and need not.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Writes a file of `bytes` by [`write_atomically`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |file| {
        file.write_all(bytes).map_err(|e| Error::io("writing", path, e))
    })
}

/// Renames the folder `from`, whose files are on the disk, to `to` on the same file system. A folder or file that was
/// there is set aside before and removed afterwards: no system call exchanges two folders everywhere, so between the
/// two renames `to` is absent.
///
/// # Errors
/// [`Error::Io`] naming `to`; what was there before is put back then.
pub fn place_folder(from: &Path, to: &Path) -> Result<()> {
    let failed = |e| Error::io("writing", to, e);
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let aside = to.with_file_name(format!(".{name}.replaced"));
    let remove = |path: &Path| match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    // What a kill may have left.
    remove(&aside).map_err(failed)?;
    let replaces = fs::symlink_metadata(to).is_ok();
    if replaces {
        fs::rename(to, &aside).map_err(failed)?;
    }
    if let Err(error) = fs::rename(from, to) {
        if replaces {
            let _ = fs::rename(&aside, to);
        }
        return Err(failed(error));
    }
    remove(&aside).map_err(failed)
}
