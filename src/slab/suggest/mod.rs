//! Slabs worth looking at: where along z a tomogram holds most structure, seen without any model.
//!
//! A slice is rich where the local contrast at the scales of membranes and molecules exceeds what the noise alone shows
//! there. `layers` reads the tomogram as thin layers of coarse pixels in bounded memory, `structure` measures how much
//! of each layer is structure, and this file joins layers to slabs.

mod layers;
mod structure;

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::layers::LayerReader;
use self::structure::{ContrastBands, StructureScale};
use super::voxel::fallback;
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::{finite, Settings};
use crate::volume::Tomogram;

/// Slices of a suggested slab unless the host says otherwise: the slab paper's.
const THICKNESS: usize = 20;

/// Voxels read at most unless the host says otherwise: 4 GiB as float32.
const MAX_VOXELS: u64 = 1 << 30;

/// What slabs to look for, and how much to read for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuggestOptions {
    /// Slices of a slab, at most the tomogram's; null: 20, or all of a thinner tomogram.
    #[schemars(range(min = 1))]
    pub thickness: Option<usize>,
    /// Voxel edge in nm; null: the file's.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub voxel_nm: Option<f64>,
    /// Voxels that may be read. Of a larger tomogram, first fewer slices of every layer (4 nm) are read, then only
    /// every second, third ... layer; 16 layers are looked at in any case.
    pub max_voxels: u64,
}

impl Default for SuggestOptions {
    fn default() -> Self {
        Self {
            thickness: None,
            voxel_nm: None,
            max_voxels: MAX_VOXELS,
        }
    }
}

impl Settings for SuggestOptions {
    const FAMILY: &'static str = "suggest";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn validate_together(&self) -> Result<()> {
        finite("voxel_nm", self.voxel_nm)
    }
}

/// A slab and how much structure it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct SuggestedSlab {
    /// Its slices.
    pub z: Range<usize>,
    /// Mean of [`Suggestions::profile`] over its slices.
    pub score: f64,
}

/// The richest slabs of a tomogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestions {
    /// Slabs that do not overlap, the best first. Slabs with voxels that are not finite, which cannot be segmented,
    /// come after all others.
    pub slabs: Vec<SuggestedSlab>,
    /// Structure of every slice of the tomogram: about 0 where there is only noise, 1 where every place certainly holds
    /// structure at every scale. Comparable within one tomogram.
    pub profile: Vec<f64>,
}

/// The `count` slabs of `tomogram` that hold most structure; fewer where fewer fit beside each other. Contrast counts
/// alike dark and bright. Same tomogram and options: same answer.
///
/// Memory: one slice, or 64 MiB of slices where they are small, and the coarse layer. Time: that of reading, see
/// [`SuggestOptions::max_voxels`]; files whose sections are not z slices are read once per layer.
///
/// # Errors
/// [`Error::InvalidArgument`] by name, [`Error::Format`] where no two finite voxels differ, cancel, and those of
/// reading.
pub fn suggest_slabs(tomogram: &Tomogram, options: &SuggestOptions, count: usize, job: &Job) -> Result<Suggestions> {
    let depth = tomogram.geometry().shape[0];
    options.validate()?;
    let thickness = options.thickness.unwrap_or(THICKNESS.min(depth));
    if !(1..=depth).contains(&thickness) {
        return Err(Error::argument(
            "thickness",
            thickness,
            &format!("must be 1..={depth}, the tomogram's slices"),
        ));
    }
    if count == 0 {
        return Err(Error::argument("count", count, "must be at least 1"));
    }
    let voxel_nm = voxel(tomogram, options, job);

    job.enter(Stage::Read)?;
    let reader = LayerReader::new(tomogram, voxel_nm, options.max_voxels, job)?;
    let bands = ContrastBands::new(reader.shape(), reader.pixel_nm());
    let mut contrast = Vec::with_capacity(reader.len());
    let mut broken = vec![false; depth];
    for index in 0..reader.len() {
        job.enter(Stage::Read)?;
        let layer = reader.read(index, job)?;
        for z in layer.broken {
            broken[z] = true;
        }
        job.enter(Stage::Enhance)?;
        contrast.push(bands.contrast(layer.pixels.view(), job)?);
        job.advance((index + 1) as f64 / reader.len() as f64)?;
    }
    let scale = StructureScale::of(&bands, &contrast, job)?;
    let structure: Vec<f64> = contrast.iter().map(|layer| scale.bits(layer)).collect();
    let places: Vec<f64> = (0..reader.len()).map(|index| reader.place(index)).collect();
    let profile = interpolated(&places, &without_single_peaks(&structure), depth);
    let slabs = richest(&profile, &broken, thickness, count);
    Ok(Suggestions { slabs, profile })
}

/// The host's voxel size in nm, the tomogram's, or, with a warning, a usual one.
fn voxel(tomogram: &Tomogram, options: &SuggestOptions, job: &Job) -> f64 {
    match (options.voxel_nm, tomogram.geometry().voxel_nm()) {
        (Some(given), _) => given,
        (None, Some(known)) => known,
        (None, None) => fallback(job),
    }
}

/// Every value replaced by the median of three neighbours: one damaged layer makes no slab.
fn without_single_peaks(values: &[f64]) -> Vec<f64> {
    let Some(last) = values.len().checked_sub(3) else {
        return values.to_vec();
    };
    (0..values.len())
        .map(|i| {
            let first = i.saturating_sub(1).min(last);
            let mut three = [values[first], values[first + 1], values[first + 2]];
            three.sort_unstable_by(f64::total_cmp);
            three[1]
        })
        .collect()
}

/// `values` at increasing `places`, linearly between them and constant beyond, at 0, 1, ... `count` - 1.
fn interpolated(places: &[f64], values: &[f64], count: usize) -> Vec<f64> {
    (0..count)
        .map(|z| {
            let z = z as f64;
            let above = places.partition_point(|place| *place <= z);
            if above == 0 || above == places.len() {
                return values[above.saturating_sub(1)];
            }
            let (low, high) = (places[above - 1], places[above]);
            let share = (z - low) / (high - low);
            values[above - 1] * (1.0 - share) + values[above] * share
        })
        .collect()
}

/// The best window of `thickness` slices, then the best that leaves it alone, and so on. Of equal windows the one
/// nearest the middle, then the lower one.
fn richest(profile: &[f64], broken: &[bool], thickness: usize, count: usize) -> Vec<SuggestedSlab> {
    let depth = profile.len();
    let windows: Vec<(bool, f64, usize)> = (0..=depth - thickness)
        .map(|first| {
            let slices = first..first + thickness;
            let score = profile[slices.clone()].iter().sum::<f64>() / thickness as f64;
            (broken[slices].contains(&true), score, first)
        })
        .collect();
    let off_centre = |first: usize| (2 * first + thickness).abs_diff(depth);
    let mut slabs: Vec<SuggestedSlab> = Vec::new();
    while slabs.len() < count {
        let free = windows.iter().filter(|(_, _, first)| {
            let apart = |slab: &SuggestedSlab| first + thickness <= slab.z.start || slab.z.end <= *first;
            slabs.iter().all(apart)
        });
        let best = free.min_by(|a, b| {
            a.0.cmp(&b.0)
                .then(b.1.total_cmp(&a.1))
                .then(off_centre(a.2).cmp(&off_centre(b.2)))
        });
        match best {
            Some(&(_, score, first)) => slabs.push(SuggestedSlab {
                z: first..first + thickness,
                score,
            }),
            None => break,
        }
    }
    slabs
}

#[cfg(test)]
mod tests;
