//! From the model's own structure maps to labels, score and points.
use ndarray::{Array3, Zip};

use crate::diffusion::Structure;
use crate::image::{gaussian_3d, label_3d, local_maxima, spread_out, Connectivity};
use crate::picks::Pick;
use crate::runtime::{Error, Job, Result};

use super::split::{FILAMENT, MEMBRANE, MOLECULE};

/// Likelihoods of a slab's structures, (z, y, x) each, 0..=1.
#[derive(Clone, Debug)]
pub struct StructureMaps {
    /// Lipid bilayers.
    pub membrane: Array3<f32>,
    /// Macromolecules.
    pub molecule: Array3<f32>,
    /// Filaments.
    pub filament: Array3<f32>,
    /// Nearness to a molecule's centre.
    pub centre: Array3<f32>,
}

impl StructureMaps {
    /// Sorts `maps`, in the order of `structures`, by what they are; a structure that the model does not know is nowhere.
    pub fn new(structures: &[Structure], maps: Vec<Array3<f32>>) -> Result<Self> {
        let shape = maps
            .first()
            .map(|map| map.dim())
            .ok_or_else(|| Error::Internal("no structure maps".into()))?;
        let nowhere = || Array3::zeros(shape);
        let mut sorted = Self {
            membrane: nowhere(),
            molecule: nowhere(),
            filament: nowhere(),
            centre: nowhere(),
        };
        for (structure, map) in structures.iter().zip(maps) {
            match structure {
                Structure::Membrane => sorted.membrane = map,
                Structure::Molecule => sorted.molecule = map,
                Structure::Filament => sorted.filament = map,
                Structure::MoleculeCentre => sorted.centre = map,
            }
        }
        Ok(sorted)
    }

    /// Likelihood of any structure: the structures exclude each other, so theirs add up, to at most 1.
    pub fn foreground(&self) -> Array3<f32> {
        let mut sum = self.membrane.clone();
        Zip::from(&mut sum)
            .and(&self.molecule)
            .and(&self.filament)
            .for_each(|sum, molecule, filament| *sum = (*sum + molecule + filament).min(1.0));
        sum
    }

    /// The likeliest structure of every foreground voxel; of equals membrane before molecule before filament.
    pub fn labels(&self, foreground: &Array3<bool>) -> Array3<i8> {
        let mut labels = Array3::zeros(foreground.dim());
        Zip::from(&mut labels)
            .and(foreground)
            .and(&self.membrane)
            .and(&self.molecule)
            .and(&self.filament)
            .for_each(|label, inside, membrane, molecule, filament| {
                if *inside {
                    *label = if membrane >= molecule && membrane >= filament {
                        MEMBRANE
                    } else if molecule >= filament {
                        MOLECULE
                    } else {
                        FILAMENT
                    };
                }
            });
        labels
    }
}

/// How molecules become points.
#[derive(Clone, Debug, PartialEq)]
pub struct CentreRules {
    /// Bounds on the diameter of the ball of a molecule's volume, in nm.
    pub molecule_nm: (f64, f64),
    /// Least nearness to a centre that is looked at, 0..=1.
    pub least: f32,
    /// The best so many; None: as many as give the largest expected F1.
    pub count: Option<usize>,
}

/// Standard deviation of the blur of the nearness to centres, in diameters of the smallest molecule.
const CENTRE_BLUR: f64 = 0.2;

/// Two peaks are of one molecule where the way between them never falls below this share of the lower one.
const VALLEY: f32 = 0.7;

/// Share of the likelihood at a centre down to which a voxel belongs to its molecule.
const EDGE: f32 = 0.5;

/// One point for each molecule: peaks of the nearness to centres, a little blurred, from the best down, at least as far apart as the
/// smallest molecule is wide and with a valley between them. A molecule is what can be reached from its centre over voxels that are at least half as likely molecule, within the largest
/// molecule's radius, and are no nearer to another centre; where its size does not fit it is dropped. Molecules cut by the slab's faces are judged by
/// their largest section. The score is the peak's height times the molecule's mean likelihood.
///
/// Foreground labelled molecule whose whole 26-connected body is smaller than the smallest molecule loses its label.
pub fn molecule_points(
    maps: &StructureMaps,
    labels: &mut Array3<i8>,
    rules: &CentreRules,
    voxel_nm: f64,
    job: &Job,
) -> Result<Vec<Pick>> {
    remove_specks(labels, rules.molecule_nm.0 / voxel_nm, job)?;
    let smooth = gaussian_3d(maps.centre.view(), CENTRE_BLUR * rules.molecule_nm.0 / voxel_nm, || {
        job.check()
    })?;
    let peaks = spread_out(local_maxima(smooth.view(), rules.least), rules.molecule_nm.0 / voxel_nm);
    let peaks = without_shoulders(&smooth, peaks, rules.molecule_nm.1 / 2.0 / voxel_nm);
    let mut taken = Array3::<bool>::default(labels.dim());
    let mut found = Vec::new();
    let radius = rules.molecule_nm.1 / 2.0 / voxel_nm;
    for &(at, height) in &peaks {
        job.check()?;
        let rivals: Vec<[usize; 3]> = peaks
            .iter()
            .map(|(other, _)| *other)
            .filter(|other| *other != at && squared(*other, at) <= 4.0 * radius * radius)
            .collect();
        let molecule = Molecule::around(&maps.molecule, &mut taken, at, radius, &rivals);
        if let Some(pick) = molecule.pick((at, height), rules, voxel_nm, labels.dim().0) {
            found.push((pick, f64::from(height)));
        }
    }
    let count = rules
        .count
        .unwrap_or_else(|| expected_f1_count(found.iter().map(|(_, height)| *height)));
    let mut points: Vec<Pick> = found.into_iter().map(|(pick, _)| pick).collect();
    points.sort_by(|a, b| b.score.total_cmp(&a.score));
    points.truncate(count);
    Ok(points)
}

