//! Windows of labelled volumes.
use tch::{Device, Kind, Tensor};

use super::self_training::{relabelled, Labels};
use super::{LabelledVolume, Plan};
use crate::networks::SegmentationModel;
use crate::runtime::{Error, Generator, Job, Result};
use crate::train::{Example, ExampleSource, Windows, CERTAIN};

/// Any number of labelled volumes; a window comes from each as often as from any other.
pub struct LabelledVolumes {
    volumes: Vec<LabelledVolume>,
    /// What the volumes came with, once a teacher has labelled them anew.
    given: Option<Vec<Labels>>,
    device: Device,
}

impl LabelledVolumes {
    /// Windows go to `device`; the volumes stay in the host's memory. Errors: no volume with labels.
    pub fn new(volumes: Vec<LabelledVolume>, device: Device) -> Result<Self> {
        if volumes.iter().all(|volume| volume.labelled.is_empty()) {
            return Err(Error::argument("labelled volumes", "none", "must be at least one"));
        }
        Ok(Self {
            volumes,
            given: None,
            device,
        })
    }

    /// What `teacher` says of every volume, mixed with what it came with; nothing is changed yet.
    pub(super) fn relabelled(&self, teacher: &SegmentationModel, plan: &Plan, job: &Job) -> Result<Vec<Labels>> {
        let mut labels = Vec::with_capacity(self.volumes.len());
        for (index, volume) in self.volumes.iter().enumerate() {
            let given = match &self.given {
                Some(given) => given[index].share(),
                None => Labels::of(volume),
            };
            labels.push(relabelled(&volume.image, &given, teacher, plan, job)?);
        }
        Ok(labels)
    }

    /// Labels in the place of the present ones, in the order of the volumes.
    pub(super) fn replace(&mut self, labels: Vec<Labels>) {
        if self.given.is_none() {
            self.given = Some(self.volumes.iter().map(Labels::of).collect());
        }
        for (volume, labels) in self.volumes.iter_mut().zip(labels) {
            labels.put(volume);
        }
    }
}

impl ExampleSource for LabelledVolumes {
    fn advance(&mut self, _: u64, _: &Job) -> Result<()> {
        Ok(())
    }

    fn example(&self, windows: &Windows, gen: &mut Generator) -> Result<Example> {
        let _guard = tch::no_grad_guard();
        let known: Vec<&LabelledVolume> = self.volumes.iter().filter(|v| !v.labelled.is_empty()).collect();
        let Some(volume) = known.get(gen.integer(0, (known.len() as i64 - 1).max(0)) as usize) else {
            return Err(Error::State(
                "no volume has labels: the teacher is sure of nothing".into(),
            ));
        };
        let (_, depth, rows, cols) = volume.image.size4()?;
        let around = match gen.chance(windows.foreground) {
            true => volume.labelled[gen.integer(0, volume.labelled.len() as i64 - 1) as usize],
            false => [depth, rows, cols].map(|n| gen.integer(0, n - 1)),
        };
        let mut parts = [&volume.image, &volume.truth, &volume.weight].map(Tensor::shallow_clone);
        let mut padding = Vec::new();
        for (axis, (&want, have)) in windows.extents.iter().zip([depth, rows, cols]).enumerate() {
            let want = want as i64;
            let shift = match windows.shift {
                Some(most) => {
                    let most = (most as i64).min((want - 1) / 2);
                    want / 2 + gen.integer(-most, most)
                }
                None => gen.integer(0, want - 1),
            };
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
