//! The labelled slices of a tomogram, at the network's voxel size and in its grey scale.
use std::ops::Range;

use ndarray::{s, Array3, ArrayView3};
use tch::{Device, Kind, Tensor};

use crate::networks::{resample, Axis, GreyScale, ModelDescription};
use crate::picks::{check_inside, Pick};
use crate::runtime::{Error, Job, Result};
use crate::settings::hash_bytes;
use crate::tensors::{from_array, to_vec};
use crate::train::{mark_centre, CERTAIN};
use crate::volume::{warn_of_tomogram_contrast, Tomogram, BACKGROUND, CENTRE};

/// Labels of the slices `z` of a tomogram.
pub struct SlabLabels<'a> {
    /// The slices.
    pub z: Range<usize>,
    /// 0 ground, else the label, (z, y, x) of the slices.
    pub labels: ArrayView3<'a, i8>,
    /// Confidence of each label, 0 to leave a voxel out, 0..=1, (z, y, x); None for ones.
    pub confidence: Option<ArrayView3<'a, f32>>,
    /// Molecules, in voxels of the tomogram, for an output "centre".
    pub points: &'a [Pick],
    /// Name of each label from 1 on: "membrane", "molecule", ...
    pub names: &'a [String],
}

impl SlabLabels<'_> {
    /// Content hash of the labels on a tomogram of `shape`.
    pub(super) fn hash(&self, shape: [usize; 3], held_out: bool) -> String {
        let Self { z, points, names, .. } = self;
        let mut bytes = format!("{shape:?} {held_out} {z:?} {names:?} {points:?}").into_bytes();
        bytes.extend(self.labels.iter().map(|label| *label as u8));
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
}