/// Drops peaks of which a better one lies within `reach` voxels with no valley between them: domains of one molecule.
fn without_shoulders(map: &Array3<f32>, peaks: Vec<([usize; 3], f32)>, reach: f64) -> Vec<([usize; 3], f32)> {
    let mut kept: Vec<([usize; 3], f32)> = Vec::new();
    for peak in peaks {
        let is_shoulder = |other: &([usize; 3], f32)| {
            squared(peak.0, other.0) <= reach * reach && valley(map, peak.0, other.0) >= VALLEY * peak.1
        };
        if !kept.iter().any(is_shoulder) {
            kept.push(peak);
        }
    }
    kept
}

/// The least value of `map` on the straight way from `a` to `b`, by nearest voxels.
fn valley(map: &Array3<f32>, a: [usize; 3], b: [usize; 3]) -> f32 {
    let steps = (0..3).map(|axis| a[axis].abs_diff(b[axis])).max().unwrap_or(0).max(1);
    let at = |step: usize| {
        let share = step as f64 / steps as f64;
        [0, 1, 2].map(|axis| (a[axis] as f64 + share * (b[axis] as f64 - a[axis] as f64)).round() as usize)
    };
    (0..=steps).map(|step| map[at(step)]).fold(f32::MAX, f32::min)
}

/// How many of the `likelihoods`, best first, give the largest expected F1: 2 sum(taken) / (number taken + sum(all)).
fn expected_f1_count(likelihoods: impl Iterator<Item = f64>) -> usize {
    let mut sorted: Vec<f64> = likelihoods.collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let total: f64 = sorted.iter().sum();
    let (mut inside, mut best, mut count) = (0.0, 0.0, 0);
    for (index, likelihood) in sorted.iter().enumerate() {
        inside += likelihood;
        let expected = 2.0 * inside / ((index + 1) as f64 + total);
        if expected > best {
            (best, count) = (expected, index + 1);
        }
    }
    count
}

/// Takes the label off molecule bodies of less than the volume of a ball of `diameter` voxels.
fn remove_specks(labels: &mut Array3<i8>, diameter: f64, job: &Job) -> Result<()> {
    let bodies = label_3d(labels.mapv(|l| l == MOLECULE).view(), Connectivity::Full, || {
        job.check()
    })?;
    let least = std::f64::consts::PI / 6.0 * diameter.powi(3);
    // A slab may be thinner than the ball: the section of the ball through its middle is as good.
    let section = std::f64::consts::PI / 4.0 * diameter.powi(2) * labels.dim().0 as f64;
    let least = least.min(section);
    labels.zip_mut_with(&bodies.labels, |label, &body| {
        if body > 0 && (bodies.areas[body as usize - 1] as f64) < least {
            *label = 0;
        }
    });
    Ok(())
}

fn squared(a: [usize; 3], b: [usize; 3]) -> f64 {
    (0..3).map(|axis| (a[axis] as f64 - b[axis] as f64).powi(2)).sum()
}

/// Voxels that belong to one centre.
#[derive(Default)]
struct Molecule {
    voxels: usize,
    sum: [f64; 3],
    likelihood: f64,
    /// Voxels of each slice.
    by_slice: std::collections::BTreeMap<usize, usize>,
}

impl Molecule {
    /// The voxels reached from `centre` that are no nearer to one of the `rivals`; they are taken from then on.
    fn around(
        likelihood: &Array3<f32>,
        taken: &mut Array3<bool>,
        centre: [usize; 3],
        radius: f64,
        rivals: &[[usize; 3]],
    ) -> Self {
        let least = EDGE * likelihood[centre];
        let mut molecule = Self::default();
        let mut open = vec![centre];
        while let Some(at) = open.pop() {
            let distance = squared(at, centre);
            let beyond = taken[at] || likelihood[at] < least || distance > radius * radius;
            if beyond || rivals.iter().any(|rival| squared(at, *rival) < distance) {
                continue;
            }
            taken[at] = true;
            molecule.add(at, likelihood[at]);
            for axis in 0..3 {
                if at[axis] > 0 {
                    let mut next = at;
                    next[axis] -= 1;
                    open.push(next);
                }
                if at[axis] + 1 < taken.shape()[axis] {
                    let mut next = at;
                    next[axis] += 1;
                    open.push(next);
                }
            }
        }
        molecule
    }

