//! Macromolecules of known structure: densities from MRC files, turned at random and sampled at the phantom's voxels.
use ndarray::Array3;

use super::canvas::Canvas;
use super::instance::{Instance, InstanceKind, BACKGROUND, MOLECULE};
use super::options::{DensityOptions, PhantomOptions};
use super::rotation::{random_rotation, rotated};
use crate::image::otsu_f32;
use crate::runtime::{Error, Generator, Job, Result};
use crate::volume::Tomogram;

/// Failed placements in a row after which the specimen counts as full.
const PATIENCE: usize = 400;
/// Longest side of a density file in voxels.
const LONGEST_SIDE: usize = 512;
/// Mean density of what lies above the threshold, in units of protein: that of the drawn molecules.
const BODY_DENSITY: f64 = 0.7;
/// Share of the threshold below which density is solvent and not drawn.
const SOLVENT: f32 = 0.1;
/// A voxel is sampled at this many points along each axis at most.
const FINEST_SAMPLING: f64 = 6.0;

/// A density in units of protein, ready to be placed.
pub(super) struct Density {
    /// (z, y, x); solvent is 0.
    values: Array3<f32>,
    /// nm per voxel of `values`.
    voxel: f64,
    /// Level of the label, in units of protein.
    threshold: f32,
    /// Points (z, y, x) in nm from the centre that cover what lies above the threshold, about a phantom voxel apart.
    body: Vec<[f64; 3]>,
    /// Nothing lies further than this from the centre, nm.
    reach: f64,
    diameter: f64,
    copies: Option<usize>,
}

/// Reads the densities that `options` name. Errors: those of reading, an unknown voxel size, a threshold that nothing
/// or everything exceeds.
pub(super) fn load(options: &PhantomOptions, job: &Job) -> Result<Vec<Density>> {
    let load = |(index, density)| Density::load(density, index, options.voxel_nm, job);
    options.densities.iter().enumerate().map(load).collect()
}

impl Density {
    fn load(options: &DensityOptions, index: usize, phantom_voxel: f64, job: &Job) -> Result<Self> {
        let refused = |name: &str, value: String, allowed: &str| {
            Err(Error::argument(&format!("densities[{index}].{name}"), value, allowed))
        };
        let file = Tomogram::open(&options.path, job)?;
        let shape = file.geometry().shape;
        if shape.iter().any(|side| *side > LONGEST_SIDE) {
            let allowed = format!("must have sides of at most {LONGEST_SIDE} voxels");
            return refused("path", format!("a file of {shape:?} voxels"), &allowed);
        }
        let Some(voxel) = options.voxel_nm.or_else(|| file.geometry().voxel_nm()) else {
            let allowed = format!("must be given: {} has no voxel size", options.path.display());
            return refused("voxel_nm", "unknown".to_owned(), &allowed);
        };
        let values = file.read_slices(0..shape[0])?;
        let level = options.threshold.map(|t| t as f32).or_else(|| otsu_f32(values.view()));
        let level = level.unwrap_or(f32::INFINITY);
        Self::new(values, voxel, level, options, phantom_voxel).map_or_else(
            || {
                let allowed = format!("must part molecule from solvent in {}", options.path.display());
                refused("threshold", format!("{level}"), &allowed)
            },
            Ok,
        )
    }

