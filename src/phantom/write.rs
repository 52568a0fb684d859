//! A phantom on disk: volumes as MRC, objects as CSV, settings as JSON.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::simulate::Phantom;
use crate::runtime::{write_whole, Error, Result};
use crate::volume::{write_f32, write_labels, Geometry};

impl Phantom {
    /// Writes `<stem>.mrc`, `<stem>_signal.mrc`, `<stem>_noise.mrc` (float32), `<stem>_labels.mrc` (int8),
    /// `<stem>_instances.csv`,
    /// `<stem>_parameters.json` and `<stem>_preview.png` into `folder`, each whole or not at all; returns the paths in
    /// this order.
    pub fn write(&self, folder: &Path, stem: &str) -> Result<Vec<PathBuf>> {
        let geometry = Geometry::new(self.parameters.shape, 10.0 * self.parameters.voxel_nm);
        let place = |suffix: &str| folder.join(format!("{stem}{suffix}"));
        let mut written = Vec::new();
        for (suffix, volume) in [
            (".mrc", &self.tomogram),
            ("_signal.mrc", &self.signal),
            ("_noise.mrc", &self.noise),
        ] {
            let path = place(suffix);
            write_f32(&path, volume, &geometry)?;
            written.push(path);
        }
        let path = place("_labels.mrc");
        write_labels(&path, &self.labels.mapv(|label| label as i8), &geometry)?;
        written.push(path);
        let json = serde_json::to_string_pretty(&self.parameters)
            .map_err(|e| Error::Internal(format!("phantom settings: {e}")))?;
        for (suffix, bytes) in [
            ("_instances.csv", self.instances_csv().into_bytes()),
            ("_parameters.json", json.into_bytes()),
            ("_preview.png", self.preview_png()?),
        ] {
            let path = place(suffix);
            write_whole(&path, &bytes)?;
            written.push(path);
        }
        Ok(written)
    }

    /// One line per object: label, kind, species, centre in 0-based voxels, quaternion, diameter in nm.
    pub fn instances_csv(&self) -> String {
        let mut text = String::from("label,kind,species,x,y,z,qw,qx,qy,qz,diameter_nm\n");
        for instance in &self.instances {
            let ([z, y, x], [qw, qx, qy, qz]) = (instance.position, instance.orientation);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{},{},{},{x:.3},{y:.3},{z:.3},{qw:.6},{qx:.6},{qy:.6},{qz:.6},{:.3}",
                instance.kind.label(),
                instance.kind.name(),
                instance.species,
                instance.diameter_nm,
            );
        }
        text
    }
}
