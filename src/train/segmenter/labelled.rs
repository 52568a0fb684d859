//! Tomograms with labels on some of their slices, as windows to learn from.
use std::ops::Range;

use ndarray::{s, Array3, ArrayView3};
use tch::{Device, Kind, Tensor};

use super::{ExampleSource, SegmenterOptions};
use crate::networks::{GreyScale, ModelDescription};
use crate::picks::Pick;
use crate::runtime::{Error, Generator, Job, Result};
use crate::train::matched_volume::{mark_centre, CERTAIN};
use crate::train::Example;
use crate::volume::Tomogram;

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
    /// Name of each label from 1 on: "membrane", "molecule", ...; labels of one name are one class.
    pub names: &'a [String],
}

/// The labelled slices of a tomogram with what lies around them, ready to be cut into windows.
pub struct LabelledVolume {
    /// [1, z, y, x], in the network's grey scale.
    image: Tensor,
    /// [K, z, y, x] uint8, 0 to 250.
    truth: Tensor,
    /// [1, z, y, x], 0 outside the labelled slices.
    weight: Tensor,
    /// Voxels that carry a label.
    labelled: Vec<[i64; 3]>,
}

impl LabelledVolume {
    /// The slices `labels.z` of `tomogram` and `margin` slices on either side, as far as there are, in the grey scale and with the
    /// outputs of `description`; `bright` where structures are brighter than their surroundings.
    ///
    /// Errors: slices out of range, labels of another shape or without a name, an output that the labels cannot teach, labels
    /// that are all ground; whatever reading fails with.
    pub fn new(
        tomogram: &Tomogram,
        labels: &SlabLabels,
        description: &ModelDescription,
        (margin, bright): (usize, bool),
        job: &Job,
    ) -> Result<Self> {
        let [depth, rows, cols] = tomogram.geometry().shape;
        let z = labels.z.clone();
        if z.start >= z.end || z.end > depth || labels.labels.dim() != (z.len(), rows, cols) {
            let found = format!("{:?} for slices {}:{}", labels.labels.dim(), z.start, z.end);
            let allowed = format!("must be (slices, {rows}, {cols}) with slices within 0:{depth}");
            return Err(Error::argument("labels", found, &allowed));
        }
        if let Some(confidence) = labels.confidence.filter(|c| c.dim() != labels.labels.dim()) {
            let allowed = format!("must have the labels' shape {:?}", labels.labels.dim());
            return Err(Error::argument(
                "confidence",
                format!("{:?}", confidence.dim()),
                &allowed,
            ));
        }
        let highest = labels.labels.iter().copied().max().unwrap_or(0);
        if highest <= 0 {
            let detail = "every voxel is ground; there is nothing to learn from";
            return Err(Error::format(format!("labels of {}", tomogram.name()), detail));
        }
        if highest as usize > labels.names.len() || labels.labels.iter().any(|label| *label < 0) {
            let allowed = format!("must be 0..={}, the labels that have a name", labels.names.len());
            return Err(Error::argument("labels", highest, &allowed));
        }
        let seen = z.start.saturating_sub(margin)..(z.end + margin).min(depth);
        let scale = GreyScale::of(tomogram, description.input, bright != description.bright, job)?;
        let image = scale.apply(tomogram.read_slices(seen.clone())?);
        let offset = z.start - seen.start;
        let mut weight = Array3::<f32>::zeros((seen.len(), rows, cols));
        let mut inside = weight.slice_mut(s![offset..offset + z.len(), .., ..]);
        match labels.confidence {
            Some(confidence) => inside.assign(&confidence.mapv(|c| c.clamp(0.0, 1.0))),
            None => inside.fill(1.0),
        }
        let mut planes = Vec::new();
        for name in description.network.outputs() {
            planes.push(tensor(&plane(name, labels, &seen, tomogram)?)?);
        }
        let labelled = labels
            .labels
            .indexed_iter()
            .filter(|(_, label)| **label > 0)
            .map(|((k, y, x), _)| [(k + offset) as i64, y as i64, x as i64])
            .collect();
        Ok(Self {
            image: tensor(&image)?.f_unsqueeze(0)?,
            truth: Tensor::f_stack(&planes, 0)?,
            weight: tensor(&weight)?.f_unsqueeze(0)?,
            labelled,
        })
    }
}

