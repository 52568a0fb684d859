//! Labels out of finished maps of probabilities, at the threshold of the largest expected Dice.
use std::path::Path;

use ndarray::{Array3, Zip};

use crate::image::LikelihoodCounts;
use crate::runtime::{Job, Result};
use crate::volume::{BlockFile, Moments, Tomogram};

/// Slices worked on at a time.
const DEPTH: usize = 8;

/// Writes into `labels`, the volume that `file` is open on and that holds the number of the likeliest class of every
/// voxel, 0 where a voxel is ground: where the `classes` together, maps (z, y, x) of which `certain` is a probability
/// of 1, are not likelier than the threshold of the largest expected Dice of all structure, which is returned. What
/// stands there already may stay: a second call gives the same.
///
/// The sum of the classes is what a voxel's being any of them takes: a voxel is of one class. Errors: what reading and
/// writing fail with; cancel.
pub fn cut_labels(classes: &[Tomogram], certain: f32, (file, labels): (&BlockFile, &Path), job: &Job) -> Result<f32> {
    let labels = Tomogram::open_again(labels, None, job)?;
    let [depth, rows, cols] = labels.geometry().shape;
    let chunks = || (0..depth).step_by(DEPTH).map(|z| z..(z + DEPTH).min(depth));
    let structure = |z: std::ops::Range<usize>| -> Result<Array3<f32>> {
        job.check()?;
        let mut sum = Array3::<f32>::zeros((z.len(), rows, cols));
        for class in classes {
            sum += &class.read_slices(z.clone())?;
        }
        Ok(sum.mapv_into(|p| (p / certain).min(1.0)))
    };
    let mut counts = LikelihoodCounts::default();
    for z in chunks() {
        structure(z)?.iter().for_each(|p| counts.add(*p));
    }
    let threshold = counts.expected_dice_threshold();
    let mut all = Moments::default();
    for z in chunks() {
        let mut block = labels.read_slices(z.clone())?;
        Zip::from(&mut block).and(&structure(z.clone())?).for_each(|label, p| {
            if *p <= threshold {
                *label = 0.0;
            }
        });
        let values: Vec<f32> = block.into_iter().collect();
        all = all.with(file.write([z.start, 0, 0], [z.len(), rows, cols], &values)?);
    }
    file.finish(all)?;
    file.sync()?;
    Ok(threshold)
}
