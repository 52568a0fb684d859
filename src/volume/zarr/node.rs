//! Groups and arrays of a zarr hierarchy as folders: what a folder is, its attributes, and the image that an array
//! belongs to.
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::multiscale::{attributes_of_ome, Multiscale};
use crate::runtime::without_python_words;
use crate::{Error, Result};

/// Metadata of a group or an array of zarr 3.
pub(super) const NODE_3: &str = "zarr.json";
/// Metadata of an array, of a group, and the attributes of either, of zarr 2.
pub(super) const ARRAY_2: &str = ".zarray";
pub(super) const GROUP_2: &str = ".zgroup";
pub(super) const ATTRIBUTES_2: &str = ".zattrs";
/// Most folders between an array and the group that describes it.
const DEEPEST: usize = 8;

/// Kind of a folder.
#[derive(Debug)]
enum Node {
    Array,
    Group(Map<String, Value>),
}

/// An array to read, and what OME metadata say about it.
#[derive(Debug)]
pub(super) struct Image {
    /// The array's folder.
    pub array: PathBuf,
    /// The folder of the group that describes it.
    pub group: Option<PathBuf>,
    /// The image and the array's number among its resolutions; None for an array that no group describes.
    pub described: Option<(Multiscale, usize)>,
    /// What this library noted of a volume that it wrote, in the words of an MRC file's label.
    pub label: Option<String>,
    /// For the log.
    pub warnings: Vec<String>,
}

impl Image {
    /// What is read of it: the array's folder, and the metadata of the group.
    pub fn files(&self) -> Vec<PathBuf> {
        let metadata = |group: &PathBuf| [NODE_3, ATTRIBUTES_2].map(|name| group.join(name));
        let group = self.group.iter().flat_map(metadata).filter(|path| path.is_file());
        std::iter::once(self.array.clone()).chain(group).collect()
    }
}

/// Whether `path` is a folder that zarr metadata or its name make a zarr hierarchy.
pub fn is_zarr(path: &Path) -> bool {
    let named = || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zarr"));
    let marked = || {
        [NODE_3, ARRAY_2, GROUP_2, ATTRIBUTES_2]
            .iter()
            .any(|name| path.join(name).is_file())
    };
    path.is_dir() && (named() || marked())
}

/// The array that `path` means: itself, or the finest resolution of the group that it is.
pub(super) fn find(path: &Path) -> Result<Image> {
    let folder = fs::canonicalize(path).map_err(|e| Error::io("opening", path, e))?;
    let source = path.display().to_string();
    match node(&folder, &source)? {
        None => Err(Error::format(
            &source,
            format!("a folder without zarr metadata: {NODE_3}, {ARRAY_2} or {GROUP_2} is missing"),
        )),
        Some(Node::Array) => described(folder, &source),
        Some(Node::Group(attributes)) => finest(folder, attributes, &source),
    }
}

fn finest(folder: PathBuf, attributes: Map<String, Value>, source: &str) -> Result<Image> {
    let mut folder = folder;
    let mut images = Multiscale::all(&attributes, source)?;
    if images.is_empty() && attributes_of_ome(&attributes).contains_key("bioformats2raw.layout") {
        // A collection of images by bioformats2raw: the first one.
        folder.push("0");
        if let Some(Node::Group(inner)) = node(&folder, source)? {
            images = Multiscale::all(&inner, source)?;
        }
    }
    let label = attributes.get("tomocut").map(|noted| {
        let word = |name: &str, otherwise| noted.get(name).and_then(Value::as_str).unwrap_or(otherwise).to_owned();
        format!("tomocut {}: {}", word("version", "0"), word("content", "prediction"))
    });
    let mut warnings = Vec::new();
    if images.len() > 1 {
        warnings.push(format!("{} images in one group, the first is taken", images.len()));
    }
    let Some(image) = images.into_iter().next() else {
        let detail =
            "a zarr group without OME metadata (multiscales); name one of its arrays instead, such as FOLDER/0";
        return Err(Error::format(source, detail));
    };
    // Most list the finest first, as they should.
    let size = |level: usize| voxels(&folder.join(image.path(level)));
    let level = (1..image.levels()).fold(0, |best, level| if size(level) > size(best) { level } else { best });
    Ok(Image {
        array: folder.join(image.path(level)),
        group: Some(folder),
        described: Some((image, level)),
        label,
        warnings,
    })
}

