//! The figures: agreement with the truth, and the floors.
use std::ops::Range;
use std::path::Path;

use ndarray::Array3;
use serde::Serialize;
use tomocut::metrics::{
    auc, blob_peaks, mean_slice_dice, BlurFloor, Detection, FloorScore, MatchRule, Overlap, PointMatch,
};
use tomocut::picks::{read_labelled_csv, PickFormat, PickSet};
use tomocut::runtime::Job;
use tomocut::volume::{Geometry, Tomogram};
use tomocut::{Error, Result};

use crate::arguments::Arguments;

/// Slices around the slab that the floors' filters see: 4 standard deviations of the widest blur.
const MARGIN: usize = 12;

#[derive(Debug, Serialize)]
pub struct Report {
    /// First and one past the last slice of the tomogram that are scored.
    pub z: [usize; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voxels: Option<Voxels>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
}

/// A figure and its floor.
#[derive(Debug, Default, Serialize)]
pub struct Figure {
    pub value: Option<f64>,
    pub floor: Option<f64>,
    /// Standard deviation of the floor's blur in voxels.
    pub floor_sigma: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Voxels {
    pub true_fraction: f64,
    pub predicted_fraction: f64,
    pub foreground_dice: Figure,
    pub foreground_iou: f64,
    pub foreground_slice_dice: f64,
    pub membrane_dice: Option<Figure>,
    pub molecule_dice: Option<Figure>,
    pub score_auc: Figure,
}

#[derive(Debug, Serialize)]
pub struct Points {
    pub match_nm: f64,
    pub truths: usize,
    pub predictions: usize,
    pub prediction: Counts,
    /// The best-scored predictions, as many as there are truths.
    pub prediction_at_truths: Counts,
    /// Laplacian-of-Gaussian peaks, as many as there are predictions and as there are truths.
    pub floor: Option<Counts>,
    pub floor_at_truths: Option<Counts>,
}

#[derive(Debug, Serialize)]
pub struct Counts {
    pub found: usize,
    pub wrong: usize,
    pub missed: usize,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

impl From<Detection> for Counts {
    fn from(d: Detection) -> Self {
        Self {
            found: d.found,
            wrong: d.wrong,
            missed: d.missed,
            precision: d.precision(),
            recall: d.recall(),
            f1: d.f1(),
        }
    }
}

/// A file and the slices of it that are scored.
struct Slab {
    file: Tomogram,
    z: Range<usize>,
}

impl Slab {
    /// The part of `path` that covers `slices` (of the whole tomogram, whose NZSTART is `start`).
    fn open(path: &Path, slices: &Range<usize>, start: i64, job: &Job) -> Result<Self> {
        let file = Tomogram::open(path, job)?;
        let geometry = file.geometry();
        let length = slices.end - slices.start;
        let offset = i64::from(geometry.start[0]) - start;
        // A volume of just the slab's length without NZSTART is taken as the slab.
        let offset = if geometry.shape[0] == length && offset == 0 {
            slices.start as i64
        } else {
            offset
        };
        let first = usize::try_from(slices.start as i64 - offset).ok();
        match first.filter(|first| first + length <= geometry.shape[0]) {
            Some(first) => Ok(Self {
                z: first..first + length,
                file,
            }),
            None => {
                let detail = format!(
                    "slices {offset}:{} do not hold {slices:?}",
                    offset + geometry.shape[0] as i64
                );
                Err(Error::format(path.display(), detail))
            }
        }
    }

