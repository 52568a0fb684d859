//! Segmentations without names against labelled truth: pixel accuracy, mean IoU and F1 once segments are matched to
//! classes.
use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};

use super::assignment::best_assignment;
use crate::{Error, Result};

/// How segments, which have numbers but no names, get the classes of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentMatch {
    /// One assignment for all images together, one segment number to one class: for numbers that mean the same
    /// everywhere.
    Global,
    /// One assignment per image, one segment to one class, at the most pixels in common: DiffSeg's protocol.
    PerImage,
    /// Each segment of each image becomes the class it has most pixels of; several may become the same one. An upper
    /// bound: it needs the truth, and more segments never lower it.
    OracleMerged,
}

/// Pixels of the images added so far, by class of the truth.
#[derive(Clone, Debug)]
pub struct SegmentScores {
    rule: SegmentMatch,
    ignored: Option<u32>,
    /// (segment, class) -> pixels, for [`SegmentMatch::Global`].
    pooled: BTreeMap<(u32, u32), u64>,
    classes: BTreeMap<u32, ClassCount>,
    pixels: u64,
}

/// Pixels of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCount {
    /// In the truth.
    pub truth: u64,
    /// In the segments that were matched to it.
    pub prediction: u64,
    /// In both.
    pub both: u64,
}

/// Scores over all images; classes that the truth never shows do not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SegmentFigures {
    /// Share of the pixels whose segment was matched to their class, 0..=1.
    pub accuracy: f64,
    /// Mean over classes of both / (truth or prediction), 0..=1.
    pub mean_iou: f64,
    /// Mean over classes of 2 both / (truth + prediction), 0..=1.
    pub mean_f1: f64,
    /// Number of classes in the truth.
    pub classes: usize,
}

impl SegmentScores {
    /// Nothing counted yet. Pixels whose truth is `ignored` count nowhere.
    pub fn new(rule: SegmentMatch, ignored: Option<u32>) -> Self {
        Self {
            rule,
            ignored,
            pooled: BTreeMap::new(),
            classes: BTreeMap::new(),
            pixels: 0,
        }
    }

    /// Adds an image: `segments` and `truth` of one shape.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the shapes differ.
    pub fn add(&mut self, segments: ArrayView2<u32>, truth: ArrayView2<u32>) -> Result<()> {
        if segments.dim() != truth.dim() {
            let allowed = format!("must have the segments' {:?}", segments.dim());
            return Err(Error::argument(
                "truth",
                format!("of shape {:?}", truth.dim()),
                &allowed,
            ));
        }
        let mut common: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        for (&segment, &class) in segments.iter().zip(&truth) {
            if Some(class) != self.ignored {
                *common.entry((segment, class)).or_default() += 1;
            }
        }
        match self.rule {
            SegmentMatch::Global => {
                for (pair, count) in common {
                    *self.pooled.entry(pair).or_default() += count;
                }
            }
            rule => count(&common, rule, &mut self.classes, &mut self.pixels)?,
        }
        Ok(())
    }

    /// Pixels of every class of the truth, and of classes that segments were matched to.
    pub fn classes(&self) -> Result<BTreeMap<u32, ClassCount>> {
        Ok(self.counted()?.0)
    }

    /// The scores; None where nothing was added.
    pub fn figures(&self) -> Result<Option<SegmentFigures>> {
        let (classes, pixels) = self.counted()?;
        let shown: Vec<&ClassCount> = classes.values().filter(|class| class.truth > 0).collect();
        if pixels == 0 || shown.is_empty() {
            return Ok(None);
        }
        let mean = |figure: fn(&ClassCount) -> f64| shown.iter().map(|c| figure(c)).sum::<f64>() / shown.len() as f64;
        let right: u64 = shown.iter().map(|class| class.both).sum();
        Ok(Some(SegmentFigures {
            accuracy: right as f64 / pixels as f64,
            mean_iou: mean(|c| c.both as f64 / (c.truth + c.prediction - c.both) as f64),
            mean_f1: mean(|c| 2.0 * c.both as f64 / (c.truth + c.prediction) as f64),
            classes: shown.len(),
        }))
    }

    fn counted(&self) -> Result<(BTreeMap<u32, ClassCount>, u64)> {
        let (mut classes, mut pixels) = (self.classes.clone(), self.pixels);
        if self.rule == SegmentMatch::Global {
            count(&self.pooled, self.rule, &mut classes, &mut pixels)?;
        }
        Ok((classes, pixels))
    }
}

