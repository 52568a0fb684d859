//! Slices whose voxels are far from what the model sees best, brought to voxels that it knows, and the answer brought
//! back.
use std::ops::Range;

use ndarray::{Array3, ArrayView3};

use crate::diffusion::DiffusionModel;
use crate::image::{dark_line_width, percentiles, resample_linear, resample_nearest};
use crate::runtime::{Job, Logger, Result};
use crate::volume::{Geometry, Tomogram};

use super::options::SlabOptions;
use super::pipeline::{segment_as_sampled, SlabSegmentation};
use super::structures::StructureMaps;

/// Most voxels of the model per voxel of the tomogram, along an axis: what was never sampled does not come back.
const MOST_REFINED: f64 = 2.0;

/// Slices around the slab that are brought along, in voxels of the model: what the model and the segmentation network
/// look at.
const HALO: f64 = 24.0;

/// Standard deviation, in nm, of a membrane's dark profile in tomograms: both leaflets and what defocus and missing
/// wedge make of them.
const MEMBRANE_NM: f64 = 2.0;

/// Voxel edge, in nm, that slices of an estimated size are brought to. On 48 single slices of unknown size the model
/// sees membranes best where their profile is two voxels wide.
const BEST_NM: f64 = 1.0;

/// Share of the voxels, those of the likeliest membrane, whose width is read, and of those that are surely none.
const MEMBRANE_SHARE: f64 = 0.04;
const GROUND_SHARE: f64 = 0.6;

/// Least likelihood that the likeliest voxels must exceed for a membrane to be there at all.
const LEAST_LIKELIHOOD: f32 = 0.1;

/// Slices that a voxel size is read from.
const READ_SLICES: usize = 2;

/// Voxel edges, in nm, that are estimated from a membrane: what tomograms have.
const PLAUSIBLE_NM: [f64; 2] = [0.2, 8.0];

/// How a tomogram's voxels meet the model's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoxelMatch {
    /// Voxel edge of the tomogram, in nm.
    pub voxel_nm: f64,
    /// Voxel edge that the model sees, in nm.
    pub model_nm: f64,
}

impl VoxelMatch {
    /// The match of `tomogram` and `model`; None where the settings take the tomogram's voxels as they are.
    /// A voxel size that nobody gave is read from the membranes of the middle of the slices `z`, with a
    /// warning; None where there is no membrane. Errors: as [`super::segment`].
    pub fn of(
        model: &DiffusionModel,
        tomogram: &Tomogram,
        z: &Range<usize>,
        options: &SlabOptions,
        job: &Job,
    ) -> Result<Option<Self>> {
        let Some([low, high]) = options.working_voxel_nm else {
            return Ok(None);
        };
        let known = tomogram.geometry().voxel_nm();
        let (voxel_nm, best_nm) = match known {
            Some(voxel_nm) => (voxel_nm, voxel_nm.clamp(low, high)),
            None => match estimate_voxel_nm(model, tomogram, z, options, job)? {
                Some(voxel_nm) => (voxel_nm, BEST_NM.clamp(low, high)),
                None => return Ok(None),
            },
        };
        if known == Some(best_nm) {
            return Ok(None);
        }
        let model_nm = best_nm.max(voxel_nm / MOST_REFINED);
        let text = format!("voxels of {voxel_nm:.2} nm are shown to the model as {model_nm:.2} nm");
        match (low..=high).contains(&model_nm) {
            true => job.logger().info("slab", &text),
            false => job.logger().warn("slab", &text),
        }
        Ok(Some(Self { voxel_nm, model_nm }))
    }

    /// Voxels of the model per voxel of the tomogram.
    fn factor(&self) -> f64 {
        self.voxel_nm / self.model_nm
    }
}

/// Voxel edge in nm by the width of membranes in the middle of the slices `z`; None, told to the log, where the model
/// sees no membrane there.
fn estimate_voxel_nm(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: &Range<usize>,
    options: &SlabOptions,
    job: &Job,
) -> Result<Option<f64>> {
    let middle = (z.start + z.end) / 2;
    let first = middle.saturating_sub(READ_SLICES / 2).max(z.start);
    let read = first..(first + READ_SLICES).min(z.end);
    let unheard = Job::new(job.cancel_token().clone(), Logger::default());
    let quick = SlabOptions {
        network_membranes: false,
        n_points: Some(1),
        ..options.clone()
    };
    let slab = segment_as_sampled(model, tomogram, read.clone(), &quick, &unheard)?;
    let width = match slab.structures {
        Some(maps) => {
            let sign = if options.bright { -1.0 } else { 1.0 };
            membrane_width((sign * &tomogram.read_slices(read)?).view(), maps.membrane.view())
        }
        None => None,
    };
    let estimate = width
        .map(|pixels| MEMBRANE_NM / pixels)
        .filter(|nm| (PLAUSIBLE_NM[0]..=PLAUSIBLE_NM[1]).contains(nm));
    let text = match (width, estimate) {
        (Some(pixels), Some(nm)) => format!(
            "the file has no voxel size; membranes of {pixels:.1} voxels (standard deviation of their profile) say \
             about {nm:.2} nm, give voxel_nm where it is known"
        ),
        _ => "the file has no voxel size and no membrane to read it from; give voxel_nm".to_owned(),
    };
    job.logger().warn("slab", &text);
    Ok(estimate)
}

