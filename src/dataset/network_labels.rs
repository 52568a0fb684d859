//! The labels that the network gave a tomogram, read slice by slice.
use std::ops::Range;
use std::path::Path;

use ndarray::Array3;

use crate::networks::SegmentationModel;
use crate::runtime::{Job, Result};
use crate::volume::{class_label, is_class, Tomogram, CLASS_NAMES, GROUND};

/// Slices that are read at once.
const CHUNK: usize = 8;

/// The labels that the network gave a tomogram.
pub(super) struct NetworkLabels {
    volume: Tomogram,
    /// Names of the labels from 1 on.
    pub classes: Vec<String>,
}

impl NetworkLabels {
    pub fn open(model: &SegmentationModel, file: &Path, job: &Job) -> Result<Self> {
        let outputs = model.network().outputs().iter();
        Ok(Self {
            volume: Tomogram::open_again(file, None, job)?,
            classes: outputs.filter(|output| is_class(output)).cloned().collect(),
        })
    }

    /// Number of slices.
    pub fn depth(&self) -> usize {
        self.volume.geometry().shape[0]
    }

    /// Labels of the slices `z` by the numbers of [`CLASS_NAMES`]; of other classes, numbers beyond.
    pub fn slices(&self, z: Range<usize>) -> Result<Array3<i8>> {
        let number = |label: f32| {
            let class = (label as usize)
                .checked_sub(1)
                .and_then(|index| self.classes.get(index));
            match class.map(|class| class_label(class)) {
                None => GROUND,
                Some(Some(known)) => known,
                Some(None) => (CLASS_NAMES.len() as i8).saturating_add(label as i8),
            }
        };
        Ok(self.volume.read_slices(z)?.mapv(number))
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
        let share = |(index, class): (usize, &String)| {
            let number = match class_label(class) {
                Some(known) => known as usize,
                None => CLASS_NAMES.len() + index + 1,
            };
            (class.clone(), counts.get(number).map_or(0.0, |n| *n as f64 / all))
        };
        Ok(self.classes.iter().enumerate().map(share).collect())
    }
}
