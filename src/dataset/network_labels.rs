//! The labels that the networks gave a tomogram, read slice by slice.
use std::ops::Range;
use std::path::Path;

use ndarray::Array3;

use crate::networks::SegmentationModel;
use crate::runtime::{Error, Job, Result};
use crate::volume::{class_label, is_class, Tomogram, CLASS_NAMES, GROUND};

/// Slices that are read at once.
const CHUNK: usize = 8;

/// The labels that the networks gave a tomogram, those of a later network over those of an earlier one.
pub(super) struct NetworkLabels {
    layers: Vec<Layer>,
    /// Names of all classes, each once.
    pub classes: Vec<String>,
}

/// The labels of one network.
struct Layer {
    volume: Tomogram,
    /// What each of its labels, from 1 on, is called here.
    numbers: Vec<i8>,
}

impl NetworkLabels {
    /// Of networks with the files of their labels. Errors: none; files that cannot be read.
    pub fn open<'a>(networks: impl IntoIterator<Item = (&'a SegmentationModel, &'a Path)>, job: &Job) -> Result<Self> {
        let mut all = Self {
            layers: Vec::new(),
            classes: Vec::new(),
        };
        for (model, file) in networks {
            let mut numbers = Vec::new();
            for class in model.network().outputs().iter().filter(|output| is_class(output)) {
                if !all.classes.contains(class) {
                    all.classes.push(class.clone());
                }
                numbers.push(all.number(class));
            }
            all.layers.push(Layer {
                volume: Tomogram::open_again(file, None, job)?,
                numbers,
            });
        }
        match all.layers.is_empty() {
            true => Err(Error::Internal("labels of no network".into())),
            false => Ok(all),
        }
    }

    /// The number of a class: that of [`CLASS_NAMES`]; of other classes, one beyond.
    fn number(&self, class: &str) -> i8 {
        let place = self.classes.iter().position(|known| known == class).unwrap_or(0);
        let beyond = (CLASS_NAMES.len() + 1).saturating_add(place).min(i8::MAX as usize) as i8;
        class_label(class).unwrap_or(beyond)
    }

    /// Number of slices.
    pub fn depth(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.volume.geometry().shape[0])
    }

    /// Labels of the slices `z` by the numbers of [`CLASS_NAMES`]; of other classes, numbers beyond.
    pub fn slices(&self, z: Range<usize>) -> Result<Array3<i8>> {
        let mut all: Option<Array3<i8>> = None;
        for layer in &self.layers {
            let number = |label: f32| {
                let place = (label as usize).checked_sub(1);
                place
                    .and_then(|place| layer.numbers.get(place))
                    .copied()
                    .unwrap_or(GROUND)
            };
            let labels = layer.volume.read_slices(z.clone())?.mapv(number);
            match &mut all {
                None => all = Some(labels),
                Some(all) => all.zip_mut_with(&labels, |below, over| {
                    if *over != GROUND {
                        *below = *over;
                    }
                }),
            }
        }
        all.ok_or_else(|| Error::Internal("labels of no network".into()))
    }

    /// Calls `look` with the slices of one chunk after the other.
    pub fn each_chunk(&self, job: &Job, look: &mut dyn FnMut(Range<usize>, Array3<i8>) -> Result<()>) -> Result<()> {
        for first in (0..self.depth()).step_by(CHUNK) {
            job.check()?;
            let z = first..(first + CHUNK).min(self.depth());
            look(z.clone(), self.slices(z)?)?;
        }
        Ok(())
    }

    /// Share of the voxels that has each class, 0..=1.
    pub fn shares(&self, job: &Job) -> Result<Vec<(String, f64)>> {
        let mut counts = [0_u64; 128];
        self.each_chunk(job, &mut |_, labels| {
            for label in &labels {
                counts[(*label).max(0) as usize] += 1;
            }
            Ok(())
        })?;
        let all = counts.iter().sum::<u64>().max(1) as f64;
        let share = |class: &String| {
            let count = counts.get(self.number(class) as usize).copied().unwrap_or(0);
            (class.clone(), count as f64 / all)
        };
        Ok(self.classes.iter().map(share).collect())
    }
}