impl Default for SlabView {
    fn default() -> Self {
        Self {
            margin: 0,
            bright: false,
            voxel_nm: None,
            rescale: true,
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
    /// Voxels that carry a label.
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
        check(tomogram, labels)?;
        check_points(tomogram, labels, job)?;
        let sampling = Sampling::new(tomogram, &labels.z, description, view);
        let image = sampling.image(tomogram, description, view, job)?;
        let mut planes = Vec::new();
        for name in description.network.outputs() {
            planes.push(sampling.plane(name, labels)?);
        }
        let confidence = match labels.confidence {
            Some(confidence) => confidence.mapv(|c| c.clamp(0.0, 1.0)),
            None => Array3::ones(labels.labels.dim()),
        };
        let weight = sampling.weight(&confidence)?;
        let any = sampling.labels(labels.labels.mapv(|label| f32::from(u8::from(label > 0))))?;
        Ok(Self {
            labelled: found_in(&any)?,
            image,
            truth: Tensor::f_stack(&planes, 0)?,
            weight,
        })
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
        let sampling = Sampling::new(tomogram, &z, description, view);
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
fn check(tomogram: &Tomogram, labels: &SlabLabels) -> Result<()> {
    let [depth, rows, cols] = tomogram.geometry().shape;
    let z = labels.z.clone();
    if z.start >= z.end || z.end > depth || labels.labels.dim() != (z.len(), rows, cols) {
        let value = format!("{:?} for slices {}:{}", labels.labels.dim(), z.start, z.end);
        let allowed = format!("must be (slices, {rows}, {cols}) with slices within 0:{depth}");
        return Err(Error::argument("labels", value, &allowed));
    }
    let name = || format!("labels of {}", tomogram.name());
    if let Some(confidence) = labels.confidence {
        if confidence.dim() != labels.labels.dim() {
            let allowed = format!("must have the labels' shape {:?}", labels.labels.dim());
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
    let highest = labels.labels.iter().copied().max().unwrap_or(0);
    if highest <= 0 {
        return Err(Error::format(
            name(),
            "every voxel is ground; there is nothing to learn from",
        ));
    }
    if highest as usize > labels.names.len() || labels.labels.iter().any(|label| *label < 0) {
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

/// From the tomogram's voxels to the network's.
struct Sampling {
    axes: [Axis; 3],
    /// Slices of the tomogram with labels.
    z: Range<usize>,
    /// The same with the margin.
    seen: Range<usize>,
    /// Slices of the network's grid that are made of them.
    window: Range<usize>,
    /// Edge of the network's voxels in nm; 1 where unknown.
    network_nm: f64,
}

impl Sampling {
    fn new(tomogram: &Tomogram, z: &Range<usize>, description: &ModelDescription, view: &SlabView) -> Self {
        let shape = tomogram.geometry().shape;
        let data_nm = view.voxel_nm.or(tomogram.geometry().voxel_nm());
        let network_nm = description.voxel_nm.filter(|_| view.rescale);
        let axes: [Axis; 3] = std::array::from_fn(|axis| match (axis, description.network.dimensions()) {
            // A network of slices takes the slices that there are.
            (0, 2) => Axis::new(shape[0], None, None),
            _ => Axis::new(shape[axis], data_nm, network_nm),
        });
        let margin = (view.margin * shape[0]).div_ceil(axes[0].network);
        let seen = z.start.saturating_sub(margin)..(z.end + margin).min(shape[0]);
        let mut window = axes[0].covered(&seen);
        if window.is_empty() {
            // Fewer slices than one of the network's: the one that they lie in.
            let start = window.start.min(axes[0].network - 1);
            window = start..start + 1;
        }
        let scale = axes[2].data as f64 / axes[2].network as f64;
        Self {
            axes,
            z: z.clone(),
            seen,
            window,
            network_nm: data_nm.unwrap_or(1.0) * scale,
        }
    }

    fn is_equal(&self) -> bool {
        self.axes.iter().all(|axis| axis.is_equal())
    }

    /// `volume` (z, y, x) of the slices `given` at the network's voxels, [z, y, x].
    fn bring(&self, volume: &Array3<f32>, given: &Range<usize>) -> Result<Tensor> {
        let volume = from_array(volume.view())?.f_unsqueeze(0)?;
        let mut matrices = [None, None, None];
        for (axis, matrix) in matrices.iter_mut().enumerate() {
            let sampling = self.axes[axis];
            let (data, window) = match axis {
                0 => (given.clone(), self.window.clone()),
                _ => (0..sampling.data, 0..sampling.network),
            };
            if axis == 0 || !sampling.is_equal() {
                *matrix = Some(sampling.to_network(&data, &window, Device::Cpu)?);
            }
        }
        Ok(resample(&volume, &matrices)?.f_squeeze_dim(0)?.f_contiguous()?)
    }

    /// [1, z, y, x].
    fn image(&self, tomogram: &Tomogram, description: &ModelDescription, view: &SlabView, job: &Job) -> Result<Tensor> {
        warn_of_tomogram_contrast(tomogram, view.bright, job)?;
        let scale = GreyScale::of(tomogram, description.input, view.bright != description.bright, job)?;
        let image = scale.apply(tomogram.read_slices(self.seen.clone())?);
        let image = match self.is_equal() {
            true => from_array(image.view())?,
            false => self.bring(&image, &self.seen)?,
        };
        Ok(image.f_unsqueeze(0)?)
    }

    /// `inside` (z, y, x) of the labelled slices within those that are seen; zero elsewhere.
    fn padded(&self, inside: &Array3<f32>) -> Array3<f32> {
        let (_, rows, cols) = inside.dim();
        let offset = self.z.start - self.seen.start;
        let mut all = Array3::zeros((self.seen.len(), rows, cols));
        all.slice_mut(s![offset..offset + self.z.len(), .., ..]).assign(inside);
        all
    }

    /// Confidences, zero outside the labelled slices, [1, z, y, x].
    fn weight(&self, confidence: &Array3<f32>) -> Result<Tensor> {
        let all = self.padded(confidence);
        let weight = match self.is_equal() {
            true => from_array(all.view())?,
            false => self.bring(&all, &self.seen)?,
        };
        Ok(weight.f_unsqueeze(0)?)
    }

    /// Shares of a label, 0..=1, [z, y, x]: what lies beyond the labelled slices takes no part in them.
    fn labels(&self, share: Array3<f32>) -> Result<Tensor> {
        match self.is_equal() {
            true => from_array(self.padded(&share).view()),
            false => self.bring(&share, &self.z),
        }
    }

    /// Truth of the output `name`, 0 to `CERTAIN`, [z, y, x].
    fn plane(&self, name: &str, labels: &SlabLabels) -> Result<Tensor> {
        let is_label = labels.names.iter().any(|known| known == name);
        if !is_label && name == CENTRE {
            return self.centres(labels.points);
        }
        if !is_label && name != BACKGROUND {
            let known = labels.names.join(", ");
            let allowed = format!("must be centre, background or a label: {known}");
            return Err(Error::argument("output", name, &allowed));
        }
        // Labels of one name are one class.
        let selects = |label: i8| match is_label {
            true => label > 0 && labels.names[label as usize - 1] == name,
            false => label == 0,
        };
        let share = self.labels(labels.labels.mapv(|label| f32::from(u8::from(selects(label)))))?;
        let share = share.f_mul_scalar(f64::from(CERTAIN))?;
        Ok(share.f_round()?.f_to_kind(Kind::Uint8)?)
    }

    /// Gaussians about the points, drawn at the network's voxels, [z, y, x].
    fn centres(&self, points: &[Pick]) -> Result<Tensor> {
        let mut map = Array3::<u8>::zeros((self.window.len(), self.axes[1].network, self.axes[2].network));
        for point in points {
            let mut at: [f64; 3] = std::array::from_fn(|axis| {
                let Axis { data, network } = self.axes[axis];
                (point.position[axis] + 0.5) * network as f64 / data as f64 - 0.5
            });
            at[0] -= self.window.start as f64;
            mark_centre(&mut map, at, point.diameter_nm / self.network_nm);
        }
        from_array(map.view())
    }
}

/// Voxels of `share` [z, y, x] above half of its largest value.
fn found_in(share: &Tensor) -> Result<Vec<[i64; 3]>> {
    let half = 0.5 * share.f_max()?.f_double_value(&[])?;
    let flat: Vec<i64> = to_vec(&share.f_gt(half)?.f_nonzero()?)?;
    Ok(flat.chunks_exact(3).map(|at| [at[0], at[1], at[2]]).collect())
}
