//! The released code's circularity test.
use ndarray::{s, ArrayView3, Axis};

use super::body::{disc_diameter, slice_bodies};
use super::splitter::{check, Split, Splitter};
use crate::image::{circularity, label_2d, perimeter, Connectivity};
use crate::runtime::{Job, Result};
use crate::volume::{MEMBRANE, MOLECULE};

/// The released code's rule on each slice by itself: 8-connected components whose circularity, by scikit-image's
/// perimeter, reaches 0.95 are molecules, all other foreground is membrane.
///
/// That estimator exceeds 1 for specks and falls below 0.95 for discs of radius 5 and from 7 pixels up, so the rule is
/// mostly a cut on size and means something on the papers' 512-pixel quadrants only (at 1.3 nm).
#[derive(Clone, Debug, PartialEq)]
pub struct ShapePerSlice {
    /// Least circularity.
    pub circularity: f64,
    /// Bounds on the diameter of the disc of equal area, in nm; `None` as released.
    pub diameter_nm: Option<(f64, f64)>,
}

impl Default for ShapePerSlice {
    fn default() -> Self {
        Self {
            circularity: 0.95,
            diameter_nm: None,
        }
    }
}

impl Splitter for ShapePerSlice {
    fn split(
        &self,
        foreground: ArrayView3<bool>,
        score: Option<ArrayView3<f32>>,
        voxel_nm: f64,
        job: &Job,
    ) -> Result<Split> {
        check(&foreground, score.as_ref(), voxel_nm)?;
        let mut labels = foreground.mapv(|v| if v { MEMBRANE } else { 0 });
        let mut objects = Vec::new();
        for (z, slice) in foreground.axis_iter(Axis(0)).enumerate() {
            job.check()?;
            let parts = label_2d(slice, Connectivity::Full);
            let bodies = slice_bodies(parts.labels.view(), parts.areas.len(), z, score.as_ref());
            let mut accepted = vec![false; parts.areas.len() + 1];
            for (label, body) in (1_u32..).zip(&bodies) {
                let ([_, top, left], [_, bottom, right]) = (body.low, body.high);
                let outline = parts.labels.slice(s![top..=bottom, left..=right]).mapv(|l| l == label);
                let diameter_nm = disc_diameter(body.size) * voxel_nm;
                let fits = self
                    .diameter_nm
                    .is_none_or(|(low, high)| (low..=high).contains(&diameter_nm));
                if fits && circularity(body.size, perimeter(outline.view())) >= self.circularity {
                    accepted[label as usize] = true;
                    objects.push(body.object(label, diameter_nm));
                }
            }
            let mut out = labels.index_axis_mut(Axis(0), z);
            out.zip_mut_with(&parts.labels, |out, &label| {
                if accepted[label as usize] {
                    *out = MOLECULE;
                }
            });
        }
        Ok(Split { labels, objects })
    }
}