    fn add(&mut self, at: [usize; 3], likelihood: f32) {
        self.voxels += 1;
        for (sum, v) in self.sum.iter_mut().zip(at) {
            *sum += v as f64;
        }
        self.likelihood += f64::from(likelihood);
        *self.by_slice.entry(at[0]).or_default() += 1;
    }

    fn pick(
        &self,
        (centre, height): ([usize; 3], f32),
        rules: &CentreRules,
        voxel_nm: f64,
        depth: usize,
    ) -> Option<Pick> {
        use std::f64::consts::PI;
        let count = self.voxels.max(1) as f64;
        let ball = (6.0 * self.voxels as f64 / PI).cbrt() * voxel_nm;
        let cut = self.by_slice.contains_key(&0) || self.by_slice.contains_key(&(depth - 1));
        let disc = 2.0 * (self.by_slice.values().copied().max()? as f64 / PI).sqrt() * voxel_nm;
        let diameter_nm = if cut { ball.max(disc) } else { ball };
        let (low, high) = rules.molecule_nm;
        let mut position = self.sum.map(|sum| sum / count);
        if cut {
            // The mean of what the face leaves of it says nothing about where it is.
            position[0] = centre[0] as f64;
        }
        (low..=high).contains(&diameter_nm).then_some(Pick {
            position,
            diameter_nm,
            score: f64::from(height) * self.likelihood / count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two balls that touch, of 12 voxels diameter, with a centre each, and a speck.
    fn scene() -> (StructureMaps, Array3<i8>) {
        let shape = (24, 24, 40);
        let distance = |at: (usize, usize, usize), centre: [f64; 3]| {
            let (z, y, x) = (at.0 as f64, at.1 as f64, at.2 as f64);
            ((z - centre[0]).powi(2) + (y - centre[1]).powi(2) + (x - centre[2]).powi(2)).sqrt()
        };
        let balls = [[12.0, 12.0, 10.0], [12.0, 12.0, 22.0]];
        let nearest = |at| distance(at, balls[0]).min(distance(at, balls[1]));
        let molecule = Array3::from_shape_fn(shape, |at| {
            let speck = at.2 == 35 && at.1 < 2;
            if nearest(at) <= 6.2 || speck {
                0.8
            } else {
                0.01
            }
        });
        let centre = Array3::from_shape_fn(shape, |at| (-0.5 * (nearest(at) / 2.0).powi(2)).exp() as f32);
        let labels = molecule.mapv(|p| if p > 0.5 { MOLECULE } else { 0 });
        let nowhere = Array3::zeros(shape);
        let maps = StructureMaps {
            membrane: nowhere.clone(),
            molecule,
            filament: nowhere,
            centre,
        };
        (maps, labels)
    }

    #[test]
    fn touching_molecules_have_a_point_each_and_specks_none() {
        let (maps, mut labels) = scene();
        let rules = CentreRules {
            molecule_nm: (8.0, 45.0),
            least: 0.2,
            count: None,
        };
        let points = molecule_points(&maps, &mut labels, &rules, 1.0, &Job::quiet()).unwrap();
        assert_eq!(points.len(), 2, "{points:?}");
        for ball in [10.0, 22.0] {
            let near = |p: &&Pick| (p.position[2] - ball).abs() < 1.0 && (p.position[0] - 12.0).abs() < 1.0;
            assert!(points.iter().any(|p| near(&p)), "{points:?}");
        }
        assert_eq!(labels[[3, 0, 35]], 0, "the speck is too small");
        assert_eq!(labels[[12, 12, 16]], MOLECULE);
        let one = CentreRules {
            count: Some(1),
            ..rules
        };
        assert_eq!(
            molecule_points(&maps, &mut labels, &one, 1.0, &Job::quiet())
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn as_many_points_as_promise_the_best_f1() {
        // Two sure ones and a crowd of unlikely ones: 2 x 1.8 / (2 + 2.8) beats taking more.
        let list = [0.9, 0.9].into_iter().chain(std::iter::repeat_n(0.05, 20));
        assert_eq!(expected_f1_count(list), 2);
        assert_eq!(expected_f1_count(std::iter::empty()), 0);
        assert_eq!(expected_f1_count([0.6, 0.5].into_iter()), 2);
    }

    #[test]
    fn every_foreground_voxel_takes_its_likeliest_structure() {
        let one = |v: f32| Array3::from_elem((1, 1, 1), v);
        let maps = StructureMaps::new(
            &[Structure::Filament, Structure::Membrane, Structure::Molecule],
            vec![one(0.3), one(0.4), one(0.6)],
        )
        .unwrap();
        assert_eq!(maps.foreground()[[0, 0, 0]], 1.0);
        assert_eq!(maps.labels(&Array3::from_elem((1, 1, 1), true))[[0, 0, 0]], MOLECULE);
        assert_eq!(maps.labels(&Array3::from_elem((1, 1, 1), false))[[0, 0, 0]], 0);
        assert_eq!(maps.centre[[0, 0, 0]], 0.0);
    }
}
