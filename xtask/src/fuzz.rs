//! `cargo xtask fuzz [--runs N] [TARGET...]`: the fuzz targets of tests/fuzz, by cargo-fuzz.
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::layout::Layout;
use crate::library;
use crate::libtorch;
use crate::process;

const TARGETS: [&str; 5] = ["coordinates", "tomogram", "weights", "options", "settings"];

/// Runs of all targets together where no number is given.
const RUNS: u64 = 10_000_000;

/// Largest input, in bytes.
const MOST_BYTES: usize = 64 << 10;

/// Endings of coordinate files in the order of `PickFormat::ALL`; a CSV file with labels is the last.
const ENDINGS: [&str; 8] = [
    ".csv",
    ".star",
    ".tbl",
    ".mod",
    ".coords",
    ".json",
    ".info.json",
    ".csv",
];

/// Zarr folders of versions 2 and 3: the first byte of a seed and its files in the order of the target, between bytes
/// that no text has.
const ZARR: [(u8, [&[u8]; 4]); 2] = [
    (
        3,
        [
            br#"{"multiscales": [{"version": "0.4", "axes": [{"name": "z", "type": "space", "unit": "angstrom"},
                {"name": "y", "type": "space"}, {"name": "x", "type": "space"}], "datasets": [{"path": "0",
                "coordinateTransformations": [{"type": "scale", "scale": [10.0, 10.0, 10.0]}]}]}]}"#,
            br#"{"zarr_format": 2}"#,
            br#"{"zarr_format": 2, "shape": [2, 2, 2], "chunks": [2, 2, 2], "dtype": "|i1", "compressor": null,
                "fill_value": 0, "order": "C", "filters": null, "dimension_separator": "/"}"#,
            b"\x01\x02\x03\x04\x05\x06\x07\x08",
        ],
    ),
    (
        7,
        [
            br#"{"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"version": "0.5", "multiscales":
                [{"axes": [{"name": "z", "type": "space"}, {"name": "y", "type": "space"}, {"name": "x",
                "type": "space"}], "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale",
                "scale": [1.0, 1.0, 1.0]}]}]}]}}}"#,
            br#"{"zarr_format": 3, "node_type": "array", "shape": [2, 2, 2], "data_type": "int8", "chunk_grid":
                {"name": "regular", "configuration": {"chunk_shape": [2, 2, 2]}}, "chunk_key_encoding":
                {"name": "v2", "configuration": {"separator": "/"}}, "fill_value": 0, "codecs": [{"name": "bytes"}]}"#,
            b"",
            b"\x01\x02\x03\x04\x05\x06\x07\x08",
        ],
    ),
];

/// The command.
pub fn command(layout: &Layout, arguments: Vec<OsString>) -> Result<()> {
    let mut runs = RUNS;
    let mut named = Vec::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("runs") => runs = lexopt::ValueExt::parse(&parser.value()?)?,
            lexopt::Arg::Value(value) => named.push(
                TARGETS
                    .into_iter()
                    .find(|target| *target == value)
                    .ok_or_else(|| Failure::usage(format!("TARGET must be one of {}", TARGETS.join(", "))))?,
            ),
            other => return Err(other.unexpected().into()),
        }
    }
    let torch = libtorch::ensure(layout, false)?;
    let targets = if named.is_empty() { TARGETS.to_vec() } else { named };
    let folder = layout.target.join("fuzz");
    for target in &targets {
        let corpus = folder.join("corpus").join(target);
        fs::create_dir_all(&corpus).map_err(|e| Failure::new(format!("making {}: {e}", corpus.display())))?;
        let seeds = seed(layout, target, &corpus);
        println!("fuzz {target}: {seeds} seeds");
        let mut fuzz = process::command(layout, library::cargo());
        // The readers are safe Rust: the allocator of tests/fuzz watches what they ask for.
        fuzz.args([
            "fuzz",
            "run",
            "--sanitizer",
            "none",
            "--fuzz-dir",
            "tests/fuzz",
            "--target-dir",
        ]);
        fuzz.arg(&folder).arg(target).arg(&corpus).arg("--");
        fuzz.arg(format!("-runs={}", runs / targets.len() as u64));
        fuzz.arg(format!("-max_len={MOST_BYTES}"));
        fuzz.args([
            "-timeout=1",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            "-verbosity=1",
        ]);
        torch.apply(&mut fuzz);
        // Programs of another package have no run path to libtorch.
        let folders =
            std::env::join_paths(torch.library_folders()).map_err(|e| Failure::new(format!("LD_LIBRARY_PATH: {e}")))?;
        fuzz.env("LD_LIBRARY_PATH", folders);
        process::run(&mut fuzz, &format!("cargo fuzz (cargo install cargo-fuzz) of {target}"))?;
    }
    Ok(())
}

/// Puts small files of the development data and of the tests into `corpus`; how many.
fn seed(layout: &Layout, target: &str, corpus: &Path) -> usize {
    if target == "settings" {
        return seed_settings(layout, corpus).unwrap_or(0);
    }
    let data = std::env::var_os("TOMOCUT_DATA").map_or_else(|| layout.root.join("../shared/data"), PathBuf::from);
    let mut files = Vec::new();
    for folder in [data, layout.root.join("tests/fixtures")] {
        list(&folder, &mut files);
    }
    let mut count = 0;
    if target == "tomogram" {
        for (version, files) in ZARR {
            let seed = [&[version], files.join(&0xff).as_slice()].concat();
            count += usize::from(fs::write(corpus.join(format!("zarr{version}")), seed).is_ok());
        }
    }
    for path in files {
        let name = path.to_string_lossy().to_lowercase();
        let modes: Vec<u8> = match target {
            "coordinates" => (0..ENDINGS.len() as u8)
                .filter(|mode| name.ends_with(ENDINGS[*mode as usize]))
                .collect(),
            "tomogram"
                if [".mrc", ".rec", ".mrc.gz", ".mrc.bz2"]
                    .iter()
                    .any(|end| name.ends_with(end)) =>
            {
                vec![0]
            }
            "weights" if name.ends_with(".safetensors") => vec![0, 1],
            _ => Vec::new(),
        };
        let Ok(bytes) = fs::read(&path) else { continue };
        for mode in modes {
            let mut seed = vec![mode];
            seed.extend(bytes.iter().take(MOST_BYTES - 1));
            count += usize::from(fs::write(corpus.join(format!("seed{count:04}")), seed).is_ok());
        }
    }
    count
}

/// For every setting of the schema, texts that give it a null, a number and a word; the first byte is its family's
/// number. None where the schema cannot be read.
fn seed_settings(layout: &Layout, corpus: &Path) -> Option<usize> {
    let text = fs::read(layout.root.join("docs/settings.schema.json")).ok()?;
    let schema: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let mut count = 0;
    for (family, about) in (0u8..).zip(schema.get("properties")?.as_object()?.values()) {
        for name in about.get("properties")?.as_object()?.keys() {
            for value in ["null", "1", "\"builtin\""] {
                let mut seed = vec![family];
                seed.extend(format!("{{\"{name}\": {value}}}").bytes());
                count += usize::from(fs::write(corpus.join(format!("seed{count:04}")), seed).is_ok());
            }
        }
    }
    Some(count)
}

/// Files below `folder` of at most 4 MiB.
fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            list(&path, files);
        } else if path.metadata().is_ok_and(|about| about.len() <= 4 << 20) {
            files.push(path);
        }
    }
}
