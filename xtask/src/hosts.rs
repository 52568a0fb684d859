//! `cargo xtask hosts [NAME...]`: the programs that laboratories use, with the engine inside them.
//!
//! Each script of tests/hosts builds a host against an installation of the library and checks what comes out. It
//! installs the Debian packages that it needs, as root, and says so where it cannot.
use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::install::{self, Contents};
use crate::layout::{self, Layout};
use crate::library::{Library, Profile};
use crate::{libtorch, process};

/// The scripts, in the order in which they run.
const HOSTS: [&str; 5] = ["tutorial", "octave", "itk", "relion", "own_libraries"];
/// What a script ends with where something that it needs cannot be had.
const SKIPPED: i32 = 77;

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let Plan { profile, names } = parse(arguments)?;
    process::require_compilers()?;
    let torch = libtorch::ensure(layout, false)?;
    let library = Library::build(layout, &torch, profile)?;
    let folder = layout.target.join("hosts");
    let prefix = folder.join("prefix");
    layout::fresh_folder(&folder)?;
    let contents = Contents {
        libtorch: false,
        portable: false,
    };
    install::place(layout, &library, &torch, &prefix, contents)?;

    let mut failed = Vec::new();
    let mut skipped = Vec::new();
    for name in names {
        let work = folder.join(name);
        layout::fresh_folder(&work)?;
        println!("host {name}");
        let mut script = process::command(layout, "bash");
        script.arg(script_of(layout, name));
        script.env("TOMOCUT_PREFIX", &prefix).env("TOMOCUT_WORK", &work);
        script.env_remove("LD_LIBRARY_PATH");
        let status = script
            .status()
            .map_err(|e| Failure::new(format!("starting bash: {e}")))?;
        match status.code() {
            Some(0) => println!("host {name} ... ok"),
            Some(SKIPPED) => {
                println!("host {name} ... skipped");
                skipped.push(name);
            }
            _ => {
                println!("host {name} ... FAILED ({status})");
                failed.push(name);
            }
        }
    }
    if !skipped.is_empty() {
        println!("skipped: {}", skipped.join(", "));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("hosts that failed: {}", failed.join(", "))))
}

fn script_of(layout: &Layout, name: &str) -> PathBuf {
    layout.root.join("tests/hosts").join(format!("{name}.sh"))
}

/// What is asked for.
struct Plan {
    /// `--dev`: with the tests' library, where that of a release is not built.
    profile: Profile,
    /// The hosts; all where none is named.
    names: Vec<&'static str>,
}

fn parse(arguments: Vec<OsString>) -> Result<Plan> {
    let mut chosen = Vec::new();
    let mut profile = Profile::Release;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("dev") => profile = Profile::Dev,
            lexopt::Arg::Value(value) => {
                let value = value.to_string_lossy().into_owned();
                let known = HOSTS.into_iter().find(|name| *name == value);
                chosen.push(known.ok_or_else(|| {
                    Failure::usage(format!(
                        "there is no host '{value}', must be one of {}",
                        HOSTS.join(", ")
                    ))
                })?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Plan {
        profile,
        names: if chosen.is_empty() { HOSTS.to_vec() } else { chosen },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_its_script() {
        let layout = Layout::find().unwrap();
        for name in HOSTS {
            assert!(script_of(&layout, name).exists(), "{name}");
        }
    }

    #[test]
    fn hosts_are_asked_for_by_name() {
        let words = |words: &[&str]| parse(words.iter().map(OsString::from).collect());
        assert_eq!(words(&[]).unwrap().names, HOSTS);
        let itk = words(&["itk", "--dev"]).unwrap();
        assert_eq!((itk.names, itk.profile), (vec!["itk"], Profile::Dev));
        assert!(words(&["imod"]).is_err_and(|failure| failure.status() == 2));
    }
}