/// Standard deviation in pixels of the profile of what the map `membrane` says are membranes in `slices` (dark).
fn membrane_width(slices: ArrayView3<f32>, membrane: ArrayView3<f32>) -> Option<f64> {
    let &[ground, sure] = percentiles(membrane, &[100.0 * GROUND_SHARE, 100.0 * (1.0 - MEMBRANE_SHARE)])?.as_slice()
    else {
        return None;
    };
    if sure < LEAST_LIKELIHOOD {
        return None;
    }
    let (on, off) = (membrane.mapv(|v| v >= sure), membrane.mapv(|v| v <= ground));
    dark_line_width(slices, on.view(), off.view())
}

/// Segments the slices `z` of `tomogram` at the voxel size of `matched`; the answer has the tomogram's own voxels.
/// Memory beside a segmentation's own: the slices and what lies about them at the model's voxels.
///
/// Errors: as [`super::segment`].
pub fn segment_matched(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: Range<usize>,
    matched: &VoxelMatch,
    options: &SlabOptions,
    job: &Job,
) -> Result<SlabSegmentation> {
    let [depth, height, width] = tomogram.geometry().shape;
    let factor = matched.factor();
    let halo = (HALO / factor).ceil() as usize;
    let read = z.start.saturating_sub(halo)..(z.end + halo).min(depth);
    let scaled = |length: usize| ((length as f64 * factor).round() as usize).max(1);
    // A single slice has no depth to scale.
    let slices = if depth == 1 { 1 } else { scaled(read.len()) };
    let step = read.len() as f64 / slices as f64;
    let shape = (scaled(height), scaled(width));
    let of_model = |index: usize| (index as f64 + 0.5) * step - 0.5;
    let of_tomogram = |index: usize| ((index - read.start) as f64 + 0.5) / step - 0.5;

    let depths: Vec<f64> = (0..slices).map(of_model).collect();
    let raw = tomogram.read_slices(read.clone())?;
    let voxels = resample_linear(raw.view(), shape, &depths, || job.check())?;
    drop(raw);
    let geometry = Geometry::new([slices, shape.0, shape.1], 10.0 * matched.model_nm);
    let first = of_tomogram(z.start).floor().max(0.0) as usize;
    let end = (of_tomogram(z.end - 1).ceil() as usize + 1).clamp(first + 1, slices);
    let seen = SlabOptions {
        voxel_nm: None,
        ..options.clone()
    };
    let found = segment_as_sampled(model, &Tomogram::from_array(voxels, geometry)?, first..end, &seen, job)?;

    let depths: Vec<f64> = z.clone().map(|slice| of_tomogram(slice) - first as f64).collect();
    let own = (height, width);
    let map = |map: Array3<f32>| resample_linear(map.view(), own, &depths, || job.check());
    let inside = |position: f64| position >= z.start as f64 - 0.5 && position < z.end as f64 - 0.5;
    let in_plane = [height as f64 / shape.0 as f64, width as f64 / shape.1 as f64];
    let mut points = found.points;
    for point in &mut points {
        let [at, row, col] = point.position;
        let plane = |position: f64, axis: usize| (position + 0.5) * in_plane[axis] - 0.5;
        point.position = [
            (at + 0.5) * step - 0.5 + read.start as f64,
            plane(row, 0),
            plane(col, 1),
        ];
    }
    points.retain(|point| inside(point.position[0]));
    let structures = match found.structures {
        Some(maps) => Some(StructureMaps {
            membrane: map(maps.membrane)?,
            molecule: map(maps.molecule)?,
            filament: map(maps.filament)?,
            centre: map(maps.centre)?,
        }),
        None => None,
    };
    let labels = resample_nearest(found.labels.view(), own, &depths);
    let mut report = found.report;
    report.settings = options.clone();
    report.z = [z.start, z.end];
    report.voxel_nm = matched.voxel_nm;
    report.model_voxel_nm = matched.model_nm;
    report.count_labels(&labels, points.len());
    Ok(SlabSegmentation {
        geometry: tomogram.geometry().slab(z.clone())?,
        z,
        labels,
        score: map(found.score)?,
        structures,
        points,
        report,
    })
}