    fn read(&self) -> Result<Array3<f32>> {
        self.file.read_slices(self.z.clone())
    }
}

pub fn evaluate(a: &Arguments) -> Result<Report> {
    let job = Job::quiet();
    let open = |path: &Option<_>| {
        path.as_deref()
            .map(|path: &Path| Tomogram::open(path, &job))
            .transpose()
    };
    let tomogram = open(&a.tomogram)?;
    let labels = open(&a.labels)?;
    // Slices are those of the tomogram; without one, those of the truth's volume.
    let whole = match &tomogram {
        Some(tomogram) => Some(tomogram.geometry().clone()),
        None => open(&a.truth_labels)?.map(|truth| truth.geometry().clone()),
    };
    let start = whole.as_ref().map_or(0, |g| i64::from(g.start[0]));
    let slices = match (&labels, &a.z, &whole) {
        (_, Some(z), _) => z.clone(),
        (Some(labels), _, _) => {
            let first = (i64::from(labels.geometry().start[0]) - start).max(0) as usize;
            first..first + labels.geometry().shape[0]
        }
        (_, _, Some(whole)) => 0..whole.shape[0],
        _ => {
            return Err(Error::argument(
                "z",
                "unknown",
                "must be given where there is no volume",
            ))
        }
    };
    let floor_input = tomogram
        .as_ref()
        .map(|tomogram| with_margin(tomogram, &slices))
        .transpose()?;
    let voxels = match (&a.labels, &a.truth_labels) {
        (Some(labels), Some(truth)) => {
            let labels = Slab::open(labels, &slices, start, &job)?.read()?;
            let truth = Slab::open(truth, &slices, start, &job)?.read()?;
            let score = a
                .score
                .as_ref()
                .map(|path| Slab::open(path, &slices, start, &job)?.read())
                .transpose()?;
            Some(score_voxels(a, &labels, &truth, score, floor_input.as_ref(), &job)?)
        }
        _ => None,
    };
    let points = match (&a.points, &a.truth_points) {
        (Some(points), Some(truth)) => {
            let geometry = tomogram.as_ref().or(labels.as_ref()).map(|t| t.geometry().clone());
            let geometry =
                geometry.ok_or_else(|| Error::argument("tomogram", "missing", "must be given for points"))?;
            Some(score_points(
                a,
                (points, truth),
                &geometry,
                &slices,
                floor_input.as_ref(),
                &job,
            )?)
        }
        _ => None,
    };
    Ok(Report {
        z: [slices.start, slices.end],
        voxels,
        points,
    })
}

/// The slab with a margin, and where the slab lies in it.
type FloorInput = (Array3<f32>, Range<usize>);

fn with_margin(tomogram: &Tomogram, slices: &Range<usize>) -> Result<FloorInput> {
    let first = slices.start.saturating_sub(MARGIN);
    let last = slices.end.saturating_add(MARGIN).min(tomogram.geometry().shape[0]);
    let volume = tomogram.read_slices(first..last)?;
    Ok((volume, slices.start - first..slices.end - first))
}

/// Which labels of the truth are membranes, molecules, and neither (proteins in membranes).
struct Classes {
    membrane: Vec<i64>,
    molecule: Vec<i64>,
    unclear: Vec<i64>,
}

fn classes(a: &Arguments) -> Result<Classes> {
    let mut classes = Classes {
        membrane: Vec::new(),
        molecule: Vec::new(),
        unclear: Vec::new(),
    };
    if let Some(path) = &a.label_table {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("reading", path, e))?;
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let [label, class, ..] = fields[..] else { continue };
            let label = label
                .parse()
                .map_err(|_| Error::format(path.display(), format!("{label:?} is no label")))?;
            match class {
                "membrane" => classes.membrane.push(label),
                "particle" => classes.molecule.push(label),
                "background" => {}
                _ => classes.unclear.push(label),
            }
        }
    }
    if let Some(labels) = &a.membrane_labels {
        classes.membrane = labels.clone();
    }
    if let Some(labels) = &a.molecule_labels {
        classes.molecule = labels.clone();
    }
    Ok(classes)
}

fn score_voxels(
    a: &Arguments,
    labels: &Array3<f32>,
    truth: &Array3<f32>,
    score: Option<Array3<f32>>,
    floor_input: Option<&FloorInput>,
    job: &Job,
) -> Result<Voxels> {
    let classes = classes(a)?;
    let is = |volume: &Array3<f32>, wanted: &[i64]| volume.mapv(|v| wanted.contains(&(v as i64)));
    let (predicted, real) = (labels.mapv(|v| v > 0.0), truth.mapv(|v| v > 0.0));
    let foreground = Overlap::of(&predicted, &real, None)?;
    let blur = floor_input
        .map(|(volume, keep)| BlurFloor::new(volume, keep.clone(), !a.bright, job))
        .transpose()?;
    // Proteins within membranes are neither right nor wrong as membrane or as molecule.
    let counted = is(truth, &classes.unclear).mapv(|unclear| !unclear);
    let class_dice = |label: i64, wanted: &[i64]| -> Result<Option<Figure>> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let real = is(truth, wanted);
        let dice = Overlap::of(&is(labels, &[label]), &real, Some(&counted))?.dice();
        let floor = blur.as_ref().map(|blur| blur.dice(&real, Some(&counted))).transpose()?;
        Ok(Some(figure(Some(dice), floor)))
    };
    let both = foreground.truth > 0 && foreground.truth < real.len() as u64;
    let positive: Vec<bool> = real.iter().copied().collect();
    let area = match score {
        Some(score) if both => Some(auc(&score.iter().copied().collect::<Vec<_>>(), &positive)?),
        _ => None,
    };
    let floor_area = blur.as_ref().filter(|_| both).map(|blur| blur.auc(&real)).transpose()?;
    let floor_dice = blur.as_ref().map(|blur| blur.dice(&real, None)).transpose()?;
    Ok(Voxels {
        true_fraction: foreground.truth as f64 / real.len() as f64,
        predicted_fraction: foreground.prediction as f64 / real.len() as f64,
        foreground_dice: figure(Some(foreground.dice()), floor_dice),
        foreground_iou: foreground.iou(),
        foreground_slice_dice: mean_slice_dice(&predicted, &real)?,
        membrane_dice: class_dice(1, &classes.membrane)?,
        molecule_dice: class_dice(2, &classes.molecule)?,
        score_auc: figure(area, floor_area),
    })
}

