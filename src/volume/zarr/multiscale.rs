//! OME-NGFF's `multiscales`: axes, units, and the transformations from voxels to space.
use serde_json::{json, Map, Value};

use crate::volume::Geometry;
use crate::{Error, Result};

/// Versions of OME-NGFF that are read.
const VERSIONS: [&str; 2] = ["0.4", "0.5"];
/// Angstrom per unit of length, by OME-NGFF's names (those of UDUNITS-2) and what careless writers put there.
const UNITS: [(&str, f64); 18] = [
    ("angstrom", 1.0),
    ("ångström", 1.0),
    ("angstroms", 1.0),
    ("a", 1.0),
    ("å", 1.0),
    ("picometer", 0.01),
    ("pm", 0.01),
    ("nanometer", 10.0),
    ("nanometre", 10.0),
    ("nm", 10.0),
    ("micrometer", 1e4),
    ("micrometre", 1e4),
    ("micron", 1e4),
    ("um", 1e4),
    ("µm", 1e4),
    ("millimeter", 1e7),
    ("centimeter", 1e8),
    ("meter", 1e10),
];

/// One image of a group: its axes and resolutions.
#[derive(Debug)]
pub(super) struct Multiscale {
    source: String,
    axes: Vec<(String, Option<String>)>,
    levels: Vec<(String, Transformation)>,
}

/// A scale and a translation for each axis: position = scale * index + translation.
#[derive(Clone, Debug, PartialEq)]
struct Transformation {
    scale: Vec<f64>,
    translation: Vec<f64>,
    /// Whether the metadata hold any: without one the voxel size is unknown.
    is_given: bool,
    /// A unit that stands in the transformation, as copick once wrote it, and not at the axes.
    unit: Option<String>,
}

impl Multiscale {
    /// The images that a group's attributes describe; none where there is no OME metadata.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another version and other transformations, [`Error::Format`] where something is
    /// missing or broken.
    pub fn all(attributes: &Map<String, Value>, source: &str) -> Result<Vec<Self>> {
        let ome = attributes_of_ome(attributes);
        let Some(found) = ome.get("multiscales") else {
            return Ok(Vec::new());
        };
        let images = found
            .as_array()
            .ok_or_else(|| Error::format(source, "multiscales is no list"))?;
        let version = |image: &Value| image.get("version").or(ome.get("version")).cloned();
        images
            .iter()
            .map(|image| match version(image) {
                Some(Value::String(version)) if !VERSIONS.contains(&version.as_str()) => Err(Error::Unsupported(
                    format!("{source}: OME-Zarr {version}, must be {}", VERSIONS.join(" or ")),
                )),
                _ => Self::parse(image, source),
            })
            .collect()
    }

    fn parse(image: &Value, source: &str) -> Result<Self> {
        let list = |name: &str| -> Result<&Vec<Value>> {
            let found = image
                .get(name)
                .and_then(Value::as_array)
                .filter(|list| !list.is_empty());
            found.ok_or_else(|| Error::format(source, format!("multiscales has no list of {name}")))
        };
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let axes = list("axes")?
            .iter()
            .map(|axis| {
                Ok((
                    text(axis, "name").ok_or_else(|| Error::format(source, "an axis has no name"))?,
                    text(axis, "unit"),
                ))
            })
            .collect::<Result<Vec<_>>>()?;
        let outer = Transformation::parse(image, axes.len(), source)?;
        let levels = list("datasets")?
            .iter()
            .map(|level| {
                let path = text(level, "path").ok_or_else(|| Error::format(source, "a dataset has no path"))?;
                let plain = !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
                if !plain {
                    return Err(Error::format(
                        source,
                        format!("dataset path is \"{path}\", must lie within the group"),
                    ));
                }
                let inner = Transformation::parse(level, axes.len(), source)?;
                Ok((path, inner.followed_by(&outer)))
            })
            .collect::<Result<Vec<_>>>()?;
        let image = Self {
            source: source.to_owned(),
            axes,
            levels,
        };
        image.check_axes()?;
        Ok(image)
    }

    /// Axes z, y, x, after any others.
    fn check_axes(&self) -> Result<()> {
        let names: Vec<String> = self.axes.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        if names.ends_with(&["z".into(), "y".into(), "x".into()]) {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "{}: axes are {}, must be z, y, x, after others (t, c) of extent 1",
            self.source,
            names.join(", ")
        )))
    }

    /// Number of resolutions.
    pub fn levels(&self) -> usize {
        self.levels.len()
    }

    /// Path of resolution `level` within the group.
    pub fn path(&self, level: usize) -> &str {
        self.levels.get(level).map_or("", |(path, _)| path)
    }

    /// Number of axes.
    pub fn dimensions(&self) -> usize {
        self.axes.len()
    }

    /// Puts voxel size and origin of `level` into `geometry`; they stay unknown, with a warning, where the axes have no
    /// unit of length.
    pub fn place(&self, level: usize, geometry: &mut Geometry, warnings: &mut Vec<String>) -> Result<()> {
        let Some((_, found)) = self.levels.get(level) else {
            return Err(Error::Internal(format!("level {level} of {}", self.source)));
        };
        if !found.is_given {
            let path = self.path(level);
            warnings.push(format!(
                "resolution {path} has no coordinateTransformations: its voxel size is unknown"
            ));
            return Ok(());
        }
        let first = self.axes.len() - 3;
        let mut angstrom = [0.0; 3];
        for (value, (name, unit)) in angstrom.iter_mut().zip(&self.axes[first..]) {
            let unit = unit.as_deref().or(found.unit.as_deref()).unwrap_or("");
            match UNITS.iter().find(|(known, _)| *known == unit.to_lowercase()) {
                Some((_, length)) => *value = *length,
                None => {
                    let unit = if unit.is_empty() {
                        "no unit".to_owned()
                    } else {
                        format!("the unit \"{unit}\"")
                    };
                    warnings.push(format!("axis {name} has {unit}: the voxel size is taken for unknown"));
                    return Ok(());
                }
            }
        }
        for (axis, unit) in angstrom.into_iter().enumerate() {
            let edge = found.scale[first + axis] * unit;
            if !(edge.is_finite() && edge > 0.0) {
                let (name, scale) = (&self.axes[first + axis].0, found.scale[first + axis]);
                let detail = format!("the scale of axis {name} is {scale}, must be positive");
                return Err(Error::format(&self.source, detail));
            }
            geometry.voxel_angstrom[axis] = edge;
            geometry.origin_angstrom[axis] = found.translation[first + axis] * unit;
        }
        Ok(())
    }
}

