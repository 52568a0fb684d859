//! Labels within an image's own folder: OME-NGFF's group `labels`, which viewers show over the image.
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{json, Map, Value};

use super::blocks::put_labels;
use super::node::find;
use super::version::Version;
use super::write::Form;
use crate::runtime::{folder_target, Job};
use crate::volume::{BlockFile, Geometry};
use crate::{Error, Result};

/// Group of the images of labels within an image.
const LABELS: &str = "labels";
/// Colours (red, green, blue, opacity) of the first labels; viewers choose others.
const COLOURS: [[u8; 4]; 3] = [[255, 150, 20, 255], [60, 190, 255, 255], [0, 158, 115, 255]];
/// Where all metadata of a hierarchy are listed once more.
const CONSOLIDATED: &str = ".zmetadata";

/// Where an image of labels `name` of the OME-Zarr image in `image`, a group or one of its arrays, lies.
///
/// # Errors
/// [`Error::InvalidArgument`] for a name that is no plain folder name; where `image` is no OME-Zarr image.
pub fn label_image_path(image: &Path, name: &str) -> Result<PathBuf> {
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
    if !is_plain {
        return Err(Error::argument(
            "labels_image",
            format!("\"{name}\""),
            "must be the name of a folder",
        ));
    }
    Ok(group(image)?.0.join(LABELS).join(name))
}

/// The group of an image, and its number of resolutions.
fn group(image: &Path) -> Result<(PathBuf, usize)> {
    let image_array = if super::is_zarr(image) {
        Some(find(image)?)
    } else {
        None
    };
    let described = image_array.and_then(|image_array| Some((image_array.group?, image_array.described?.0.levels())));
    described.ok_or_else(|| {
        let allowed = "must be an OME-Zarr image to hold labels";
        Error::argument("tomogram", crate::volume::readable(image), allowed)
    })
}

/// Writes the labels in `blocks`, whose classes from 1 on are `classes`, as an image of labels `name` into the OME-Zarr
/// image in `image`, in the image's own version and number of resolutions, and lists it there. An image of labels of
/// this name is replaced; others stay. `geometry` is the one that `blocks` was opened with.
///
/// # Errors
/// As [`label_image_path`] and [`super::write_zarr`].
pub fn write_label_image(
    blocks: &BlockFile,
    (image, name): (&Path, &str),
    geometry: &Geometry,
    classes: &[String],
    job: &Job,
) -> Result<()> {
    let path = label_image_path(image, name)?;
    let (group, levels) = group(image)?;
    let version = Version::of(&group);
    let folder = folder_target(&group.join(LABELS))?;
    fs::create_dir_all(&folder).map_err(|e| Error::io("creating", &folder, e))?;
    let form = Form {
        version,
        levels: Some(levels),
        label: Some(image_label(version, classes)),
    };
    put_labels(blocks, &path, geometry, name, &form, job)?;
    let (mut ome, others) = version.attributes(&folder)?;
    let mut names = match ome.remove(LABELS) {
        Some(Value::Array(names)) => names,
        _ => Vec::new(),
    };
    if !names.iter().any(|known| known == name) {
        names.push(name.into());
    }
    ome.insert(LABELS.to_owned(), Value::Array(names));
    version.put_group(&folder, ome, others)?;
    if group.join(CONSOLIDATED).exists() {
        let text = format!(
            "{}: {CONSOLIDATED} does not list the labels yet: consolidate it again",
            group.display()
        );
        job.logger().warn("volume", &text);
    }
    Ok(())
}

/// The attribute `image-label`: colours and classes of the labels, and the image that they are of.
fn image_label(version: Version, classes: &[String]) -> Value {
    let numbered = || (1..).zip(classes);
    let properties: Vec<Value> = numbered()
        .map(|(number, class)| json!({"label-value": number, "class": class}))
        .collect();
    let colours: Vec<Value> = numbered()
        .zip(COLOURS)
        .map(|((number, _), colour): ((i32, _), _)| json!({"label-value": number, "rgba": colour}))
        .collect();
    let mut label = Map::new();
    if version == Version::V04 {
        label.insert("version".to_owned(), "0.4".into());
    }
    label.insert("source".to_owned(), json!({"image": "../../"}));
    if !classes.is_empty() {
        label.insert("properties".to_owned(), properties.into());
        label.insert("colors".to_owned(), colours.into());
    }
    Value::Object(label)
}