/// Number of voxels of the array in `folder`; 0 where it has no metadata that say it.
fn voxels(folder: &Path) -> u128 {
    let read = |name| json(&folder.join(name)).ok().flatten();
    let content = read(NODE_3).or_else(|| read(ARRAY_2));
    let shape = content
        .as_ref()
        .and_then(|content| content.get("shape"))
        .and_then(Value::as_array);
    let extent = |extent: &Value| extent.as_u64().map(u128::from);
    shape
        .and_then(|shape| shape.iter().map(extent).collect::<Option<Vec<_>>>())
        .and_then(|shape| shape.into_iter().try_fold(1, u128::checked_mul))
        .unwrap_or(0)
}

/// An array by itself: looks for the group above that names it as one of its resolutions.
fn described(array: PathBuf, source: &str) -> Result<Image> {
    let mut warnings = Vec::new();
    let (mut described, mut group) = (None, None);
    for above in array.ancestors().skip(1).take(DEEPEST) {
        // What lies above is somebody else's affair: if it is broken, the array still is one.
        let images = match node(above, source) {
            Ok(Some(Node::Group(attributes))) => Multiscale::all(&attributes, source),
            Ok(_) => continue,
            Err(error) => Err(error),
        };
        match images {
            Ok(images) => {
                let inner = array.strip_prefix(above).unwrap_or(&array);
                let number = |image: &Multiscale| (0..image.levels()).find(|n| Path::new(image.path(*n)) == inner);
                described = images.into_iter().find_map(|image| number(&image).map(|n| (image, n)));
            }
            Err(error) => warnings.push(error.to_string()),
        }
        if described.is_some() {
            group = Some(above.to_path_buf());
            break;
        }
    }
    Ok(Image {
        array,
        group,
        described,
        label: None,
        warnings,
    })
}

/// Kind of a folder; None where it holds no metadata.
fn node(folder: &Path, source: &str) -> Result<Option<Node>> {
    let attributes = |document: Option<Value>| match document {
        Some(Value::Object(attributes)) => Ok(attributes),
        None | Some(Value::Null) => Ok(Map::new()),
        Some(_) => Err(Error::format(source, "attributes that are no JSON object")),
    };
    if let Some(mut document) = json(&folder.join(NODE_3))? {
        return match document.get("node_type").and_then(Value::as_str) {
            Some("array") => Ok(Some(Node::Array)),
            Some("group") => Ok(Some(Node::Group(attributes(
                document.get_mut("attributes").map(Value::take),
            )?))),
            _ => Err(Error::format(
                folder.join(NODE_3).display(),
                "node_type is missing, must be array or group",
            )),
        };
    }
    if folder.join(ARRAY_2).is_file() {
        return Ok(Some(Node::Array));
    }
    let described = json(&folder.join(ATTRIBUTES_2))?;
    if described.is_none() && !folder.join(GROUP_2).is_file() {
        return Ok(None);
    }
    Ok(Some(Node::Group(attributes(described)?)))
}

/// The JSON document in `path`; None where there is no such file. NaN, Infinity and -Infinity, which Python writes, are
/// read as the texts that zarr has for them.
pub(super) fn json(path: &Path) -> Result<Option<Value>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(Error::io("reading", path, e)),
    };
    let text = without_python_words(&text, |word| format!("\"{word}\""));
    let parsed = serde_json::from_slice(&text).map_err(|e| Error::format(path.display(), format!("no JSON: {e}")))?;
    Ok(Some(parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_python_are_read_and_texts_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NODE_3);
        let parse = |text: &[u8]| {
            fs::write(&path, text).unwrap();
            json(&path)
        };
        let text = br#"{"a": NaN, "b": [Infinity, -Infinity, 1.5], "c": "NaN \" NaN, Infinity", "d\\": NaN}"#;
        assert_eq!(
            parse(text).unwrap().unwrap(),
            serde_json::json!({
                "a": "NaN", "b": ["Infinity", "-Infinity", 1.5], "c": "NaN \" NaN, Infinity", "d\\": "NaN"
            })
        );
        assert!(parse(b"{\"a\": nan}").is_err() && parse(b"{\"a\": NaN").is_err() && parse(b"\\").is_err());
    }
}