impl Transformation {
    /// `coordinateTransformations` of an image or of a resolution, in their order; none is the identity, not given.
    fn parse(holder: &Value, dimensions: usize, source: &str) -> Result<Self> {
        let mut whole = Self {
            scale: vec![1.0; dimensions],
            translation: vec![0.0; dimensions],
            is_given: false,
            unit: None,
        };
        let steps = match holder.get("coordinateTransformations") {
            None | Some(Value::Null) => return Ok(whole),
            Some(steps) => steps
                .as_array()
                .ok_or_else(|| Error::format(source, "coordinateTransformations is no list"))?,
        };
        for step in steps {
            let kind = step.get("type").and_then(Value::as_str).unwrap_or("none");
            let numbers = || -> Result<Vec<f64>> {
                let list = step.get(kind).and_then(Value::as_array);
                let numbers: Option<Vec<f64>> = list.and_then(|list| list.iter().map(Value::as_f64).collect());
                numbers.filter(|n| n.len() == dimensions).ok_or_else(|| {
                    let detail =
                        format!("the transformation {kind} does not hold {dimensions} numbers, one for each axis");
                    Error::format(source, detail)
                })
            };
            let neutral = |value| vec![value; dimensions];
            let (scale, translation) = match kind {
                "identity" => (neutral(1.0), neutral(0.0)),
                "scale" => (numbers()?, neutral(0.0)),
                "translation" => (neutral(1.0), numbers()?),
                other => {
                    let text =
                        format!("{source}: a transformation of type {other}, must be scale, translation or identity");
                    return Err(Error::Unsupported(text));
                }
            };
            whole = whole.followed_by(&Self {
                scale,
                translation,
                is_given: kind != "translation",
                unit: step.get("unit").and_then(Value::as_str).map(str::to_owned),
            });
        }
        Ok(whole)
    }

    fn followed_by(&self, next: &Self) -> Self {
        let axes = || {
            self.scale
                .iter()
                .zip(&self.translation)
                .zip(next.scale.iter().zip(&next.translation))
        };
        Self {
            scale: axes().map(|((scale, _), (outer, _))| scale * outer).collect(),
            translation: axes().map(|((_, at), (outer, moved))| at * outer + moved).collect(),
            is_given: self.is_given || next.is_given,
            unit: self.unit.clone().or_else(|| next.unit.clone()),
        }
    }
}

/// Attributes of a group of OME-Zarr 0.4 with one image of axes z, y, x. `factors` says for each resolution how many
/// voxels (z, y, x) of the first one its voxels span; the centre of its first voxel lies in the middle of those.
pub(super) fn describe(name: &str, geometry: &Geometry, factors: &[[usize; 3]], method: &str) -> Map<String, Value> {
    let known = geometry.voxel_angstrom.iter().all(|edge| *edge > 0.0);
    let edges = if known { geometry.voxel_angstrom } else { [1.0; 3] };
    let axis = |name: &str| match known {
        true => json!({"name": name, "type": "space", "unit": "angstrom"}),
        false => json!({"name": name, "type": "space"}),
    };
    let datasets: Vec<Value> = factors
        .iter()
        .enumerate()
        .map(|(level, factor)| {
            let scale: [f64; 3] = std::array::from_fn(|axis| edges[axis] * factor[axis] as f64);
            let place: [f64; 3] = std::array::from_fn(|axis| {
                geometry.origin_angstrom[axis] + edges[axis] * (factor[axis] as f64 - 1.0) / 2.0
            });
            json!({"path": level.to_string(), "coordinateTransformations": [
                {"type": "scale", "scale": scale}, {"type": "translation", "translation": place}]})
        })
        .collect();
    let image = json!({
        "version": "0.4", "name": name, "axes": [axis("z"), axis("y"), axis("x")], "datasets": datasets, "type": method,
    });
    let mut attributes = Map::new();
    attributes.insert("multiscales".to_owned(), json!([image]));
    attributes
}

/// Where OME metadata stand: below "ome" in 0.5, among the attributes before.
pub(super) fn attributes_of_ome(attributes: &Map<String, Value>) -> &Map<String, Value> {
    attributes.get("ome").and_then(Value::as_object).unwrap_or(attributes)
}
