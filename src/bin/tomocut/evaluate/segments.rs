//! Segments of images against labelled truth: pixels of each class once segments are matched to classes.
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use ndarray::Array2;
use serde::Serialize;
use tomocut::metrics::{ClassCount, LabelSet, MeanScores, SegmentFigures, SegmentMatch, SegmentScores};
use tomocut::runtime::Job;
use tomocut::{Error, Result};

use crate::evaluate::pictures;

/// How segments get classes, by the words of the command line.
pub const MATCHES: [(&str, SegmentMatch); 3] = [
    ("global", SegmentMatch::Global),
    ("per-image", SegmentMatch::PerImage),
    ("merged", SegmentMatch::OracleMerged),
];

/// Class of a pixel that counts nowhere.
const UNLABELLED: u32 = u32::MAX;

pub struct SegmentArguments<'a> {
    pub segments: &'a Path,
    pub truth: &'a Path,
    pub rule: SegmentMatch,
    /// Without one, labels are classes and all count.
    pub classes: Option<LabelSet>,
}

/// The field names are those of the JSON.
#[derive(Debug, Serialize)]
pub struct SegmentReport {
    #[serde(rename = "match")]
    pub rule: &'static str,
    pub label_set: Option<&'static str>,
    #[serde(flatten)]
    pub figures: SegmentFigures,
    pub by_class: Vec<ClassReport>,
}

#[derive(Debug, Serialize)]
pub struct ClassReport {
    pub class: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    /// Pixels in the truth, in the segments matched to the class, and in both.
    pub truth: u64,
    pub prediction: u64,
    pub both: u64,
    /// Null where the truth never shows the class.
    pub iou: Option<f64>,
}

/// Scores every truth of the folder. Errors: a truth without segments, sizes that differ, labels that the benchmark
/// does not have, nothing labelled.
pub fn evaluate(a: &SegmentArguments) -> Result<SegmentReport> {
    let job = Job::quiet();
    let mut scores = SegmentScores::new(a.rule, Some(UNLABELLED));
    let truths = pictures::list_labels(a.truth, true_name(a.classes))?;
    if truths.is_empty() {
        let kind = match a.classes {
            Some(LabelSet::Cityscapes27) => "*_gtFine_labelIds.png files",
            _ => ".png, .tif or .mrc files",
        };
        return Err(Error::format(a.truth.display(), format!("holds no {kind}")));
    }
    let segments = pictures::list_labels(a.segments, segments_name)?;
    for (name, path) in &truths {
        let own = segments.get(name).ok_or_else(|| {
            let detail = format!("holds no segments of {name:?}, which has a truth");
            Error::format(a.segments.display(), detail)
        })?;
        let labels = pictures::read_labels(own, &job)?;
        let classes = classes_of(path, &pictures::read_labels(path, &job)?, a.classes)?;
        if labels.dim() != classes.dim() {
            let detail = format!("is {:?} pixels, its truth {:?}", labels.dim(), classes.dim());
            return Err(Error::format(own.display(), detail));
        }
        scores.add(labels.view(), classes.view())?;
    }
    let figures = scores.figures()?;
    Ok(SegmentReport {
        rule: MATCHES
            .iter()
            .find(|(_, rule)| *rule == a.rule)
            .map_or("", |(word, _)| word),
        label_set: a.classes.map(LabelSet::name),
        figures: figures.ok_or_else(|| Error::format(a.truth.display(), "has no labelled pixel"))?,
        by_class: class_reports(scores.classes()?, a.classes),
    })
}

/// The name of the picture that a file of truth is about; None for files that are no truth.
fn true_name(classes: Option<LabelSet>) -> impl Fn(&str) -> Option<String> {
    move |stem| match classes {
        Some(LabelSet::Cityscapes27) => stem.strip_suffix("_gtFine_labelIds").map(str::to_owned),
        _ => Some(pictures::without_added(stem).to_owned()),
    }
}

/// The name of the picture that segments are of; None for the other pictures that `tomocut ncut` writes.
fn segments_name(stem: &str) -> Option<String> {
    let is_other = stem.ends_with("_overlay");
    let name = pictures::without_added(stem);
    (!is_other).then(|| name.strip_suffix("_leftImg8bit").unwrap_or(name).to_owned())
}

fn classes_of(path: &Path, labels: &Array2<u32>, set: Option<LabelSet>) -> Result<Array2<u32>> {
    let Some(set) = set else { return Ok(labels.clone()) };
    let mut known: BTreeMap<u32, u32> = BTreeMap::new();
    for &label in labels {
        if let std::collections::btree_map::Entry::Vacant(entry) = known.entry(label) {
            let class = set.class_of(label).map_err(|e| Error::format(path.display(), e))?;
            entry.insert(class.unwrap_or(UNLABELLED));
        }
    }
    Ok(labels.mapv(|label| known.get(&label).copied().unwrap_or(UNLABELLED)))
}

fn class_reports(classes: BTreeMap<u32, ClassCount>, set: Option<LabelSet>) -> Vec<ClassReport> {
    let report = |(class, count): (u32, ClassCount)| ClassReport {
        class,
        name: set.and_then(|set| set.class_name(class)),
        truth: count.truth,
        prediction: count.prediction,
        both: count.both,
        iou: (count.truth > 0).then(|| count.both as f64 / (count.truth + count.prediction - count.both) as f64),
    };
    classes.into_iter().map(report).collect()
}

/// For the terminal.
pub fn text(report: &SegmentReport) -> String {
    let figures = &report.figures;
    let mut text = format!(
        "{} images, {} classes, segments matched: {}\n{:<24}{:>10}{:>10}{:>10}\n",
        figures.images, figures.classes, report.rule, "", "accuracy", "F1", "IoU"
    );
    let averages = [
        ("mean over classes", &figures.over_classes),
        ("mean over images", &figures.over_images),
        ("mean over pixels", &figures.over_pixels),
    ];
    for (name, MeanScores { accuracy, iou, f1 }) in averages {
        let _ = writeln!(text, "{name:<24}{accuracy:>10.3}{f1:>10.3}{iou:>10.3}");
    }
    text + "The papers' Acc is the accuracy over pixels, their F1 and mIoU are those over classes.\n"
}

/// A line for each class.
pub fn csv(report: &SegmentReport) -> String {
    let mut text = String::from("class,name,truth,prediction,both,iou\n");
    for c in &report.by_class {
        let (name, iou) = (c.name.unwrap_or(""), c.iou.map_or_else(String::new, |v| v.to_string()));
        let _ = writeln!(text, "{},{name},{},{},{},{iou}", c.class, c.truth, c.prediction, c.both);
    }
    text
}
