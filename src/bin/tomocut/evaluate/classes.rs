//! Which labels of the truth are membranes, molecules, filaments, and none of these (proteins in membranes).
use ndarray::Array3;
use tomocut::{Error, Result};

use crate::evaluate::arguments::SlabArguments;

#[derive(Debug, Default)]
pub struct Classes {
    pub membrane: Vec<i64>,
    pub molecule: Vec<i64>,
    pub filament: Vec<i64>,
    /// Neither right nor wrong as any of the others.
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
                    "filament" => classes.filament.push(label),
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
        if let Some(labels) = &a.filament_labels {
            classes.filament = labels.clone();
        }
        // What an option names is clear, whatever the table calls it.
        let named = [&classes.membrane[..], &classes.molecule, &classes.filament].concat();
        classes.unclear.retain(|label| !named.contains(label));
        Ok(classes)
    }
}

/// Where a label volume holds one of `wanted`.
pub fn holds(volume: &Array3<f32>, labels: &[i64]) -> Array3<bool> {
    volume.mapv(|v| labels.contains(&(v as i64)))
}
