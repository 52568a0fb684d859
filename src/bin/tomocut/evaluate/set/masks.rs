//! Masks out of volumes: `FILE` (true above 0), `FILE#1+4` (true where the label is 1 or 4), `FILE#>0.5`.
use std::ops::Range;
use std::path::PathBuf;

use ndarray::{Array3, Axis, Zip};
use tomocut::metrics::{Overlap, SurfaceDistances};
use tomocut::runtime::Job;
use tomocut::Result;

use super::rows::Pair;
use crate::evaluate::inputs::{read_part, Content};

/// A volume, and which of its voxels the mask holds.
#[derive(Debug)]
pub struct MaskFile {
    pub path: PathBuf,
    pub which: Which,
}

#[derive(Debug, PartialEq)]
pub enum Which {
    Above(f32),
    Labels(Vec<i64>),
}

impl MaskFile {
    /// The file's name and which of its voxels are meant.
    pub fn split(text: &str) -> std::result::Result<(&str, Which), &'static str> {
        let Some((name, which)) = text.rsplit_once('#') else {
            return Ok((text, Which::Above(0.0)));
        };
        let which = match which.strip_prefix('>') {
            Some(level) => level.parse().ok().filter(|v: &f32| v.is_finite()).map(Which::Above),
            None => {
                let labels = which.split('+').map(|label| label.parse().ok());
                labels.collect::<Option<Vec<i64>>>().map(Which::Labels)
            }
        };
        let allowed = "must be FILE, FILE#1+4 for labels or FILE#>0.5 for scores";
        which.map(|which| (name, which)).ok_or(allowed)
    }

    /// The mask in `slices` of the whole tomogram, whose NZSTART is `start`.
    fn read(&self, slices: &Range<usize>, start: i64, job: &Job) -> Result<Array3<bool>> {
        let part = |content| read_part(&self.path, content, (slices, start), job);
        Ok(match &self.which {
            Which::Above(level) => part(Content::Score)?.mapv(|v| v > *level),
            Which::Labels(labels) => part(Content::Labels)?.mapv(|v| labels.contains(&(v as i64))),
        })
    }
}

/// A mask against its truth.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskScores {
    pub overlap: Overlap,
    /// Dice of each slice; 1 where a slice is empty in both.
    pub slice_dice: Vec<f64>,
    /// In nm; none where just one of both is empty.
    pub surfaces: Option<SurfaceDistances>,
}

impl MaskScores {
    pub fn of(pair: &Pair<MaskFile>, slices: &Range<usize>, start: i64, voxel_nm: f64, job: &Job) -> Result<Self> {
        let truth = pair.truth.read(slices, start, job)?;
        let prediction = pair.prediction.read(slices, start, job)?;
        let overlap = Overlap::of(&prediction, &truth, None)?;
        let slices = prediction.axis_iter(Axis(0)).zip(truth.axis_iter(Axis(0)));
        let slice_dice = slices.map(|(p, t)| {
            let mut of_slice = Overlap::default();
            Zip::from(p).and(t).for_each(|&p, &t| of_slice.count(p, t));
            of_slice.dice()
        });
        Ok(Self {
            overlap,
            slice_dice: slice_dice.collect(),
            surfaces: SurfaceDistances::between(&prediction, &truth, voxel_nm, job)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_files_labels_or_levels() {
        assert_eq!(MaskFile::split("a.mrc"), Ok(("a.mrc", Which::Above(0.0))));
        assert_eq!(MaskFile::split("a.mrc#1+4"), Ok(("a.mrc", Which::Labels(vec![1, 4]))));
        assert_eq!(MaskFile::split("a#b.mrc#>0.5"), Ok(("a#b.mrc", Which::Above(0.5))));
        for wrong in ["a#b.mrc", "a.mrc#", "a.mrc#>x", "a.mrc#1,2"] {
            assert!(MaskFile::split(wrong).is_err(), "{wrong}");
        }
    }
}
