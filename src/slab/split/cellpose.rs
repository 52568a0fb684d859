//! CellPose's instances of each slice as molecules.
use ndarray::{s, Array2, ArrayView3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::{disc_diameter, slice_bodies};
use super::splitter::{check, Split, Splitter};
use crate::image::{circularity, perimeter};
use crate::networks::cpnet::{CellPose, CellPoseOptions};
use crate::runtime::{Job, Result};
use crate::volume::{MEMBRANE, MOLECULE};

/// How CellPose's instances become molecules, for the split "cellpose".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellPoseRule {
    /// Diameter that CellPose looks for, in pixels of what it sees: a canvas for the canvas "greedy" (the released
    /// code: 10), otherwise a slice. Null: from `diameter_nm`.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub diameter_pixels: Option<f64>,
    /// Largest mean squared difference between an instance's flows and those of its shape; 0: no such test.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub flow_threshold: f64,
    /// Pixels whose cell probability (a logit) is above this belong to an instance.
    #[schemars(range(min = -1000.0, max = 1000.0))]
    pub cell_probability: f64,
    /// Least circularity of an instance by scikit-image's perimeter, which exceeds 1 for specks; 0: any.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub circularity: f64,
    /// Least share of an instance that is foreground; 0: no such test, as in the released code.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub foreground_share: f64,
}

impl Default for CellPoseRule {
    /// cellpose's own thresholds, any outline, instances that are foreground for the better part.
    fn default() -> Self {
        Self {
            diameter_pixels: None,
            flow_threshold: 0.4,
            cell_probability: 0.0,
            circularity: 0.0,
            foreground_share: 0.5,
        }
    }
}

impl CellPoseRule {
    /// What the released code of the slab paper asks: 10 pixels of the canvas, round outlines, no test of overlap.
    pub fn released_code() -> Self {
        Self {
            diameter_pixels: Some(10.0),
            circularity: 0.95,
            foreground_share: 0.0,
            ..Self::default()
        }
    }
}

/// What CellPose sees of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellPoseInput {
    /// The foreground, as in the released code. cellpose scales grey levels by their percentiles: where less than 1 %
    /// of a slice is foreground, it sees nothing.
    Foreground,
    /// The score, where there is one.
    Score,
}

/// The slab paper's rule: on each slice by itself, CellPose's instances are molecules and all other foreground is
/// membrane.
pub struct CellPosePerSlice {
    /// The network.
    pub model: CellPose,
    /// Which instances count.
    pub rule: CellPoseRule,
    /// Diameter that it looks for, in nm, where the rule gives none in pixels.
    pub diameter_nm: f64,
    /// What it sees.
    pub input: CellPoseInput,
    /// Largest diameter of the disc of an instance's area, in nm.
    pub largest_nm: f64,
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
            diameter: Some(self.rule.diameter_pixels.unwrap_or(self.diameter_nm / voxel_nm)),
            cellprob_threshold: self.rule.cell_probability as f32,
            flow_threshold: self.rule.flow_threshold,
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
                if shares[label as usize] as f64 >= self.rule.foreground_share * body.size as f64
                    && diameter_nm <= self.largest_nm
                    && circularity(body.size, perimeter(outline.view())) >= self.rule.circularity
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
