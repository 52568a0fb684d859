//! Getting the wheels: `pip download`, hashes, unpacking.
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::pins::{self, Pin};
use crate::failure::{Failure, Result};

/// How often a download that is not on a terminal says how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The arguments of `python3` that download exactly these wheels into `folder`, whatever Python runs pip.
pub fn pip_arguments(pins: &[&Pin], folder: &Path) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
        "--no-input",
        "--disable-pip-version-check",
        "--python-version",
        "3.11",
        "--implementation",
        "cp",
        "--abi",
        "cp311",
        "--abi",
        "none",
    ]
    .map(String::from)
    .to_vec();
    for n in [28, 27, 25, 24, 18, 17, 12, 5] {
        arguments.extend(["--platform".into(), format!("manylinux_2_{n}_x86_64")]);
    }
    for old in ["manylinux2014_x86_64", "manylinux2010_x86_64"] {
        arguments.extend(["--platform".into(), old.into()]);
    }
    arguments.extend(["--dest".into(), folder.display().to_string()]);
    arguments.extend(pins.iter().map(|pin| format!("{}=={}", pin.name, pin.version)));
    arguments
}

/// Downloads the wheels into `partial/wheels`; pip's own temporary files stay under `partial` too.
pub fn download(pins: &[&Pin], partial: &Path) -> Result<PathBuf> {
    let wheels = partial.join("wheels");
    let temporary = partial.join("pip");
    for folder in [&wheels, &temporary] {
        fs::create_dir_all(folder).map_err(|e| Failure::io("making", folder, &e))?;
    }
    let mut command = Command::new("python3");
    command.args(pip_arguments(pins, &wheels)).env("TMPDIR", &temporary);
    let terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
    let log = partial.join("pip.log");
    if !terminal {
        let failed = |e: io::Error| Failure::io("writing", &log, &e);
        let file = File::create(&log).map_err(failed)?;
        command.stdout(file.try_clone().map_err(failed)?).stderr(file);
    }
    command.stdin(Stdio::null());

    let mut child = command
        .spawn()
        .map_err(|e| Failure::new(format!("starting python3: {e}")))?;
    let mut said = Instant::now();
    let status = loop {
        let ended = child
            .try_wait()
            .map_err(|e| Failure::new(format!("waiting for pip: {e}")))?;
        if let Some(status) = ended {
            break status;
        }
        if !terminal && said.elapsed() >= REPORT_EVERY {
            said = Instant::now();
            println!("libtorch: {} MB so far", wheel_bytes(partial) / 1_000_000);
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if status.success() {
        return Ok(wheels);
    }
    // On a terminal pip's words are already there to read.
    let words = if terminal {
        String::new()
    } else {
        last_lines(&fs::read_to_string(&log).unwrap_or_default(), 6)
    };
    Err(Failure::new(format!(
        "pip could not download libtorch ({status}); it needs the network and about 1.1 GB of disk, or LIBTORCH set to \
         an unpacked libtorch 2.11{words}"
    )))
}

/// The last non-empty lines of a log, each on its own indented line.
fn last_lines(log: &str, count: usize) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..]
        .iter()
        .map(|line| format!("\n    {line}"))
        .collect()
}

/// Adds up the wheels below a folder; a wheel that pip is copying to its place counts once.
fn wheel_bytes(folder: &Path) -> u64 {
    let mut sizes = BTreeMap::new();
    collect_wheels(folder, &mut sizes);
    sizes.values().sum()
}

/// The largest file of each name below a folder; what vanishes meanwhile counts nothing.
fn collect_wheels(folder: &Path, sizes: &mut BTreeMap<OsString, u64>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(m) if m.is_dir() => collect_wheels(&entry.path(), sizes),
            Ok(m) => {
                let size = sizes.entry(entry.file_name()).or_default();
                *size = m.len().max(*size);
            }
            Err(_) => {}
        }
    }
}

/// Checks that `folder` holds exactly the wheels of `pins`, with their hashes, and returns them in the pins' order.
pub fn verify(folder: &Path, pins: &[&Pin]) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::io("reading", folder, &e))?;
    let mut files: Vec<Option<PathBuf>> = pins.iter().map(|_| None).collect();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pin = pins::of_wheel(&name, pins)
            .ok_or_else(|| Failure::new(format!("pip brought {name}, which is not asked for")))?;
        let actual = sha256(&path)?;
        if actual != pin.sha256 {
            return Err(Failure::new(format!(
                "{name} has SHA-256 {actual}, expected {}: not the pinned file, nothing was unpacked",
                pin.sha256
            )));
        }
        if let Some(slot) = pins
            .iter()
            .position(|p| p.name == pin.name)
            .and_then(|i| files.get_mut(i))
        {
            *slot = Some(path);
        }
    }
    let mut wheels = Vec::new();
    for (pin, path) in pins.iter().zip(files) {
        wheels
            .push(path.ok_or_else(|| Failure::new(format!("pip brought no wheel of {}=={}", pin.name, pin.version)))?);
    }
    Ok(wheels)
}

