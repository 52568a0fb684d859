//! The two versions of OME-Zarr that are written: 0.4 with zarr 2, and 0.5 with zarr 3 for what goes into a folder of
//! it.
use std::path::Path;

use serde_json::{json, Map, Value};

use super::multiscale::attributes_of_ome;
use super::node::{json as document, ARRAY_2, ATTRIBUTES_2, GROUP_2, NODE_3};
use crate::runtime::write_whole;
use crate::{Error, Result};

/// zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// A version of OME-Zarr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 0.4, zarr 2.
    V04,
    /// 0.5, zarr 3.
    V05,
}

impl Version {
    /// That of the group in `folder`.
    pub fn of(folder: &Path) -> Self {
        if folder.join(NODE_3).is_file() {
            Self::V05
        } else {
            Self::V04
        }
    }

    /// Writes a group with these attributes of OME-NGFF, and `others`.
    pub fn put_group(self, folder: &Path, ome: Map<String, Value>, others: Map<String, Value>) -> Result<()> {
        match self {
            Self::V04 => {
                put_json(&folder.join(GROUP_2), &json!({"zarr_format": 2}))?;
                let all: Map<String, Value> = ome.into_iter().chain(others).collect();
                put_json(&folder.join(ATTRIBUTES_2), &Value::Object(all))
            }
            Self::V05 => {
                let mut ome = ome;
                ome.insert("version".to_owned(), "0.5".into());
                for image in ome
                    .get_mut("multiscales")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    // It stands once, above.
                    image.as_object_mut().and_then(|image| image.remove("version"));
                }
                let mut attributes = others;
                attributes.insert("ome".to_owned(), Value::Object(ome));
                let group = json!({"zarr_format": 3, "node_type": "group", "attributes": attributes});
                put_json(&folder.join(NODE_3), &group)
            }
        }
    }

    /// The attributes of OME-NGFF of the group in `folder`, and its others; none where there is no group.
    pub fn attributes(self, folder: &Path) -> Result<(Map<String, Value>, Map<String, Value>)> {
        let object = |value: Option<Value>| match value {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        };
        match self {
            Self::V04 => Ok((object(document(&folder.join(ATTRIBUTES_2))?), Map::new())),
            Self::V05 => {
                let mut all = object(
                    document(&folder.join(NODE_3))?.and_then(|mut group| group.get_mut("attributes").map(Value::take)),
                );
                let ome = match all.contains_key("ome") {
                    true => attributes_of_ome(&all).clone(),
                    false => Map::new(),
                };
                all.remove("ome");
                Ok((ome, all))
            }
        }
    }

    /// Writes the metadata of an array (z, y, x) of chunks packed by zstd, to the letter: what a library writes differs
    /// from version to version. `types` are the names of the voxels' type in zarr 2 and 3.
    pub fn put_array(self, folder: &Path, shape: [usize; 3], chunk: [usize; 3], types: [&str; 2]) -> Result<()> {
        match self {
            Self::V04 => put_json(
                &folder.join(ARRAY_2),
                &json!({
                    "zarr_format": 2, "shape": shape, "chunks": chunk, "dtype": types[0], "fill_value": 0, "order": "C",
                    "filters": null, "dimension_separator": "/", "compressor": {"id": "zstd", "level": ZSTD_LEVEL},
                }),
            ),
            Self::V05 => put_json(
                &folder.join(NODE_3),
                &json!({
                    "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": types[1], "fill_value": 0,
                    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
                    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                    "codecs": [
                        {"name": "bytes", "configuration": {"endian": "little"}},
                        {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": false}},
                    ],
                    "dimension_names": ["z", "y", "x"], "attributes": {}, "storage_transformers": [],
                }),
            ),
        }
    }
}

fn put_json(path: &Path, value: &Value) -> Result<()> {
    let sorted = sorted(value);
    let text = serde_json::to_vec_pretty(&sorted).map_err(|e| Error::Internal(format!("{}: {e}", path.display())))?;
    write_whole(path, &text)
}

/// Keys in alphabetical order, whatever order the JSON crate was built to keep.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort();
            let pairs = keys
                .into_iter()
                .filter_map(|key| Some((key.clone(), sorted(members.get(key)?))));
            Value::Object(pairs.collect::<Map<String, Value>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        plain => plain.clone(),
    }
}