/// Matches the segments of `common` to its classes and adds the pixels. A segment without a class is wrong everywhere
/// and in no class's prediction.
fn count(
    common: &BTreeMap<(u32, u32), u64>,
    rule: SegmentMatch,
    classes: &mut BTreeMap<u32, ClassCount>,
    pixels: &mut u64,
) -> Result<()> {
    let sorted = |mut numbers: Vec<u32>| {
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    let segments = sorted(common.keys().map(|pair| pair.0).collect());
    let truths = sorted(common.keys().map(|pair| pair.1).collect());
    let place = |list: &[u32], number: u32| list.binary_search(&number).unwrap_or(0);
    let mut weights = Array2::<f64>::zeros((segments.len(), truths.len()));
    for (&(segment, class), &count) in common {
        weights[[place(&segments, segment), place(&truths, class)]] = count as f64;
    }
    let matched: Vec<Option<usize>> = match rule {
        SegmentMatch::OracleMerged => weights.rows().into_iter().map(largest).collect(),
        SegmentMatch::Global | SegmentMatch::PerImage => best_assignment(weights.view())?,
    };
    for (&(segment, class), &count) in common {
        *pixels += count;
        classes.entry(class).or_default().truth += count;
        if let Some(own) = matched[place(&segments, segment)].map(|i| truths[i]) {
            let entry = classes.entry(own).or_default();
            entry.prediction += count;
            if own == class {
                entry.both += count;
            }
        }
    }
    Ok(())
}

/// Place of the largest value, the first of equals.
fn largest(row: ndarray::ArrayView1<f64>) -> Option<usize> {
    let mut best = None;
    for (i, &value) in row.iter().enumerate() {
        if best.is_none_or(|(_, most)| value > most) {
            best = Some((i, value));
        }
    }
    best.map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn score(rule: SegmentMatch, ignored: Option<u32>, images: &[(Array2<u32>, Array2<u32>)]) -> SegmentFigures {
        let mut scores = SegmentScores::new(rule, ignored);
        for (segments, truth) in images {
            scores.add(segments.view(), truth.view()).unwrap();
        }
        scores.figures().unwrap().unwrap()
    }

    #[test]
    fn swapped_numbers_are_perfect_per_image_and_not_globally() {
        let truth = array![[1_u32, 1, 2, 2]];
        let images = [
            (array![[7_u32, 7, 9, 9]], truth.clone()),
            (array![[9_u32, 9, 7, 7]], truth.clone()),
        ];
        for rule in [SegmentMatch::PerImage, SegmentMatch::OracleMerged] {
            let figures = score(rule, None, &images);
            assert_eq!((figures.accuracy, figures.mean_iou, figures.mean_f1), (1.0, 1.0, 1.0));
        }
        let figures = score(SegmentMatch::Global, None, &images);
        assert_eq!((figures.accuracy, figures.classes), (0.5, 2));
        assert!((figures.mean_iou - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_segment_too_many_is_wrong_until_merged() {
        // Class 5 is cut in two: 3 and 1 pixels.
        let images = [(
            array![[0_u32, 0, 0, 1], [2, 2, 2, 2]],
            array![[5_u32, 5, 5, 5], [6, 6, 6, 255]],
        )];
        let figures = score(SegmentMatch::PerImage, None, &images);
        assert_eq!(figures.classes, 3);
        let figures = score(SegmentMatch::PerImage, Some(255), &images);
        assert_eq!((figures.accuracy, figures.classes), (6.0 / 7.0, 2));
        assert!((figures.mean_iou - (0.75 + 1.0) / 2.0).abs() < 1e-12);
        assert!((figures.mean_f1 - (6.0 / 7.0 + 1.0) / 2.0).abs() < 1e-12);
        assert_eq!(score(SegmentMatch::OracleMerged, Some(255), &images).accuracy, 1.0);
    }

    #[test]
    fn nothing_and_misfits() {
        let scores = SegmentScores::new(SegmentMatch::Global, None);
        assert_eq!(scores.figures().unwrap(), None);
        let mut scores = scores;
        assert!(scores
            .add(Array2::zeros((2, 2)).view(), Array2::zeros((2, 3)).view())
            .is_err());
    }
}
