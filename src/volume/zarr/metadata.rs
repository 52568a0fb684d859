//! Metadata of arrays as other writers leave them: names of codecs before they were settled, keys that no reader
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

/// The metadata of the array in `folder`. Errors: there are none; no JSON; what is no array's.
pub(super) fn array_metadata(folder: &Path) -> Result<ArrayMetadata> {
    let (mut content, path) = match document(&folder.join(NODE_3))? {
        Some(content) => (content, folder.join(NODE_3)),
        None => match document(&folder.join(ARRAY_2))? {
            Some(content) => (content, folder.join(ARRAY_2)),
            None => return Err(Error::format(folder.display(), "the array has no metadata")),
        },
    };
    if let Some(members) = content.as_object_mut() {
        settle(members);
    }
    let metadata = match path.ends_with(NODE_3) {
        true => serde_json::from_value(content).map(ArrayMetadata::V3),
        false => serde_json::from_value(content).map(ArrayMetadata::V2),
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
