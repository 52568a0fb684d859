//! Molecules out of a map that need not fit the memory.
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use ndarray::Axis;

use super::map::ProbabilityMap;
use crate::image::SliceComponents;
use crate::picks::{tomogram_name, PeakOptions, PeakSlices, Pick, PickSet};
use crate::predict::objects::{ball_diameter, ball_volume, volume};
use crate::predict::picking_options::{PickMethod, PickingOptions};
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::Settings;
use crate::volume::Tomogram;

/// Least height of a hill of mean pooling: DeepETPicker's.
const LEAST_POOLED: f64 = 0.1;

/// An object of more volume than so many balls of the molecules' diameter is several molecules that touch.
const MOST_BALLS: f64 = 2.0;

/// Shares of the work after which the objects are known, and the hills within them.
const OBJECTS_SHARE: f64 = 0.4;
const HILLS_SHARE: f64 = 0.7;

/// A pass over the map, and which share of the picking it is.
struct Share<'a, 'j>(&'a Job<'j>, Range<f64>);

impl Share<'_, '_> {
    /// Reports that `fraction` of the pass is done.
    fn advance(&self, fraction: f64) -> Result<()> {
        self.0.advance(self.1.start + (self.1.end - self.1.start) * fraction)
    }
}

/// Bytes of a maximum: as found, as a pick, and in the grid of what is kept.
const MAXIMUM_BYTES: u64 = 160;
/// Bytes of a part of an object: its name, its sums, its size.
const PART_BYTES: u64 = 64;

/// Picks molecules in `map`, which is the network's output `output`, best first.
///
/// Positions are voxels of the whole tomogram, whatever part of it the map is; the score is the map's value (peaks),
/// the height of the pooled hill (mean pooling) or the mean probability (objects; of one taken apart, times the hill's
/// height as a share of its highest). Picks near the tomogram's ends are left out, and those near `excluded`, a volume
/// of the tomogram's extents that is not 0 where no molecule should be counted (carbon, contamination).
///
/// Slices are read one after the other; half of `memory` bytes hold them and what is found. The picks depend neither on
/// `memory` nor on how the map is stored, but for its rounding.
///
/// Errors: options out of range; an unknown voxel size; a volume `excluded` of other extents; [`Error::OutOfMemory`]
/// where more than `memory` would be taken, also by thousands of thousands of maxima; cancel; slices that cannot be
/// read.
pub fn find_picks(
    map: &ProbabilityMap,
    output: &str,
    options: &PickingOptions,
    excluded: Option<&Tomogram>,
    memory: u64,
    job: &Job,
) -> Result<PickSet> {
    options.validate()?;
    job.enter(Stage::Points)?;
    let edges = map.voxel_nm("picks")?;
    let method = options.method(output);
    let peaks = PeakOptions {
        diameter: (options.diameter_nm * 3.0 / edges.iter().sum::<f64>()).max(1.0),
        threshold: options.threshold(),
        least: match method {
            PickMethod::Peaks => 0.0,
            PickMethod::MeanPooling | PickMethod::Objects => LEAST_POOLED,
        },
        diameter_nm: options.diameter_nm,
    };
    let mut picks = match method {
        PickMethod::Objects => object_picks(map, options, &peaks, volume(edges)?, memory, job)?,
        method => map_peaks(
            map,
            method == PickMethod::MeanPooling,
            &peaks,
            memory,
            &Share(job, 0.0..1.0),
        )?,
    };
    for pick in &mut picks {
        for (v, first) in pick.position.iter_mut().zip(map.first) {
            *v += first as f64;
        }
    }
    if method == PickMethod::Objects {
        // Of equals the first in scan order.
        picks.sort_by(|a, b| b.score.total_cmp(&a.score));
    }
    let name = options.tomogram.as_deref().unwrap_or_else(|| tomogram_name(map.name));
    let mut set = PickSet::new(picks, map.whole, name);
    set.exclude_border(options.border_nm)?;
    if let Some(excluded) = excluded {
        if excluded.geometry().shape != map.whole.shape {
            let allowed = format!("must be the tomogram's {:?}", map.whole.shape);
            return Err(Error::argument(
                "excluded",
                format!("{:?}", excluded.geometry().shape),
                &allowed,
            ));
        }
        set.exclude_slices(options.exclusion_nm, |z| {
            job.check()?;
            let slice = excluded.read_labels(z..z + 1)?;
            Ok(slice.index_axis(Axis(0), 0).mapv(|v| v != 0.0))
        })?;
    }
    Ok(set)
}