/// Truth of the output `name`, 0 to `CERTAIN`, over the slices `seen`.
fn plane(name: &str, labels: &SlabLabels, seen: &Range<usize>, tomogram: &Tomogram) -> Result<Array3<u8>> {
    let [_, rows, cols] = tomogram.geometry().shape;
    let mut map = Array3::<u8>::zeros((seen.len(), rows, cols));
    let offset = labels.z.start - seen.start;
    let named = |label: i8| label > 0 && labels.names[label as usize - 1] == name;
    let wanted: Box<dyn Fn(i8) -> bool + '_> = match labels.names.iter().any(|known| known == name) {
        true => Box::new(named),
        false if name == "background" => Box::new(|label| label == 0),
        false if name == "centre" => {
            let voxel_nm = tomogram.geometry().voxel_nm().unwrap_or(1.0);
            for point in labels.points {
                let [z, y, x] = point.position;
                mark_centre(&mut map, [z - seen.start as f64, y, x], point.diameter_nm / voxel_nm);
            }
            return Ok(map);
        }
        false => {
            let known = labels.names.join(", ");
            return Err(Error::argument(
                "output",
                name,
                &format!("must be centre, background or a label: {known}"),
            ));
        }
    };
    let mut inside = map.slice_mut(s![offset..offset + labels.z.len(), .., ..]);
    inside.zip_mut_with(&labels.labels, |target, &label| {
        *target = if wanted(label) { CERTAIN } else { 0 };
    });
    Ok(map)
}

fn tensor<T: tch::kind::Element + Copy>(volume: &Array3<T>) -> Result<Tensor> {
    let (z, y, x) = volume.dim();
    let values: Vec<T> = volume.iter().copied().collect();
    Ok(Tensor::f_from_slice(&values)?.f_view([z as i64, y as i64, x as i64])?)
}

/// Any number of labelled volumes; a window comes from each as often as from any other.
pub struct LabelledVolumes {
    volumes: Vec<LabelledVolume>,
    device: Device,
}

impl LabelledVolumes {
    /// Windows go to `device`; the volumes stay in the host's memory. Errors: no volume.
    pub fn new(volumes: Vec<LabelledVolume>, device: Device) -> Result<Self> {
        if volumes.is_empty() {
            return Err(Error::argument("labelled volumes", "none", "must be at least one"));
        }
        Ok(Self { volumes, device })
    }
}

impl ExampleSource for LabelledVolumes {
    fn advance(&mut self, _: u64, _: &Job) -> Result<()> {
        Ok(())
    }

    fn example(&self, options: &SegmenterOptions, gen: &mut Generator) -> Result<Example> {
        let _guard = tch::no_grad_guard();
        let volume = &self.volumes[gen.integer(0, self.volumes.len() as i64 - 1) as usize];
        let (_, depth, rows, cols) = volume.image.size4()?;
        let around = match gen.chance(options.foreground) {
            true => volume.labelled[gen.integer(0, volume.labelled.len() as i64 - 1) as usize],
            false => [depth, rows, cols].map(|n| gen.integer(0, n - 1)),
        };
        let mut parts = [&volume.image, &volume.truth, &volume.weight].map(Tensor::shallow_clone);
        let mut padding = Vec::new();
        for (axis, (&want, have)) in options.window.iter().zip([depth, rows, cols]).enumerate() {
            let want = want as i64;
            let shift = gen.integer(0, want - 1);
            let take = want.min(have);
            // A volume thinner than the window is taken whole.
            let start = (around[axis] - shift).clamp(0, have - take);
            for part in &mut parts {
                *part = part.f_narrow(axis as i64 + 1, start, take)?;
            }
            padding.splice(0..0, [0, want - take]);
        }
        let [image, truth, weight] = parts;
        // What is not there has weight 0.
        let padded = |part: Tensor| -> Result<Tensor> {
            let part = part.f_to_kind(Kind::Float)?;
            let part = if padding.iter().any(|n| *n > 0) {
                part.f_constant_pad_nd(&padding)?
            } else {
                part
            };
            Ok(part.f_to_device(self.device)?)
        };
        Ok(Example {
            image: padded(image)?,
            truth: padded(truth)?.f_mul_scalar(1.0 / f64::from(CERTAIN))?,
            weight: padded(weight)?,
        })
    }
}
