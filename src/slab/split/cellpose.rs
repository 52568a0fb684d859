//! CellPose's instances of each slice as molecules.
use ndarray::{s, Array2, ArrayView3, Axis};

use super::body::{disc_diameter, slice_bodies};
use super::splitter::{check, Split, Splitter};
use crate::image::{circularity, perimeter};
use crate::networks::cpnet::{CellPose, CellPoseOptions};
use crate::runtime::{Job, Result};
use crate::volume::{MEMBRANE, MOLECULE};

/// What CellPose sees of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellPoseInput {
    /// The foreground, 0 or 1, as in the released code. (Not scaled by its percentiles, which changes nothing but the
    /// fate of slices with less than 1 % foreground: cellpose makes those empty.)
    Foreground,
    /// The score, where there is one.
    Score,
}

/// The slab paper's rule: on each slice by itself, CellPose's instances are molecules and all other foreground is
/// membrane.
///
/// An instance counts where at least half of it is foreground.
pub struct CellPosePerSlice {
    /// The network.
    pub model: CellPose,
    /// Diameter that it looks for, in nm. The released code asks for 10 pixels of its canvas, 12.4 nm at its 1.348-nm
    /// voxels.
    pub diameter_nm: f64,
    /// What it sees.
    pub input: CellPoseInput,
    /// Least circularity of an instance (by scikit-image's perimeter; see [`super::ShapePerSlice`]); 0: any.
    pub circularity: f64,
    /// Largest diameter of the disc of an instance's area, in nm.
    pub largest_nm: f64,
}

impl CellPosePerSlice {
    /// On the papers' canvases, as released: the foreground, with the test of circularity, any size.
    pub fn released(model: CellPose, diameter_nm: f64) -> Self {
        Self {
            model,
            diameter_nm,
            input: CellPoseInput::Foreground,
            circularity: 0.95,
            largest_nm: f64::INFINITY,
        }
    }

    /// On scores: their grey levels, up to `largest_nm`, whatever the outline.
    pub fn graded(model: CellPose, diameter_nm: f64, largest_nm: f64) -> Self {
        Self {
            model,
            diameter_nm,
            input: CellPoseInput::Score,
            circularity: 0.0,
            largest_nm,
        }
    }
}

impl Splitter for CellPosePerSlice {
    /// Errors: also those of [`CellPose::segment`]. The job advances by slices.
    fn split(
        &self,
        foreground: ArrayView3<bool>,
        score: Option<ArrayView3<f32>>,
        voxel_nm: f64,
        job: &Job,
    ) -> Result<Split> {
        check(&foreground, score.as_ref(), voxel_nm)?;
        let graded = score.as_ref().filter(|_| self.input == CellPoseInput::Score);
        let options = CellPoseOptions {
            diameter: Some(self.diameter_nm / voxel_nm),
            normalise: graded.is_some(),
            ..CellPoseOptions::default()
        };
        let mut labels = foreground.mapv(|v| if v { MEMBRANE } else { 0 });
        let mut objects = Vec::new();
        let span = job.span();
        let step = (span.end - span.start) / foreground.len_of(Axis(0)).max(1) as f64;
        for (z, slice) in foreground.axis_iter(Axis(0)).enumerate() {
            job.check()?;
            if !slice.iter().any(|v| *v) {
                continue;
            }
            let image: Array2<f32> = match graded {
                Some(score) => score.index_axis(Axis(0), z).to_owned(),
                None => slice.mapv(|v| f32::from(u8::from(v))),
            };
            job.set_span(span.start + z as f64 * step..span.start + (z + 1) as f64 * step);
            let instances = self.model.segment(image.view(), &options, job);
            job.set_span(span.clone());
            let instances = instances?;
            let count = instances.iter().max().map_or(0, |most| *most as usize);
            let mut shares = vec![0_usize; count + 1];
            for (&label, _) in instances.iter().zip(slice).filter(|(_, &v)| v) {
                shares[label as usize] += 1;
            }
            let mut accepted = vec![false; count + 1];
            for (label, body) in (1_u32..).zip(&slice_bodies(instances.view(), count, z, score.as_ref())) {
                let ([_, top, left], [_, bottom, right]) = (body.low, body.high);
                let outline = instances.slice(s![top..=bottom, left..=right]).mapv(|l| l == label);
                let diameter_nm = disc_diameter(body.size) * voxel_nm;
                if 2 * shares[label as usize] >= body.size
                    && diameter_nm <= self.largest_nm
                    && circularity(body.size, perimeter(outline.view())) >= self.circularity
                {
                    accepted[label as usize] = true;
                    objects.push(body.object(label, diameter_nm));
                }
            }
            labels
                .index_axis_mut(Axis(0), z)
                .zip_mut_with(&instances, |out, &label| {
                    if accepted[label as usize] {
                        *out = MOLECULE;
                    }
                });
        }
        Ok(Split { labels, objects })
    }
}
