//! Files and folders that are whole or absent.
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Error, Result};

/// Links that are followed from one to the next at most, as Linux does.
const MOST_LINKS: usize = 40;

/// Writes `path` through `write`, which gets an empty temporary file in the same folder. Once it is on the disk, the
/// file is renamed to `path`, replacing what was there; of a symbolic link its target is written. On any error nothing
/// is left behind and `path` is untouched.
///
/// # Errors
/// What `write` returns; [`Error::Io`] naming `path`, before `write` is called where `path` is a pipe, a device, a
/// socket or a folder.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let target = file_target(path)?;
    let failed = |e: std::io::Error| Error::io("writing", path, e);
    let mut temporary = temporary_beside(&target).map_err(failed)?;
    write(temporary.as_file_mut())?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(&target).map_err(|e| failed(e.error))?;
    settle(&target);
    Ok(())
}

/// Writes a file of `bytes` by [`write_atomically`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |file| {
        file.write_all(bytes).map_err(|e| Error::io("writing", path, e))
    })
}

/// The file that is written where `path` is: itself, or what it links to, there or not.
///
/// # Errors
/// [`Error::Io`] for pipes, devices, sockets and folders, which a file would replace, and for links that lead in a
/// circle.
pub fn file_target(path: &Path) -> Result<PathBuf> {
    let target = link_target(path)?;
    match fs::metadata(&target) {
        Ok(entry) if !entry.is_file() => Err(refused(path, &target, "a regular file", entry.is_dir())),
        _ => Ok(target),
    }
}

/// The folder that is written where `path` is, as [`file_target`]; also a file that it replaces.
pub fn folder_target(path: &Path) -> Result<PathBuf> {
    let target = link_target(path)?;
    match fs::metadata(&target) {
        Ok(entry) if !entry.is_file() && !entry.is_dir() => Err(refused(path, &target, "a folder", false)),
        _ => Ok(target),
    }
}

fn refused(path: &Path, target: &Path, allowed: &str, is_folder: bool) -> Error {
    let kind = if is_folder {
        "a folder"
    } else {
        "a pipe, a device or a socket"
    };
    let link = match path == target {
        true => String::new(),
        false => format!("a link to {}, which ", target.display()),
    };
    let text = format!("{link}is {kind}, must be {allowed} or absent");
    Error::io("writing", path, std::io::Error::new(ErrorKind::InvalidInput, text))
}

/// What a symbolic link leads to, also where that is not there; other paths as they are.
fn link_target(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&target) {
            Ok(entry) if entry.is_symlink() => {
                let next = fs::read_link(&target).map_err(|e| Error::io("writing", path, e))?;
                target = target.parent().unwrap_or(Path::new("")).join(next);
            }
            _ => return Ok(target),
        }
    }
    let circle = std::io::Error::other("too many links, one leads to the other");
    Err(Error::io("writing", path, circle))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary_beside(target: &Path) -> std::io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".tomocut-")
        .suffix(".part")
        // As any other new file: what the user's umask leaves, not the 0600 of temporary files.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder_of(target))
}

/// A rename is safe once the folder is on the disk; some file systems cannot do that, and need not.
fn settle(target: &Path) {
    if let Ok(folder) = File::open(folder_of(target)) {
        let _ = folder.sync_all();
    }
}

/// Renames the file `from`, which is on the disk, to `to`; where `to` is a link into another file system it is copied
/// there beside the link's target first.
///
/// # Errors
/// As [`write_atomically`].
pub fn place_file(from: &Path, to: &Path) -> Result<()> {
    let target = file_target(to)?;
    let failed = |e: std::io::Error| Error::io("writing", to, e);
    match fs::rename(from, &target) {
        Err(e) if e.kind() == ErrorKind::CrossesDevices => {
            let mut temporary = temporary_beside(&target).map_err(failed)?;
            let mut source = File::open(from).map_err(|e| Error::io("reading", from, e))?;
            std::io::copy(&mut source, temporary.as_file_mut()).map_err(failed)?;
            temporary.as_file().sync_all().map_err(failed)?;
            temporary.persist(&target).map_err(|e| failed(e.error))?;
            fs::remove_file(from).map_err(|e| Error::io("removing", from, e))?;
        }
        renamed => renamed.map_err(failed)?,
    }
    settle(&target);
    Ok(())
}

