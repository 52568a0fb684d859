//! The labelled slices of a tomogram, at the network's voxel size and in its grey scale.
use std::ops::Range;

use ndarray::{Array3, ArrayView3};
use tch::{Device, Kind, Tensor};

use super::slab_sampling::SlabSampling;
use super::truth::Truth;
use super::{Plan, PointLabels};
use crate::networks::ModelDescription;
use crate::picks::{check_inside, Pick};
use crate::runtime::{Error, Job, Result};
use crate::settings::hash_bytes;
use crate::volume::Tomogram;

/// Labels of the slices `z` of a tomogram.
pub struct SlabLabels<'a> {
    /// The slices.
    pub z: Range<usize>,
    /// 0 ground, else the label, (z, y, x) of the slices; None where points alone teach.
    pub labels: Option<ArrayView3<'a, i8>>,
    /// Confidence of each label, 0 to leave a voxel out, 0..=1, (z, y, x); None for ones.
    pub confidence: Option<ArrayView3<'a, f32>>,
    /// Molecules, in voxels of the tomogram, for an output "centre" and for labels drawn about points.
    pub points: &'a [Pick],
    /// Name of each label from 1 on: "membrane", "molecule", ...
    pub names: &'a [String],
}

impl SlabLabels<'_> {
    /// Content hash of the labels on a tomogram of `shape`.
    pub(super) fn hash(&self, shape: [usize; 3], held_out: bool) -> String {
        let Self { z, points, names, .. } = self;
        let mut bytes = format!("{shape:?} {held_out} {z:?} {names:?} {points:?}").into_bytes();
        bytes.extend(self.labels.iter().flatten().map(|label| *label as u8));
        for confidence in self.confidence.iter().flatten() {
            bytes.extend(confidence.to_le_bytes());
        }
        hash_bytes(&bytes)
    }
}

/// Sampling and contrast of a labelled slab.
#[derive(Clone, Copy, Debug)]
pub struct SlabView {
    /// Slices on either side of the labelled ones that windows see, in voxels of the network.
    pub margin: usize,
    /// Whether structures are brighter than their surroundings.
    pub bright: bool,
    /// Edge of the voxels in nm, where the tomogram's own is wrong or unknown.
    pub voxel_nm: Option<f64>,
    /// Whether voxels of another size than the network's are brought to it.
    pub rescale: bool,
    /// How labels of molecules are drawn about points, in the place of those in the labels.
    pub point_labels: Option<PointLabels>,
}

impl Default for SlabView {
    fn default() -> Self {
        Self {
            margin: 0,
            bright: false,
            voxel_nm: None,
            rescale: true,
            point_labels: None,
        }
    }
}

/// The labelled slices of a tomogram with what lies around them, ready to be cut into windows.
pub struct LabelledVolume {
    /// [1, z, y, x], in the network's grey scale.
    pub(super) image: Tensor,
    /// [K, z, y, x] uint8, 0 to `CERTAIN`.
    pub(super) truth: Tensor,
    /// [1, z, y, x], 0 outside the labelled slices.
    pub(super) weight: Tensor,
    /// Voxels that windows are drawn around: those that carry a label, or the points that labels are drawn about.
    pub(super) labelled: Vec<[i64; 3]>,
}

impl LabelledVolume {
    /// The slices `labels.z` of `tomogram` and a margin on either side, as far as there is one, in the grey scale, at
    /// the voxel size and with the outputs of `description`.
    ///
    /// Errors: slices out of range, labels of another shape or without a name, an output that the labels cannot teach,
    /// labels that are all ground or of no confidence; whatever reading fails with.
    pub fn new(
        tomogram: &Tomogram,
        labels: &SlabLabels,
        description: &ModelDescription,
        view: &SlabView,
        job: &Job,
    ) -> Result<Self> {
        check(tomogram, labels, view)?;
        check_points(tomogram, labels, job)?;
        let sampling = SlabSampling::new(tomogram, &labels.z, description, view);
        let outputs = description.network.outputs();
        let truth = Truth::new(outputs, labels, view.point_labels.as_ref(), &sampling)?;
        if truth.places.is_empty() {
            let (slices, outputs) = (&labels.z, outputs.join(", "));
            let detail = format!(
                "nothing in the slices {}:{} is what the network's outputs are ({outputs}); there is nothing to \
                 learn from",
                slices.start, slices.end
            );
            return Err(Error::format(format!("labels of {}", tomogram.name()), detail));
        }
        let confidence = match labels.confidence {
            Some(confidence) => confidence.mapv(|c| c.clamp(0.0, 1.0)),
            None => {
                let [_, rows, cols] = tomogram.geometry().shape;
                Array3::ones((labels.z.len(), rows, cols))
            }
        };
        Ok(Self {
            image: sampling.image(tomogram, description, view, job)?,
            truth: truth.planes,
            weight: sampling.weight(&confidence)?,
            labelled: truth.places,
        })
    }

