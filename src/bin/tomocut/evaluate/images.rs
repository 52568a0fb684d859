//! Scores of single pictures against masks: the area under the ROC curve, Dice and IoU of each, and their means.
use std::path::{Path, PathBuf};

use ndarray::Array2;
use tomocut::metrics::{auc, line_strength, Calibration, LINE_SIGMAS};
use tomocut::predict::mask_dice;
use tomocut::runtime::Job;
use tomocut::{Error, Result};

use crate::evaluate::arguments::ImageArguments;
use crate::evaluate::pictures;
use crate::evaluate::report::{Figure, ImageReport, PictureReport, Reliability};
use crate::evaluate::voxels::BINS;

/// The figures, and the pictures to show.
pub struct ImageScores {
    pub report: ImageReport,
    pub shown: Vec<ShownPicture>,
}

pub struct ShownPicture {
    pub name: String,
    pub auc: Option<f64>,
    pub image: Option<Array2<f32>>,
    pub mask: Array2<bool>,
    pub score: Array2<f32>,
}

/// The files of one picture.
struct Files {
    name: String,
    mask: PathBuf,
    score: PathBuf,
    image: Option<PathBuf>,
}

/// Scores every pair; keeps `shown` of them, evenly spaced in the order of their names.
pub fn evaluate(a: &ImageArguments, shown: usize) -> Result<ImageScores> {
    let job = Job::quiet();
    let files = pair(a)?;
    let kept = evenly_spaced(files.len(), shown);
    let mut table = Some(Calibration::new(BINS)?);
    let mut scores = ImageScores {
        report: ImageReport {
            pairs: files.len(),
            mean_auc: Figure::default(),
            mean_dice: Figure::default(),
            mean_iou: Figure::default(),
            dice_of_all: Figure::default(),
            calibration: None,
            pictures: Vec::new(),
        },
        shown: Vec::new(),
    };
    // Predicted and true of all pixels.
    let mut all: (Vec<bool>, Vec<bool>) = Default::default();
    // Per picture: the floor's AUC at each width.
    let mut floors: Vec<Option<[f64; LINE_SIGMAS.len()]>> = Vec::new();
    for (n, files) in files.iter().enumerate() {
        let picture = read(a, files, &job)?;
        let positive: Vec<bool> = picture.mask.iter().copied().collect();
        let values: Vec<f32> = picture.score.iter().copied().collect();
        // A score outside 0..=1 is no probability: no table then.
        if table
            .as_mut()
            .is_some_and(|table| table.add(&values, &positive).is_err())
        {
            table = None;
        }
        let both = positive.contains(&true) && positive.contains(&false);
        let area = both.then(|| auc(&values, &positive)).transpose()?;
        floors.push(match &picture.image {
            Some(image) if both => Some(line_floor(image, &positive, !a.bright)?),
            _ => None,
        });
        let half = pictures::score_threshold(&files.score);
        let predicted: Vec<bool> = values.iter().map(|v| *v > half).collect();
        let dice = mask_dice(predicted.iter().copied(), positive.iter().copied());
        all.0.extend(predicted);
        all.1.extend_from_slice(&positive);
        scores.report.pictures.push(PictureReport {
            name: files.name.clone(),
            true_fraction: positive.iter().filter(|p| **p).count() as f64 / positive.len().max(1) as f64,
            auc: area,
            floor: None,
            dice,
            iou: dice / (2.0 - dice),
        });
        if kept.contains(&n) {
            scores.shown.push(ShownPicture { auc: area, ..picture });
        }
    }
    scores.report.calibration = table.as_ref().and_then(Reliability::of);
    scores.report.mean_auc.value = mean(scores.report.pictures.iter().filter_map(|p| p.auc));
    scores.report.mean_dice.value = mean(scores.report.pictures.iter().map(|p| p.dice));
    scores.report.mean_iou.value = mean(scores.report.pictures.iter().map(|p| p.iou));
    scores.report.dice_of_all.value = Some(mask_dice(all.0, all.1));
    add_floor(&mut scores.report, &floors);
    Ok(scores)
}

/// The width of the filter whose mean is best, for all pictures the same.
fn add_floor(report: &mut ImageReport, floors: &[Option<[f64; LINE_SIGMAS.len()]>]) {
    let at = |k: usize| mean(floors.iter().flatten().map(|f| f[k]));
    let means = (0..LINE_SIGMAS.len()).filter_map(|k| Some((k, at(k)?)));
    // Of equal means the narrowest filter's.
    let best = means.reduce(|best, next| if next.1 > best.1 { next } else { best });
    let Some((best, value)) = best else { return };
    report.mean_auc.floor = Some(value);
    report.mean_auc.floor_sigma = Some(LINE_SIGMAS[best]);
    for (picture, floor) in report.pictures.iter_mut().zip(floors) {
        picture.floor = floor.map(|floor| floor[best]);
    }
}

fn line_floor(image: &Array2<f32>, positive: &[bool], dark: bool) -> Result<[f64; LINE_SIGMAS.len()]> {
    let mut areas = [0.0; LINE_SIGMAS.len()];
    for (area, sigma) in areas.iter_mut().zip(LINE_SIGMAS) {
        let strength: Vec<f32> = line_strength(image.view(), sigma, dark).iter().copied().collect();
        *area = auc(&strength, positive)?;
    }
    Ok(areas)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Numbers of `shown` out of `count` things, each in the middle of its share.
pub fn evenly_spaced(count: usize, shown: usize) -> Vec<usize> {
    let shown = shown.min(count);
    (0..shown).map(|k| (2 * k + 1) * count / (2 * shown)).collect()
}

/// Masks with their scores. A score without a mask is left out; a mask without a score is an error.
fn pair(a: &ImageArguments) -> Result<Vec<Files>> {
    let (masks, scores) = (pictures::list(&a.masks)?, pictures::list(&a.scores)?);
    if masks.is_empty() {
        return Err(Error::format(a.masks.display(), "holds no .png, .tif or .mrc files"));
    }
    let images = a.images.as_deref().map(pictures::list).transpose()?;
    let named = |name: &str, folder: &Path, from: &std::collections::BTreeMap<String, PathBuf>| {
        let missing = || Error::format(folder.display(), format!("holds no picture {name:?}, which has a mask"));
        from.get(name).cloned().ok_or_else(missing)
    };
    let mut all = Vec::new();
    for (name, mask) in masks {
        let image = match (&images, &a.images) {
            (Some(images), Some(folder)) => Some(named(&name, folder, images)?),
            _ => None,
        };
        all.push(Files {
            score: named(&name, &a.scores, &scores)?,
            mask,
            image,
            name,
        });
    }
    Ok(all)
}

fn read(a: &ImageArguments, files: &Files, job: &Job) -> Result<ShownPicture> {
    let above = a.mask_above.unwrap_or_else(|| pictures::mask_threshold(&files.mask));
    let mask = pictures::read(&files.mask, job)?.mapv(|v| v > above);
    let same_shape = |path: &Path| {
        let picture = pictures::read(path, job)?;
        if picture.dim() == mask.dim() {
            return Ok(picture);
        }
        let detail = format!("is {:?} pixels, its mask {:?}", picture.dim(), mask.dim());
        Err(Error::format(path.display(), detail))
    };
    let score = same_shape(&files.score)?;
    let image = files.image.as_deref().map(same_shape).transpose()?;
    Ok(ShownPicture {
        name: files.name.clone(),
        auc: None,
        image,
        mask,
        score,
    })
}
