//! From the model's own structure maps to labels, score and points.
use ndarray::{Array3, Zip};

use crate::diffusion::Structure;
use crate::image::{label_3d, local_maxima, spread_out, Connectivity};
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
    /// Least nearness at a centre, 0..=1.
    pub least: f32,
}

/// One point for each molecule: the peaks of the nearness to centres that lie on molecules, as far apart as the smallest molecule is
/// wide. Each molecule voxel belongs to the nearest peak of its 26-connected body; a body without a peak counts as one molecule at its
/// centre of mass. Bodies cut by the slab's faces are judged by their largest slice.
///
/// The score is the peak's height (the mean likelihood for bodies without) times the mean likelihood of the molecule's voxels.
pub fn molecule_points(
    maps: &StructureMaps,
    labels: &mut Array3<i8>,
    rules: &CentreRules,
    voxel_nm: f64,
    job: &Job,
) -> Result<Vec<Pick>> {
    let bodies = label_3d(labels.mapv(|l| l == MOLECULE).view(), Connectivity::Full, || {
        job.check()
    })?;
    let peaks: Vec<_> = local_maxima(maps.centre.view(), rules.least)
        .into_iter()
        .filter(|(at, _)| bodies.labels[*at] > 0)
        .collect();
    let peaks = spread_out(peaks, rules.molecule_nm.0 / voxel_nm);
    let mut by_body: Vec<Vec<usize>> = vec![Vec::new(); bodies.areas.len()];
    for (index, (at, _)) in peaks.iter().enumerate() {
        by_body[bodies.labels[*at] as usize - 1].push(index);
    }
    // Molecules 0..peaks have a centre, those after are bodies without.
    let mut molecules: Vec<Molecule> = peaks.iter().map(|(_, height)| Molecule::new(Some(*height))).collect();
    let mut alone = vec![None; bodies.areas.len()];
    for (body, centres) in by_body.iter().enumerate().filter(|(_, centres)| centres.is_empty()) {
        debug_assert!(centres.is_empty());
        alone[body] = Some(molecules.len());
        molecules.push(Molecule::new(None));
    }
    let mut owner = Array3::<u32>::zeros(labels.dim());
    for ((z, y, x), &body) in bodies.labels.indexed_iter().filter(|(_, &body)| body > 0) {
        let body = body as usize - 1;
        let nearest = by_body[body].iter().min_by_key(|&&peak| {
            let ([k, j, i], _) = peaks[peak];
            k.abs_diff(z).pow(2) + j.abs_diff(y).pow(2) + i.abs_diff(x).pow(2)
        });
        let Some(molecule) = nearest.copied().or(alone[body]) else {
            continue;
        };
        molecules[molecule].add([z, y, x], maps.molecule[[z, y, x]]);
        owner[[z, y, x]] = molecule as u32 + 1;
    }
    job.check()?;
    let depth = labels.dim().0;
    let kept: Vec<Option<Pick>> = molecules
        .iter()
        .map(|molecule| molecule.pick(rules, voxel_nm, depth))
        .collect();
    Zip::from(labels).and(&owner).for_each(|label, &owner| {
        if owner > 0 && kept[owner as usize - 1].is_none() {
            *label = 0;
        }
    });
    let mut points: Vec<Pick> = kept.into_iter().flatten().collect();
    points.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(points)
}

/// Voxels that belong to one centre.
struct Molecule {
    height: Option<f32>,
    voxels: usize,
    sum: [f64; 3],
    likelihood: f64,
    /// Voxels per slice, first slice and counts.
    first: usize,
    by_slice: Vec<usize>,
}

impl Molecule {
    fn new(height: Option<f32>) -> Self {
        Self {
            height,
            voxels: 0,
            sum: [0.0; 3],
            likelihood: 0.0,
            first: 0,
            by_slice: Vec::new(),
        }
    }

    /// Voxels come in scan order.
    fn add(&mut self, at: [usize; 3], likelihood: f32) {
        if self.voxels == 0 {
            self.first = at[0];
        }
        self.voxels += 1;
        for (sum, v) in self.sum.iter_mut().zip(at) {
            *sum += v as f64;
        }
        self.likelihood += f64::from(likelihood);
        self.by_slice.resize(at[0] - self.first + 1, 0);
        if let Some(last) = self.by_slice.last_mut() {
            *last += 1;
        }
    }

    fn pick(&self, rules: &CentreRules, voxel_nm: f64, depth: usize) -> Option<Pick> {
        use std::f64::consts::PI;
        let count = self.voxels.max(1) as f64;
        let ball = (6.0 * self.voxels as f64 / PI).cbrt() * voxel_nm;
        let cut = self.first == 0 || self.first + self.by_slice.len() >= depth;
        let disc = 2.0 * (self.by_slice.iter().copied().max()? as f64 / PI).sqrt() * voxel_nm;
        let diameter_nm = if cut { ball.max(disc) } else { ball };
        let (low, high) = rules.molecule_nm;
        if !(low..=high).contains(&diameter_nm) {
            return None;
        }
        let likelihood = self.likelihood / count;
        Some(Pick {
            position: self.sum.map(|sum| sum / count),
            diameter_nm,
            score: self.height.map_or(likelihood, f64::from) * likelihood,
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
        };
        let points = molecule_points(&maps, &mut labels, &rules, 1.0, &Job::quiet()).unwrap();
        let mut at: Vec<[i64; 3]> = points.iter().map(|p| p.position.map(|v| v.round() as i64)).collect();
        at.sort();
        assert_eq!(at, [[12, 12, 10], [12, 12, 22]]);
        assert!(points.iter().all(|p| (p.diameter_nm - 12.4).abs() < 1.0), "{points:?}");
        assert_eq!(labels[[3, 0, 35]], 0, "the speck is too small");
        assert_eq!(labels[[12, 12, 16]], MOLECULE);
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
