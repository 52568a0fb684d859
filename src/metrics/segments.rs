//! Segmentations without names against labelled truth: pixel accuracy, mean IoU and F1 once segments are matched to
//! classes.
use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};
use serde::Serialize;

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

/// Segments and classes of the images added so far.
#[derive(Clone, Debug)]
pub struct SegmentScores {
    rule: SegmentMatch,
    ignored: Option<u32>,
    images: Vec<Common>,
}

/// (segment, class) -> pixels that they share.
type Common = BTreeMap<(u32, u32), u64>;

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

impl ClassCount {
    /// Accuracy, IoU and F1 of a class that the truth shows.
    fn scores(&self) -> MeanScores {
        let (truth, prediction, both) = (self.truth as f64, self.prediction as f64, self.both as f64);
        MeanScores {
            accuracy: both / truth,
            iou: both / (truth + prediction - both),
            f1: 2.0 * both / (truth + prediction),
        }
    }
}

/// Accuracy (both / truth), IoU (both / (truth or prediction)) and F1 (2 both / (truth + prediction)), each 0..=1, of
/// classes, averaged one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MeanScores {
    /// Share of the pixels of the truth whose segment was matched to their class.
    pub accuracy: f64,
    /// Intersection over union.
    pub iou: f64,
    /// Harmonic mean of precision and recall of pixels.
    pub f1: f64,
}

/// Scores over all images, averaged in three ways; classes that the truth never shows do not count.
///
/// The papers' Acc, F1 and mIoU are `over_pixels.accuracy`, `over_classes.f1` and `over_classes.iou`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SegmentFigures {
    /// Mean over classes, each counted over the pixels of all images.
    pub over_classes: MeanScores,
    /// Mean over images of the mean over the classes that the image's truth shows.
    pub over_images: MeanScores,
    /// Mean over classes weighted by their pixels in the truth: pixel accuracy, frequency weighted IoU and F1.
    pub over_pixels: MeanScores,
    /// Number of classes in the truth.
    pub classes: usize,
    /// Number of images.
    pub images: usize,
}