fn map_peaks(
    map: &ProbabilityMap,
    pooling: bool,
    options: &PeakOptions,
    memory: u64,
    work: &Share,
) -> Result<Vec<Pick>> {
    let [nz, ny, nx] = map.shape();
    let needed = (PeakSlices::slices(pooling, options) * ny * nx * 4) as u64;
    if needed > memory / 2 {
        return Err(Error::OutOfMemory(format!(
            "picks of {:.0} voxels in slices of {ny} x {nx} take {} MiB, {} MiB are allowed",
            options.diameter,
            needed >> 19,
            memory >> 20
        )));
    }
    let mut slices = PeakSlices::new((ny, nx), pooling, options, (memory / 4 / MAXIMUM_BYTES) as usize)?;
    for z in map.chunks(memory) {
        for slice in map.slices(z.clone())?.outer_iter() {
            work.0.check()?;
            slices.push(slice)?;
        }
        work.advance(z.end as f64 / nz as f64)?;
    }
    slices.finish()
}

/// Sums over a part of an object.
#[derive(Clone, Copy, Default)]
struct Part {
    /// Of probability, and of probability times z, y, x.
    sums: [f64; 4],
    voxels: u64,
}

impl Part {
    /// Its mean probability.
    fn mean(&self) -> f64 {
        self.sums[0] / self.voxels as f64
    }

    fn add(&mut self, other: &Self) {
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum += more;
        }
        self.voxels += other.voxels;
    }
}

/// Connected objects of a map.
struct Objects {
    /// Sums of each object, at its name; the names between are parts of others.
    sums: Vec<Part>,
    /// The object that each name is a part of.
    roots: Vec<u32>,
    /// The objects at the places that were asked for, 0 where there is ground.
    at_places: Vec<usize>,
}

impl Objects {
    /// Of the voxels of at least `threshold`; names do not depend on `places`, (z, y, x) in order of z.
    fn new(map: &ProbabilityMap, threshold: f32, places: &[[usize; 3]], memory: u64, work: &Share) -> Result<Self> {
        let [nz, ny, nx] = map.shape();
        let mut components = SliceComponents::new(ny, nx, (memory / 4 / PART_BYTES) as usize);
        let mut sums = vec![Part::default()];
        let mut names_at_places = Vec::with_capacity(places.len());
        for z in map.chunks(memory) {
            for (slice, z) in map.slices(z.clone())?.outer_iter().zip(z.clone()) {
                work.0.check()?;
                let names = components.next(slice.iter().map(|p| *p >= threshold))?;
                for ((at, &p), &name) in slice.indexed_iter().zip(names).filter(|(_, name)| **name > 0) {
                    if sums.len() <= name as usize {
                        sums.resize(name as usize + 1, Part::default());
                    }
                    let p = f64::from(p);
                    sums[name as usize].add(&Part {
                        sums: [p, p * z as f64, p * at.0 as f64, p * at.1 as f64],
                        voxels: 1,
                    });
                }
                let here = places[names_at_places.len()..].iter().take_while(|at| at[0] == z);
                names_at_places.extend(here.map(|[_, y, x]| names[y * nx + x]));
            }
            work.advance(z.end as f64 / nz as f64)?;
        }
        let roots = components.roots();
        for name in (1..sums.len()).rev() {
            let root = roots[name] as usize;
            if root != name {
                let part = sums[name];
                sums[root].add(&part);
            }
        }
        let at_places = names_at_places
            .iter()
            .map(|name| roots[*name as usize] as usize)
            .collect();
        Ok(Self { sums, roots, at_places })
    }

