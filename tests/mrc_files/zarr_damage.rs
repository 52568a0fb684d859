//! Damaged metadata of zarr folders: an error or a volume, never a panic.
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tomocut::runtime::Job;
use tomocut::volume::{FileDescription, Tomogram};

const FOLDERS: [&str; 6] = [
    "written_04.ome.zarr",
    "written_05.ome.zarr",
    "time.zarr",
    "sharded.zarr",
    "bare_blosc_3.zarr",
    "bare_u1.zarr",
];
const METADATA: [&str; 4] = ["zarr.json", ".zarray", ".zattrs", ".zgroup"];
/// What is put into metadata beside single bytes.
const WORDS: [&str; 10] = [
    "NaN",
    "-Infinity",
    "null",
    "-1",
    "1e400",
    "\"\"",
    "[]",
    "{}",
    "\\",
    "\u{e9}",
];

/// Copies a folder; the metadata files of the copy.
fn copy(from: &Path, to: &Path, metadata: &mut Vec<PathBuf>) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place, metadata);
        } else {
            fs::copy(entry.path(), &place).unwrap();
            if METADATA.iter().any(|name| *name == entry.file_name()) {
                metadata.push(place);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn damaged_metadata_are_no_panic(
        folder in proptest::sample::select(&FOLDERS[..]),
        changes in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..20, any::<u8>()),
            1..5,
        ),
    ) {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/zarr");
        let place = tempfile::tempdir().unwrap();
        let (path, mut metadata) = (place.path().join(folder), Vec::new());
        copy(&fixtures.join(folder), &path, &mut metadata);
        metadata.sort();
        for (file, at, word, byte) in changes {
            let file = file.get(&metadata);
            let mut text = fs::read(file).unwrap();
            let at = at.index(text.len().max(1));
            match WORDS.get(word) {
                Some(word) => drop(text.splice(at..(at + 1).min(text.len()), word.bytes())),
                None if text.is_empty() => {}
                // Digits stay few: what is allocated stays small.
                None => text[at] = if byte.is_ascii_digit() { b'x' } else { byte },
            }
            fs::write(file, text).unwrap();
        }
        let _ = FileDescription::read(&path);
        if let Ok(volume) = Tomogram::open(&path, &Job::quiet()) {
            let [depth, rows, columns] = volume.geometry().shape;
            if depth * rows * columns < 1 << 20 {
                let _ = volume.read_slices(0..depth);
                let _ = volume.read_labels(depth - 1..depth);
            }
        }
    }
}
