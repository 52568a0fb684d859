//! The run path of a built library, changed in place: an installation must not look for libtorch where it was built.
use crate::failure::{Failure, Result};

/// Gives a 64-bit little-endian ELF file another run path, no longer than the one that it has.
///
/// The string is overwritten and the rest zeroed. Linkers let one string be the tail of another, so a file whose other
/// strings lie in it is refused.
pub fn set(file: &mut [u8], text: &str) -> Result<()> {
    let place = find(file)?;
    let whole = &file[place.start..place.end];
    if whole == text.as_bytes() {
        return Ok(());
    }
    if whole.len() < text.len() {
        return Err(Failure::new(format!(
            "the library's run path is '{}', too short to become '{text}'",
            String::from_utf8_lossy(whole)
        )));
    }
    if place
        .others
        .iter()
        .any(|start| (place.start..place.end).contains(start))
    {
        return Err(Failure::new("the library's run path shares its end with another name"));
    }
    let end = place.start + text.len();
    file[place.start..end].copy_from_slice(text.as_bytes());
    file[end..place.end].fill(0);
    Ok(())
}

/// The run path of a library.
#[cfg(test)]
fn run_path(file: &[u8]) -> Result<String> {
    let place = find(file)?;
    Ok(String::from_utf8_lossy(&file[place.start..place.end]).into_owned())
}

/// Where the run path stands in the file, and where the other strings of the same table begin that are in use by the
/// dynamic section or by symbols.
struct Place {
    start: usize,
    end: usize,
    others: Vec<usize>,
}

const DT_NEEDED: u64 = 1;
const DT_SONAME: u64 = 14;
const DT_RUNPATH: u64 = 29;
const SHT_DYNAMIC: u32 = 6;
const SHT_DYNSYM: u32 = 11;

fn find(file: &[u8]) -> Result<Place> {
    parse(file).ok_or_else(|| Failure::new("the library is no 64-bit ELF file with a run path"))
}

fn parse(file: &[u8]) -> Option<Place> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = usize::try_from(number(file, 0x28, 8)?).ok()?;
    let count = usize::try_from(number(file, 0x3c, 2)?).ok()?;
    let sections: Vec<Section> = (0..count)
        .map(|i| Section::read(file, table + i * 64))
        .collect::<Option<_>>()?;
    let dynamic = sections.iter().find(|section| section.kind == SHT_DYNAMIC)?;
    let strings = sections.get(dynamic.link)?;
    let mut run_path = None;
    let mut others = Vec::new();
    for entry in (dynamic.start..dynamic.end).step_by(16) {
        let value = strings.start + usize::try_from(number(file, entry + 8, 8)?).unwrap_or(usize::MAX / 2);
        match number(file, entry, 8)? {
            DT_RUNPATH => run_path = Some(value),
            DT_NEEDED | DT_SONAME => others.push(value),
            _ => {}
        }
    }
    for symbols in sections.iter().filter(|section| section.kind == SHT_DYNSYM) {
        for entry in (symbols.start..symbols.end).step_by(24) {
            others.push(strings.start + usize::try_from(number(file, entry, 4)?).ok()?);
        }
    }
    let start = run_path?;
    let length = file.get(start..strings.end)?.iter().position(|&byte| byte == 0)?;
    Some(Place {
        start,
        end: start + length,
        others,
    })
}

/// A section's type, linked section and place in the file.
struct Section {
    kind: u32,
    link: usize,
    start: usize,
    end: usize,
}

impl Section {
    fn read(file: &[u8], header: usize) -> Option<Self> {
        let start = usize::try_from(number(file, header + 24, 8)?).ok()?;
        let size = usize::try_from(number(file, header + 32, 8)?).ok()?;
        Some(Self {
            kind: u32::try_from(number(file, header + 4, 4)?).ok()?,
            link: usize::try_from(number(file, header + 40, 4)?).ok()?,
            start,
            end: start.checked_add(size)?,
        })
    }
}

/// A little-endian number of the file.
fn number(file: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let digits = file.get(at..at.checked_add(bytes)?)?;
    Some(digits.iter().rev().fold(0, |sum, &digit| sum << 8 | u64::from(digit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A library of the system's own compiler.
    fn library(run_path: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("a.c"), folder.path().join("a.so"));
        std::fs::write(&source, "int tomocut_a(void) { return 1; }\n").unwrap();
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wl,--enable-new-dtags"])
            .arg(format!("-Wl,-rpath,{run_path}"))
            .arg(&source)
            .arg("-o")
            .arg(&out)
            .status()
            .unwrap();
        assert!(status.success());
        std::fs::read(out).unwrap()
    }

    #[test]
    fn a_run_path_is_replaced_and_nothing_is_left_of_it() {
        let mut file = library("$ORIGIN/../far:/where/it/was/built");
        let before = file.len();
        for _ in 0..2 {
            set(&mut file, "$ORIGIN:$ORIGIN/near").unwrap();
            assert_eq!(run_path(&file).unwrap(), "$ORIGIN:$ORIGIN/near");
            assert_eq!(file.len(), before);
        }
        assert!(!file.windows(6).any(|bytes| bytes == b"/built"));
    }

    #[test]
    fn what_cannot_be_replaced_is_refused() {
        let mut file = library("$ORIGIN");
        let text = set(&mut file, "$ORIGIN:$ORIGIN/near").unwrap_err().to_string();
        assert!(text.contains("'$ORIGIN', too short"), "{text}");
        // A symbol whose name is the end of the run path.
        let mut file = library("$ORIGIN:tomocut_a");
        if file.windows(10).filter(|bytes| bytes == b"tomocut_a\0").count() == 1 {
            assert!(set(&mut file, "$ORIGIN").is_err());
        }
        assert!(set(&mut b"#!/bin/sh\n".to_vec(), "$ORIGIN").is_err());
        assert!(set(&mut [], "$ORIGIN").is_err());
    }
}