    /// Each object with its name, in scan order.
    fn iter(&self) -> impl Iterator<Item = (usize, &Part)> {
        let all = self.sums.iter().enumerate().skip(1);
        all.filter(|(name, _)| self.roots[*name] as usize == *name)
    }
}

/// Objects above the threshold; one of more than [`MOST_BALLS`] balls is the hills of mean pooling in it. They are
/// looked for where there is such an object; where that takes more than `memory`, it stays whole, with a warning.
fn object_picks(
    map: &ProbabilityMap,
    options: &PickingOptions,
    peaks: &PeakOptions,
    voxel_nm3: f64,
    memory: u64,
    job: &Job,
) -> Result<Vec<Pick>> {
    let threshold = options.threshold() as f32;
    let objects = Objects::new(map, threshold, &[], memory, &Share(job, 0.0..OBJECTS_SHARE))?;
    let most_voxels = MOST_BALLS * ball_volume(options.diameter_nm) / voxel_nm3;
    let is_crowd = |part: &Part| part.voxels as f64 > most_voxels;
    let mut hills_of_crowds: BTreeMap<usize, Vec<Pick>> = BTreeMap::new();
    if objects.iter().any(|(_, part)| is_crowd(part)) {
        let mut hills = hills(map, peaks, memory, &Share(job, OBJECTS_SHARE..HILLS_SHARE))?;
        hills.sort_by(|a, b| a.position.partial_cmp(&b.position).unwrap_or(Ordering::Equal));
        let places: Vec<[usize; 3]> = hills.iter().map(|hill| hill.position.map(|v| v as usize)).collect();
        let named = Objects::new(map, threshold, &places, memory, &Share(job, HILLS_SHARE..1.0))?;
        for (root, hill) in named.at_places.into_iter().zip(hills) {
            // A hill on ground has its top in a gap between molecules.
            if root > 0 && is_crowd(&objects.sums[root]) {
                hills_of_crowds.entry(root).or_default().push(hill);
            }
        }
    }
    let volumes = options.volumes();
    let mut picks = Vec::new();
    for (name, part) in objects.iter() {
        let nm3 = part.voxels as f64 * voxel_nm3;
        let hills = hills_of_crowds.get(&name).filter(|hills| hills.len() > 1);
        let molecules = hills.map_or(1, Vec::len);
        if !volumes.keep(nm3 / molecules as f64) {
            continue;
        }
        match hills {
            Some(hills) => {
                // The highest hill is as sure as the object is.
                let highest = hills.iter().map(|hill| hill.score).fold(f64::MIN_POSITIVE, f64::max);
                picks.extend(hills.iter().map(|hill| Pick {
                    score: part.mean() * hill.score / highest,
                    ..*hill
                }));
            }
            None => picks.push(Pick {
                position: [1, 2, 3].map(|k| part.sums[k] / part.sums[0]),
                diameter_nm: ball_diameter(nm3),
                score: part.mean(),
            }),
        }
    }
    Ok(picks)
}

/// The hills of mean pooling; none, with a warning, where they take more than `memory`.
fn hills(map: &ProbabilityMap, peaks: &PeakOptions, memory: u64, work: &Share) -> Result<Vec<Pick>> {
    match map_peaks(map, true, peaks, memory, work) {
        Err(Error::OutOfMemory(detail)) => {
            let text = format!("objects of several molecules that touch are not taken apart: {detail}");
            work.0.logger().warn("picks", &text);
            Ok(Vec::new())
        }
        hills => hills,
    }
}
