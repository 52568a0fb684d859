//! What is read, cut to the slices that are scored.
use std::ops::Range;
use std::path::Path;

use ndarray::{s, Array3, ArrayView3};
use tomocut::runtime::Job;
use tomocut::volume::{Geometry, Tomogram};
use tomocut::{Error, Result};

use crate::evaluate::arguments::SlabArguments;

/// Slices around the slab that the floors' filters see: 4 standard deviations of the widest blur.
const MARGIN: usize = 12;

pub struct Inputs {
    /// Slices of the whole tomogram.
    pub slices: Range<usize>,
    /// Of the tomogram, or of the label volume where there is none.
    pub geometry: Option<Geometry>,
    pub tomogram: Option<Padded>,
    pub labels: Option<Array3<f32>>,
    pub truth: Option<Array3<f32>>,
    pub score: Option<Array3<f32>>,
    pub membrane_score: Option<Array3<f32>>,
    pub molecule_score: Option<Array3<f32>>,
}

/// The slab of the tomogram with a margin.
pub struct Padded {
    pub voxels: Array3<f32>,
    /// Where the slab lies in it.
    pub keep: Range<usize>,
}

impl Padded {
    fn read(tomogram: &Tomogram, slices: &Range<usize>) -> Result<Self> {
        let first = slices.start.saturating_sub(MARGIN);
        let last = slices.end.saturating_add(MARGIN).min(tomogram.geometry().shape[0]);
        Ok(Self {
            voxels: tomogram.read_slices(first..last)?,
            keep: slices.start - first..slices.end - first,
        })
    }

    pub fn slab(&self) -> ArrayView3<'_, f32> {
        self.voxels.slice(s![self.keep.clone(), .., ..])
    }
}

impl Inputs {
    pub fn read(a: &SlabArguments, job: &Job) -> Result<Self> {
        let open = |path: &Option<_>| {
            path.as_deref()
                .map(|p: &Path| Tomogram::open_sized(p, a.voxel_nm, job))
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
                let allowed = "must be given where there is no volume";
                return Err(Error::argument("z", "unknown", allowed));
            }
        };
        if slices.is_empty() {
            let value = format!("{}:{}", slices.start, slices.end);
            return Err(Error::argument("z", value, "must be A:B with A below B"));
        }
        let part = |path: &Option<std::path::PathBuf>, content| {
            let read = |path: &std::path::PathBuf| read_part(path, content, (&slices, start), job);
            path.as_ref().map(read).transpose()
        };
        let inputs = Self {
            geometry: tomogram.as_ref().or(labels.as_ref()).map(|t| t.geometry().clone()),
            tomogram: tomogram.as_ref().map(|t| Padded::read(t, &slices)).transpose()?,
            labels: part(&a.labels, Content::Labels)?,
            truth: part(&a.truth_labels, Content::Labels)?,
            score: part(&a.score, Content::Score)?,
            membrane_score: part(&a.membrane_score, Content::Score)?,
            molecule_score: part(&a.molecule_score, Content::Score)?,
            slices: slices.clone(),
        };
        inputs.check_shapes()?;
        Ok(inputs)
    }

    /// (z, y, x) of the slab, where any volume tells it.
    pub fn shape(&self) -> Option<[usize; 3]> {
        self.named().first().map(|(_, shape)| *shape)
    }

    fn named(&self) -> Vec<(&'static str, [usize; 3])> {
        let shape = |v: ArrayView3<f32>| <[usize; 3]>::from(v.dim());
        let array = |v: &Option<Array3<f32>>| v.as_ref().map(|v| shape(v.view()));
        let all = [
            ("tomogram", self.tomogram.as_ref().map(|t| shape(t.slab()))),
            ("labels", array(&self.labels)),
            ("truth labels", array(&self.truth)),
            ("score", array(&self.score)),
            ("membrane score", array(&self.membrane_score)),
            ("molecule score", array(&self.molecule_score)),
        ];
        all.into_iter()
            .filter_map(|(name, shape)| Some((name, shape?)))
            .collect()
    }

    fn check_shapes(&self) -> Result<()> {
        let all = self.named();
        let Some((first, expected)) = all.first() else {
            return Ok(());
        };
        match all.iter().find(|(_, shape)| shape != expected) {
            None => Ok(()),
            Some((name, shape)) => {
                let allowed = format!("must be that of the {first}, {expected:?}");
                Err(Error::argument(
                    &format!("shape of the {name}"),
                    format!("{shape:?}"),
                    &allowed,
                ))
            }
        }
    }
}

/// What a volume holds.
#[derive(Clone, Copy)]
pub enum Content {
    Labels,
    Score,
}

/// The part of `path` that covers `slices` (of the whole tomogram, whose NZSTART is `start`).
pub fn read_part(
    path: &Path,
    content: Content,
    (slices, start): (&Range<usize>, i64),
    job: &Job,
) -> Result<Array3<f32>> {
    let file = Tomogram::open_again(path, None, job)?;
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
        Some(first) => match content {
            Content::Labels => file.read_labels(first..first + length),
            Content::Score => file.read_slices(first..first + length),
        },
        None => {
            let end = offset + geometry.shape[0] as i64;
            let detail = format!("slices {offset}:{end} do not hold {slices:?}");
            Err(Error::format(path.display(), detail))
        }
    }
}
