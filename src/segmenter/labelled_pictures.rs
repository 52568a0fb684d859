//! Pictures as what a training learns from.
use std::path::PathBuf;

use super::pictures::{is_held_out, paired};
use super::{LabelledTraining, LabelledVolume, MaskLevel, PicturePair};
use crate::runtime::{Job, Result};

impl LabelledTraining {
    /// Adds pictures with their masks (a file of the same number in the list), to learn from or, where `held_out`, to
    /// score with. Of those to learn from the settings' validation share is scored with, whole pictures of it, evenly
    /// taken from the list.
    ///
    /// Each is resized to the settings' window. Nothing is added where one of them cannot be read.
    ///
    /// Errors: lists that differ in length; [`crate::runtime::Error::State`] once the run has begun; those of
    /// [`PicturePair::read`] and [`LabelledVolume::of_picture`]; cancel.
    pub fn add_pictures(&mut self, images: &[PathBuf], masks: &[PathBuf], held_out: bool, job: &Job) -> Result<()> {
        let level = self
            .plan
            .settings
            .mask_level
            .as_deref()
            .map(str::parse::<MaskLevel>)
            .transpose()?;
        let mut read = Vec::with_capacity(images.len());
        for (image, mask) in paired(images, masks)? {
            job.check()?;
            read.push(PicturePair::read(image, mask, level.as_ref())?);
        }
        self.add_pairs(&read, held_out)
    }

    /// The same for pictures that are read already.
    pub fn add_pairs(&mut self, pairs: &[PicturePair], held_out: bool) -> Result<()> {
        self.require_no_run()?;
        let [_, rows, cols] = self.plan.window;
        let volumes = pairs
            .iter()
            .map(|pair| LabelledVolume::of_picture(pair, &self.plan.description, (rows, cols)))
            .collect::<Result<Vec<_>>>()?;
        let share = if held_out {
            1.0
        } else {
            self.plan.settings.validation_share
        };
        self.labels.extend(pairs.iter().map(|pair| pair.hash(held_out)));
        for (index, volume) in volumes.into_iter().enumerate() {
            if is_held_out(index, share) {
                self.held_out.push(volume);
                self.counts.1 += 1;
            } else {
                self.learnt.push(volume);
                self.counts.0 += 1;
            }
        }
        self.settle_epochs();
        Ok(())
    }
}