    /// `values` with voxels of `voxel` nm in units of protein, without solvent. None where `level` does not part the
    /// two.
    fn new(
        mut values: Array3<f32>,
        voxel: f64,
        level: f32,
        options: &DensityOptions,
        phantom_voxel: f64,
    ) -> Option<Self> {
        let (depth, height, width) = values.dim();
        let centre = [depth / 2, height / 2, width / 2];
        let from_centre = |at: [usize; 3]| [0, 1, 2].map(|axis| (at[axis] as f64 - centre[axis] as f64) * voxel);
        let solvent = solvent_level(&values, level).filter(|solvent| *solvent < level)?;
        let farthest = options.diameter_nm.map_or(f64::INFINITY, |diameter| diameter / 2.0);
        let (mut inside, mut sum, mut reach) = (Vec::new(), 0.0, 0.0f64);
        for ((z, y, x), value) in values.indexed_iter_mut() {
            let point = from_centre([z, y, x]);
            let distance = length(point);
            let is_body = *value > level;
            *value -= solvent;
            if distance > farthest || *value < SOLVENT * (level - solvent) {
                *value = 0.0;
                continue;
            }
            reach = reach.max(distance);
            if is_body {
                inside.push(([z, y, x], point));
                sum += f64::from(*value);
            }
        }
        if inside.is_empty() {
            return None;
        }
        let scale = (BODY_DENSITY * inside.len() as f64 / sum) as f32;
        values.mapv_inplace(|v| v * scale);
        let middle = [0, 1, 2].map(|a| inside.iter().map(|(_, p)| p[a]).sum::<f64>() / inside.len() as f64);
        let radius = |p: &[f64; 3]| length([p[0] - middle[0], p[1] - middle[1], p[2] - middle[2]]);
        let diameter = 2.0 * inside.iter().map(|(_, p)| radius(p)).fold(0.0, f64::max) + voxel;
        let step = ((phantom_voxel / voxel).round() as usize).max(1);
        let on_grid = |at: &[usize; 3]| at.iter().all(|i| i % step == 0);
        let mut body: Vec<[f64; 3]> = inside.iter().filter(|(at, _)| on_grid(at)).map(|(_, p)| *p).collect();
        if body.is_empty() {
            body.push(middle);
        }
        Some(Self {
            values,
            voxel,
            threshold: (level - solvent) * scale,
            body,
            reach: reach + voxel,
            diameter,
            copies: options.copies,
        })
    }

    /// Trilinear interpolation at `point` (z, y, x), nm from the centre; 0 outside.
    fn at(&self, point: [f64; 3]) -> f32 {
        let shape = self.values.dim();
        let shape = [shape.0, shape.1, shape.2];
        let place = [0, 1, 2].map(|axis| point[axis] / self.voxel + (shape[axis] / 2) as f64);
        let below = place.map(f64::floor);
        let mut sum = 0.0;
        for corner in 0..8usize {
            let (mut index, mut weight) = ([0usize; 3], 1.0);
            for axis in 0..3 {
                let upper = (corner >> axis) & 1;
                let share = place[axis] - below[axis];
                weight *= if upper == 1 { share } else { 1.0 - share };
                // What is below 0 becomes a large number, and outside too.
                index[axis] = (below[axis] as isize + upper as isize) as usize;
            }
            sum += weight * self.values.get(index).map_or(0.0, |v| f64::from(*v));
        }
        sum as f32
    }

    /// Whether the centre is in the ice and the body, a voxel wider, meets nothing labelled.
    fn fits(&self, canvas: &Canvas, centre: [f64; 3], orientation: [f64; 4]) -> bool {
        canvas.voxel_of(centre).is_some()
            && self.body.iter().all(|point| {
                let wider = 1.0 + canvas.voxel / length(*point).max(canvas.voxel);
                let turned = rotated(orientation, *point);
                canvas.is_free([0, 1, 2].map(|a| centre[a] + turned[a]))
                    && canvas.is_free([0, 1, 2].map(|a| centre[a] + wider * turned[a]))
            })
    }

