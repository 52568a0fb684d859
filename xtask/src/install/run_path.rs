//! The run path of a built library, shortened in place: an installation must not look for libtorch where it was built.
use crate::failure::{Failure, Result};

/// Leaves `kept`, with which the run path begins, of the run path of a 64-bit little-endian ELF file.
///
/// The string is ended early and the rest zeroed. Linkers let one string be the tail of another, so a file whose other
/// strings lie in that rest is refused.
pub fn cut(file: &mut [u8], kept: &str) -> Result<()> {
    let place = find(file)?;
    let whole = &file[place.start..place.end];
    if whole == kept.as_bytes() {
        return Ok(());
    }
    if !whole.starts_with(format!("{kept}:").as_bytes()) {
        return Err(Failure::new(format!(
            "the library's run path is '{}', must begin with '{kept}:'",
            String::from_utf8_lossy(whole)
        )));
    }
    let rest = place.start + kept.len()..place.end;
    if place.others.iter().any(|start| rest.contains(start)) {
        return Err(Failure::new("the library's run path shares its end with another name"));
    }
    file[rest].fill(0);
    Ok(())
}

/// The run path of a library; what `cut` leaves.
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
    fn the_end_of_a_run_path_is_cut_off_once() {
        let mut file = library("$ORIGIN:/where/it/was/built");
        let before = file.len();
        for _ in 0..2 {
            cut(&mut file, "$ORIGIN").unwrap();
            assert_eq!(run_path(&file).unwrap(), "$ORIGIN");
            assert_eq!(file.len(), before);
        }
        assert!(
            !file.windows(6).any(|bytes| bytes == b"/where"),
            "nothing is left of it"
        );
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let mut file = library("/elsewhere:$ORIGIN");
        let text = cut(&mut file, "$ORIGIN").unwrap_err().to_string();
        assert!(text.contains("'/elsewhere:$ORIGIN'"), "{text}");
        // A symbol whose name is the end of the run path.
        let mut file = library("$ORIGIN:tomocut_a");
        if file.windows(10).filter(|bytes| bytes == b"tomocut_a\0").count() == 1 {
            assert!(cut(&mut file, "$ORIGIN").is_err());
        }
        assert!(cut(&mut b"#!/bin/sh\n".to_vec(), "$ORIGIN").is_err());
        assert!(cut(&mut [], "$ORIGIN").is_err());
    }
}
