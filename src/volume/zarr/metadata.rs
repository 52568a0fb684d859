//! Metadata as other writers leave them: Python's NaN, names of codecs before they were settled, keys that no reader
//! needs.
use std::path::Path;

use serde_json::{json, Map, Value};
use zarrs::metadata::ArrayMetadata;

use super::node::{json as document, ARRAY_2, NODE_3};
use crate::{Error, Result};

/// Keys of blosc's settings that say how chunks are packed; others, such as the number of threads, say how they were.
const BLOSC: [&str; 5] = ["cname", "clevel", "shuffle", "typesize", "blocksize"];
/// blosc's shuffles by numcodecs' numbers.
const SHUFFLES: [&str; 3] = ["noshuffle", "shuffle", "bitshuffle"];

/// Reads JSON in which, as Python writes them, NaN, Infinity and -Infinity may stand for numbers: they are read as the
/// text that zarr has for them.
pub(in crate::volume) fn parse(text: &[u8]) -> serde_json::Result<Value> {
    // The sound ones first: in them no such word is a number.
    serde_json::from_slice(text).or_else(|error| match quoted(text) {
        Some(text) => serde_json::from_slice(&text),
        None => Err(error),
    })
}

/// `text` with quotation marks around NaN, Infinity and -Infinity that stand outside of strings; None: there are none.
fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut result = Vec::with_capacity(text.len() + 16);
    let (mut in_string, mut is_changed, mut at) = (false, false, 0);
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        let word: Option<&[u8]> = [&b"NaN"[..], b"Infinity", b"-Infinity"]
            .into_iter()
            .find(|word| !in_string && rest.starts_with(word));
        if let Some(word) = word {
            result.push(b'"');
            result.extend_from_slice(word);
            result.push(b'"');
            is_changed = true;
            at += word.len();
            continue;
        }
        let length = if in_string && byte == b'\\' { 2 } else { 1 };
        in_string ^= byte == b'"';
        result.extend_from_slice(&rest[..length.min(rest.len())]);
        at += length;
    }
    is_changed.then_some(result)
}

/// Number of voxels of the array in `folder`; 0 where it has no metadata that say it.
pub(super) fn voxels(folder: &Path) -> u128 {
    let read = |name| document(&folder.join(name)).ok().flatten();
    let found = read(NODE_3).or_else(|| read(ARRAY_2));
    let shape = found
        .as_ref()
        .and_then(|found| found.get("shape"))
        .and_then(Value::as_array);
    let extent = |extent: &Value| extent.as_u64().map(u128::from);
    shape
        .and_then(|shape| shape.iter().map(extent).collect::<Option<Vec<_>>>())
        .and_then(|shape| shape.into_iter().try_fold(1, u128::checked_mul))
        .unwrap_or(0)
}

/// The metadata of the array in `folder`. Errors: there are none; no JSON; what is no array's.
pub(super) fn array_metadata(folder: &Path) -> Result<ArrayMetadata> {
    let (mut found, path) = match document(&folder.join(NODE_3))? {
        Some(found) => (found, folder.join(NODE_3)),
        None => match document(&folder.join(ARRAY_2))? {
            Some(found) => (found, folder.join(ARRAY_2)),
            None => return Err(Error::format(folder.display(), "the array has no metadata")),
        },
    };
    if let Some(members) = found.as_object_mut() {
        settle(members);
    }
    let metadata = match path.ends_with(NODE_3) {
        true => serde_json::from_value(found).map(ArrayMetadata::V3),
        false => serde_json::from_value(found).map(ArrayMetadata::V2),
    };
    metadata.map_err(|error| Error::format(path.display(), format!("no metadata of an array: {error}")))
}

/// Codecs by the names and settings that every reader knows.
fn settle(array: &mut Map<String, Value>) {
    let item = voxel_bytes(array);
    // What people note of an array is not needed to read it, and may hold anything.
    array.remove("attributes");
    if let Some(compressor) = array.get_mut("compressor").and_then(Value::as_object_mut) {
        if compressor.get("id").is_some_and(|id| id == "blosc") {
            compressor.retain(|key, _| key == "id" || BLOSC.contains(&key.as_str()));
        }
    }
    settle_codecs(array.get_mut("codecs"), item);
}

/// Bytes of a voxel of zarr 3.
fn voxel_bytes(array: &Map<String, Value>) -> u64 {
    let name = array.get("data_type").and_then(Value::as_str).unwrap_or_default();
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().map_or(1, |bits: u64| bits / 8)
}

fn settle_codecs(codecs: Option<&mut Value>, item: u64) {
    for codec in codecs.and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(codec) = codec.as_object_mut() else { continue };
        let full = codec.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = full.strip_prefix("numcodecs.").unwrap_or(&full);
        let is_of_numcodecs = name != full;
        // Others of numcodecs' names are what readers call them.
        if matches!(name, "blosc" | "gzip" | "zstd" | "crc32c") {
            codec.insert("name".to_owned(), name.into());
        }
        let settings = codec.entry("configuration").or_insert_with(|| json!({}));
        let Some(settings) = settings.as_object_mut() else {
            continue;
        };
        match name {
            "blosc" => {
                settings.retain(|key, _| BLOSC.contains(&key.as_str()));
                if !settings.get("shuffle").is_some_and(Value::is_string) {
                    let number = settings.get("shuffle").and_then(Value::as_i64).unwrap_or(1);
                    let shuffle = match usize::try_from(number).ok().and_then(|n| SHUFFLES.get(n)) {
                        Some(shuffle) => shuffle,
                        // numcodecs' own choice, -1: bits of bytes, bytes of anything longer.
                        None if item == 1 => "bitshuffle",
                        None => "shuffle",
                    };
                    settings.insert("shuffle".to_owned(), shuffle.into());
                }
                for (key, value) in [("cname", json!("lz4")), ("clevel", json!(5)), ("blocksize", json!(0))] {
                    settings.entry(key).or_insert(value);
                }
                settings.entry("typesize").or_insert(json!(item));
            }
            "gzip" if is_of_numcodecs => {
                settings.entry("level").or_insert(json!(1));
            }
            "zstd" => {
                settings.entry("level").or_insert(json!(0));
                settings.entry("checksum").or_insert(json!(false));
            }
            "sharding_indexed" => {
                settle_codecs(settings.get_mut("codecs"), item);
                settle_codecs(settings.get_mut("index_codecs"), 1);
            }
            _ => {}
        }
        if is_of_numcodecs && matches!(name, "crc32c") {
            settings.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_python_are_read_and_texts_stay() {
        let text = br#"{"a": NaN, "b": [Infinity, -Infinity, 1.5], "c": "NaN \" NaN, Infinity", "d\\": NaN}"#;
        let found = parse(text).unwrap();
        assert_eq!(
            found,
            json!({"a": "NaN", "b": ["Infinity", "-Infinity", 1.5], "c": "NaN \" NaN, Infinity", "d\\": "NaN"})
        );
        assert!(parse(b"{\"a\": nan}").is_err() && parse(b"{\"a\": NaN").is_err() && parse(b"\\").is_err());
    }
}