/// SHA-256 of a file in lower-case hexadecimal.
pub fn sha256(path: &Path) -> Result<String> {
    let failed = |e: io::Error| Failure::io("reading", path, &e);
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).map_err(failed)?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Unpacks what is kept of a wheel below `folder`.
pub fn unpack(wheel: &Path, folder: &Path, cuda: bool) -> Result<()> {
    let damaged = |e: zip::result::ZipError| Failure::new(format!("unpacking {}: {e}", wheel.display()));
    let file = File::open(wheel).map_err(|e| Failure::io("reading", wheel, &e))?;
    let mut archive = zip::ZipArchive::new(io::BufReader::new(file)).map_err(damaged)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        if !pins::kept(entry.name(), cuda) {
            continue;
        }
        // None for a name that would leave the folder.
        let Some(inside) = entry.enclosed_name() else {
            return Err(Failure::new(format!(
                "{} holds the unsafe name {}",
                wheel.display(),
                entry.name()
            )));
        };
        let path = folder.join(inside);
        let failed = |e: io::Error| Failure::io("writing", &path, &e);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut out = File::create(&path).map_err(failed)?;
        io::copy(&mut entry, &mut out).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn pin() -> Pin {
        Pin {
            name: "some-lib",
            version: "1.2",
            sha256: ABC,
        }
    }

    #[test]
    fn a_wheel_passes_only_with_its_own_hash() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("some_lib-1.2-py3-none-any.whl");
        fs::write(&wheel, "abc").unwrap();
        assert_eq!(verify(folder.path(), &[&pin()]).unwrap(), std::slice::from_ref(&wheel));
        fs::write(&wheel, "abd").unwrap();
        let failure = verify(folder.path(), &[&pin()]).unwrap_err().to_string();
        assert!(failure.contains("SHA-256") && failure.contains(ABC), "{failure}");
    }

    #[test]
    fn missing_and_foreign_wheels_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(verify(folder.path(), &[&pin()])
            .unwrap_err()
            .to_string()
            .contains("no wheel of some-lib==1.2"));
        fs::write(folder.path().join("other-1.0-py3-none-any.whl"), "abc").unwrap();
        assert!(verify(folder.path(), &[&pin()])
            .unwrap_err()
            .to_string()
            .contains("not asked for"));
    }

    #[test]
    fn unpacking_keeps_the_listed_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("a.whl");
        let mut writer = zip::ZipWriter::new(File::create(&wheel).unwrap());
        for name in [
            "torch/lib/libc10.so",
            "torch/lib/libtorch_python.so",
            "torch/__init__.py",
        ] {
            writer
                .start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        unpack(&wheel, folder.path(), false).unwrap();
        assert_eq!(
            fs::read(folder.path().join("torch/lib/libc10.so")).unwrap(),
            b"torch/lib/libc10.so"
        );
        assert!(!folder.path().join("torch/lib/libtorch_python.so").exists());
        assert!(!folder.path().join("torch/__init__.py").exists());
    }

    #[test]
    fn pip_is_asked_for_one_python_and_exact_versions() {
        let arguments = pip_arguments(&pins::wanted(false), Path::new("/w")).join(" ");
        assert!(arguments.starts_with("-m pip download --no-deps --only-binary=:all:"));
        assert!(arguments.contains("--python-version 3.11 --implementation cp --abi cp311 --abi none"));
        assert!(arguments.contains("--platform manylinux_2_28_x86_64"));
        assert!(arguments.ends_with("--dest /w torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85"));
    }

    #[test]
    fn a_wheel_in_two_places_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in [("wheels/a.whl", 10), ("pip/x/a.whl", 7), ("pip/b.whl", 5)] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; bytes]).unwrap();
        }
        assert_eq!(wheel_bytes(folder.path()), 15);
    }

    #[test]
    fn the_end_of_a_log_is_shown() {
        assert_eq!(last_lines("a\n\nb\nc\n", 2), "\n    b\n    c");
        assert_eq!(last_lines("", 2), "");
    }
}