fn figure(value: Option<f64>, floor: Option<FloorScore>) -> Figure {
    Figure {
        value,
        floor: floor.map(|f| f.value),
        floor_sigma: floor.map(|f| f.sigma),
    }
}

fn score_points(
    a: &Arguments,
    (points, truth): (&Path, &Path),
    geometry: &Geometry,
    slices: &Range<usize>,
    floor_input: Option<&FloorInput>,
    job: &Job,
) -> Result<Points> {
    let name = geometry.voxel_nm();
    let voxel_nm = name.ok_or_else(|| Error::format("tomogram", "its voxel size is unknown"))?;
    let inside = |z: f64| z >= slices.start as f64 - 0.5 && z < slices.end as f64 - 0.5;
    let wanted = |label: i64| {
        a.truth_point_labels
            .as_ref()
            .is_none_or(|labels| labels.contains(&label))
    };
    let truths: Vec<[f64; 3]> = read_labelled_csv(truth)?
        .iter()
        .filter(|row| wanted(row.label) && inside(row.pick.position[0]))
        .map(|row| row.pick.position)
        .collect();
    let mut picks = PickSet::read(points, PickFormat::of(points)?, geometry, "tomogram")?.picks;
    picks.retain(|pick| inside(pick.position[0]));
    picks.sort_by(|a, b| b.score.total_cmp(&a.score));
    let match_nm = a.match_nm.or(a.diameter_nm.map(|d| d / 2.0)).unwrap_or(0.0);
    let rule = MatchRule::Distance(match_nm / voxel_nm);
    let count =
        |positions: &[[f64; 3]]| -> Counts { PointMatch::new(positions, &[], &truths, rule).detection(false).into() };
    let predicted: Vec<[f64; 3]> = picks.iter().map(|p| p.position).collect();
    let most = predicted.len().max(truths.len());
    let diameter = a.diameter_nm.unwrap_or(2.0 * match_nm) / voxel_nm;
    let blobs = floor_input.map(|(volume, keep)| -> Result<Vec<[f64; 3]>> {
        let shift = slices.start as f64 - keep.start as f64;
        let peaks = blob_peaks(volume, keep.clone(), diameter, !a.bright, most, job)?;
        Ok(peaks
            .iter()
            .map(|p| [p.position[0] + shift, p.position[1], p.position[2]])
            .collect())
    });
    let blobs = blobs.transpose()?;
    let first = |positions: &[[f64; 3]], n: usize| count(positions.get(..n).unwrap_or(positions));
    Ok(Points {
        match_nm,
        truths: truths.len(),
        predictions: predicted.len(),
        prediction: count(&predicted),
        prediction_at_truths: first(&predicted, truths.len()),
        floor: blobs.as_ref().map(|blobs| first(blobs, predicted.len())),
        floor_at_truths: blobs.as_ref().map(|blobs| first(blobs, truths.len())),
    })
}