impl SegmentScores {
    /// Nothing counted yet. Pixels whose truth is `ignored` count nowhere.
    pub fn new(rule: SegmentMatch, ignored: Option<u32>) -> Self {
        Self {
            rule,
            ignored,
            images: Vec::new(),
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
        let mut common = Common::new();
        for (&segment, &class) in segments.iter().zip(&truth) {
            if Some(class) != self.ignored {
                *common.entry((segment, class)).or_default() += 1;
            }
        }
        self.images.push(common);
        Ok(())
    }

    /// Pixels of every class of the truth, and of classes that segments were matched to.
    pub fn classes(&self) -> Result<BTreeMap<u32, ClassCount>> {
        Ok(pooled(&self.counted()?))
    }

    /// The scores; None where no pixel was added.
    pub fn figures(&self) -> Result<Option<SegmentFigures>> {
        let images = self.counted()?;
        let classes = pooled(&images);
        let Some(over_classes) = mean_of(shown(&classes).map(|class| (class.scores(), 1.0))) else {
            return Ok(None);
        };
        let of_image = |image| mean_of(shown(image).map(|class| (class.scores(), 1.0)));
        let by_image = images.iter().filter_map(of_image).map(|scores| (scores, 1.0));
        let by_pixels = shown(&classes).map(|class| (class.scores(), class.truth as f64));
        Ok(Some(SegmentFigures {
            over_classes,
            over_images: mean_of(by_image).unwrap_or_default(),
            over_pixels: mean_of(by_pixels).unwrap_or_default(),
            classes: shown(&classes).count(),
            images: images.len(),
        }))
    }

    /// Pixels of the classes of each image.
    fn counted(&self) -> Result<Vec<BTreeMap<u32, ClassCount>>> {
        if self.rule != SegmentMatch::Global {
            let of_image = |common| Ok(count(common, &matched(common, self.rule)?));
            return self.images.iter().map(of_image).collect();
        }
        let mut all = Common::new();
        for (pair, pixels) in self.images.iter().flatten() {
            *all.entry(*pair).or_default() += pixels;
        }
        let class_of = matched(&all, self.rule)?;
        Ok(self.images.iter().map(|common| count(common, &class_of)).collect())
    }
}

/// Classes that the truth shows.
fn shown(classes: &BTreeMap<u32, ClassCount>) -> impl Iterator<Item = &ClassCount> {
    classes.values().filter(|class| class.truth > 0)
}

/// The counts of all images together.
fn pooled(images: &[BTreeMap<u32, ClassCount>]) -> BTreeMap<u32, ClassCount> {
    let mut all: BTreeMap<u32, ClassCount> = BTreeMap::new();
    for (class, count) in images.iter().flatten() {
        let sum = all.entry(*class).or_default();
        sum.truth += count.truth;
        sum.prediction += count.prediction;
        sum.both += count.both;
    }
    all
}

/// Weighted mean; None of nothing.
fn mean_of(scores: impl Iterator<Item = (MeanScores, f64)>) -> Option<MeanScores> {
    let (mut sum, mut weights) = (MeanScores::default(), 0.0);
    for (score, weight) in scores {
        sum.accuracy += weight * score.accuracy;
        sum.iou += weight * score.iou;
        sum.f1 += weight * score.f1;
        weights += weight;
    }
    (weights > 0.0).then(|| MeanScores {
        accuracy: sum.accuracy / weights,
        iou: sum.iou / weights,
        f1: sum.f1 / weights,
    })
}

/// The class of each segment of `common` that gets one.
fn matched(common: &Common, rule: SegmentMatch) -> Result<BTreeMap<u32, u32>> {
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
    let classes: Vec<Option<usize>> = match rule {
        SegmentMatch::OracleMerged => weights.rows().into_iter().map(largest).collect(),
        SegmentMatch::Global | SegmentMatch::PerImage => best_assignment(weights.view())?,
    };
    let pairs = segments.into_iter().zip(classes);
    Ok(pairs
        .filter_map(|(segment, class)| Some((segment, truths[class?])))
        .collect())
}

/// The pixels of `common` by class. A segment without a class is wrong everywhere and in no class's prediction.
fn count(common: &Common, class_of: &BTreeMap<u32, u32>) -> BTreeMap<u32, ClassCount> {
    let mut classes: BTreeMap<u32, ClassCount> = BTreeMap::new();
    for (&(segment, class), &pixels) in common {
        classes.entry(class).or_default().truth += pixels;
        if let Some(&own) = class_of.get(&segment) {
            let entry = classes.entry(own).or_default();
            entry.prediction += pixels;
            if own == class {
                entry.both += pixels;
            }
        }
    }
    classes
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
            for scores in [figures.over_classes, figures.over_images, figures.over_pixels] {
                assert_eq!((scores.accuracy, scores.iou, scores.f1), (1.0, 1.0, 1.0));
            }
        }
        let figures = score(SegmentMatch::Global, None, &images);
        assert_eq!(
            (figures.over_pixels.accuracy, figures.classes, figures.images),
            (0.5, 2, 2)
        );
        assert!((figures.over_classes.iou - 1.0 / 3.0).abs() < 1e-12);
        // One image is all right, the other all wrong.
        assert_eq!((figures.over_images.iou, figures.over_images.f1), (0.5, 0.5));
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
        assert_eq!((figures.over_pixels.accuracy, figures.classes), (6.0 / 7.0, 2));
        assert!((figures.over_classes.iou - (0.75 + 1.0) / 2.0).abs() < 1e-12);
        assert!((figures.over_classes.f1 - (6.0 / 7.0 + 1.0) / 2.0).abs() < 1e-12);
        let merged = score(SegmentMatch::OracleMerged, Some(255), &images);
        assert_eq!(merged.over_pixels.accuracy, 1.0);
    }

    #[test]
    fn the_three_averages_by_hand() {
        // Class 0 has 6 pixels in two images, all found; class 1 has 2, of which one is found.
        let images = [
            (array![[0_u32, 0, 0, 0]], array![[0_u32, 0, 0, 0]]),
            (array![[0_u32, 0, 0, 1]], array![[0_u32, 0, 1, 1]]),
        ];
        let figures = score(SegmentMatch::Global, None, &images);
        let close = |own: f64, expected: f64| assert!((own - expected).abs() < 1e-12, "{own}, not {expected}");
        close(figures.over_classes.iou, (6.0 / 7.0 + 1.0 / 2.0) / 2.0);
        close(figures.over_classes.accuracy, (1.0 + 0.5) / 2.0);
        close(figures.over_pixels.accuracy, 7.0 / 8.0);
        close(figures.over_pixels.iou, (6.0 * 6.0 / 7.0 + 2.0 * 1.0 / 2.0) / 8.0);
        close(figures.over_images.iou, (1.0 + (2.0 / 3.0 + 1.0 / 2.0) / 2.0) / 2.0);
        close(figures.over_images.f1, (1.0 + (4.0 / 5.0 + 2.0 / 3.0) / 2.0) / 2.0);
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
