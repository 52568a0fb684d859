//! Which labels of the truth are membranes, molecules, and neither (proteins in membranes).
use ndarray::Array3;
use tomocut::{Error, Result};

use crate::arguments::SlabArguments;

#[derive(Debug, Default)]
pub struct Classes {
    pub membrane: Vec<i64>,
    pub molecule: Vec<i64>,
    /// Neither right nor wrong as membrane or as molecule.
    pub unclear: Vec<i64>,
}

impl Classes {
    pub fn of(a: &SlabArguments) -> Result<Self> {
        let mut classes = Self::default();
        if let Some(path) = &a.label_table {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io("reading", path, e))?;
            for line in text.lines().skip(1) {
                let fields: Vec<&str> = line.split(',').map(str::trim).collect();
                let [label, class, ..] = fields[..] else { continue };
                let label = label
                    .parse()
                    .map_err(|_| Error::format(path.display(), format!("{label:?} is no label")))?;
                match class {
                    "membrane" => classes.membrane.push(label),
                    "particle" => classes.molecule.push(label),
                    "background" => {}
                    _ => classes.unclear.push(label),
                }
            }
        }
        if let Some(labels) = &a.membrane_labels {
            classes.membrane = labels.clone();
        }
        if let Some(labels) = &a.molecule_labels {
            classes.molecule = labels.clone();
        }
        Ok(classes)
    }
}

/// Where a label volume holds one of `wanted`.
pub fn holds(volume: &Array3<f32>, wanted: &[i64]) -> Array3<bool> {
    volume.mapv(|v| wanted.contains(&(v as i64)))
}