    /// Adds a copy, each voxel the mean over its volume, and labels it. Returns the voxels labelled.
    fn draw(&self, canvas: &mut Canvas, centre: [f64; 3], [w, a, b, c]: [f64; 4]) -> usize {
        let (_, height, width) = canvas.density.dim();
        let reach = self.reach + canvas.voxel;
        let span = |axis: usize, first: usize, end: usize| {
            let from = ((centre[axis] - reach) / canvas.voxel).ceil().max(first as f64) as usize;
            let to = ((centre[axis] + reach) / canvas.voxel).floor().min(end as f64 - 1.0);
            from..if to < 0.0 { 0 } else { to as usize + 1 }
        };
        let spans = [
            span(0, canvas.ice.start, canvas.ice.end),
            span(1, 0, height),
            span(2, 0, width),
        ];
        // As fine as the file.
        let samples = (canvas.voxel / self.voxel).ceil().clamp(1.0, FINEST_SAMPLING) as usize;
        let offset = |k: usize| canvas.voxel * ((k as f64 + 0.5) / samples as f64 - 0.5);
        let mut drawn = Vec::new();
        for z in spans[0].clone() {
            for y in spans[1].clone() {
                for x in spans[2].clone() {
                    let from_centre: [f64; 3] =
                        std::array::from_fn(|axis| [z, y, x][axis] as f64 * canvas.voxel - centre[axis]);
                    if length(from_centre) > reach {
                        continue;
                    }
                    let mut sum = 0.0;
                    for k in 0..samples.pow(3) {
                        let steps = [k / (samples * samples), k / samples % samples, k % samples];
                        let point = [0, 1, 2].map(|axis| from_centre[axis] + offset(steps[axis]));
                        sum += self.at(rotated([w, -a, -b, -c], point));
                    }
                    if sum > 0.0 {
                        drawn.push(([z, y, x], sum / samples.pow(3) as f32));
                    }
                }
            }
        }
        // Voxels coarser than the molecule dilute it; the label then follows its peak.
        let peak = drawn.iter().fold(0f32, |peak, (_, value)| peak.max(*value));
        let threshold = self.threshold.min(0.45 * peak);
        let mut labelled = 0;
        for (at, value) in drawn {
            canvas.density[at] += value;
            if value > threshold && canvas.labels[at] == BACKGROUND {
                canvas.labels[at] = MOLECULE;
                labelled += 1;
            }
        }
        labelled
    }
}

/// Places copies: first the densities with a number of copies, then the others until they fill their part of
/// `crowding`. Returns the share of the ice that is left for the drawn species.
pub(super) fn place(
    canvas: &mut Canvas,
    densities: &[Density],
    options: &PhantomOptions,
    gen: &mut Generator,
    job: &Job,
) -> Result<f64> {
    let place_one = |canvas: &mut Canvas, index: usize, gen: &mut Generator| -> Result<Option<usize>> {
        job.check()?;
        let density = &densities[index];
        let (centre, orientation) = (canvas.point(gen), random_rotation(gen));
        if !density.fits(canvas, centre, orientation) {
            return Ok(None);
        }
        let labelled = density.draw(canvas, centre, orientation);
        canvas.instances.push(Instance {
            kind: InstanceKind::Density,
            species: options.species + 1 + index,
            position: centre.map(|p| p / canvas.voxel),
            orientation,
            diameter_nm: density.diameter,
        });
        Ok(Some(labelled))
    };
    for (index, density) in densities.iter().enumerate() {
        let (mut placed, mut failures) = (0, 0);
        while placed < density.copies.unwrap_or(0) && failures < PATIENCE {
            match place_one(canvas, index, gen)? {
                Some(_) => (placed, failures) = (placed + 1, 0),
                None => failures += 1,
            }
        }
    }
    let free: Vec<usize> = (0..densities.len())
        .filter(|i| densities[*i].copies.is_none())
        .collect();
    if free.is_empty() {
        return Ok(options.crowding);
    }
    let part = free.len() as f64 / (free.len() + options.species) as f64;
    let (_, height, width) = canvas.labels.dim();
    let target = part * options.crowding * (canvas.ice.len() * height * width) as f64;
    let (mut filled, mut failures) = (0usize, 0usize);
    while (filled as f64) < target && failures < PATIENCE {
        let index = free[gen.integer(0, free.len() as i64 - 1) as usize];
        match place_one(canvas, index, gen)? {
            Some(labelled) => (filled, failures) = (filled + labelled, 0),
            None => failures += 1,
        }
    }
    Ok((1.0 - part) * options.crowding)
}

/// Mean of the values up to `level`, the solvent; None where everything exceeds it.
fn solvent_level(values: &Array3<f32>, level: f32) -> Option<f32> {
    let below = values.iter().filter(|v| **v <= level);
    let (sum, count) = below.fold((0.0, 0usize), |(sum, n), v| (sum + f64::from(*v), n + 1));
    (count > 0).then(|| (sum / count as f64) as f32)
}

fn length(v: [f64; 3]) -> f64 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}

#[cfg(test)]
mod tests;
