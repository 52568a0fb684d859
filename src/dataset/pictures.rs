//! Slices of a tomogram with what was found in them, as PNG files.
use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, Array3, Axis};

use super::held_out::divided;
use super::labels;
use super::network_labels::NetworkLabels;
use super::state::LabelledSlab;
use crate::picks::Pick;
use crate::runtime::{Error, Job, Result};
use crate::slab::overlay::{write_panels, PanelLabels};
use crate::volume::Tomogram;

/// Folder of the pictures within that of the results.
const FOLDER: &str = "report";

/// Least and largest longer side of a panel in pixels.
const SIDES: (usize, usize) = (256, 512);

/// Where along z a tomogram is shown, as shares of its depth: the middle first.
const PLACES: [f64; 3] = [0.5, 0.3, 0.7];

/// What is drawn.
pub(super) struct Subject<'a> {
    pub tomogram: &'a Tomogram,
    pub network_labels: &'a NetworkLabels,
    /// The network's molecules, where there are any.
    pub points: Option<&'a [Pick]>,
    /// 0 where unknown.
    pub voxel_nm: f64,
}

/// Draws the middle slice and two more beside the network's labels, and of each slab a slice that was learnt from and
/// one that was held out, with the slab's labels in between. The files, relative to `out`, with what they show.
pub(super) fn draw(
    subject: &Subject,
    slabs: &[&LabelledSlab],
    held_out: f64,
    out: &Path,
    job: &Job,
) -> Result<Vec<(String, String)>> {
    let folder = out.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("creating", &folder, e))?;
    let mut pictures = Vec::new();
    for z in places(subject.network_labels.depth()) {
        job.check()?;
        let labels = slice_of(subject.network_labels.slices(z..z + 1)?)?;
        let network = PanelLabels {
            labels: labels.view(),
            points: subject.points,
        };
        pictures.push(subject.write(out, ("z", z), &[network], "the network".to_owned())?);
    }
    for slab in slabs {
        let given = labels::read(out, slab, subject.tomogram.geometry(), job)?;
        let (learnt, held) = divided(&slab.slab.z, held_out);
        for (z, role) in [(learnt, "learnt from"), (held, "held out")] {
            let Some(z) = middle(&z) else { continue };
            job.check()?;
            let network = slice_of(subject.network_labels.slices(z..z + 1)?)?;
            let panels = [given.labels.index_axis(Axis(0), z - slab.slab.z.start), network.view()]
                .map(|labels| PanelLabels { labels, points: None });
            let caption = format!("{role}: the slab's labels, the network");
            pictures.push(subject.write(out, ("slab_z", z), &panels, caption)?);
        }
    }
    Ok(pictures)
}

impl Subject<'_> {
    /// Writes `report/NAME_KIND{z}.png`; its path relative to `out`, and what it shows.
    fn write(
        &self,
        out: &Path,
        (kind, z): (&str, usize),
        panels: &[PanelLabels],
        role: String,
    ) -> Result<(String, String)> {
        let slice = slice_of(self.tomogram.read_slices(z..z + 1)?)?;
        let file = format!("{FOLDER}/{}_{kind}{z}.png", self.tomogram.name());
        write_panels(&out.join(&file), slice.view(), panels, (z, self.voxel_nm), SIDES)?;
        Ok((file, format!("slice {z}, {role}")))
    }
}

fn slice_of<T>(slices: Array3<T>) -> Result<Array2<T>> {
    let (_, rows, cols) = slices.dim();
    slices
        .into_shape_with_order((rows, cols))
        .map_err(|e| Error::Internal(format!("slice of a picture: {e}")))
}

fn middle(z: &Range<usize>) -> Option<usize> {
    (!z.is_empty()).then(|| z.start + z.len() / 2)
}

/// Slices of a tomogram of `depth` that are shown, each once.
fn places(depth: usize) -> Vec<usize> {
    let mut places: Vec<usize> = Vec::new();
    for share in PLACES {
        let z = ((depth as f64 * share) as usize).min(depth.saturating_sub(1));
        if !places.contains(&z) {
            places.push(z);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_shown_once() {
        assert_eq!(places(100), [50, 30, 70]);
        assert_eq!(places(2), [1, 0]);
        assert_eq!(places(1), [0]);
    }
}