/// Renames the folder `from`, whose files are on the disk, to `to` on the same file system. A folder or file that was
/// there is set aside before and removed afterwards: no system call exchanges two folders everywhere, so between the
/// two renames `to` is absent. Of a link, the target is replaced.
///
/// # Errors
/// [`Error::Io`] naming `to`; what was there before is put back then. As [`folder_target`].
pub fn place_folder(from: &Path, to: &Path) -> Result<()> {
    let failed = |e| Error::io("writing", to, e);
    let target = folder_target(to)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let aside = target.with_file_name(format!(".{name}.replaced"));
    let remove = |path: &Path| match fs::symlink_metadata(path) {
        Ok(entry) if entry.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    // What a kill may have left.
    remove(&aside).map_err(failed)?;
    let replaces = fs::symlink_metadata(&target).is_ok();
    if replaces {
        fs::rename(&target, &aside).map_err(failed)?;
    }
    if let Err(error) = rename_folder(from, &target) {
        if replaces {
            let _ = fs::rename(&aside, &target);
        }
        return Err(failed(error));
    }
    remove(&aside).map_err(failed)
}

/// A rename, or a copy into another file system.
fn rename_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == ErrorKind::CrossesDevices => {
            let name = to.file_name().unwrap_or_default().to_string_lossy();
            let part = to.with_file_name(format!(".{name}.part"));
            if part.exists() {
                fs::remove_dir_all(&part)?;
            }
            copy_folder(from, &part)?;
            fs::rename(&part, to)?;
            fs::remove_dir_all(from)
        }
        renamed => renamed,
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let place = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &place)?;
        } else {
            fs::copy(&path, &place)?;
            File::open(&place)?.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{symlink, FileTypeExt};

    use super::*;

    #[test]
    fn the_target_of_a_link_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("big")).unwrap();
        fs::write(at("big/d"), "old").unwrap();
        symlink("big/d", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        symlink("big/absent", at("dangling")).unwrap();
        for (link, target) in [("second", "big/d"), ("dangling", "big/absent")] {
            write_whole(&at(link), b"new").unwrap();
            assert_eq!(fs::read(at(target)).unwrap(), b"new");
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
        }
        fs::write(at("whole"), "placed").unwrap();
        place_file(&at("whole"), &at("link")).unwrap();
        assert_eq!(fs::read(at("big/d")).unwrap(), b"placed");
        fs::create_dir(at("x")).unwrap();
        symlink("big/x", at("folder link")).unwrap();
        place_folder(&at("x"), &at("folder link")).unwrap();
        assert!(at("big/x").is_dir() && fs::symlink_metadata(at("folder link")).unwrap().is_symlink());
        symlink("round", at("about")).unwrap();
        symlink("about", at("round")).unwrap();
        assert!(write_whole(&at("round"), b"").is_err());
    }

    #[test]
    fn pipes_devices_and_folders_are_refused_before_anything_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let device = folder.path().join("device");
        symlink("/dev/full", &device).unwrap();
        for (path, kind) in [
            (&pipe, "a pipe"),
            (&device, "a link to /dev/full"),
            (&folder.path().to_path_buf(), "a folder"),
        ] {
            let mut is_called = false;
            let refused = write_atomically(path, |_| {
                is_called = true;
                Ok(())
            });
            let text = refused.unwrap_err().to_string();
            assert!(
                text.contains(kind) && text.contains("must be a regular file") && !is_called,
                "{text}"
            );
        }
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        fs::create_dir(folder.path().join("x")).unwrap();
        assert!(place_folder(&folder.path().join("x"), &pipe).is_err());
    }
}
