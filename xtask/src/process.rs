//! Starting other programs: a clean environment for cargo, missing tools named by their package, time limits.
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};
use crate::layout::Layout;

/// Variables that `cargo run` sets for the program it runs. A cargo started below must not see them: build scripts
/// that watch them would run again, and torch-sys takes a minute.
fn set_by_cargo_run(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || matches!(
            name,
            "CARGO_BIN_NAME" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR"
        )
}

/// `LD_LIBRARY_PATH` without what `cargo run` put in front: the target folder and the compiler's own libraries.
/// With them a C program would find libtomocut even where its run path is wrong.
fn library_path(value: &OsStr, foreign: &[PathBuf]) -> Option<OsString> {
    let kept: Vec<PathBuf> = std::env::split_paths(value)
        .filter(|entry| !entry.as_os_str().is_empty() && !foreign.iter().any(|folder| entry.starts_with(folder)))
        .collect();
    if kept.is_empty() {
        None
    } else {
        std::env::join_paths(kept).ok()
    }
}

/// A command in the repository's root whose environment is the user's own.
pub fn command(layout: &Layout, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&layout.root);
    for (name, _) in std::env::vars_os() {
        if set_by_cargo_run(&name.to_string_lossy()) {
            command.env_remove(&name);
        }
    }
    if let Some(value) = std::env::var_os("LD_LIBRARY_PATH") {
        let mut foreign = vec![layout.target.clone()];
        // .../toolchain/bin/cargo: the compiler's libraries lie in the same toolchain.
        if let Some(toolchain) = std::env::var_os("CARGO")
            .as_deref()
            .and_then(|cargo| Path::new(cargo).ancestors().nth(2))
        {
            if toolchain.components().count() > 2 {
                foreign.push(toolchain.to_path_buf());
            }
        }
        match library_path(&value, &foreign) {
            Some(kept) => command.env("LD_LIBRARY_PATH", kept),
            None => command.env_remove("LD_LIBRARY_PATH"),
        };
    }
    command
}

/// Runs a command with this terminal's input and output; a failure names `what` was being done.
pub fn run(command: &mut Command, name: &str) -> Result<()> {
    let status = command.status().map_err(|e| {
        Failure::new(format!(
            "{name}: starting {}: {e}",
            command.get_program().to_string_lossy()
        ))
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{name} failed ({status})")))
    }
}

/// What a command wrote to its standard output; a failure shows what it wrote to its standard error.
pub fn capture(command: &mut Command, name: &str) -> Result<String> {
    let output = command.output().map_err(|e| {
        Failure::new(format!(
            "{name}: starting {}: {e}",
            command.get_program().to_string_lossy()
        ))
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!(
            "{name} failed ({})\n{}",
            output.status,
            said.trim_end()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How a watched command ended.
pub struct Watched {
    /// None when it ran past its limit and was killed.
    pub status: Option<ExitStatus>,
    /// Everything it printed, both streams in order.
    pub said: String,
    /// How long it ran.
    pub took: Duration,
}

/// Runs a command without input, its output kept in the file `log`, for at most `limit`.
pub fn watch(command: &mut Command, log: &Path, limit: Duration) -> Result<Watched> {
    let failed = |e: std::io::Error| Failure::io("writing", log, &e);
    let file = File::create(log).map_err(failed)?;
    let twin = file.try_clone().map_err(failed)?;
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(twin)
        .spawn()
        .map_err(|e| Failure::new(format!("starting {}: {e}", command.get_program().to_string_lossy())))?;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break Some(status),
            None if start.elapsed() > limit => {
                // It may have ended just now: either way it is gone after the wait.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let said = std::fs::read(log).map_err(|e| Failure::io("reading", log, &e))?;
    Ok(Watched {
        status,
        said: String::from_utf8_lossy(&said).into_owned(),
        took: start.elapsed(),
    })
}

/// Whether a program of this name is on the PATH.
pub fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        std::fs::metadata(folder.join(program))
            .is_ok_and(|m| m.is_file() && std::os::unix::fs::PermissionsExt::mode(&m.permissions()) & 0o111 != 0)
    })
}

/// Fails with one line when a program is missing: its name and the Debian package that brings it.
pub fn require(program: &str, package: &str) -> Result<()> {
    if found(program) {
        return Ok(());
    }
    Err(Failure::new(format!("{program} is missing: apt-get install {package}")))
}

/// The compilers and binutils that every build needs.
pub fn require_compilers() -> Result<()> {
    for program in ["cc", "gcc", "g++", "ld", "nm"] {
        require(program, "build-essential")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_puts_in_front_of_the_library_path_is_taken_off() {
        let foreign = [PathBuf::from("/r/target"), PathBuf::from("/tool/chain")];
        let cleaned = |value: &str| library_path(OsStr::new(value), &foreign);
        assert_eq!(cleaned("/r/target/debug/deps:/r/target/debug:/tool/chain/lib"), None);
        assert_eq!(
            cleaned("/r/target/debug:/opt/mine:/r/targets"),
            Some("/opt/mine:/r/targets".into())
        );
        assert_eq!(cleaned("::"), None);
    }

    #[test]
    fn only_variables_of_cargo_run_are_dropped() {
        assert!(set_by_cargo_run("CARGO_PKG_VERSION") && set_by_cargo_run("CARGO_MANIFEST_DIR"));
        assert!(!set_by_cargo_run("CARGO_HOME") && !set_by_cargo_run("CARGO_TARGET_DIR"));
        assert!(!set_by_cargo_run("CARGO_BUILD_JOBS") && !set_by_cargo_run("CARGO_TERM_COLOR"));
    }

    #[test]
    fn a_command_past_its_limit_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let slow = watch(Command::new("sleep").arg("30"), &log, Duration::from_millis(100)).unwrap();
        assert!(slow.status.is_none() && slow.took < Duration::from_secs(10));
        let quick = watch(
            Command::new("sh").args(["-c", "echo a; echo b >&2; exit 3"]),
            &log,
            Duration::from_secs(10),
        );
        let quick = quick.unwrap();
        assert_eq!(quick.status.and_then(|s| s.code()), Some(3));
        assert_eq!(quick.said, "a\nb\n");
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        let failure = require("tomocut-no-such-tool", "some-package").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "tomocut-no-such-tool is missing: apt-get install some-package"
        );
        assert!(require("sh", "dash").is_ok());
    }
}