    /// Windows in an epoch of `plan`.
    pub(super) fn windows(&self, plan: &Plan) -> usize {
        let size = self.image.size();
        match (plan.settings.point_labels, plan.description.network.dimensions()) {
            (Some(_), _) => self.labelled.len(),
            (None, 2) => size[1] as usize,
            (None, _) => {
                // The margins on either side teach nothing.
                let slices = (size[1] as usize)
                    .saturating_sub(2 * plan.window[0].saturating_sub(1))
                    .max(1);
                let voxels = slices * (size[2] * size[3]) as usize;
                voxels.div_ceil(plan.window.iter().product::<usize>().max(1))
            }
        }
    }

    /// The slices `z` of `tomogram`, of which nothing is known: they teach nothing before a round of self-training.
    ///
    /// Errors: slices out of range; whatever reading fails with.
    pub fn unlabelled(
        tomogram: &Tomogram,
        z: Range<usize>,
        description: &ModelDescription,
        view: &SlabView,
        job: &Job,
    ) -> Result<Self> {
        let depth = tomogram.geometry().shape[0];
        if z.start >= z.end || z.end > depth {
            let value = format!("{}:{}", z.start, z.end);
            return Err(Error::argument("z", value, &format!("must be slices within 0:{depth}")));
        }
        let sampling = SlabSampling::new(tomogram, &z, description, view);
        let image = sampling.image(tomogram, description, view, job)?;
        let mut size = image.size();
        let weight = image.f_zeros_like()?;
        size[0] = description.network.outputs().len() as i64;
        Ok(Self {
            truth: Tensor::f_zeros(&size, (Kind::Uint8, Device::Cpu))?,
            weight,
            image,
            labelled: Vec::new(),
        })
    }
}

/// Refuses labels that do not fit or teach nothing.
fn check(tomogram: &Tomogram, labels: &SlabLabels, view: &SlabView) -> Result<()> {
    let [depth, rows, cols] = tomogram.geometry().shape;
    let z = labels.z.clone();
    let expected = (z.len(), rows, cols);
    let dim = labels.labels.map_or(expected, |map| map.dim());
    if z.start >= z.end || z.end > depth || dim != expected {
        let value = format!("{dim:?} for slices {}:{}", z.start, z.end);
        let allowed = format!("must be (slices, {rows}, {cols}) with slices within 0:{depth}");
        return Err(Error::argument("labels", value, &allowed));
    }
    let name = || format!("labels of {}", tomogram.name());
    if let Some(confidence) = labels.confidence {
        if confidence.dim() != dim {
            let allowed = format!("must have the labels' shape {dim:?}");
            return Err(Error::argument(
                "confidence",
                format!("{:?}", confidence.dim()),
                &allowed,
            ));
        }
        if confidence.iter().any(|c| c.is_nan()) {
            return Err(Error::argument("confidence", "NaN", "must be 0..=1"));
        }
        if confidence.iter().all(|c| *c <= 0.0) {
            return Err(Error::format(
                name(),
                "no voxel has a confidence above 0; there is nothing to learn from",
            ));
        }
    }
    let Some(map) = labels.labels else { return Ok(()) };
    let highest = map.iter().copied().max().unwrap_or(0);
    if highest <= 0 && view.point_labels.is_none() {
        return Err(Error::format(
            name(),
            "every voxel is ground; there is nothing to learn from",
        ));
    }
    if highest.max(0) as usize > labels.names.len() || map.iter().any(|label| *label < 0) {
        let allowed = format!("must be 0..={}, the labels that have a name", labels.names.len());
        return Err(Error::argument("labels", highest, &allowed));
    }
    Ok(())
}

/// Warns of points outside of the tomogram, or of the labelled slices alone; refuses them where none lies inside.
fn check_points(tomogram: &Tomogram, labels: &SlabLabels, job: &Job) -> Result<()> {
    let (points, z) = (labels.points, &labels.z);
    let source = format!("points of {}", tomogram.name());
    if let Some(warning) = check_inside(points.iter(), tomogram.geometry().shape, &source)? {
        job.logger().warn("train", &format!("{source}: {warning}"));
    }
    let slices = z.start as f64 - 0.5..z.end as f64 - 0.5;
    if !points.is_empty() && !points.iter().any(|point| slices.contains(&point.position[0])) {
        let text = format!(
            "{source}: none of {} lies in the slices {}:{}",
            points.len(),
            z.start,
            z.end
        );
        job.logger().warn("train", &text);
    }
    Ok(())
}
