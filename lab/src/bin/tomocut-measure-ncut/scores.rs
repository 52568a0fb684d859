//! Means over images.
use ndarray::Array2;
use tomocut::metrics::{SegmentFigures, SegmentMatch, SegmentScores};
use tomocut::Result;

use crate::data_sets::{Sample, IGNORED};

/// Accuracy, F1 and mean IoU, first matched one to one, then merged with the truth's help.
pub type Figures = [f64; 6];

/// Sums over the images of one method.
#[derive(Default)]
pub struct Row {
    images: f64,
    segments: f64,
    seconds: f64,
    own: Figures,
    floor: Option<Figures>,
}

impl Row {
    /// Adds an image: segments of a method, and of the floor where there is one.
    pub fn add(
        &mut self,
        sample: &Sample,
        labels: &Array2<u32>,
        floor: Option<&Array2<u32>>,
        seconds: f64,
    ) -> Result<()> {
        self.images += 1.0;
        self.segments += shown_segments(labels) as f64;
        self.seconds += seconds;
        add(&mut self.own, &figures(sample, labels)?);
        if let Some(floor) = floor {
            add(self.floor.get_or_insert([0.0; 6]), &figures(sample, floor)?);
        }
        Ok(())
    }

    pub fn segments(&self) -> f64 {
        self.segments / self.images
    }

    pub fn seconds(&self) -> f64 {
        self.seconds / self.images
    }

    pub fn own(&self) -> Figures {
        self.own.map(|sum| sum / self.images)
    }

    pub fn floor(&self) -> Option<Figures> {
        self.floor.map(|sums| sums.map(|sum| sum / self.images))
    }
}

fn add(sums: &mut Figures, values: &Figures) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

/// Segments that have pixels.
pub fn shown_segments(labels: &Array2<u32>) -> usize {
    let mut seen: Vec<u32> = labels.iter().copied().collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len()
}

/// Figures of one image, the mean over its truths.
fn figures(sample: &Sample, labels: &Array2<u32>) -> Result<Figures> {
    let mut sums = [0.0; 6];
    for truth in &sample.truths {
        let score = |rule: SegmentMatch| -> Result<Option<SegmentFigures>> {
            let mut scores = SegmentScores::new(rule, Some(IGNORED));
            scores.add(labels.view(), truth.view())?;
            scores.figures()
        };
        let both = [score(SegmentMatch::PerImage)?, score(SegmentMatch::OracleMerged)?];
        let papers = |f: SegmentFigures| [f.over_pixels.accuracy, f.over_classes.f1, f.over_classes.iou];
        let values = both.map(|f| f.map_or([0.0; 3], papers));
        for (sum, value) in sums.iter_mut().zip(values.iter().flatten()) {
            *sum += value / sample.truths.len() as f64;
        }
    }
    Ok(sums)
}
